"""Finding items: everything about one topic, country, place or goal, and the search."""

from collections.abc import Sequence
from itertools import groupby

from flask import Blueprint, Response, abort, request

from newsletter.issues import reading, searching
from newsletter.issues.searching import Hit
from newsletter.issues.words import LONGEST_QUERY
from newsletter.web.keeping import kept
from newsletter.web.page import LOCALE, looking, show
from newsletter.web.sheet import Tale, tell_all
from newsletter.web.subjects import KIND, Heading, find, heading

blueprint = Blueprint("finding", __name__)


@blueprint.get(f"/{LOCALE}/{KIND}/<key>")
@blueprint.get(f"/{LOCALE}/{KIND}/<key>/<issue:page>")
@kept
def subject(locale: str, kind: str, key: str, page: int | None = None) -> Response:
    """The items about something, those that were sent out last first. The first page is the one
    without a number."""
    if page == 1:
        abort(404)
    with looking() as session:
        found = find(session, kind, key)
        told = reading.items(session, locale, found.about, page or 1)
    last = max(1, -(-found.items // reading.PAGE))
    if (page or 1) > last:
        abort(404)
    return show(
        "archive/subject.html",
        heading=found,
        tales=tell_all(one.piece for one in told),
        page=page or 1,
        last=last,
        indexed=bool(told),
    )


@blueprint.get(f"/{LOCALE}/search")
def search(locale: str) -> Response:
    """A form, what it finds, and all there is to choose from; not for search engines."""
    words = request.args.get("q", "")[:LONGEST_QUERY].replace("\0", " ").strip()
    page = request.args.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    with looking() as session:
        hits = searching.search(session, locale, words, number) if words else None
        everything = [] if words else reading.subjects(session, locale)
    response = show(
        "archive/search.html",
        words=words,
        hits=hits,
        tales=_with_snippets(hits.hits if hits else ()),
        subjects=_by_kind(everything),
        indexed=False,
    )
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _with_snippets(hits: Sequence[Hit]) -> list[tuple[Tale, Sequence[tuple[str, bool]]]]:
    tales = tell_all(hit.piece for hit in hits)
    return [(tale, hit.snippet) for tale, hit in zip(tales, hits, strict=True)]


def _by_kind(everything: list[reading.Count]) -> dict[str, list[Heading]]:
    """Headings by kind, each in the order of their names; goals by number."""
    found = {}
    for kind, counted in groupby(everything, key=lambda one: one.kind):
        headings = [heading(one) for one in counted]
        found[kind.value] = sorted(headings, key=lambda one: (one.number or 0, one.name.casefold()))
    return found
