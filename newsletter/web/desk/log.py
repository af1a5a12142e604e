"""The log of changes: who did what, searchable, and whether anybody tampered with it."""

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import audit, i18n
from newsletter.audit import Fault
from newsletter.editors import people
from newsletter.i18n import _, translate
from newsletter.models import Entry, Role
from newsletter.programs import access
from newsletter.web.desk import log_words
from newsletter.web.desk.ground import blueprint, needs, row_number, say, show
from newsletter.web.page import locale, state

LINES = 50
FAULTS = {
    Fault.MISSING: _("Regel %(number)s ontbreekt."),
    Fault.ALTERED: _("Regel %(number)s is niet wat er geschreven is."),
    Fault.OTHER: _("Regel %(number)s is niet de regel die genoteerd is."),
    Fault.CUT_OFF: _("Regel %(number)s is genoteerd, maar het logboek stopt eerder."),
    Fault.EMPTY: _("Het logboek is leeg, maar er zijn wel medewerkers."),
    Fault.UNGUARDED: _("De databank laat toe dat iemand regels wijzigt."),
}


@blueprint.get("/log")
@needs(Role.PUBLISHER)
def log() -> Response:
    """The lines that were asked for, newest first."""
    words, actor = request.args.get("q", "").strip(), request.args.get("actor", "")
    before = row_number(request.args.get("before", "")) or None
    written, actions = log_words.meant(words)
    with state().database.read() as session:
        lines = audit.found(session, written, actor, before, LINES + 1, actions)
        names = {audit.editor(one.id): one.name for one in people.listed(session)}
        names |= {access.actor(one.id): one.name for one in access.listed(session)}
    older = lines[LINES - 1].number if len(lines) > LINES else None
    return show(
        "log.html",
        lines=lines[:LINES],
        names=names,
        words=words,
        actor=actor,
        older=older,
        told=log_words,
        when={line.number: _when(line) for line in lines},
    )


@blueprint.post("/log/verify")
@needs(Role.PUBLISHER)
def verify_log() -> AnyResponse:
    """Walk the whole chain."""
    with state().database.read() as session:
        verdict = audit.verify(session, state().settings)
    if broken := verdict.broken:
        where = translate(locale(), FAULTS[broken.fault], number=broken.number)
        say(
            _("Het logboek klopt niet. %(where)s Verwittig je systeembeheerder."),
            "error",
            where=where,
        )
    else:
        say(_("Het logboek klopt: geen enkele regel is gewijzigd."))
    return redirect(url_for("desk.log"), 303)


def _when(line: Entry) -> str:
    return i18n.date_and_time(line.at, locale(), state().settings.timezone)
