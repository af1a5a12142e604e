"""Pages of the archive are asked for again and again: 304 where nothing changed (RFC 9110, 13).

An ETag names what an answer is made of, not its bytes: the archive's stamp, the names in the
furniture, the program itself and the path. So "not changed" costs one look-up and no page. By the
same name an answer is kept in memory: it is never out of date, for a change is another name. Stamp
and page are read in one transaction. (A query says nothing to these views, so nobody can fill the
memory with one page by asking for it with a thousand queries.)
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, wraps
from pathlib import Path
from typing import NamedTuple, ParamSpec

from flask import Response, current_app, request

import config
from newsletter.issues import reading
from newsletter.issues.reading import Stamp
from newsletter.web.page import locale, looking, now, pages, state, topics

PACKAGE = Path(__file__).parents[1]
SOURCES = (PACKAGE, config.PROJECT_DIR / "templates")
TURNS = 64  # pages that can be made at the same time, roughly
MOST_OCTETS = 32 * 1024 * 1024  # of the answers a process keeps
KINDS = {".py", ".po", ".html", ".txt", ".css", ".svg"}
STARTED = datetime.now(UTC)  # with settings that stand on pages
Arguments = ParamSpec("Arguments")


class Kept(NamedTuple):
    """An answer: its body, and the headers its view has set."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


class Store:
    """The answers that were asked for last, up to MOST_OCTETS; for many threads."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Kept] = OrderedDict()
        self._octets = 0
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(TURNS)]

    def get(self, name: str) -> Kept | None:
        """The answer of this name, if it is still here."""
        with self._lock:
            if found := self._answers.get(name):
                self._answers.move_to_end(name)
            return found

    def __len__(self) -> int:
        return len(self._answers)

    def turn(self, name: str) -> threading.Lock:
        """Held by who makes the answer of this name: after an issue thousands ask for one page."""
        return self._turns[hash(name) % TURNS]

    def put(self, name: str, answer: Kept) -> None:
        """Keep an answer; the oldest ones make room."""
        with self._lock:
            if name in self._answers or len(answer.body) > MOST_OCTETS:
                return
            self._answers[name] = answer
            self._octets += len(answer.body)
            while self._octets > MOST_OCTETS:
                _name, oldest = self._answers.popitem(last=False)
                self._octets -= len(oldest.body)


class Names(NamedTuple):
    """What stands on every page and is read from files, and when this process first saw it."""

    mark: str
    since: datetime


def kept(view: Callable[Arguments, Response]) -> Callable[Arguments, Response]:
    """A page that is made of the archive alone: it gets ETag and Last-Modified, and is answered
    with 304 to whoever has it."""

    @wraps(view)
    def shown(*args: Arguments.args, **values: Arguments.kwargs) -> Response:
        with looking() as session:
            return _answer(reading.stamp(session), lambda: view(*args, **values))

    return shown


def _answer(stamp: Stamp, make: Callable[[], Response]) -> Response:
    names = _names()
    etag, changed = _etag(stamp, names.mark), _changed(stamp, names)
    if _is_theirs(etag, changed):
        return _marked(Response(status=304), etag, changed)
    store: Store = current_app.extensions.setdefault("newsletter.kept", Store())
    if not (answer := store.get(etag)):
        with store.turn(etag):
            answer = store.get(etag)
            if not answer:
                response = make()
                if response.status_code != 200:
                    return response
                answer = Kept(response.get_data(), tuple(response.headers))
                store.put(etag, answer)
    return _marked(Response(answer.body, headers=list(answer.headers)), etag, changed)


def _is_theirs(etag: str, changed: datetime | None) -> bool:
    """Has the client this very answer (RFC 9110, 13.2.2)? A date must be the one we gave: a time
    at which somebody looked says little, since clocks differ and a commit takes its time."""
    if theirs := request.if_none_match:
        return not theirs.star_tag and theirs.contains_weak(etag)
    return changed is not None and request.if_modified_since == changed


def _marked(response: Response, etag: str, changed: datetime | None) -> Response:
    response.set_etag(etag)
    if changed:  # None would be written as now
        response.last_modified = changed
    return response


def _changed(stamp: Stamp, names: Names) -> datetime | None:
    """When anything last did, to the second; None within that second, for more may follow."""
    last = max(stamp.at or STARTED, names.since, STARTED).replace(microsecond=0)
    return last if last < now().replace(microsecond=0) else None


def _etag(stamp: Stamp, names: str) -> str:
    parts = (_program(), _settings_mark(), stamp, names, request.root_path, request.path)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _names() -> Names:
    """Those of this moment, in the locale of the page."""
    shown = (topics(), [(page.name, page.locale, page.title) for page in pages()])
    mark = hashlib.sha256(repr(shown).encode()).hexdigest()
    known: dict[str, Names] = current_app.extensions.setdefault("newsletter.names", {})
    last = known.get(locale())
    if last is None or last.mark != mark:
        known[locale()] = last = Names(mark, now() if last else STARTED)
    return last


def _settings_mark() -> str:
    """The settings that stand on pages."""
    mark: str | None = current_app.extensions.get("newsletter.settings_mark")
    if mark is None:
        settings = state().settings
        names = sorted(name for name in settings.__slots__ if name.startswith("org_"))
        shown = [settings.base_url, settings.timezone.key, *(getattr(settings, n) for n in names)]
        mark = hashlib.sha256(repr(shown).encode()).hexdigest()
        current_app.extensions["newsletter.settings_mark"] = mark
    return mark


@cache
def _program() -> str:
    """Its own files, read once: another version of the program makes other pages."""
    files = sorted(file for folder in SOURCES for file in folder.rglob("*") if file.suffix in KINDS)
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
