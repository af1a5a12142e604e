"""The archive: issues that went out, their items, and the drawn pictures. All of it read-only."""

import re
from functools import lru_cache

from flask import Blueprint, Response, abort, make_response

from newsletter.content import pattern
from newsletter.issues import reading
from newsletter.web.article import article
from newsletter.web.keeping import kept
from newsletter.web.page import LOCALE, NUMBER, policy, show, state
from newsletter.web.sheet import Way, sheet, subject_path, tale

blueprint = Blueprint("archive", __name__)

PLACE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_PLACE = 250
WITH_TITLES = 12  # issues on the list
PICTURE_AGE = 7 * 24 * 3600  # seconds
PNG_SIZE = 1200, 480  # pixels; shown at half of it in mails


@blueprint.get(f"/{LOCALE}/issues/")
@kept
def issues(locale: str) -> Response:
    """All issues, newest first; the newest ones with the titles of their items."""
    with state().database.read() as session:
        found = reading.published(session)
        newest = [
            (issue, sheet(reading.issue_pieces(session, issue.number, locale)))
            for issue in found[:WITH_TITLES]
        ]
    return show("archive/issues.html", issues=newest, older=found[WITH_TITLES:])


@blueprint.get(f"/{LOCALE}/issues/{NUMBER}")
@kept
def issue(locale: str, number: int) -> Response:
    """The permanent page of an issue."""
    with state().database.read() as session:
        found = reading.published_issue(session, number) or abort(404)
        pieces = reading.issue_pieces(session, number, locale)
        older, newer = reading.neighbours(session, number)
    return show("archive/issue.html", issue=found, sheet=sheet(pieces), older=older, newer=newer)


@blueprint.get(f"/{LOCALE}/issues/{NUMBER}/mail")
@kept
def mail(locale: str, number: int) -> Response:
    """The mail of an issue as it was sent, without anybody's links."""
    with state().database.read() as session:
        reading.published_issue(session, number) or abort(404)
        copy = reading.web_copy(session, state().settings, number, locale)
    response = make_response(copy)
    # A mail carries its styles inline; nothing in it may run or send anything.
    response.content_security_policy = policy(
        {
            "style-src": "'unsafe-inline'",
            "img-src": state().links.base_url,
            "form-action": "'none'",
            "sandbox": "allow-popups allow-popups-to-escape-sandbox",
        }
    )
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@blueprint.get(f"/{LOCALE}/items/<slug>")
@kept
def item(locale: str, slug: str) -> Response:
    """The permanent page of an item, as it was last sent out."""
    if "\0" in slug:
        abort(404)
    with state().database.read() as session:
        told = reading.latest_piece(session, slug, locale) or abort(404)
        written = reading.written_in(session, slug)
        published = reading.issues_with(session, slug)
        where = [
            Way(place.name, subject_path("places", place.key))
            for place in reading.places_of(session, slug, locale)
        ]
    one = tale(told.piece)
    return show(
        "archive/item.html",
        story=one,
        where=where,
        issues=published,
        original=told.piece.language,
        written=written,
        article=article(one, told, state().settings),
    )


@blueprint.get("/patterns/<place>.<any(svg, png):kind>")
def picture(place: str, kind: str) -> Response:
    """The drawn picture of a place, always the same; SVG for pages, PNG for mails."""
    if len(place) > LONGEST_PLACE or not PLACE.fullmatch(place):
        abort(404)
    content = pattern.svg(place) if kind == "svg" else _png(place)
    response = make_response(content)
    response.mimetype = "image/svg+xml" if kind == "svg" else "image/png"
    response.headers["Cache-Control"] = f"public, max-age={PICTURE_AGE}"
    return response


@lru_cache(maxsize=64)
def _png(place: str) -> bytes:
    return pattern.png(place, *PNG_SIZE)
