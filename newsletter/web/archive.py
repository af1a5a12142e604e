"""The archive: issues that went out, their items, and the drawn pictures. All of it read-only."""

import re
from collections.abc import Sequence
from functools import lru_cache

from flask import Blueprint, Response, abort, make_response, render_template
from sqlalchemy.orm import Session

from newsletter.content import pattern
from newsletter.issues import intros, mailed, reading
from newsletter.models import Issue
from newsletter.web.article import article
from newsletter.web.keeping import kept
from newsletter.web.mailed import as_mail
from newsletter.web.page import LOCALE, NUMBER, looking, show, state
from newsletter.web.sheet import Way, sheet, subject_path, tale

blueprint = Blueprint("archive", __name__)

PLACE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
EDITION = re.compile(r"[0-9a-f]{16}")
MAIN = re.compile(r'<div[^>]* role="main"[^>]*>')  # of a mail: what holds all content
LONGEST_PLACE = 250
WITH_TITLES = 12  # issues on the list
PICTURE_AGE = 7 * 24 * 3600  # seconds
PNG_SIZE = 1200, 480  # pixels; shown at half of it in mails


@blueprint.get(f"/{LOCALE}/issues/")
@kept
def issues(locale: str) -> Response:
    """All issues, newest first; the newest ones with the titles of their items."""
    with looking() as session:
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
    with looking() as session:
        found = reading.published_issue(session, number) or abort(404)
        pieces = reading.issue_pieces(session, number, locale)
        withdrawn = reading.withdrawn_from(session, number, locale)
        intro = intros.of(session, found).get(locale)
        older, newer = reading.neighbours(session, number)
    return show(
        "archive/issue.html",
        issue=found,
        sheet=sheet(pieces),
        withdrawn=withdrawn,
        intro=intro,
        older=older,
        newer=newer,
    )


@blueprint.get(f"/{LOCALE}/issues/{NUMBER}/mail")
@blueprint.get(f"/{LOCALE}/issues/{NUMBER}/mail/<edition>")
@kept
def mail(locale: str, number: int, edition: str = "") -> Response:
    """The mail of an issue as it was sent, without anybody's links: what readers of one edition
    got, or without its name, those of every topic."""
    if edition and not EDITION.fullmatch(edition):
        abort(404)
    with looking() as session:
        copy = mailed.copy(session, state().settings, number, locale, edition) or abort(404)
    if not copy.html:
        return _withdrawn(copy.withdrawn[0])
    return as_mail(_with_note(copy))


def _with_note(copy: mailed.Copy) -> str:
    """The mail; above it what was withdrawn from it since."""
    if not copy.withdrawn:
        return copy.html
    note = render_template("archive/_withdrawn.html", withdrawn=copy.withdrawn)
    return MAIN.sub(lambda tag: tag[0] + note, copy.html, count=1)


@blueprint.get(f"/{LOCALE}/items/<slug>")
@kept
def item(locale: str, slug: str) -> Response:
    """The permanent page of an item, as it was last sent out; 410 when it was withdrawn."""
    if "\0" in slug:
        abort(404)
    with looking() as session:
        told = reading.latest_piece(session, slug, locale)
        if told is None:
            return _gone(session, slug, locale)
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


def _gone(session: Session, slug: str, locale: str) -> Response:
    found = reading.withdrawn_item(session, slug, locale) or abort(404)
    issues = reading.issues_with(session, slug)
    return _withdrawn(found, issues)


def _withdrawn(found: reading.Withdrawn, issues: Sequence[Issue] = ()) -> Response:
    """What is left of an item: its title, since when it is gone, and where it stood."""
    page = show("archive/withdrawn.html", 410, piece=found.piece, at=found.at, issues=issues)
    page.headers["X-Robots-Tag"] = "noindex"
    return page


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
