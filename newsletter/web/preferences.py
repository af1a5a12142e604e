"""What a reader chose, behind the link in every mail. GET and HEAD change nothing, ever."""

from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter import addresses, i18n
from newsletter.errors import FixRequest
from newsletter.models import Subscriber, SubscriberState
from newsletter.subscribers import access, pausing, preferences, signup
from newsletter.subscribers.signup import Answer, LinkForm
from newsletter.tokens import Purpose
from newsletter.web import answers
from newsletter.web.answers import Answers
from newsletter.web.page import LOCALE, locale, now, show, state, token_for, unknown_link

blueprint = Blueprint("preferences", __name__)

MONTHS = (1, 2, 3)  # the quick choices of a pause
# What a press of a button does to a reader whose row is held.
Press = Callable[[Session, Subscriber, datetime], object]


@blueprint.get(f"/{LOCALE}/preferences/<token>")
def page(token: str, **_locale: str) -> AnyResponse:
    """The choices of one reader."""
    with state().database.read() as session:
        subscriber = preferences.find(session, state().settings, token)
        if subscriber is None:
            return unknown_link()
        own = _own(session, subscriber)
    if subscriber.state not in preferences.READING:
        return _leaving(subscriber)
    return _choosing(subscriber, token, own)


@blueprint.get(f"/{LOCALE}/preferences/<token>/<any(pause,link):_part>", endpoint="part")
def part(token: str, _part: str, **_locale: str) -> AnyResponse:
    """The address of a form that was sent, opened again (say, in another language)."""
    return redirect(url_for(".page", locale=locale(), token=token), 303)


@blueprint.post(f"/{LOCALE}/preferences/<token>", endpoint="change")
def change(token: str, **_locale: str) -> AnyResponse:
    """Keep other choices; what was not sent stays as it is."""
    chosen = locale()

    def press(session: Session, subscriber: Subscriber, moment: datetime) -> None:
        nonlocal chosen
        wanted = answers.changing(_own(session, subscriber))
        preferences.change(
            session,
            subscriber,
            locale=wanted.locale,
            topics=wanted.topics,
            cadence=wanted.cadence,
            now=moment,
        )
        chosen = wanted.locale

    refusal = _pressed(token, press, "choices")
    return refusal or redirect(url_for(".page", locale=chosen, token=token, saved=1), 303)


@blueprint.post(f"/{LOCALE}/preferences/<token>/pause", endpoint="pause")
def pause(token: str, **_locale: str) -> AnyResponse:
    """No mail before a day, for some months, or (`resume`) from now on again."""
    refusal = _pressed(token, _pause, "until")
    return refusal or redirect(url_for(".page", locale=locale(), token=token, saved=1), 303)


@blueprint.post(f"/{LOCALE}/preferences/<token>/link", endpoint="link")
def link(token: str, **_locale: str) -> AnyResponse:
    """Mail a fresh link, for what this one does not open."""
    refusal = _pressed(token, access.mail_link, "link")
    return refusal or redirect(url_for(".page", locale=locale(), token=token, mailed=1), 303)


@blueprint.get(f"/{LOCALE}/my-link", endpoint="my_link")
def my_link(**_locale: str) -> AnyResponse:
    """The form for who has no mail of ours at hand; `sent`: what to do next."""
    if "sent" in request.args:
        return show("public/my_link_sent.html", indexed=False)
    return _asking("")


@blueprint.post(f"/{LOCALE}/my-link", endpoint="ask_for_link")
def ask_for_link(**_locale: str) -> AnyResponse:
    """Take the request; the answer is the same whoever reads at this address (SEC-07)."""
    email, page = request.form.get("email", "").strip(), url_for(".my_link", locale=locale())
    form = LinkForm(
        email=email,
        locale=locale(),
        form_url=state().settings.base_url + page,
        **answers.guarded(),
    )
    try:
        with state().database.write() as session:
            done = signup.request(session, state().settings, form, now())
    except FixRequest as error:
        return _asking(email, 422, problem=i18n.translate(locale(), str(error)))
    if done.answer is Answer.TAKEN:
        return redirect(f"{page}?sent=1", 303)
    if done.answer is Answer.LIMITED:
        return answers.limited(_asking(email, 429, limited=True), done.retry_after)
    trapped = done.answer is Answer.TRAPPED
    return _asking(email, 422, trapped=trapped, again=not trapped)


def _asking(email: str, status: int = 200, **values: object) -> Response:
    page = show("public/my_link.html", status, email=email, **answers.guard(), **values)
    return answers.with_work(page)


def _pause(session: Session, subscriber: Subscriber, moment: datetime) -> None:
    sent, settings = request.form, state().settings
    if "resume" in sent:
        pausing.resume(session, subscriber, moment)
        return
    if (months := sent.get("months", "")) in map(str, MONTHS):
        today = moment.astimezone(settings.timezone).date()
        until = pausing.in_months(today, int(months))
    else:
        until = pausing.day(sent.get("until", ""))
    pausing.pause(session, settings, subscriber, until, moment)


def _pressed(token: str, press: Press, field: str) -> AnyResponse | None:
    """Do what a button says for the reader of this link; the page to show when it cannot be."""
    with state().database.write() as session:
        subscriber = preferences.find_to_change(session, state().settings, token)
        if subscriber is None:
            return unknown_link()
        if subscriber.state not in preferences.READING:
            return _leaving(subscriber)
        own = _own(session, subscriber)
        try:
            press(session, subscriber, now())
        except FixRequest as error:
            problem = i18n.translate(locale(), str(error))
            return _choosing(subscriber, token, own, problem, field)
    return None


def _own(session: Session, subscriber: Subscriber) -> Answers:
    topics = preferences.topics_of(session, subscriber)
    return Answers(subscriber.email or "", subscriber.locale, topics, subscriber.cadence)


def _choosing(
    subscriber: Subscriber, token: str, own: Answers, problem: str = "", field: str = ""
) -> AnyResponse:
    """The page; `problem` is about `field`: choices, until or link."""
    settings, moment = state().settings, now()
    today = moment.astimezone(settings.timezone).date()
    return show(
        "public/preferences.html",
        422 if problem else 200,
        token=token,
        email=addresses.masked(own.email),
        chosen=own,
        problem=problem,
        field=field,
        saved="saved" in request.args and not problem,
        mailed="mailed" in request.args and not problem,
        reading=subscriber.state is SubscriberState.ACTIVE,
        mails_again=pausing.mails_again(settings, subscriber, moment),
        months={count: pausing.in_months(today, count) for count in MONTHS},
        tomorrow=today + timedelta(days=1),
        latest=pausing.in_months(today, pausing.LONGEST),
        until=request.form.get("until", ""),
        hours=f"{settings.data_link_hours:g}",
        unsubscribe=_leaving_path(subscriber),
        **answers.choices(),
    )


def _leaving(subscriber: Subscriber) -> AnyResponse:
    return redirect(_leaving_path(subscriber), 303)


def _leaving_path(subscriber: Subscriber) -> str:
    return url_for("leaving.page", token=token_for(Purpose.UNSUBSCRIBE, subscriber))
