"""The ground all pages of the desk stand on: who may see them, their layout, what they write down.

Each page says who may see it with `needs(Role.…)`; a test fails when one does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Blueprint, Response, abort, current_app, flash, redirect, request, url_for
from flask_login import current_user
from flask_security.utils import check_and_update_authn_fresh
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter import audit
from newsletter.errors import NewsletterError
from newsletter.i18n import _, translate
from newsletter.models import Role
from newsletter.web import page
from newsletter.web.accounts import gate
from newsletter.web.accounts.account import Account

View = TypeVar("View", bound=Callable[..., Any])
blueprint = Blueprint("desk", __name__, url_prefix=gate.DESK)


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the navigation, for who may see it; it shows once its page is there."""

    endpoint: str
    label: str
    role: Role


SHELF = ("desk.items", "desk.issues_next", "desk.issues_compile")
DIGITS = 19  # of numbers that no row can have
SECTIONS = (
    Section("desk.home", _("Begin"), Role.WRITER),
    Section("desk.items", _("Artikels"), Role.WRITER),
    Section("desk.issues", _("Nummers"), Role.EDITOR),
    Section("desk.numbers", _("Cijfers"), Role.EDITOR),
    Section("desk.subscribers", _("Abonnees"), Role.PUBLISHER),
    Section("desk.log", _("Logboek"), Role.PUBLISHER),
    Section("desk.people", _("Mensen"), Role.ADMINISTRATOR),
    Section("desk.programs", _("Programma’s"), Role.ADMINISTRATOR),
    Section("desk.settings", _("Instellingen"), Role.ADMINISTRATOR),
    Section("desk.account", _("Mijn account"), Role.WRITER),
)
ROLES = {
    Role.WRITER: _("schrijver"),
    Role.EDITOR: _("redacteur"),
    Role.PUBLISHER: _("uitgever"),
    Role.ADMINISTRATOR: _("beheerder"),
}


def needs(
    role: Role, *, fresh: bool = False, typed: Mapping[str, str] | None = None
) -> Callable[[View], View]:
    """Only for who is signed in with this role or a higher one; `fresh`: a short while ago.

    `typed` names fields in which somebody writes, with their labels: what stands in them is shown
    again to who was signed out meanwhile."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*values: Any, **named: Any) -> Any:
            account = gate.present()
            if account is None:
                return _sign_in_first()
            if not account.may(role):
                abort(403)
            if fresh and not _is_fresh():
                return _prove_it()
            return view(*values, **named)

        guarded.needs = role  # type: ignore[attr-defined]
        guarded.typed = typed or {}  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


@blueprint.before_request
def _send_elsewhere() -> None:
    """Who is signed in is told so; the others sign in first."""
    if _is_elsewhere(request.endpoint or "") and gate.present():
        abort(421)


def _is_elsewhere(endpoint: str) -> bool:
    """Does a page need the folder of items, which another host has?"""
    return endpoint.startswith(SHELF) and not page.state().settings.content_host


def row_number(text: str) -> int:
    """The number of a row, out of an address or a form; 0, which none has, for anything else."""
    return int(text) if text.isdecimal() and len(text) < DIGITS else 0


def me() -> Account:
    """Who is signed in, on a page that `needs` somebody."""
    account = gate.present()
    if account is None:
        abort(403)
    return account


def record(
    session: Session, action: str, subject: str, facts: Mapping[str, Any] | None = None
) -> None:
    """Write in the log, in the transaction of what it is about, that who is signed in did it."""
    settings, who = page.state().settings, audit.editor(me().id)
    audit.record(session, settings, who, action, subject, page.now(), facts)


def show(template: str, status: int = 200, **values: Any) -> Response:
    """A page of the desk."""
    return page.show(f"desk/{template}", status, indexed=False, **values)


def say(text: str, kind: str = "done", **values: object) -> None:
    """Show a Dutch sentence, translated, above the next page; `kind`: done, info or error."""
    flash(translate(page.locale(), text, **values), kind)


def done(endpoint: str, text: str, **values: Any) -> AnyResponse:
    """Say what was done, and show the page one came from."""
    say(text)
    return redirect(url_for(endpoint, **values), 303)


def refused(endpoint: str, error: NewsletterError, **values: Any) -> AnyResponse:
    """Say why it was not done, and show the page one came from."""
    flash(error.in_(page.locale()), "error")
    return redirect(url_for(endpoint, **values), 303)


def sections() -> list[Section]:
    """The navigation of who is signed in."""
    account = gate.present()
    known = current_app.view_functions
    if account is None:
        return []
    return [
        one
        for one in SECTIONS
        if one.endpoint in known and account.may(one.role) and not _is_elsewhere(one.endpoint)
    ]


@blueprint.app_context_processor
def _furniture() -> dict[str, Any]:
    """What stands on every page of the desk; nothing elsewhere."""
    if not gate.on_desk(request.path):
        return {}
    here = request.endpoint or ""
    return {"me": gate.present(), "sections": sections(), "roles": ROLES, "here": here} | {
        "token": gate.token,
        "oidc": page.state().settings.oidc_issuer,
    }


def _sign_in_first() -> AnyResponse:
    come_back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("security.login", next=come_back), 303)


def _is_fresh() -> bool:
    within = current_app.config["SECURITY_FRESHNESS"]
    grace = current_app.config["SECURITY_FRESHNESS_GRACE_PERIOD"]
    return bool(current_user) and check_and_update_authn_fresh(within, grace, "session")


def _prove_it() -> AnyResponse:
    """Ask for the password or a passkey; a form that was sent has to be sent again."""
    say(_("Toon eerst even dat jij het bent."), "info")
    come_back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("security.verify", next=come_back), 303)
