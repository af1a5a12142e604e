"""What the forms ask and what people answered: signing up, and changing choices."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import request, url_for
from markupsafe import Markup, escape

from newsletter import i18n, tokens
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.subscribers import consent
from newsletter.subscribers.signup import SignupForm
from newsletter.tokens import Purpose
from newsletter.web.page import locale, now, state, topics

FORM_AGE = timedelta(hours=24)  # a forgotten tab is older
# Machines fill in every field. Browsers fill in what they know by its name: they know no such name.
HONEYPOT = "left_blank"
# Tells "no box was ticked" from "the boxes were not there".
TOPICS_SHOWN = "topics_shown"
CADENCES = {"monthly": _("Elke maand"), "weekly": _("Elke week")}


@dataclass(frozen=True, slots=True)
class Answers:
    """What someone chose, kept when the form has to be shown again."""

    email: str
    locale: str
    topics: tuple[str, ...]
    cadence: str


def blank() -> Answers:
    """The sign-up form as nobody has touched it."""
    return Answers("", locale(), (), state().settings.default_cadence)


def signing_up() -> Answers:
    """What was sent to sign up, without anything that is not on offer."""
    sent, settings = request.form, state().settings
    cadence = sent.get("cadence", "")
    return Answers(
        email=sent.get("email", "").strip(),
        locale=i18n.pick([sent.get("locale", ""), locale()]),
        topics=tuple(key for key in sent.getlist("topics") if key in topics()),
        cadence=cadence if cadence in settings.cadences else settings.default_cadence,
    )


def changing(own: Answers) -> Answers:
    """What was sent to change `own`: what was not asked stays. Raises FixRequest."""
    sent = request.form
    asked = TOPICS_SHOWN in sent or "topics" in sent
    wanted = Answers(
        email=own.email,
        locale=sent.get("locale", own.locale),
        topics=tuple(sent.getlist("topics")) if asked else own.topics,
        cadence=sent.get("cadence", own.cadence),
    )
    if wanted.locale not in i18n.LOCALES:
        raise FixRequest(_("Deze taal kennen we niet. Kies een taal uit de lijst."))
    if asked and not set(wanted.topics) <= topics().keys():
        raise FixRequest(_("Dit onderwerp bestaat niet. Kies een onderwerp uit de lijst."))
    if "cadence" in sent and wanted.cadence not in state().settings.cadences:
        raise FixRequest(_("Zo vaak mailen we niet. Kies uit de lijst hoe vaak je mail wilt."))
    return wanted


def filled_in(answers: Answers, wording: str) -> SignupForm:
    """The sign-up as it is kept, with what proves it."""
    return SignupForm(
        email=answers.email,
        locale=answers.locale,
        topics=answers.topics,
        cadence=answers.cadence,
        wording=wording,
        form_url=state().links.home(locale()),
        ip=request.remote_addr or "",
        user_agent=request.user_agent.string,
    )


def form(answers: Answers) -> dict[str, Any]:
    """What the template of the sign-up form needs."""
    wording = consent.wording(locale())
    return {
        "answers": answers,
        "default_cadence": state().settings.default_cadence,
        "wording": wording,
        "consent": with_link(wording.text),
        "honeypot": HONEYPOT,
        "made": state().tokens.issue(Purpose.FORM, 0, now()),
        **choices(),
    }


def choices() -> dict[str, Any]:
    """Topics and cadences on offer: key and name."""
    return {
        "topics": topics(),
        "topics_shown": TOPICS_SHOWN,
        "cadences": {
            name: i18n.translate(locale(), CADENCES.get(name, name))
            for name in state().settings.cadences
        },
    }


def with_link(sentence: str) -> Markup:
    """The consent sentence, word for word, with its privacy statement as a link."""
    name = i18n.translate(locale(), "Privacyverklaring")
    path = url_for("public.about", locale=locale(), name="privacy")
    start = sentence.lower().rfind(name.lower())
    if start < 0:  # an older sentence that does not name it
        return Markup('{} <a href="{}">{}</a>').format(sentence, path, name)
    end = start + len(name)
    link = Markup('<a href="{}">{}</a>').format(path, sentence[start:end])
    return escape(sentence[:start]) + link + escape(sentence[end:])


def in_time(made: str) -> bool:
    """Was this form made by us, within a day?"""
    claim = tokens.parse(made)
    if claim is None or not state().tokens.verify(Purpose.FORM, claim):
        return False
    return not claim.older_than(FORM_AGE, now())
