"""The settings, as they are, for administrators: to look at, since a server is configured by its
environment."""

from dataclasses import fields
from typing import Any

from flask import Response
from sqlalchemy.engine import make_url

from newsletter.models import Role
from newsletter.settings import SECRETS, Settings
from newsletter.settings.parsing import Rate
from newsletter.web.desk.ground import blueprint, needs, show
from newsletter.web.page import state

HIDDEN = SECRETS - {"DATABASE_URL"}  # which is shown without its password
SPANS = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}


@blueprint.get("/settings")
@needs(Role.ADMINISTRATOR)
def settings() -> Response:
    """Every setting by its name; of a secret only whether there is one."""
    return show("settings.html", rows=_rows(state().settings))


def _rows(settings: Settings) -> dict[str, str | None]:
    """Name and value; None for a secret."""
    return {
        name: None if name in HIDDEN and value else _shown(name, value)
        for name, value in (
            (one.name.upper(), getattr(settings, one.name)) for one in fields(settings)
        )
    }


def _shown(name: str, value: Any) -> str:
    if name == "DATABASE_URL":
        return make_url(value).render_as_string(hide_password=True)
    if isinstance(value, Rate):
        return f"{value.count}/{SPANS.get(value.seconds, value.seconds)}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{key} = {_shown('', one)}" for key, one in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
