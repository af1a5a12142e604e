"""What somebody typed into a form that does not count any more, because they were signed out
meanwhile: shown to who sent it, so that it is not lost. Nothing is done with it, and nothing kept.

Only fields that a view names (`desk.ground.needs(…, typed=…)`) are shown, never a password.
"""

from typing import NamedTuple, cast

from flask import Response, current_app, request
from werkzeug.routing import MapAdapter

from newsletter.web.page import show


class Field(NamedTuple):
    """A field of the form, with what it is called (Dutch, to be translated)."""

    name: str
    label: str
    value: str


def fields() -> list[Field]:
    """What was typed; empty when the form of this page has nothing that anybody wrote."""
    view = current_app.view_functions.get(request.endpoint or "")
    labels: dict[str, str] = getattr(view, "typed", {})
    return [
        Field(name, label, value)
        for name, label in labels.items()
        for value in request.form.getlist(name)
        if value.strip()
    ]


def refuse(problem: str) -> Response:
    """The page that says why a form does not count, with what was typed and where to go on."""
    values = {"problem": problem, "typed": fields(), "back": way_back()}
    return show("accounts/old_form.html", 400, **values)


def way_back() -> str:
    """The page that a form came from: the nearest one above its own address that can be visited."""
    adapter = cast(MapAdapter, current_app.create_url_adapter(request))
    path = request.path
    while path.count("/") > 1 and not adapter.test(path, "GET"):
        path = path.rpartition("/")[0]
    return request.script_root + path
