"""The reader's pages: sign up, confirm, change, leave. GET and HEAD change nothing, ever."""

from flask import Blueprint, Response, abort, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter import addresses, i18n
from newsletter.errors import FixRequest
from newsletter.issues import reading
from newsletter.models import Subscriber, SubscriberState
from newsletter.subscribers import consent, preferences, signup
from newsletter.subscribers.signup import Result
from newsletter.tokens import Purpose
from newsletter.web import answers
from newsletter.web.answers import Answers
from newsletter.web.page import LOCALE, locale, now, show, speak, state
from newsletter.web.sheet import sheet

blueprint = Blueprint("public", __name__)

ONE_CLICK = ("List-Unsubscribe", "One-Click")  # RFC 8058 3.1


@blueprint.get("/", endpoint="home")
@blueprint.get(f"/{LOCALE}/", endpoint="home")
def home(**_locale: str) -> Response:
    """The front page: the form, the latest issue, what Fiabel is."""
    with state().database.read() as session:
        issues = reading.published(session)
        pieces = reading.issue_pieces(session, issues[0].number, locale()) if issues else []
    issue = issues[0] if issues else None
    return show(
        "public/home.html", issue=issue, sheet=sheet(pieces), **answers.form(answers.blank())
    )


@blueprint.get(f"/{LOCALE}/signup")
def signup_page(**_locale: str) -> Response:
    """The form alone."""
    return show("public/signup.html", **answers.form(answers.blank()))


@blueprint.post(f"/{LOCALE}/signup", endpoint="signup")
def ask(**_locale: str) -> AnyResponse:
    """Take a request to be signed up; the answer is the same whoever asks (SEC-07)."""
    sent, wording = answers.signing_up(), consent.wording(locale())
    if request.form.get(answers.HONEYPOT):
        # A person whose browser did this must not be told that a mail is coming.
        return show("public/signup.html", 422, trapped=True, **answers.form(sent))
    in_time = answers.in_time(request.form.get("made", ""))
    if not in_time or request.form.get("wording") != wording.id:
        return show("public/signup.html", 422, again=True, **answers.form(sent))
    try:
        with state().database.write() as session:
            answer, utf8 = answers.filled_in(sent, wording.id), state().settings.mail_smtputf8
            signup.request(session, answer, now(), allow_utf8=utf8)
    except FixRequest as error:
        problem = i18n.translate(locale(), str(error))
        return show("public/signup.html", 422, problem=problem, **answers.form(sent))
    return redirect(url_for(".check_your_mail", locale=locale()), 303)


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
        own = _own(session, subscriber)
    if subscriber.state not in preferences.READING:
        return _leaving(subscriber)
    return _choosing(subscriber, token, own)


@blueprint.post(f"/{LOCALE}/preferences/<token>", endpoint="change")
def change(token: str, **_locale: str) -> AnyResponse:
    """Keep other choices; what was not sent stays as it is."""
    with state().database.write() as session:
        subscriber = preferences.find(session, state().settings, token)
        if subscriber is None:
            return _unknown_link()
        if subscriber.state not in preferences.READING:
            return _leaving(subscriber)
        own = _own(session, subscriber)
        try:
            wanted = answers.changing(own)
        except FixRequest as error:
            return _choosing(subscriber, token, own, i18n.translate(locale(), str(error)))
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


def _own(session: Session, subscriber: Subscriber) -> Answers:
    topics = preferences.topics_of(session, subscriber)
    return Answers(subscriber.email or "", subscriber.locale, topics, subscriber.cadence)


def _choosing(subscriber: Subscriber, token: str, own: Answers, problem: str = "") -> Response:
    return show(
        "public/preferences.html",
        422 if problem else 200,
        token=token,
        email=addresses.masked(own.email),
        chosen=own,
        problem=problem,
        saved="saved" in request.args and not problem,
        unsubscribe=url_for(".unsubscribe", token=_token(Purpose.UNSUBSCRIBE, subscriber)),
        **answers.choices(),
    )


@blueprint.get(f"/{LOCALE}/about/<name>")
def about(name: str, **_locale: str) -> Response:
    """A page of the site, such as the privacy statement."""
    library = state().library
    found = library.page(name, locale()) or abort(404)
    texts = (library.page(name, other) for other in i18n.LOCALES)
    written = {text.locale for text in texts if text}
    return show("public/about.html", page=found, original=found.locale, written=written)


def _unknown_link() -> Response:
    """One answer to a cut, forged, foreign and outdated token: nobody learns who reads Fiabel."""
    return show("public/unknown_link.html", 404, confirm_days=state().settings.confirm_days)


def _preferences(subscriber: Subscriber) -> str:
    token = _token(Purpose.PREFERENCES, subscriber)
    return url_for("public.preferences_page", locale=locale(), token=token)


def _token(purpose: Purpose, subscriber: Subscriber) -> str:
    return state().tokens.issue(purpose, subscriber.id, now())
