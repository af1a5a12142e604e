"""Other people's programs: the tokens that let them in, and the endpoints where they are told."""

from urllib.parse import urlsplit

from flask import Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from newsletter.errors import FixField
from newsletter.i18n import _, translate
from newsletter.models import EventKind, Role, Scope
from newsletter.programs import access, endpoints, events
from newsletter.tokens import tokens_of
from newsletter.web.desk.ground import blueprint, done, me, needs, record, row_number, show
from newsletter.web.page import locale, now, state

DAYS = (30, 90, 366)
COUNTED = 1000  # events that wait, at most
SCOPES = {
    Scope.SUBSCRIBERS_READ: _("abonnees lezen, met hun adres"),
    Scope.SUBSCRIBERS_WRITE: _("abonnees toevoegen en uitschrijven"),
    Scope.ITEMS_READ: _("artikels lezen"),
    Scope.ISSUES_READ: _("nummers lezen"),
    Scope.ISSUES_WRITE: _("nummers inplannen en stoppen"),
    Scope.DELIVERIES_READ: _("lezen wie welk nummer kreeg"),
    Scope.STATISTICS_READ: _("cijfers lezen"),
    Scope.SUPPRESSIONS_READ: _("geblokkeerde adressen lezen, als vingerafdruk"),
    Scope.SUPPRESSIONS_WRITE: _("adressen blokkeren en vrijgeven"),
}
KINDS = {
    EventKind.SUBSCRIBED: _("iemand is ingeschreven"),
    EventKind.LEFT: _("iemand is geen lezer meer"),
    EventKind.ISSUE_SENT: _("een nummer is verstuurd"),
}
# What is written in the log, and said.
DEEDS = {
    "disable": ("endpoint.disable", _("Het meldadres is uitgeschakeld.")),
    "enable": ("endpoint.enable", _("Het meldadres werkt weer.")),
    "remove": ("endpoint.remove", _("Het meldadres is verwijderd.")),
}


@blueprint.get("/programs")
@needs(Role.ADMINISTRATOR, fresh=True)
def programs() -> Response:
    """All tokens and endpoints, and the forms to make one."""
    return _page()


@blueprint.post("/programs/tokens")
@needs(Role.ADMINISTRATOR, fresh=True)
def make_token() -> Response:
    """Make a token; its secret is on this one page."""
    sent, moment = request.form, now()
    scopes, days = sent.getlist("scope"), row_number(sent.get("days", ""))
    try:
        with state().database.write() as session:
            name, by = sent.get("name", ""), me().id
            made, secret = access.make(session, name, scopes, days, by, moment)
            facts = {"scopes": made.scopes.split(), "days": days}
            record(session, "token.make", access.actor(made.id), facts)
    except FixField as error:
        return _page(problem=error)
    return _page(secret=secret, made=made.name)


@blueprint.post("/programs/tokens/<issue:number>/revoke")
@needs(Role.ADMINISTRATOR, fresh=True)
def revoke_token(number: int) -> AnyResponse:
    """End a token at once."""
    with state().database.write() as session:
        if not access.revoke(session, number, now()):
            abort(404)
        record(session, "token.revoke", access.actor(number))
    return done("desk.programs", _("Het token is ingetrokken."))


@blueprint.post("/programs/endpoints")
@needs(Role.ADMINISTRATOR, fresh=True)
def make_endpoint() -> Response:
    """Make an endpoint; its secret is on this one page."""
    sent, settings = request.form, state().settings
    try:
        with state().database.write() as session:
            made = endpoints.make(
                session,
                sent.get("url", ""),
                sent.getlist("kind"),
                now(),
                with_address=sent.get("address") == "yes",
                inside=settings.endpoints_inside,
            )
            host = urlsplit(made.url).hostname
            facts = {"host": host, "events": made.kinds.split(), "address": made.with_address}
            record(session, "endpoint.make", f"endpoint {made.id}", facts)
            secret = endpoints.secret(tokens_of(settings), made)
    except FixField as error:
        return _page(problem=error)
    return _page(secret=secret, made=made.url)


@blueprint.post("/programs/endpoints/<issue:number>/<any(disable,enable,remove):deed>")
@needs(Role.ADMINISTRATOR, fresh=True)
def change_endpoint(number: int, deed: str) -> AnyResponse:
    """Tell it nothing more, or again; or forget it."""
    with state().database.write() as session:
        found = endpoints.get(session, number)
        if found is None:
            abort(404)
        match deed:
            case "disable":
                endpoints.disable(session, found, now())
            case "enable":
                endpoints.enable(found)
            case _:
                endpoints.remove(session, found)
        action, said = DEEDS[deed]
        record(session, action, f"endpoint {number}")
    return done("desk.programs", said)


def _page(*, problem: FixField | None = None, secret: str = "", made: str = "") -> Response:
    """The page; with a new `secret`, shown once, of what was `made`."""
    with state().database.read() as session:
        tokens, told = access.listed(session), endpoints.listed(session)
        waiting = {one.id: events.waiting(session, one.id, COUNTED) for one in told}
    moment = now()
    return show(
        "programs.html",
        422 if problem else 200,
        tokens=tokens,
        working={one.id for one in tokens if access.counts(one, moment)},
        endpoints=told,
        waiting=waiting,
        scopes=SCOPES,
        kinds=KINDS,
        lifetimes=DAYS,
        secret=secret,
        made=made,
        sent=request.form,
        problems={problem.field: translate(locale(), str(problem))} if problem else {},
    )
