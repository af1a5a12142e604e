"""A shortcut for the one click of mail programs (RFC 8058), around the site.

After an issue they send thousands at once, and read the status only; routing, hooks and headers
made anew would cost more than leaving itself. Whatever is unusual goes on to the site, where
`leaving.unsubscribe` does the same.
"""

import io
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from newsletter.subscribers import leaving
from newsletter.subscribers.leaving import Wish
from newsletter.tokens import LENGTH
from newsletter.web.gathering import Gathering
from newsletter.web.leaving import done, is_one_click
from newsletter.web.page import HEADERS, PRIVATE, State, policy, transport

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/u/"
LARGEST = 4096  # octets; a real one has 26, or some hundred as multipart


class Shortcut:
    """Answers a POST to a link to leave whose body says One-Click; the rest is the site's."""

    def __init__(
        self, site: "WSGIApplication", parts: State, gathering: Gathering[Wish, bool | None]
    ) -> None:
        self._site, self._settings, self._gathering = site, parts.settings, gathering

    @cached_property
    def _answer(self) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body, the same for everybody."""
        body = done().encode()
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy({}).to_header(),
            **HEADERS,
            **PRIVATE,
            **transport(self._settings),
        }
        return list(headers.items()), body

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """WSGI (PEP 3333)."""
        if environ["REQUEST_METHOD"] == "POST" and self._leaves(environ):
            headers, body = self._answer
            start_response("200 OK", headers)
            return [body]
        return self._site(environ, start_response)

    def _leaves(self, environ: "WSGIEnvironment") -> bool:
        """Is it the one click of a reader, who is gone now?"""
        path, size = environ.get("PATH_INFO", ""), environ.get("CONTENT_LENGTH") or "0"
        token = path.removeprefix(PREFIX)
        ordinary = path.startswith(PREFIX) and len(token) == LENGTH and size.isdecimal()
        if not ordinary or not 0 < int(size) <= LARGEST:
            return False
        body = environ["wsgi.input"].read(int(size))
        environ["wsgi.input"] = io.BytesIO(body)  # for the site, should it be its turn
        claim = leaving.read(self._settings, token) if is_one_click(body) else None
        if claim is None:
            return False
        wish = Wish(claim.id, "one-click", claim.issued_at)
        try:
            return self._gathering.fulfil(wish) is not None
        except Exception:  # the site tries once more, and tells what is wrong in its own way
            return False
