"""Signing up by program: the same protection as the form, and the same answer for everyone."""

from typing import Any

from flask import Response, request

from newsletter import i18n
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.subscribers import consent, signup
from newsletter.subscribers.signup import Answer, SignupForm
from newsletter.web import answers
from newsletter.web.api import calls, shapes
from newsletter.web.api.problems import Problem
from newsletter.web.page import locale, now, state

STALE = _("Vraag een nieuwe opdracht op (challenge): deze is niet van ons, of te oud.")


def challenge() -> Response:
    """What to work on, and the sentence that a person must see before they say yes."""
    settings, wording = state().settings, consent.wording(locale())
    return calls.as_json(
        {
            "made": signup.made(settings, now()),
            "bits": settings.work_bits,
            "wording": {"id": wording.id, "text": wording.text},
            "privacy": state().links.page(locale(), "privacy"),
        }
    )


def subscribe() -> Response:
    """Take a request to be signed up: 202, whoever it is for (SEC-07)."""
    sent = calls.body_of(shapes.Subscription)
    try:
        done = answers.take(_form(sent, request.get_json()))
    except FixRequest as error:
        raise Problem(422, error.in_(locale())) from None
    if done.answer is Answer.LIMITED:
        said = i18n.translate(locale(), _("Er komen nu te veel aanvragen binnen."))
        raise Problem(429, said, headers={"Retry-After": str(done.retry_after)})
    if done.answer is not Answer.TAKEN:
        raise Problem(422, i18n.translate(locale(), STALE))
    return calls.as_json({"status": "accepted"}, 202)


def _form(sent: shapes.Subscription, raw: dict[str, Any]) -> SignupForm:
    """What was sent, as a form. Raises FixRequest."""
    if not set(sent.topics) <= state().library.topics().keys():
        raise FixRequest(_("Dit onderwerp bestaat niet. Kies een onderwerp uit de lijst."))
    cadence = sent.cadence or state().settings.default_cadence
    if cadence not in state().settings.cadences:
        raise FixRequest(_("Zo vaak mailen we niet. Kies uit de lijst hoe vaak je mail wilt."))
    shown = i18n.pick([sent.wording.rpartition(".")[2]])  # the sentence; the challenge has it
    trap = raw.get(answers.HONEYPOT, "")
    return SignupForm(
        email=sent.email,
        locale=sent.locale or locale(),
        topics=tuple(sent.topics),
        cadence=cadence,
        wording=sent.wording,
        made=sent.made,
        work=sent.work,
        trap=trap if isinstance(trap, str) else "",
        form_url=f"{state().links.base_url}/api/v1/subscribe",
        ip=request.remote_addr or "",
        user_agent=request.user_agent.string,
        facts=answers.evidence(shown, "api"),
    )
