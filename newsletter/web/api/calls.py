"""One request of a program: who asks, whether they may, what they sent; and their answer, once.

A cookie counts for nothing here, so there is nothing that another site could send in somebody's
name. Requests with a token are counted for the token, not for the address they come from.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, request
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from newsletter import audit, limits
from newsletter.errors import FixContent, FixRequest
from newsletter.models import AccessToken, Replay
from newsletter.programs import access, replays
from newsletter.programs.replays import Clash
from newsletter.tokens import tokens_of
from newsletter.web.api import cursors, shapes
from newsletter.web.api.problems import Problem
from newsletter.web.api.routes import Operation
from newsletter.web.page import now, state

REALM = 'Bearer realm="newsletter"'
KEY_HEADER = "Idempotency-Key"
LONGEST_KEY = 255
KEY = re.compile(rf"[!-~]{{1,{LONGEST_KEY}}}")
CLASHES = {
    Clash.RUNNING: (409, "The same request is being done at this moment; ask again in a second."),
    Clash.OTHER: (422, f"This {KEY_HEADER} was used for another request."),
}
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Call:
    """What a view works with; `query` and `body` are the shapes of its operation."""

    operation: Operation
    session: Session
    token_id: int
    now: datetime
    query: Any
    body: Any

    def record(self, action: str, subject: str, facts: Mapping[str, object] | None = None) -> None:
        """Write in the log that the token did this, in the transaction of what it did."""
        who = access.actor(self.token_id)
        audit.record(self.session, state().settings, who, action, subject, self.now, facts)

    def after(self, *kinds: type) -> list[Any] | None:
        """The key that the list goes on after, of these types; None: it begins. Raises Problem."""
        if self.query.cursor is None:
            return None
        found = cursors.read(tokens_of(state().settings), self._list(), self.query.cursor)
        if found is None or tuple(map(type, found)) != kinds:
            error = {"detail": "is none of ours", "parameter": "cursor"}
            raise Problem(404, "There is no such place in this list; begin anew.", [error])
        return found

    def page(
        self, rows: Sequence[Row], key: Callable[[Row], Sequence[Any]]
    ) -> tuple[Sequence[Row], str | None]:
        """The rows of a page, of which one more than `limit` was read, and the next cursor."""
        shown = rows[: self.query.limit]
        if len(rows) <= self.query.limit:
            return shown, None
        tokens, last = tokens_of(state().settings), shown[-1]
        return shown, cursors.make(tokens, self._list(), key(last))

    def _list(self) -> str:
        """What a cursor is of: the operation with its filters."""
        filters = self.query.model_dump(mode="json", exclude={"cursor", "limit"})
        return json.dumps([self.operation.name, filters], sort_keys=True)


def answer(operation: Operation, path: Mapping[str, Any]) -> Response:
    """Do what a request with a token asks. Raises Problem."""
    token, moment = _let_in(operation), now()
    query = query_of(operation)
    body = _body(operation)
    view = operation.load()
    if not operation.writes:
        with state().database.read() as session:
            made = view(Call(operation, session, token.id, moment, query, body), **path)
        return _shown(operation.status, made)
    return _written(operation, token, lambda session: view(
        Call(operation, session, token.id, moment, query, body), **path
    ))  # fmt: skip


def invalid(error: ValidationError, *, parameter: bool = False) -> Problem:
    """What is wrong with each field of a query or body."""
    errors = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        parts = [str(part) for part in one["loc"]]
        pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
        place = {"parameter": parts[0] if parts else ""} if parameter else {"pointer": pointer}
        errors.append({"detail": one["msg"], **place})
    return Problem(422, "What was sent is not as it should be; see errors.", errors)


def body_of(shape: type[BaseModel]) -> Any:
    """The body of a request as this shape. Raises Problem, and 400, 413, 415."""
    try:
        request.get_json()  # as Flask judges its type and its size
        return shape.model_validate_json(request.get_data(), context=on_offer())
    except ValidationError as error:
        raise invalid(error) from None
    except RecursionError:  # any stranger can send 30 kB of "["
        raise Problem(400, "This is nested too deeply.") from None


def on_offer() -> dict[str, list[str]]:
    """The topics and cadences that there are now."""
    topics, cadences = state().library.topics(), state().settings.cadences
    return {"topics": sorted(topics), "cadences": list(cadences)}


def _let_in(operation: Operation) -> AccessToken:
    """The token of the request, if it may do this, as often as it may."""
    given, moment = request.authorization, now()
    if given is None or given.type != "bearer" or not given.token:
        raise Problem(401, "This needs a token.", headers={"WWW-Authenticate": REALM})
    with state().database.read() as session:
        token = access.found(session, given.token, moment)
    if token is None:
        told = f'{REALM}, error="invalid_token"'
        detail = "This token is unknown, revoked or too old."
        raise Problem(401, detail, headers={"WWW-Authenticate": told})
    if operation.scope not in access.scopes(token):
        told = f'{REALM}, error="insufficient_scope", scope="{operation.scope}"'
        detail = f"This token lacks the scope {operation.scope}."
        raise Problem(403, detail, headers={"WWW-Authenticate": told})
    _count(token, moment)
    return token


def _count(token: AccessToken, moment: datetime) -> None:
    with state().database.write() as session:
        wait = limits.admit(session, f"api:{token.id}", state().settings.api_rate, moment)
        if access.is_stale(token, moment):
            access.used(session, token.id, moment)
    if wait:
        told = {"Retry-After": str(wait)}
        raise Problem(429, f"This token asks too often; wait {wait} s.", headers=told)


def query_of(operation: Operation) -> Any:
    """What stands behind the question mark, as the shape of the operation. Raises Problem."""
    several = [name for name, values in request.args.lists() if len(values) > 1]
    if several:
        errors = [{"detail": "stands there twice", "parameter": name} for name in several]
        raise Problem(422, "A parameter can have one value.", errors)
    shape: type[BaseModel] = getattr(shapes, operation.query or "Asked")
    try:
        return shape.model_validate(request.args.to_dict(), context=on_offer())
    except ValidationError as error:
        raise invalid(error, parameter=True) from None


def _body(operation: Operation) -> Any:
    if operation.body:
        return body_of(getattr(shapes, operation.body))
    if request.method == "POST" and request.get_data():
        raise Problem(422, "This operation takes no body.")
    return None


def _written(operation: Operation, token: AccessToken, act: Callable[[Session], Any]) -> Response:
    """Do it in one transaction; with an Idempotency-Key once, however often it is sent."""
    key = request.headers.get(KEY_HEADER)
    if key is not None and not KEY.fullmatch(key):
        raise Problem(
            400, f"{KEY_HEADER} must have 1 to {LONGEST_KEY} characters of ASCII, no blanks."
        )
    try:
        with nullcontext(True) if key is None else replays.turn(token.id, key) as first:
            if not first:
                raise Problem(*CLASHES[Clash.RUNNING], headers={"Retry-After": "1"})
            with state().database.write() as session:
                return _once(session, operation, token, key, act)
    except FixContent as error:
        raise Problem(409, f"Preflight stops this: {error}") from None
    except FixRequest as error:
        raise Problem(409, error.in_("en")) from None


def _once(
    session: Session,
    operation: Operation,
    token: AccessToken,
    key: str | None,
    act: Callable[[Session], Any],
) -> Response:
    same = replays.fingerprint(request.method, request.path, request.get_data())
    known = replays.find(session, token.id, key, same, now()) if key else None
    if isinstance(known, Clash):
        raise Problem(*CLASHES[known])
    if known is not None:
        return _answer(known.status, known.body)
    response = _shown(operation.status, act(session))
    if key:
        body, status = response.get_data(as_text=True), response.status_code
        kept = Replay(token_id=token.id, key=key, fingerprint=same, status=status)
        kept.body, kept.at = body, now()
        replays.keep(session, kept)
    return response


def _shown(status: int, made: Any) -> Response:
    """The answer; a view that made nothing new says 200 (`changed` is False)."""
    if status == HTTPStatus.CREATED and getattr(made, "changed", True) is False:
        status = HTTPStatus.OK
    response = _answer(status, made.model_dump_json())
    if cursor := getattr(made, "next", None):
        asked = urlencode({**request.args.to_dict(), "cursor": cursor})
        path = f"{state().links.base_url}{request.path}?{asked}"
        response.headers["Link"] = f'<{path}>; rel="next"'
    return response


def _answer(status: int, body: str) -> Response:
    response = Response(body, status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def as_json(value: Any, status: int = 200) -> Response:
    """An answer that was not made of a shape."""
    return _answer(status, json.dumps(value, ensure_ascii=False))
