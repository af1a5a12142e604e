"""The API for programs, /api/v1: a table of operations (`routes`), and what does them."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, redirect, url_for
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from newsletter import i18n
from newsletter.i18n import _
from newsletter.web.api import problems, routes
from newsletter.web.api.problems import Problem
from newsletter.web.page import locale

blueprint = Blueprint("api", __name__, url_prefix=problems.PREFIX)
RETRY_AFTER = "60"  # seconds
PLACES = {"{id}": "<issue:id>", "{number}": "<issue:number>", "{slug}": "<slug>"}


def _do(operation: routes.Operation, **path: Any) -> Response:
    """Loads what the API needs with the first request."""
    from newsletter.web.api import calls

    if operation.scope is None:
        calls.query_of(operation)
        answered: Response = operation.load()(**path)
        return answered
    return calls.answer(operation, path)


for operation in routes.OPERATIONS:
    path = operation.path
    for place, converter in PLACES.items():
        path = path.replace(place, converter)
    view = partial(_do, operation)
    blueprint.add_url_rule(path, operation.name, view, methods=[operation.method])


@blueprint.get("/")
def start() -> AnyResponse:
    """Who looks here reads how it works."""
    return redirect(url_for("api.docs"), 302)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The document, OpenAPI 3.1."""
    from newsletter.web.api import calls, document

    return calls.as_json(document.made())


@blueprint.get("/docs")
def docs() -> Response:
    """The same for people."""
    from newsletter.web.api import document

    return document.page()


blueprint.register_error_handler(Problem, problems.answer)
blueprint.register_error_handler(HTTPException, problems.explained)


@blueprint.errorhandler(OperationalError)
@blueprint.errorhandler(PoolTimeout)
def _busy(_error: Exception) -> Response:
    """The database is locked or gone: nothing was written, and the same request may come again."""
    detail = _("Het is nu druk. Wacht een minuut en doe het dan opnieuw; er is niets verloren.")
    said = i18n.translate(locale(), detail)
    return problems.answer(Problem(503, said, headers={"Retry-After": RETRY_AFTER}))
