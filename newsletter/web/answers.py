"""What the forms ask and what people answered: signing up, and changing choices.

`sign_up` takes what the form sent, whichever page shows it; the rules are `subscribers.signup`'s.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from flask import Response, current_app, request, url_for
from flask.blueprints import BlueprintSetupState
from markupsafe import Markup, escape

import config
from newsletter import i18n
from newsletter.content.library import Library
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.subscribers import consent, signup, suggestions
from newsletter.subscribers.signup import Answer, Answered, SignupForm
from newsletter.web.gathering import Gathering
from newsletter.web.page import State, locale, now, policy, show, state, topics

# Machines fill in every field. Browsers fill in what they know by its name: they know no such name.
HONEYPOT = "left_blank"
# Tells "no box was ticked" from "the boxes were not there".
TOPICS_SHOWN = "topics_shown"
CADENCES = {"monthly": _("Elke maand"), "weekly": _("Elke week")}
# A page with a form runs our own script, which does the work, in a worker of ours.
WORKING = {"script-src": "'self'", "worker-src": "'self'"}


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
    wanted = sent.getlist("topics")
    return Answers(
        # `use`: the button of a suggestion was pressed.
        email=(sent.get("use") or sent.get("email", "")).strip(),
        locale=i18n.pick([sent.get("locale", ""), locale()]),
        topics=tuple(key for key in wanted if key in topics()) if wanted else (),
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


def sign_up(template: str, form_url: str, **values: Any) -> Response | None:
    """Take the form that was sent; None when that is done, else the page to show.

    `values` go to the template beside those of the form, which keeps what was typed.
    """
    sent = signing_up()
    sure = "use" in request.form or request.form.get("sure", "").strip() == sent.email
    if not sure and (better := suggestions.better(sent.email)):
        return ask_again(template, sent, 200, suggestion=better, **values)
    try:
        done = take(_filled_in(sent, form_url))
    except FixRequest as error:
        problem = i18n.translate(locale(), str(error))
        return ask_again(template, sent, 422, problem=problem, **values)
    if done.answer is Answer.TAKEN:
        return None
    if done.answer is Answer.LIMITED:
        return limited(ask_again(template, sent, 429, limited=True, **values), done.retry_after)
    # A person whose browser filled in the trap must not be told that a mail is coming.
    trapped = done.answer is Answer.TRAPPED
    return ask_again(template, sent, 422, trapped=trapped, again=not trapped, **values)


def gather(setup: BlueprintSetupState) -> None:
    """Who signs up at the same time is written down in the same transaction."""
    parts: State = setup.app.extensions["newsletter"]

    def ask(forms: Sequence[SignupForm]) -> list[Answered | FixRequest]:
        with parts.database.write() as session:
            return signup.request_all(session, parts.settings, forms, now())

    setup.app.extensions["signup"] = Gathering(ask)


def take(form: SignupForm) -> Answered:
    """Write down what somebody asked; committed on return. Raises FixRequest."""
    gathering: Gathering[SignupForm, Answered | FixRequest] = current_app.extensions["signup"]
    answered = gathering.fulfil(form)
    if isinstance(answered, FixRequest):
        raise answered
    return answered


def ask_again(template: str, sent: Answers, status: int, **values: Any) -> Response:
    """The page with the form, as it was filled in."""
    return with_work(show(template, status, **(form(sent, bool(values.get("framed"))) | values)))


def limited(response: Response, retry_after: int) -> Response:
    """Say when there is room again (RFC 9110 10.2.3)."""
    response.headers["Retry-After"] = str(retry_after)
    return response


def with_work(response: Response) -> Response:
    """Let the page run our script."""
    return with_policy(response, WORKING)


def with_policy(response: Response, changes: Mapping[str, str]) -> Response:
    """The page's own policy: the site's, with these directives changed."""
    response.content_security_policy = policy(changes)
    return response


def evidence(locale: str, template: str) -> dict[str, Any]:
    """What else the page showed: the privacy statement's version and hash, and the form's hash."""
    library = state().library
    file = library.folder / "pages" / f"privacy.{locale}.md"
    try:
        statement = _statement(library, locale, file, file.stat().st_mtime_ns)
    except OSError:
        return {"template": template}
    return {"privacy": statement, "template": template}


def guard() -> dict[str, Any]:
    """What `public/_guard.html` needs, which every public form includes; see `guarded`."""
    settings = state().settings
    return {
        "honeypot": HONEYPOT,
        "made": signup.made(settings, now()),
        "bits": settings.work_bits,
    }


def guarded() -> dict[str, str]:
    """What every public form sends: the fields of `LinkForm` but address, locale and page."""
    sent = request.form
    return {
        "made": sent.get("token", ""),
        "work": sent.get("work", ""),
        "trap": sent.get(HONEYPOT, ""),
        "ip": request.remote_addr or "",
        "user_agent": request.user_agent.string,
    }


def form(answers: Answers, framed: bool = False) -> dict[str, Any]:
    """What the template of the sign-up form needs; `framed`: its links leave the frame."""
    wording = consent.wording(locale())
    return {
        "answers": answers,
        "default_cadence": state().settings.default_cadence,
        "wording": wording,
        "consent": with_link(wording.text, framed),
        **guard(),
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


def with_link(sentence: str, framed: bool = False) -> Markup:
    """The consent sentence, word for word, with its privacy statement as a link."""
    name = i18n.translate(locale(), "Privacyverklaring")
    path = url_for("public.about", locale=locale(), name="privacy")
    away = Markup(' target="_blank"') if framed else ""
    anchor = Markup('<a href="{}"{}>{}</a>')
    start = sentence.lower().rfind(name.lower())
    if start < 0:  # an older sentence that does not name it
        return Markup("{} {}").format(sentence, anchor.format(path, away, name))
    end = start + len(name)
    link = anchor.format(path, away, sentence[start:end])
    return escape(sentence[:start]) + link + escape(sentence[end:])


@cache
def template_hash(name: str = "_form.html") -> str:
    """SHA-256 of the template of a form (that of signing up), in hex."""
    file = config.PROJECT_DIR / "templates" / "public" / name
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _filled_in(answers: Answers, form_url: str) -> SignupForm:
    """The sign-up as it is kept, with what proves it."""
    return SignupForm(
        email=answers.email,
        locale=answers.locale,
        topics=answers.topics,
        cadence=answers.cadence,
        wording=request.form.get("wording", ""),
        form_url=form_url,
        facts=evidence(locale(), template_hash()),
        **guarded(),
    )


@lru_cache(maxsize=16)
def _statement(library: Library, locale: str, file: Path, _changed: int) -> Mapping[str, str]:
    """Read once for each change of the file."""
    page, digest = library.page("privacy", locale), hashlib.sha256(file.read_bytes())
    updated = page.updated if page else None
    return {"version": updated.isoformat() if updated else "", "sha256": digest.hexdigest()}
