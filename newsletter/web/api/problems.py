"""Errors of the API, as application/problem+json (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

PREFIX = "/api/v1"
KIND = "application/problem+json"


class Problem(Exception):
    """Why a request is not done, in one sentence; `errors` say it of each field: `detail` and
    `pointer` (RFC 6901, into the body) or `parameter`."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors
        self.headers = headers or {}


def is_ours(path: str) -> bool:
    """Is this an address of the API, also one that leads nowhere?"""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def answer(problem: Problem) -> Response:
    """The problem as it is sent. There is one type of problem: what its status means."""
    said: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
    }
    if problem.errors:
        said["errors"] = list(problem.errors)
    response = Response(json.dumps(said, ensure_ascii=False), problem.status, mimetype=KIND)
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(problem.headers)
    return response


def explained(error: HTTPException) -> Response:
    """An HTTP error, with the headers that belong to it (such as Allow)."""
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return answer(Problem(error.code or 500, error.description or "", headers=headers))
