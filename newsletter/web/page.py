"""What every page shares: the parts of the program, the locale of the request, and the headers."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Response, current_app, g, make_response, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy.orm import Session
from werkzeug.datastructures import ContentSecurityPolicy
from werkzeug.routing import IntegerConverter, UnicodeConverter

from newsletter import i18n
from newsletter.content.library import Library
from newsletter.content.shelf import Page
from newsletter.db import Database
from newsletter.errors import FixContent
from newsletter.links import Links
from newsletter.models import Subscriber
from newsletter.settings import Settings
from newsletter.tokens import Purpose, Tokens
from newsletter.web import tables

HEADING = re.compile("(</?h)([3-6])")
PERIOD = re.compile(r"\{((?:come_back|confirm|left|notice|origin|reply)_days)\}")
NUMBER = "<issue:number>"
STATIC_DIR = Path(__file__).parent / "static"
LOCALE = f"<any({','.join(i18n.LOCALES)}):locale>"
PATHS = 8192  # addresses of this site that are kept as text
TEXTS = 4096  # of templates, translated
FOR_GOOD = "public, max-age=31536000, immutable"
POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-cache",
}


# Of what stands behind a token.
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


Made = TypeVar("Made")


class IssueNumber(IntegerConverter):
    """The number of an issue in an address: no more digits than every database can compare."""

    regex = "[1-9][0-9]{0,8}"


class Slug(UnicodeConverter):
    """The name of an item in an address of the API."""

    regex = "[a-z0-9-]{1,200}"


@dataclass(frozen=True, slots=True)
class State:
    """The parts a page works with, made once by `create_app`."""

    settings: Settings
    database: Database
    tokens: Tokens
    links: Links
    library: Library


def state() -> State:
    """The parts of the running site."""
    found: State = current_app.extensions["newsletter"]
    return found


@contextmanager
def looking() -> Iterator[Session]:
    """A session that reads: who looks while somebody looks in the same request gets theirs."""
    if found := g.get("session"):
        yield found
        return
    with state().database.read() as session:
        g.session = session
        try:
            yield session
        finally:
            del g.session


def once(name: str, make: Callable[[], Made]) -> Made:
    """What `make` makes, made only once in a request."""
    made: dict[str, Made] = g.setdefault("made", {})
    if name not in made:
        made[name] = make()
    return made[name]


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


def locale() -> str:
    """The locale of the page: of its address, else the reader's (`speak`), else negotiated."""
    if "locale" not in g:
        g.locale = _named_locale() or i18n.pick(_wishes())
    chosen: str = g.locale
    return chosen


def speak(locale: str) -> None:
    """Show this page in a reader's own locale, unless its address asks for another."""
    g.locale = _named_locale() or locale


def _wishes() -> list[str]:
    """The languages of Accept-Language, best first; quality 0 is a no (RFC 9110 12.4.2)."""
    return [tag for tag, quality in request.accept_languages if quality > 0]


def _named_locale() -> str | None:
    for name in (request.path.split("/")[1], request.args.get("locale", "")):
        if name in i18n.LOCALES:
            return name
    return None


def show(template: str, status: int = 200, **values: Any) -> Response:
    """A page made from a template, with a status."""
    values.setdefault("indexed", status == 200 and "token" not in (request.view_args or {}))
    return make_response(render_template(template, **values), status)


def unknown_link() -> Response:
    """One answer to a cut, forged, foreign and outdated token: nobody learns who reads Fiabel."""
    return show("public/unknown_link.html", 404, confirm_days=state().settings.confirm_days)


def token_for(purpose: Purpose, subscriber: Subscriber, bound: str = "") -> str:
    """A token of this moment, for a link on a page."""
    return state().tokens.issue(purpose, subscriber.id, now(), bound)


def preferences_path(subscriber: Subscriber) -> str:
    """The path of a reader's preferences, in the locale of the page."""
    token = token_for(Purpose.PREFERENCES, subscriber)
    return url_for("preferences.page", locale=locale(), token=token)


def furniture() -> dict[str, Any]:
    """What stands on every page: masthead, languages, colophon."""
    settings = state().settings
    parts = ("name", "legal_form", "address", "number", "court", "email", "website")
    return {
        "locale": locale(),
        "locales": i18n.LOCALES,
        "alternates": alternates(),
        "original": locale(),  # the language of the text; a page may say another
        "written": i18n.LOCALES,  # the languages in which the text exists
        "base_url": settings.base_url,
        "org": {part: getattr(settings, f"org_{part}") for part in parts},
        "pages": pages(),
        "asset": asset,
        "url_for": path,
        "_": partial(_spoken, locale()),
        "current": current,
    }


def current(endpoint: str, name: str | None = None) -> Markup:
    """The attribute of a link to the page one is on."""
    here = request.endpoint == endpoint and (request.view_args or {}).get("name") == name
    return Markup(' aria-current="page"') if here else Markup("")


def _spoken(locale: str, text: str, **values: Any) -> Markup:
    """gettext for templates, at a fifth of what Jinja's own costs: values are escaped, the text is
    not."""
    said = _said(locale, text)
    return said % values if "%" in said else said


@lru_cache(TEXTS)
def _said(locale: str, text: str) -> Markup:
    return Markup(i18n.translate(locale, text))  # noqa: S704 # nosec B704 # our own words


def links() -> Links:
    """The paths on this site of what is no template's own: "/nl/items/…"."""
    return once("links", lambda: Links(request.root_path))


def pages() -> list[Page]:
    """The pages of the site, in the locale of the page."""
    return once(f"pages {locale()}", lambda: state().library.pages(locale()))


def topics() -> dict[str, str]:
    """Key and name of each topic; none while an editor's mistake makes the file unreadable."""
    return once(f"topics {locale()}", _topics)


def _topics() -> dict[str, str]:
    try:
        return {key: names[locale()] for key, names in state().library.topics().items()}
    except FixContent:
        current_app.logger.exception("The topics cannot be shown.")
        return {}


def long_date(value: date | datetime) -> str:
    """ "23 november 2026", in the locale of the page."""
    return i18n.long_date(value, locale(), state().settings.timezone)


def moment(value: datetime) -> str:
    """ "maandag 23 november 2026 om 10:00", in the locale of the page."""
    return i18n.date_and_time(value, locale(), state().settings.timezone)


def country_name(code: str) -> str:
    """ "Benin" of "BJ", in the locale of the page."""
    return i18n.country_name(code, locale())


def day(value: datetime) -> date:
    """The calendar day of a moment, in TIMEZONE."""
    return value.astimezone(state().settings.timezone).date()


def host(url: str) -> str:
    """ "vvsg.be" of "https://www.vvsg.be/"."""
    return (urlsplit(url).hostname or url).removeprefix("www.")


def raised(html: str) -> Markup:
    """A sanitised body below an h1: headings (they start at h3) go up, tables fit a phone."""
    html = HEADING.sub(lambda tag: f"{tag[1]}{int(tag[2]) - 1}", html)
    return Markup(tables.readable(html, locale()))  # noqa: S704 # nosec B704 # sanitised


def with_periods(html: str) -> Markup:
    """A page in which `{left_days}` and its like stand: how long, in words, as the settings say."""
    whole = PERIOD.sub(lambda found: _period(found[1]), html)
    return Markup(whole)  # noqa: S704 # nosec B704 # sanitised, with words of ours


def _period(setting: str) -> str:
    return i18n.days(getattr(state().settings, setting), locale())


def alternates() -> dict[str, str]:
    """The path of this same page in each locale; the front page where there is no such page."""
    endpoint, values = request.endpoint, request.view_args or {}
    if "locale" not in values and "token" in values:
        return {name: path(str(endpoint), **values, locale=name) for name in i18n.LOCALES}
    if "locale" not in values:
        endpoint = "public.home"
    return {name: path(str(endpoint), **{**values, "locale": name}) for name in i18n.LOCALES}


def path(endpoint: str, **values: Any) -> str:
    """`url_for`, remembered: a long page has hundreds of links, and building one costs more than
    all else that is done for it. What holds a token is built anew: no copy of it stays behind."""
    if "token" in values:
        return url_for(endpoint, **values)
    return _path(request.root_path, endpoint, tuple(values.items()))


@lru_cache(PATHS)
def _path(_root: str, endpoint: str, values: tuple[tuple[str, Any], ...]) -> str:
    return url_for(endpoint, **dict(values))


def asset(name: str) -> str:
    """The path of a static file, with its hash, so that browsers can keep it for good."""
    return path("static", filename=name, v=_fingerprint(name))


@cache
def _fingerprint(name: str) -> str:
    return hashlib.sha256((STATIC_DIR / name).read_bytes()).hexdigest()[:12]


def policy(changes: Mapping[str, str]) -> ContentSecurityPolicy:
    """The site's Content-Security-Policy with some directives changed."""
    return ContentSecurityPolicy({**POLICY, **changes})


def secure(response: Response) -> Response:
    """Headers of every answer; what a page has set itself stays."""
    if not response.content_security_policy:
        response.content_security_policy = policy({})
    if request.endpoint == "static" and response.status_code in (200, 304):
        response.headers["Cache-Control"] = _static_age()
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Language", locale())
        if not _named_locale():
            response.vary.add("Accept-Language")
    if "token" in (request.view_args or {}):
        response.headers.update(PRIVATE)
    response.headers.update(transport(state().settings))
    return response


def transport(settings: Settings) -> dict[str, str]:
    """Headers that keep browsers on https, where the site is."""
    https = settings.base_url.startswith("https://")
    return {"Strict-Transport-Security": "max-age=31536000"} if https else {}


def _static_age() -> str:
    """A file whose address holds its hash never changes; under any other address it may."""
    name = (request.view_args or {})["filename"]
    return FOR_GOOD if request.args.get("v") == _fingerprint(name) else "no-cache"


FILTERS = {
    "country_name": country_name,
    "day": day,
    "host": host,
    "long_date": long_date,
    "moment": moment,
    "own_name": i18n.own_name,
    "raised": raised,
    "with_periods": with_periods,
}
