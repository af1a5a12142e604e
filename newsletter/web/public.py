"""The front door: sign up, confirm, read about Fiabel. GET and HEAD change nothing, ever."""

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import addresses, i18n
from newsletter.issues import reading
from newsletter.subscribers import confirming, refusing
from newsletter.subscribers.confirming import Result
from newsletter.web import answers
from newsletter.web.page import LOCALE, locale, now, preferences_path, show, state, unknown_link
from newsletter.web.sheet import sheet

blueprint = Blueprint("public", __name__)
blueprint.record(answers.gather)


@blueprint.get("/", endpoint="home")
@blueprint.get(f"/{LOCALE}/", endpoint="home")
def home(**_locale: str) -> Response:
    """The front page: the form, the latest issue, what Fiabel is."""
    with state().database.read() as session:
        issues = reading.published(session)
        pieces = reading.issue_pieces(session, issues[0].number, locale()) if issues else []
    issue = issues[0] if issues else None
    form = answers.form(answers.blank())
    return answers.with_work(show("public/home.html", issue=issue, sheet=sheet(pieces), **form))


@blueprint.get(f"/{LOCALE}/signup")
def signup_page(**_locale: str) -> Response:
    """The form alone."""
    return answers.ask_again("public/signup.html", answers.blank(), 200)


@blueprint.post(f"/{LOCALE}/signup", endpoint="signup")
def ask(**_locale: str) -> AnyResponse:
    """Take a request to be signed up; the answer is the same whoever asks (SEC-07)."""
    page = answers.sign_up("public/signup.html", state().links.home(locale()))
    return page or redirect(url_for(".check_your_mail", locale=locale()), 303)


@blueprint.route(f"/{LOCALE}/signup/start", methods=["GET", "POST"])
def start(**_locale: str) -> Response:
    """A form on another site leads here: our own form, filled in, with its button and its work."""
    sent = answers.signing_up() if request.method == "POST" else answers.blank()
    return answers.ask_again("public/signup.html", sent, 200, indexed=False)


@blueprint.get(f"/{LOCALE}/check-your-mail")
def check_your_mail(**_locale: str) -> Response:
    """What to do next, the same for everybody."""
    return show("public/check_your_mail.html")


@blueprint.get(f"/{LOCALE}/confirm/<token>")
def confirm_page(token: str, **_locale: str) -> Response:
    """The page with the button; looking at it confirms nothing (SEC-02)."""
    with state().database.read() as session:
        found = confirming.look(session, state().settings, token, now())
    if found.result is Result.OPEN and found.subscriber:
        email = addresses.masked(found.subscriber.email or "")
        return show("public/confirm.html", token=token, email=email)
    return _confirmed(found)


@blueprint.post(f"/{LOCALE}/confirm/<token>", endpoint="confirm")
def confirm(token: str, **_locale: str) -> Response:
    """Press the button: the subscription starts."""
    ip, agent = request.remote_addr or "", request.user_agent.string
    with state().database.write() as session:
        found = confirming.confirm(session, state().settings, token, now(), ip, agent)
    return _confirmed(found)


def _confirmed(found: confirming.Confirmation) -> Response:
    if found.result not in (Result.CONFIRMED, Result.ALREADY) or not found.subscriber:
        return unknown_link()
    fresh = found.result is Result.CONFIRMED
    return show("public/welcome.html", fresh=fresh, preferences=preferences_path(found.subscriber))


@blueprint.get(f"/{LOCALE}/never/<token>")
def never_page(token: str, **_locale: str) -> Response:
    """ "I did not ask for this": the page with the button; looking at it changes nothing."""
    with state().database.read() as session:
        found = refusing.look(session, state().settings, token)
    return _refused(found, token)


@blueprint.post(f"/{LOCALE}/never/<token>", endpoint="never")
def never(token: str, **_locale: str) -> Response:
    """Press the button: this address never gets a letter again."""
    with state().database.write() as session:
        found = refusing.refuse(session, state().settings, token, now())
    if found is not None and found.done:
        state().database.forget()
    return _refused(found, token)


def _refused(found: refusing.Refusal | None, token: str) -> Response:
    if found is None:
        return unknown_link()
    email = "" if found.done else addresses.masked(found.subscriber.email or "")
    return show("public/never.html", done=found.done, email=email, token=token)


@blueprint.get(f"/{LOCALE}/about/<name>")
def about(name: str, **_locale: str) -> Response:
    """A page of the site, such as the privacy statement."""
    library = state().library
    found = library.page(name, locale()) or abort(404)
    texts = (library.page(name, other) for other in i18n.LOCALES)
    written = {text.locale for text in texts if text}
    return show("public/about.html", page=found, original=found.locale, written=written)
