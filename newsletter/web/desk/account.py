"""One's own account: what one signs in with, and where one is signed in."""

from flask import Response
from werkzeug.wrappers import Response as AnyResponse

from newsletter.editors import signing
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import Role
from newsletter.web.accounts import gate
from newsletter.web.desk.ground import blueprint, done, me, needs, record, refused, show
from newsletter.web.page import now, state


@blueprint.get("/account")
@needs(Role.WRITER)
def account() -> Response:
    """Password, app, passkeys, recovery codes, and the browsers in which one is signed in."""
    with state().database.read() as session:
        rows = signing.listed(session, state().settings, me().id, now())
    return show("account.html", sign_ins=rows, present=gate.sign_in_id())


@blueprint.post("/account/sign-ins/<issue:number>/end")
@needs(Role.WRITER)
def end_sign_in(number: int) -> AnyResponse:
    """Sign one other browser out."""
    with state().database.write() as session:
        if not signing.end(session, me().id, number, now()):
            return refused("desk.account", FixRequest(_("Die browser was al afgemeld.")))
        record(session, "editor.sign_in_ended", f"editor {me().id}")
    return done("desk.account", _("Die browser is afgemeld."))


@blueprint.post("/account/sign-ins/end-others")
@needs(Role.WRITER)
def end_other_sign_ins() -> AnyResponse:
    """Sign all other browsers out."""
    with state().database.write() as session:
        signing.end_all(session, me().id, now(), but=gate.key())
        record(session, "editor.sign_ins_ended", f"editor {me().id}")
    return done("desk.account", _("Alle andere browsers zijn afgemeld."))
