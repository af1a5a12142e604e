"""The form for programs, under /api/v1: the same protection and the same answer for everyone.

JSON in, JSON out; errors are application/problem+json (RFC 9457).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from newsletter import i18n
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.subscribers import consent, signup
from newsletter.subscribers.signup import Answer, SignupForm
from newsletter.web import answers
from newsletter.web.page import locale, now, state

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
RETRY_AFTER = 60  # seconds
STALE = _("Vraag een nieuwe opdracht op (challenge): deze is niet van ons, of te oud.")


@blueprint.get("/challenge")
def challenge() -> Response:
    """What to work on, and the sentence that a person must see before they say yes."""
    settings, wording = state().settings, consent.wording(locale())
    response = jsonify(
        made=signup.made(settings, now()),
        bits=settings.work_bits,
        wording={"id": wording.id, "text": wording.text},
        privacy=state().links.page(locale(), "privacy"),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/subscribe")
def subscribe() -> Response:
    """Take a request to be signed up: 202, whoever it is for (SEC-07)."""
    try:
        done = answers.take(_form(request.get_json()))
    except FixRequest as error:
        return _problem(422, i18n.translate(locale(), str(error)))
    if done.answer is Answer.LIMITED:
        detail = i18n.translate(locale(), _("Er komen nu te veel aanvragen binnen."))
        return answers.limited(_problem(429, detail), done.retry_after)
    if done.answer is not Answer.TAKEN:
        return _problem(422, i18n.translate(locale(), STALE))
    response = jsonify(status="accepted")
    response.status_code = HTTPStatus.ACCEPTED
    return response


def _form(sent: Any) -> SignupForm:
    """What was sent, of the types it must have. Raises FixRequest."""
    sent = sent if isinstance(sent, dict) else {}
    chosen = _text(sent, "locale", locale())
    topics = sent.get("topics", [])
    if not isinstance(topics, list) or not set(map(str, topics)) <= state().library.topics().keys():
        raise FixRequest(_("Dit onderwerp bestaat niet. Kies een onderwerp uit de lijst."))
    cadence = _text(sent, "cadence", state().settings.default_cadence)
    if cadence not in state().settings.cadences:
        raise FixRequest(_("Zo vaak mailen we niet. Kies uit de lijst hoe vaak je mail wilt."))
    wording = _text(sent, "wording")  # the sentence that was shown; the challenge has it
    shown = i18n.pick([wording.rpartition(".")[2]])
    return SignupForm(
        email=_text(sent, "email"),
        locale=chosen,
        topics=tuple(map(str, topics)),
        cadence=cadence,
        wording=wording,
        made=_text(sent, "made"),
        work=_text(sent, "work"),
        trap=_text(sent, answers.HONEYPOT),
        form_url=f"{state().links.base_url}/api/v1/subscribe",
        ip=request.remote_addr or "",
        user_agent=request.user_agent.string,
        facts=answers.evidence(shown, "api"),
    )


def _text(sent: Mapping[str, Any], name: str, missing: str = "") -> str:
    value = sent.get(name, missing)
    return value if isinstance(value, str) else ""


def _problem(status: int, detail: str) -> Response:
    """An error as RFC 9457 describes it."""
    response = jsonify(
        type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail
    )
    response.status_code = status
    response.mimetype = "application/problem+json"
    return response


@blueprint.errorhandler(HTTPException)
def explain(error: HTTPException) -> Response:
    """JSON that cannot be read, a body that is too large, and the like."""
    return _problem(error.code or 500, error.description or "")


@blueprint.errorhandler(OperationalError)
def busy(_error: OperationalError) -> Response:
    """The database is locked or gone: nothing was written, and the same request may come again."""
    detail = _("Het is nu druk. Wacht een minuut en doe het dan opnieuw; er is niets verloren.")
    return answers.limited(_problem(503, i18n.translate(locale(), detail)), RETRY_AFTER)
