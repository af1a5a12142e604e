"""The people who make the newsletter: administrators invite them, give roles, let them go."""

from collections.abc import Callable
from datetime import datetime

from flask import Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter import i18n
from newsletter.editors import people as room
from newsletter.errors import FixRequest
from newsletter.i18n import _, translate
from newsletter.models import Editor, Role
from newsletter.web.desk.ground import blueprint, done, me, needs, record, refused, show
from newsletter.web.page import locale, now, state

Change = Callable[[Session, Editor, datetime], object]


@blueprint.get("/people")
@needs(Role.ADMINISTRATOR, fresh=True)
def people() -> Response:
    """Everybody, and the form to invite somebody."""
    return _page({})


@blueprint.post("/people")
@needs(Role.ADMINISTRATOR, fresh=True)
def invite() -> AnyResponse:
    """Invite somebody by mail."""
    sent, moment = request.form, now()
    try:
        with state().database.write() as session:
            role = _role(sent.get("role", ""))
            email, name = sent.get("email", ""), sent.get("name", "")
            made = room.create(session, email, name, role, sent.get("locale", ""), moment)
            room.invite(session, made, moment)
            record(session, "editor.invite", f"editor {made.id}", {"role": role.value})
    except FixRequest as error:
        return _page(sent.to_dict(), 422, translate(locale(), str(error)))
    return done("desk.people", _("De uitnodiging is onderweg."))


@blueprint.post("/people/<issue:number>/invite")
@needs(Role.ADMINISTRATOR, fresh=True)
def invite_again(number: int) -> AnyResponse:
    """Mail the invitation once more."""
    return _change(number, "editor.invite", room.invite, _("De uitnodiging is onderweg."))


@blueprint.get("/people/<issue:number>/<any(role,deactivate,reset):change>")
@needs(Role.ADMINISTRATOR, fresh=True)
def people_sure(number: int, change: str) -> AnyResponse:
    """What a change of somebody will do, and the button that does it."""
    try:
        with state().database.read() as session:
            one = room.get(session, number)
        role = _role(request.args.get("role", "")) if change == "role" else one.role
    except FixRequest as error:
        return refused("desk.people", error)
    if change == "role" and role is one.role:
        return redirect(url_for("desk.people"), 303)
    return show("people_sure.html", one=one, change=change, role=role)


@blueprint.post("/people/<issue:number>/role")
@needs(Role.ADMINISTRATOR, fresh=True)
def change_role(number: int) -> AnyResponse:
    """Give somebody another role."""

    def change(session: Session, editor: Editor, moment: datetime) -> None:
        room.change_role(session, editor, _role(request.form.get("role", "")), moment)

    return _change(number, "editor.role", change, _("De rol is gewijzigd."))


@blueprint.post("/people/<issue:number>/deactivate")
@needs(Role.ADMINISTRATOR, fresh=True)
def deactivate(number: int) -> AnyResponse:
    """Let somebody go."""
    return _change(
        number, "editor.deactivate", room.deactivate, _("Deze account is uitgeschakeld.")
    )


@blueprint.post("/people/<issue:number>/reset")
@needs(Role.ADMINISTRATOR, fresh=True)
def reset(number: int) -> AnyResponse:
    """Let somebody who lost a telephone begin anew."""

    def change(session: Session, editor: Editor, moment: datetime) -> None:
        room.reset(session, editor, moment, by=me().id)

    words = _("Alles is gewist om mee aan te melden. Een nieuwe uitnodiging is onderweg.")
    return _change(number, "editor.reset", change, words)


@blueprint.post("/people/<issue:number>/reactivate")
@needs(Role.ADMINISTRATOR, fresh=True)
def reactivate(number: int) -> AnyResponse:
    """Take somebody back."""

    def change(session: Session, editor: Editor, _moment: datetime) -> None:
        room.reactivate(session, editor)

    return _change(number, "editor.reactivate", change, _("Deze account werkt weer."))


def _change(number: int, action: str, change: Change, words: str) -> AnyResponse:
    try:
        with state().database.write() as session:
            editor = room.get(session, number)
            change(session, editor, now())
            record(session, action, f"editor {number}", {"role": editor.role.value})
    except FixRequest as error:
        return refused("desk.people", error)
    return done("desk.people", words)


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise FixRequest(_("Kies een rol uit de lijst.")) from None


def _page(sent: dict[str, str], status: int = 200, problem: str = "") -> Response:
    with state().database.read() as session:
        rows = room.listed(session)
    return show(
        "people.html", status, people=rows, sent=sent, problem=problem, languages=i18n.LOCALES
    )
