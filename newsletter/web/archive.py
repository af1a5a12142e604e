"""The archive: issues that went out, their items, and the drawn pictures. All of it read-only."""

import re
from functools import lru_cache

from flask import Blueprint, Response, abort, make_response

from newsletter import i18n
from newsletter.content import pattern
from newsletter.issues import reading
from newsletter.web.page import LOCALE, NUMBER, policy, show, state
from newsletter.web.sheet import sheet, tale

blueprint = Blueprint("archive", __name__)

PLACE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_PLACE = 250
PICTURE_AGE = 7 * 24 * 3600  # seconds
PNG_SIZE = 1200, 480  # pixels; shown at half of it in mails


@blueprint.get(f"/{LOCALE}/issues/")
def issues(locale: str) -> Response:
    """All issues, newest first, with the titles of their items."""
    with state().database.read() as session:
        found = [
            (issue, sheet(reading.issue_pieces(session, issue.number, locale)))
            for issue in reading.published(session)
        ]
    return show("archive/issues.html", issues=found)


@blueprint.get(f"/{LOCALE}/issues/{NUMBER}")
def issue(locale: str, number: int) -> Response:
    """The permanent page of an issue."""
    with state().database.read() as session:
        found = reading.published_issue(session, number) or abort(404)
        pieces = reading.issue_pieces(session, number, locale)
        numbers = [other.number for other in reading.published(session)]
    older = max((other for other in numbers if other < number), default=None)
    newer = min((other for other in numbers if other > number), default=None)
    return show("archive/issue.html", issue=found, sheet=sheet(pieces), older=older, newer=newer)


@blueprint.get(f"/{LOCALE}/issues/{NUMBER}/mail")
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
def item(locale: str, slug: str) -> Response:
    """The permanent page of an item, as it was last sent out."""
    with state().database.read() as session:
        piece = reading.latest_piece(session, slug, locale) or abort(404)
        latest = (reading.latest_piece(session, slug, other) for other in i18n.LOCALES)
        written = {text.language for text in latest if text}
        numbers = reading.issues_with(session, slug)
        published = [one for one in reading.published(session) if one.number in numbers]
    return show(
        "archive/item.html",
        story=tale(piece),
        issues=published,
        original=piece.language,
        written=written,
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
