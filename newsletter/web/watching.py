"""What machines ask the site: alive, ready, and how it fares; and around the whole site: a
reference for each request, and how long it took."""

import hmac
import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, current_app, request

from newsletter import metrics
from newsletter.seeing import Watch
from newsletter.seeing.listening import answer
from newsletter.settings import Settings
from newsletter.tracing import bound, reference
from newsletter.web.page import state

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

blueprint = Blueprint("watching", __name__)

HEADER = "X-Request-ID"
KEY = "newsletter.reference"  # in the environ
GIVEN = re.compile(r"[0-9A-Fa-f]{16,29}|[0-9A-Fa-f]{31,32}")  # 30 digits could be a token of ours
FIRST = {
    "desk": "desk",
    "api": "api",
    "u": "one-click",
    "webhooks": "webhooks",
    "static": "static",
    **dict.fromkeys(("healthz", "readyz", "metrics"), "watch"),
}


@blueprint.get("/healthz")
def healthz() -> Response:
    """This process answers; nothing else is asked."""
    return _answer("/healthz")


@blueprint.get("/readyz")
def readyz() -> Response:
    """May requests come here? 503 when not; each check by name, with one word."""
    return _answer("/readyz")


@blueprint.get("/metrics", endpoint="metrics")
def figures() -> Response:
    """The figures, for who knows METRICS_TOKEN; without one there is nothing here."""
    token = state().settings.metrics_token or abort(404)
    given = request.authorization
    known = given is not None and given.type == "bearer" and given.token
    if not known or not hmac.compare_digest(known.encode(), token.encode()):
        refused = Response("", 401, mimetype="text/plain")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return _private(refused)
    return _answer("/metrics")


def _answer(path: str) -> Response:
    watch: Watch = current_app.extensions["watch"]
    status, kind, body = answer(watch, path)
    return _private(Response(body, status, content_type=kind))


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def this_reference() -> str:
    """The reference of the request at hand, as its answer carries it and the log knows it."""
    found: str = request.environ.get(KEY, "")
    return found


class Watched:
    """Around the site: gives each request its reference, and times it until its answer begins."""

    def __init__(self, site: "WSGIApplication", settings: Settings) -> None:
        self._site, self._trusts = site, settings.trusted_proxies > 0

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """WSGI (PEP 3333)."""
        began, said = time.perf_counter(), "500"
        name = environ[KEY] = self._reference(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal said
            said = status
            return start_response(status, [*headers, (HEADER, name)], exc_info)

        try:
            with bound(request=name):
                return self._site(environ, start)
        finally:
            seconds = time.perf_counter() - began
            metrics.REQUESTS.observe(seconds, _part(environ), f"{said[0]}xx")

    def _reference(self, environ: "WSGIEnvironment") -> str:
        """A proxy's own, so that its log and ours can be laid side by side; else a new one."""
        given = environ.get("HTTP_X_REQUEST_ID", "") if self._trusts else ""
        plain = given.replace("-", "")
        return plain.lower() if GIVEN.fullmatch(plain) else reference()


def _part(environ: "WSGIEnvironment") -> str:
    first = environ.get("PATH_INFO", "").split("/", 2)[1:2]
    part = FIRST.get(first[0], "site") if first else "site"
    is_click = part != "one-click" or environ["REQUEST_METHOD"] == "POST"
    return part if is_click else "site"
