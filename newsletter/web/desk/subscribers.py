"""Subscribers on the desk: one is looked up by address, in a form, so that it stands in no URL."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Response, abort, make_response, request, url_for
from sqlalchemy.orm import Session
from werkzeug.utils import redirect
from werkzeug.wrappers import Response as AnyResponse

from newsletter import addresses, i18n, suppression
from newsletter.errors import FixRequest
from newsletter.i18n import _, translate
from newsletter.models import Role, Subscriber, SubscriberState, SuppressionReason
from newsletter.subscribers import consent, inviting, leaving, preferences, privacy
from newsletter.tokens import tokens_of
from newsletter.web.answers import choices
from newsletter.web.desk import subscriber_words as words
from newsletter.web.desk.ground import blueprint, done, needs, record, refused, say, show
from newsletter.web.page import locale, now, state

NO_REASON = _("Schrijf op waarom.")
Change = Callable[[Session, Subscriber, str, datetime], object]


@blueprint.get("/subscribers")
@needs(Role.PUBLISHER)
def subscribers() -> Response:
    """Look one up, or add one by hand."""
    return _page({})


@blueprint.post("/subscribers")
@needs(Role.PUBLISHER)
def find_subscriber() -> AnyResponse:
    """Who has this address; else what is known about it."""
    email = request.form.get("email", "")
    try:
        address = addresses.parse(email, allow_utf8=True)
    except FixRequest as error:
        return _page({"email": email}, 422, {"email": str(error)})
    with state().database.read() as session:
        found = preferences.find_by_address(session, email)
        if found is not None:
            return redirect(url_for("desk.subscribers_one", number=found.id), 303)
        entry = suppression.about(session, tokens_of(state().settings), address.canonical)
    return _page({"email": email}, entry=entry, searched=True)


@blueprint.post("/subscribers/add")
@needs(Role.PUBLISHER)
def add_subscriber() -> AnyResponse:
    """Add somebody by hand, who then has to confirm."""
    sent = request.form
    email, source = sent.get("new_email", ""), sent.get("source", "")
    try:
        with state().database.write() as session:
            wanted = sent.get("locale", i18n.DEFAULT)
            made = inviting.invite(session, state().settings, email, wanted, source, now())
            record(session, "subscriber.invite", f"subscriber {made.id}")
    except FixRequest as error:
        field = "new_email" if source.strip() else "source"
        return _page(sent.to_dict(), 422, {field: str(error)})
    say(_("Toegevoegd. De brief om te bevestigen is onderweg."))
    return redirect(url_for("desk.subscribers_one", number=made.id), 303)


@blueprint.get("/subscribers/<issue:number>")
@needs(Role.PUBLISHER)
def subscribers_one(number: int) -> Response:
    """All that is known of one subscriber."""
    with state().database.read() as session:
        found = privacy.export(session, state().settings, _known(session, number))
    return show("subscriber.html", one=found, words=words, **choices())


@blueprint.post("/subscribers/<issue:number>/export")
@needs(Role.ADMINISTRATOR, fresh=True)
def export_subscriber(number: int) -> Response:
    """A copy of all we hold about somebody (GDPR 15), as a file."""
    with state().database.write() as session:
        found = privacy.export(session, state().settings, _known(session, number))
        record(session, "subscriber.export", f"subscriber {number}")
    answer = make_response(json.dumps(found, ensure_ascii=False, indent=2))
    answer.mimetype = "application/json"
    answer.headers["Content-Disposition"] = f'attachment; filename="subscriber-{number}.json"'
    return answer


@blueprint.post("/subscribers/<issue:number>/leave")
@needs(Role.PUBLISHER)
def unsubscribe(number: int) -> AnyResponse:
    """Unsubscribe somebody who asked for it another way."""

    def change(session: Session, found: Subscriber, why: str, moment: datetime) -> None:
        left = leaving.leave(session, state().settings, found, "desk", moment, reason=why)
        if not left.changed:
            raise FixRequest(_("Deze persoon was al uitgeschreven."))

    return _change(number, "subscriber.leave", change, _("Uitgeschreven."))


@blueprint.post("/subscribers/<issue:number>/suppress")
@needs(Role.PUBLISHER)
def suppress_subscriber(number: int) -> AnyResponse:
    """Never mail this address again."""

    def change(session: Session, found: Subscriber, why: str, moment: datetime) -> None:
        staff = SuppressionReason.STAFF
        privacy.suppress(session, state().settings, _address(found), staff, moment, why)

    return _change(number, "subscriber.suppress", change, _("Dit adres krijgt geen mail meer."))


@blueprint.post("/subscribers/<issue:number>/lift")
@needs(Role.ADMINISTRATOR)
def lift_from_subscriber(number: int) -> AnyResponse:
    """Allow this address again."""

    def change(session: Session, found: Subscriber, why: str, moment: datetime) -> None:
        nameless = consent.nameless(why, _address(found))
        tokens, canonical = tokens_of(state().settings), found.canonical or ""
        if not suppression.lift(session, tokens, canonical, moment, nameless):
            raise FixRequest(words.NOT_SUPPRESSED)

    return _change(number, "subscriber.lift", change, words.LIFTED)


@blueprint.get("/subscribers/<issue:number>/erase")
@needs(Role.ADMINISTRATOR, fresh=True)
def subscribers_erase(number: int) -> Response:
    """The second step before somebody is erased: what will be gone, and what stays."""
    return _erase_page(number)


@blueprint.post("/subscribers/<issue:number>/erase")
@needs(Role.ADMINISTRATOR, fresh=True)
def erase_subscriber(number: int) -> AnyResponse:
    """Leave no trace of somebody."""
    sent = request.form
    if sent.get("sure") != "yes":
        return _erase_page(number, 422, _("Vink aan dat je het zeker weet."))
    why, tell = sent.get("why", "").strip() or None, sent.get("tell") == "yes"
    with state().database.write() as session:
        found = _known(session, number)
        privacy.erase(session, state().settings, found, now(), route="desk", why=why, tell=tell)
        record(session, "subscriber.erase", f"subscriber {number}", {"told": tell})
    state().database.forget()
    return done("desk.subscribers_one", _("Gewist."), number=number)


def _change(number: int, action: str, change: Change, said: str) -> AnyResponse:
    """Do something for a reason, and write it down; the reason stands with the proof."""
    why = request.form.get("why", "").strip()
    try:
        if not why:
            raise FixRequest(NO_REASON)
        with state().database.write() as session:
            change(session, _known(session, number), why, now())
            record(session, action, f"subscriber {number}")
    except FixRequest as error:
        return refused("desk.subscribers_one", error, number=number)
    return done("desk.subscribers_one", said, number=number)


def _known(session: Session, number: int) -> Subscriber:
    found = session.get(Subscriber, number)
    if found is None:
        abort(404)
    return found


def _address(found: Subscriber) -> str:
    if found.email is None:
        raise FixRequest(_("Dit adres is gewist."))
    return found.email


def _page(
    sent: dict[str, str], status: int = 200, problems: dict[str, str] | None = None, **more: Any
) -> Response:
    said = {name: translate(locale(), text) for name, text in (problems or {}).items()}
    values = {"sent": sent, "problems": said, "languages": i18n.LOCALES, "words": words}
    return show("subscribers.html", status, **values, **more)


def _erase_page(number: int, status: int = 200, problem: str = "") -> Response:
    with state().database.read() as session:
        found = _known(session, number)
    if found.state is SubscriberState.ERASED:
        abort(404)
    said = translate(locale(), problem) if problem else ""
    return show("subscriber_erase.html", status, one=found, problem=said)
