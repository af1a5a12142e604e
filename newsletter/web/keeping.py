"""Pages of the archive are asked for again and again: 304 where nothing changed (RFC 9110, 13).

An ETag names what an answer is made of, not its bytes: the archive's stamp, the names in the
furniture, the program itself and the address. So "not changed" costs one look-up and no page. By
the same name an answer is kept in memory: it is never out of date, for a change is another name.
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
from newsletter.web.page import locale, state, topics

PACKAGE = Path(__file__).parents[1]
SOURCES = (PACKAGE, config.PROJECT_DIR / "templates")
MOST_OCTETS = 32 * 1024 * 1024  # of the answers a process keeps
KINDS = {".py", ".po", ".html", ".txt", ".css", ".svg"}
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

    def get(self, name: str) -> Kept | None:
        """The answer of this name, if it is still here."""
        with self._lock:
            if found := self._answers.get(name):
                self._answers.move_to_end(name)
            return found

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


class Program(NamedTuple):
    """What all answers of this program have in common."""

    mark: str
    at: datetime  # when its newest file was written


def kept(view: Callable[Arguments, Response]) -> Callable[Arguments, Response]:
    """A page that is made of the archive alone: it gets ETag and Last-Modified, and is answered
    with 304 to whoever has it."""

    @wraps(view)
    def shown(*args: Arguments.args, **values: Arguments.kwargs) -> Response:
        with state().database.read() as session:
            stamp = reading.stamp(session)
        etag = _etag(stamp)
        if request.if_none_match.contains(etag):
            return _marked(Response(status=304), etag, stamp)
        store: Store = current_app.extensions.setdefault("newsletter.kept", Store())
        if answer := store.get(etag):
            response = Response(answer.body, headers=list(answer.headers))
        else:
            response = view(*args, **values)
            if response.status_code != 200:
                return response
            store.put(etag, Kept(response.get_data(), tuple(response.headers)))
        _marked(response, etag, stamp).make_conditional(request)
        return response

    return shown


def _marked(response: Response, etag: str, stamp: Stamp) -> Response:
    response.set_etag(etag)
    response.last_modified = max(stamp.at or _program().at, _program().at)
    return response


def _etag(stamp: Stamp) -> str:
    pages = [(page.name, page.locale, page.title) for page in state().library.pages(locale())]
    parts = (_program().mark, _settings_mark(), stamp, topics(), pages, request.full_path)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


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
def _program() -> Program:
    """Its own files, read once: another version of the program makes other pages."""
    files = sorted(file for folder in SOURCES for file in folder.rglob("*") if file.suffix in KINDS)
    whole = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
    newest = max(int(file.stat().st_mtime) for file in files)
    return Program(whole, datetime.fromtimestamp(newest, UTC))
