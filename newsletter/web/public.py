"""The reader's pages: sign up, confirm, change, leave. GET and HEAD change nothing, ever."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import addresses, i18n, tokens
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.issues import reading
from newsletter.models import Subscriber, SubscriberState
from newsletter.subscribers import consent, preferences, signup
from newsletter.subscribers.signup import Result, SignupForm
from newsletter.tokens import Purpose
from newsletter.web.page import LOCALE, locale, now, show, speak, state, topics
from newsletter.web.sheet import sheet

blueprint = Blueprint("public", __name__)

FORM_AGE = timedelta(hours=24)  # a forgotten tab is older
HONEYPOT = "nickname"
ONE_CLICK = ("List-Unsubscribe", "One-Click")  # RFC 8058 3.1
CADENCES = {"monthly": _("Elke maand"), "weekly": _("Elke week")}


@dataclass(frozen=True, slots=True)
class Answers:
    """What someone chose, kept when the form has to be shown again."""

    email: str
    locale: str
    topics: tuple[str, ...]
    cadence: str


@blueprint.get("/", endpoint="home")
@blueprint.get(f"/{LOCALE}/", endpoint="home")
def home(**_locale: str) -> Response:
    """The front page: the form, the latest issue, what Fiabel is."""
    with state().database.read() as session:
        issues = reading.published(session)
        pieces = reading.issue_pieces(session, issues[0].number, locale()) if issues else []
    issue = issues[0] if issues else None
    return show("public/home.html", issue=issue, sheet=sheet(pieces), **_form(_blank()))


@blueprint.get(f"/{LOCALE}/signup")
def signup_page(**_locale: str) -> Response:
    """The form alone."""
    return show("public/signup.html", **_form(_blank()))


@blueprint.post(f"/{LOCALE}/signup", endpoint="signup")
def ask(**_locale: str) -> AnyResponse:
    """Take a request to be signed up; the answer is the same whoever asks (SEC-07)."""
    answers = _answers()
    done = redirect(url_for(".check_your_mail", locale=locale()), 303)
    if request.form.get(HONEYPOT):
        return done
    wording = consent.wording(locale())
    if not _in_time(request.form.get("made", "")) or request.form.get("wording") != wording.id:
        return show("public/signup.html", 422, again=True, **_form(answers))
    try:
        with state().database.write() as session:
            signup.request(session, _filled_in(answers, wording.id), now())
    except FixRequest as error:
        problem = i18n.translate(locale(), str(error))
        return show("public/signup.html", 422, problem=problem, **_form(answers))
    return done


@blueprint.get(f"/{LOCALE}/check-your-mail")
def check_your_mail(**_locale: str) -> Response:
    """What to do next, the same for everybody."""
    return show("public/check_your_mail.html")


@blueprint.get(f"/{LOCALE}/confirm/<token>")
def confirm_page(token: str, **_locale: str) -> Response:
    """The page with the button; looking at it confirms nothing (SEC-02)."""
    with state().database.read() as session:
        found = signup.look(session, state().settings, token, now())
    if found.result is Result.OPEN and found.subscriber:
        email = addresses.masked(found.subscriber.email or "")
        return show("public/confirm.html", token=token, email=email)
    return _confirmed(found)


@blueprint.post(f"/{LOCALE}/confirm/<token>", endpoint="confirm")
def confirm(token: str, **_locale: str) -> Response:
    """Press the button: the subscription starts."""
    ip, agent = request.remote_addr or "", request.user_agent.string
    with state().database.write() as session:
        found = signup.confirm(session, state().settings, token, now(), ip, agent)
    return _confirmed(found)


def _confirmed(found: signup.Confirmation) -> Response:
    if found.result not in (Result.CONFIRMED, Result.ALREADY) or not found.subscriber:
        return _unknown_link()
    fresh = found.result is Result.CONFIRMED
    return show("public/welcome.html", fresh=fresh, preferences=_preferences(found.subscriber))


@blueprint.get("/u/<token>")
def unsubscribe_page(token: str) -> Response:
    """The page with the button; looking at it, as mail scanners do, changes nothing (UNS-05)."""
    with state().database.read() as session:
        subscriber = preferences.find_by_unsubscribe(session, state().settings, token)
    if subscriber is None:
        return _unknown_link()
    return _leaving(subscriber)


@blueprint.post("/u/<token>", endpoint="unsubscribe")
def unsubscribe(token: str) -> Response:
    """Leave, by the button or a mail program's one click (RFC 8058 3.1: no cookie, no redirect)."""
    name, value = ONE_CLICK
    route = "one-click" if request.form.get(name) == value else "page"
    with state().database.write() as session:
        left = preferences.leave_by_token(session, state().settings, token, route, now())
    if left is None:
        return _unknown_link()
    return _leaving(left.subscriber)


def _leaving(subscriber: Subscriber) -> Response:
    speak(subscriber.locale)
    reading_on = subscriber.state in preferences.READING
    return show(
        "public/unsubscribe.html",
        gone=subscriber.state in (SubscriberState.LEFT, SubscriberState.ERASED),
        email=addresses.masked(subscriber.email or ""),
        preferences=_preferences(subscriber) if reading_on else None,
    )


@blueprint.get(f"/{LOCALE}/preferences/<token>")
def preferences_page(token: str, **_locale: str) -> Response:
    """The choices of one reader."""
    with state().database.read() as session:
        subscriber = preferences.find(session, state().settings, token)
        if subscriber is None:
            return _unknown_link()
        wanted = preferences.topics_of(session, subscriber)
    if subscriber.state not in preferences.READING:
        return _leaving(subscriber)
    chosen = Answers(subscriber.email or "", subscriber.locale, wanted, subscriber.cadence)
    return show(
        "public/preferences.html",
        token=token,
        email=addresses.masked(chosen.email),
        chosen=chosen,
        saved="saved" in request.args,
        unsubscribe=url_for(".unsubscribe", token=_token(Purpose.UNSUBSCRIBE, subscriber)),
        **_choices(),
    )


@blueprint.post(f"/{LOCALE}/preferences/<token>", endpoint="change")
def change(token: str, **_locale: str) -> AnyResponse:
    """Keep other choices."""
    wanted = _answers()
    with state().database.write() as session:
        subscriber = preferences.find(session, state().settings, token)
        if subscriber is None:
            return _unknown_link()
        if subscriber.state not in preferences.READING:
            return _leaving(subscriber)
        preferences.change(
            session,
            subscriber,
            locale=wanted.locale,
            topics=wanted.topics,
            cadence=wanted.cadence,
            now=now(),
        )
    page = url_for(".preferences_page", locale=wanted.locale, token=token, saved=1)
    return redirect(page, 303)


@blueprint.get(f"/{LOCALE}/about/<name>")
def about(name: str, **_locale: str) -> Response:
    """A page of the site, such as the privacy statement."""
    found = state().library.page(name, locale()) or abort(404)
    return show("public/about.html", page=found)


def _unknown_link() -> Response:
    """One answer to a cut, forged, foreign and outdated token: nobody learns who reads Fiabel."""
    return show("public/unknown_link.html", 404, confirm_days=state().settings.confirm_days)


def _preferences(subscriber: Subscriber) -> str:
    token = _token(Purpose.PREFERENCES, subscriber)
    return url_for("public.preferences_page", locale=locale(), token=token)


def _token(purpose: Purpose, subscriber: Subscriber) -> str:
    return state().tokens.issue(purpose, subscriber.id, now())


def _blank() -> Answers:
    return Answers("", locale(), (), state().settings.default_cadence)


def _answers() -> Answers:
    """What was sent, without anything that is not on offer."""
    sent, settings = request.form, state().settings
    cadence = sent.get("cadence", "")
    return Answers(
        email=sent.get("email", "").strip(),
        locale=i18n.pick([sent.get("locale", ""), locale()]),
        topics=tuple(key for key in sent.getlist("topics") if key in topics()),
        cadence=cadence if cadence in settings.cadences else settings.default_cadence,
    )


def _filled_in(answers: Answers, wording: str) -> SignupForm:
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


def _form(answers: Answers) -> dict[str, Any]:
    """What the form's template needs."""
    return {
        "answers": answers,
        "default_cadence": state().settings.default_cadence,
        "wording": consent.wording(locale()),
        "made": state().tokens.issue(Purpose.FORM, 0, now()),
        **_choices(),
    }


def _choices() -> dict[str, Any]:
    """Topics and cadences on offer: key and name."""
    return {
        "topics": topics(),
        "cadences": {
            name: i18n.translate(locale(), CADENCES.get(name, name))
            for name in state().settings.cadences
        },
    }


def _in_time(made: str) -> bool:
    """Was this form made by us, within a day?"""
    claim = tokens.parse(made)
    if claim is None or not state().tokens.verify(Purpose.FORM, claim):
        return False
    return not claim.older_than(FORM_AGE, now())
