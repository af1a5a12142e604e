"""Feeds of the archive for programs: Atom, JSON Feed and iCalendar, per subject and language."""

from collections.abc import Callable, Sequence

from flask import Blueprint, Response, make_response, request
from sqlalchemy.orm import Session

from newsletter import i18n
from newsletter.issues import reading
from newsletter.issues.reading import About, Told
from newsletter.web import calendar, syndication
from newsletter.web.keeping import kept
from newsletter.web.page import LOCALE, looking, state
from newsletter.web.sheet import tell_all
from newsletter.web.subjects import KIND, Heading, find
from newsletter.web.syndication import Feed

blueprint = Blueprint("feeds", __name__)

NEWEST = 30  # items in a feed
MAX_AGE = 600  # seconds for which a reader of feeds need not ask again


@blueprint.get(f"/{LOCALE}/feed.atom")
@blueprint.get(f"/{LOCALE}/{KIND}/<key>/feed.atom")
@kept
def atom(locale: str, kind: str = "", key: str = "") -> Response:
    """The newest items as an Atom feed (RFC 4287)."""
    feed = _feed(locale, kind, key, _newest)
    return _answer(syndication.atom(feed), "application/atom+xml")


@blueprint.get(f"/{LOCALE}/feed.json")
@blueprint.get(f"/{LOCALE}/{KIND}/<key>/feed.json")
@kept
def json(locale: str, kind: str = "", key: str = "") -> Response:
    """The newest items as a JSON Feed, version 1.1."""
    feed = _feed(locale, kind, key, _newest)
    return _answer(syndication.json_feed(feed), "application/feed+json")


@blueprint.get(f"/{LOCALE}/agenda.ics", endpoint="calendar")
@blueprint.get(f"/{LOCALE}/{KIND}/<key>/agenda.ics", endpoint="calendar")
@kept
def agenda(locale: str, kind: str = "", key: str = "") -> Response:
    """Events and deadlines as a calendar to subscribe to (RFC 5545)."""
    feed = _feed(locale, kind, key, reading.dated_items)
    return _answer(calendar.calendar(feed), "text/calendar")


Choose = Callable[[Session, str, About | None], list[Told]]


def _newest(session: Session, locale: str, about: About | None) -> list[Told]:
    return reading.items(session, locale, about, 1, NEWEST)


def _feed(locale: str, kind: str, key: str, choose: Choose) -> Feed:
    """What a feed of a subject (or of everything) holds, told in the locale of its address."""
    with looking() as session:
        heading = find(session, kind, key) if kind else None
        told = choose(session, locale, heading.about if heading else None)
    links = state().links
    return Feed(
        locale=locale,
        title=_title(heading),
        subtitle=i18n.translate(locale, "nieuws over gemeentelijke internationale samenwerking"),
        home=f"{links.base_url}{heading.path}" if heading else links.home(locale),
        address=f"{links.base_url}{request.path}",
        settings=state().settings,
        items=_items(told),
    )


def _items(told: Sequence[Told]) -> list[syndication.Item]:
    tales = tell_all(one.piece for one in told)
    return [
        syndication.Item(tale, one.first_at, one.updated_at)
        for tale, one in zip(tales, told, strict=True)
    ]


def _title(heading: Heading | None) -> str:
    if heading is None:
        return "Fiabel-nieuws"
    number = f"SDG {heading.number}: " if heading.number else ""
    return f"Fiabel-nieuws: {number}{heading.name}"


def _answer(content: bytes, kind: str) -> Response:
    response = make_response(content)
    response.content_type = f"{kind}; charset=utf-8"
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.headers["Content-Language"] = (request.view_args or {})["locale"]
    # Anybody's page may read what everybody may read.
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
