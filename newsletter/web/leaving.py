"""Leaving: a page with one button, the one click of mail programs (RFC 8058), and regret."""

from collections.abc import Sequence
from functools import cache

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import TooManyRequests

from newsletter import addresses, i18n
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import LeavingReason, Subscriber, SubscriberState
from newsletter.subscribers import consent, guessing, leaving, survey, undoing
from newsletter.subscribers.leaving import Wish
from newsletter.subscribers.preferences import READING
from newsletter.subscribers.undoing import Undoing, Undone
from newsletter.web import answers
from newsletter.web.gathering import Gathering
from newsletter.web.page import (
    LOCALE,
    State,
    locale,
    now,
    preferences_path,
    show,
    speak,
    state,
    unknown_link,
)

blueprint = Blueprint("leaving", __name__)

DONE = _("Je bent uitgeschreven")
REASONS = {
    LeavingReason.TOO_MUCH: _("Ik krijg te veel mail"),
    LeavingReason.NOT_FOR_ME: _("Het nieuws is niet iets voor mij"),
    LeavingReason.NEVER_ASKED: _("Ik heb me nooit ingeschreven"),
    LeavingReason.ELSEWHERE: _("Ik volg het nieuws op een andere manier"),
    LeavingReason.OTHER: _("Iets anders"),
}


@blueprint.record
def _gather(setup: BlueprintSetupState) -> None:
    """Who leaves at the same time leaves in the same transaction."""
    parts: State = setup.app.extensions["newsletter"]

    def leave(wishes: Sequence[Wish]) -> list[bool | None]:
        with parts.database.write() as session:
            return leaving.leave_all(session, parts.settings, wishes, now())

    setup.app.extensions["leaving"] = Gathering(leave)


@blueprint.get("/u/<token>")
@blueprint.get("/u/<token>/why", endpoint="why_page")
def page(token: str) -> Response:
    """The page with the button; looking at it, as mail scanners do, changes nothing (UNS-05)."""
    with state().database.read() as session:
        subscriber = leaving.find(session, state().settings, token)
    if subscriber is None:
        return unknown_link()
    return _page(subscriber, token)


@blueprint.post("/u/<token>", endpoint="unsubscribe")
def unsubscribe(token: str) -> Response:
    """Leave, by the button or a mail program's one click (RFC 8058 3.1: no cookie, no redirect).

    A machine reads the status only; its answer costs no page.
    """
    by_machine = is_one_click(request.get_data(cache=False))
    claim = leaving.read(state().settings, token)
    if claim is None:
        return _guessed()
    wish = Wish(claim.id, "one-click" if by_machine else "page", claim.issued_at)
    gathering: Gathering[Wish, bool | None] = current_app.extensions["leaving"]
    if gathering.fulfil(wish) is None:
        return unknown_link()
    return Response(done(), mimetype="text/plain") if by_machine else page(token)


@blueprint.post("/u/<token>/why", endpoint="why")
def why(token: str) -> Response:
    """Take the answer to the one question, from somebody who has left."""
    if leaving.read(state().settings, token) is None:
        return _guessed()
    problem = ""
    with state().database.write() as session:
        subscriber = leaving.find(session, state().settings, token)
        if subscriber is None:
            return unknown_link()
        try:
            survey.answer(session, subscriber, request.form.get("reason", ""), now())
        except FixRequest as error:
            problem = str(error)
    return _page(subscriber, token, problem=problem, thanks=not problem)


@blueprint.get(f"/{LOCALE}/undo/<token>")
def undo_page(token: str, **_locale: str) -> Response:
    """The page with the button that undoes leaving; looking at it undoes nothing."""
    with state().database.read() as session:
        found = undoing.look(session, state().settings, token, now())
    return unknown_link() if found.subscriber is None else _undone(found, found.subscriber, token)


@blueprint.post(f"/{LOCALE}/undo/<token>", endpoint="undo")
def undo(token: str, **_locale: str) -> Response:
    """Press the button: the reader is back."""
    with state().database.write() as session:
        found = undoing.undo(
            session,
            state().settings,
            token,
            now(),
            locale=locale(),
            ip=request.remote_addr or "",
            user_agent=request.user_agent.string,
            facts=answers.evidence(locale(), answers.template_hash("undo.html")),
        )
    return _guessed() if found.subscriber is None else _undone(found, found.subscriber, token)


def is_one_click(body: bytes) -> bool:
    """Is it `List-Unsubscribe=One-Click` (RFC 8058 3.1), urlencoded or multipart, however dressed?

    It decides what the answer looks like, no more: who posts without a body leaves too.
    """
    return b"List-Unsubscribe" in body and b"One-Click" in body


@cache
def done() -> str:
    """The whole answer to a machine: in every language, since nobody asked for one.

    Made when it is asked for, since catalogues are read then; a start needs none.
    """
    return "".join(f"{i18n.translate(name, DONE)}.\n" for name in i18n.LOCALES)


def _page(
    subscriber: Subscriber, token: str, *, problem: str = "", thanks: bool = False
) -> Response:
    """What stands for this reader: gone, or the button."""
    speak(subscriber.locale)
    return show(
        "public/unsubscribe.html",
        422 if problem else 200,
        token=token,
        gone=subscriber.state in leaving.GONE,
        email=addresses.masked(subscriber.email or ""),
        preferences=preferences_path(subscriber) if subscriber.state in READING else None,
        reasons=REASONS if subscriber.state is SubscriberState.LEFT and not thanks else {},
        problem=i18n.translate(locale(), problem) if problem else "",
        thanks=thanks,
    )


def _undone(found: Undone, subscriber: Subscriber, token: str) -> Response:
    back = found.result in (Undoing.BACK, Undoing.ALREADY)
    return show(
        "public/undo.html",
        token=token,
        result=found.result.value,
        email=addresses.masked(subscriber.email or ""),
        consent=answers.with_link(consent.wording(locale()).text),
        preferences=preferences_path(subscriber) if back else None,
    )


def _guessed() -> Response:
    """Not a token of ours: neutral at first, and refused to who keeps trying (UNS-13)."""
    with state().database.write() as session:
        wait = guessing.count(session, state().settings, request.remote_addr or "", now())
    if wait:
        raise TooManyRequests(retry_after=wait)
    return unknown_link()
