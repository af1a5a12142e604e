"""One's own data: a copy, a receipt, another address, erasure; behind a link mailed that day."""

import json

from flask import Blueprint, Response, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import addresses, i18n
from newsletter.errors import FixRequest
from newsletter.models import Subscriber, SubscriberState
from newsletter.subscribers import access, addressing, privacy, receipts
from newsletter.subscribers.addressing import Result
from newsletter.tokens import Purpose
from newsletter.web.page import (
    LOCALE,
    locale,
    now,
    preferences_path,
    show,
    state,
    token_for,
    unknown_link,
)

blueprint = Blueprint("data", __name__)


@blueprint.get(f"/{LOCALE}/data/<token>")
def page(token: str, **_locale: str) -> Response:
    """What a reader may do with the data we hold."""
    with state().database.read() as session:
        found = access.find(session, state().settings, token, now())
    return _refusal(found) or _page(_subscriber(found), token)


@blueprint.get(f"/{LOCALE}/data/<token>/<any(erase,address):_part>", endpoint="part")
def part(token: str, _part: str, **_locale: str) -> AnyResponse:
    """The address of a form that was sent, opened again (say, in another language)."""
    return redirect(url_for(".page", locale=locale(), token=token), 303)


@blueprint.get(f"/{LOCALE}/data/<token>/export", endpoint="export")
def export(token: str, **_locale: str) -> Response:
    """All we hold about this reader, as a JSON file (GDPR 15 and 20)."""
    with state().database.read() as session:
        found = access.find(session, state().settings, token, now())
        if refusal := _refusal(found):
            return refusal
        held = privacy.export(session, state().settings, _subscriber(found))
    return _download(held, "fiabel-nieuws.json")


@blueprint.get(f"/{LOCALE}/data/<token>/receipt", endpoint="receipt")
def receipt(token: str, **_locale: str) -> Response:
    """The reader's own proofs of consent, signed, as a JSON file."""
    settings, moment = state().settings, now()
    with state().database.read() as session:
        found = access.find(session, settings, token, moment)
        if refusal := _refusal(found):
            return refusal
        signed = receipts.receipt(session, settings, _subscriber(found), moment)
    return _download(signed, "fiabel-consent-receipt.json")


@blueprint.post(f"/{LOCALE}/data/<token>/erase", endpoint="erase")
def erase(token: str, **_locale: str) -> AnyResponse:
    """Erase everything about this reader, once the box that says so is ticked."""
    with state().database.write() as session:
        found = access.find(session, state().settings, token, now(), hold=True)
        if refusal := _refusal(found):
            return refusal
        subscriber = _subscriber(found)
        if "sure" not in request.form:
            unsure = i18n._("Kruis aan dat je zeker bent. Er is nog niets gewist.")
            return _page(subscriber, token, i18n.translate(locale(), unsure), "sure")
        privacy.erase(session, state().settings, subscriber, now())
    state().database.forget()
    return redirect(url_for(".erased", locale=locale()), 303)


@blueprint.get(f"/{LOCALE}/erased", endpoint="erased")
def erased(**_locale: str) -> Response:
    """What is gone, and what stays; the same for everybody."""
    return show("public/erased.html", indexed=False)


@blueprint.post(f"/{LOCALE}/data/<token>/address", endpoint="address")
def address(token: str, **_locale: str) -> AnyResponse:
    """Ask for another address; the answer is the same whatever that is (SEC-07, SEC-21)."""
    settings = state().settings
    with state().database.write() as session:
        found = access.find(session, settings, token, now(), hold=True)
        if refusal := _refusal(found):
            return refusal
        subscriber = _subscriber(found)
        try:
            addressing.ask(session, settings, subscriber, request.form.get("email", ""), now())
        except FixRequest as error:
            return _page(subscriber, token, i18n.translate(locale(), str(error)), "email")
    return redirect(url_for(".page", locale=locale(), token=token, asked=1), 303)


@blueprint.get(f"/{LOCALE}/new-address/<token>")
def new_address_page(token: str, **_locale: str) -> Response:
    """The page with the button, for who opened the letter to the new address."""
    with state().database.read() as session:
        found = addressing.look(session, state().settings, token, now())
    return _moving(found, token)


@blueprint.post(f"/{LOCALE}/new-address/<token>", endpoint="new_address")
def new_address(token: str, **_locale: str) -> Response:
    """Press the button: the address is changed."""
    with state().database.write() as session:
        found = addressing.confirm(session, state().settings, token, now())
    return _moving(found, token)


def _moving(found: addressing.Change, token: str) -> Response:
    if found.result is Result.UNKNOWN or found.subscriber is None:
        return unknown_link()
    done = found.result is not Result.OPEN
    return show(
        "public/new_address.html",
        token=token,
        done=done,
        email=addresses.masked(found.email),
        preferences=preferences_path(found.subscriber) if done else None,
    )


def _refusal(found: access.Access | None) -> Response | None:
    """The page for a link that does not open any data; None when it does."""
    if found is None:
        return unknown_link()
    if found.fresh:
        return None
    return show(
        "public/old_link.html",
        404,
        token=token_for(Purpose.PREFERENCES, found.subscriber),
        email=addresses.masked(found.subscriber.email or ""),
        hours=_hours(),
    )


def _subscriber(found: access.Access | None) -> Subscriber:
    """Whose link it is, once `_refusal` has let it pass."""
    if found is None:
        raise LookupError("an unknown link was not refused")
    return found.subscriber


def _page(subscriber: Subscriber, token: str, problem: str = "", field: str = "") -> Response:
    """The page; `problem` is about `field`: email or sure."""
    return show(
        "public/data.html",
        422 if problem else 200,
        token=token,
        email=addresses.masked(subscriber.email or ""),
        typed=request.form.get("email", ""),
        problem=problem,
        field=field,
        asked="asked" in request.args and not problem,
        reading=subscriber.state is SubscriberState.ACTIVE,
        hours=_hours(),
        preferences=preferences_path(subscriber),
    )


def _download(content: object, name: str) -> Response:
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    response = make_response(text)
    response.mimetype = "application/json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _hours() -> str:
    return f"{state().settings.data_link_hours:g}"
