"""The pages behind a mailed link: an invitation, or a new password for who forgot the old one."""

from flask import Blueprint, Response, current_app, flash, redirect, request, url_for
from flask_security import hash_password
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response as AnyResponse

from newsletter import audit
from newsletter.editors import factors, people
from newsletter.i18n import _, translate
from newsletter.models import Editor
from newsletter.web.accounts import gate, means
from newsletter.web.page import locale, now, show, state

blueprint = Blueprint("accounts", __name__, url_prefix=gate.DESK)


@blueprint.get("/forgotten")
def forgotten() -> Response:
    """The form for who forgot a password; `sent`: what happens next."""
    return show("accounts/forgotten.html", sent="sent" in request.args)


@blueprint.post("/forgotten", endpoint="forgot")
def forgot() -> AnyResponse:
    """Mail a link; answer and work are the same for an address that nobody has (SEC-07)."""
    settings, email = state().settings, request.form.get("email", "")
    with state().database.write() as session:
        wait = people.forgot(session, settings, email, locale(), request.remote_addr or "", now())
    if wait:
        raise TooManyRequests(retry_after=wait)
    return redirect(url_for(".forgotten", sent=1, locale=locale()), 303)


@blueprint.get("/password/<token>")
def password(token: str) -> Response:
    """The form to choose a password."""
    editor = _editor(token)
    return _choosing(editor) if editor else _unknown()


@blueprint.post("/password/<token>", endpoint="choose")
def choose(token: str) -> AnyResponse:
    """Keep the password; every sign-in of this editor ends, and so does the link."""
    chosen, again = request.form.get("password", ""), request.form.get("again", "")
    editor = _editor(token)
    if editor is None:
        return _unknown()
    chosen = current_app.extensions["security"].password_util.normalize(chosen)
    if wrong := means.too_weak(chosen, editor.name, editor.email):
        return _choosing(editor, "password", translate(locale(), wrong))
    if request.form.get("password", "") != again:
        words = translate(locale(), _("De twee wachtwoorden zijn niet hetzelfde."))
        return _choosing(editor, "again", words)
    hashed = hash_password(chosen)  # before the write lock is taken: it takes a while
    if not _keep(token, hashed):
        return _unknown()
    flash(translate(locale(), _("Je wachtwoord is bewaard. Meld je ermee aan.")), "done")
    return redirect(url_for("security.login", locale=locale()), 303)


def _keep(token: str, hashed: str) -> bool:
    moment = now()
    with state().database.write() as session:
        editor = people.opened(session, state().settings, token, moment)
        if editor is None:
            return False
        factors.set_password(session, editor, hashed, moment)
        who = audit.editor(editor.id)
        audit.record(session, state().settings, who, "editor.password", who, moment)
        people.tell(session, editor, moment)
    return True


def _editor(token: str) -> Editor | None:
    with state().database.read() as session:
        return people.opened(session, state().settings, token, now())


def _choosing(editor: Editor, wrong: str = "", problem: str = "") -> Response:
    status = 422 if problem else 200
    return show("accounts/new_password.html", status, editor=editor, wrong=wrong, problem=problem)


def _unknown() -> Response:
    return show("accounts/unknown_link.html", 404)
