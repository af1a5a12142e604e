"""Before every page of the desk: the session is only there, forms carry a token, and the sign-in
still counts. Public pages have no session, and never set a cookie."""

import secrets
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask, Response, g, redirect, request, url_for
from flask import session as browser
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_login import user_logged_out
from flask_security import user_authenticated
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError, generate_csrf
from itsdangerous import BadSignature
from markupsafe import Markup
from werkzeug.exceptions import BadRequest
from werkzeug.http import parse_cookie
from werkzeug.wrappers import Response as AnyResponse

from newsletter import audit
from newsletter.editors import factors, guarding, signing
from newsletter.i18n import _
from newsletter.settings import Settings
from newsletter.subscribers import consent
from newsletter.web.accounts import browsers, typed
from newsletter.web.accounts.account import Account, spoken
from newsletter.web.accounts.store import KEY
from newsletter.web.page import PRIVATE, now, policy, speak, state

DESK = "/desk"
POLICY = {"script-src": "'self'", "connect-src": "'self'", "img-src": "'self' data: blob:"}
POLICY |= {"frame-src": "'self'"}
GONE = _("Je was afgemeld. Meld je opnieuw aan.")
LATE_FORM = _("Je was al afgemeld toen dit hier aankwam. Er is niets bewaard.")
OLD_FORM = _("Dit formulier is te oud, of je bent intussen afgemeld.")
LARGEST_FORM = 21_000_000  # octets: a picture and a text
OUTSIDE = ("cross-site", "same-site")  # Sec-Fetch-Site of who is not us
csrf = CSRFProtect()


class DeskSessions(SecureCookieSessionInterface):
    """A signed cookie, on the desk alone."""

    def open_session(self, app: Flask, request: Any) -> SecureCookieSession | None:
        """The session of a page of the desk; None elsewhere, which nothing can be put into."""
        return super().open_session(app, request) if on_desk(request.path) else None


def set_up(app: Flask, settings: Settings) -> None:
    """Put the gate in front of the desk's pages."""
    app.session_interface = DeskSessions()
    app.config.update(
        SESSION_COOKIE_NAME=cookie_name(settings, "desk"),
        SESSION_COOKIE_SECURE=is_secure(settings),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        # Also of who gave only a password: what the cookie says counts no longer than that.
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.desk_session_hours),
        # Our pages send no Referer; the token, SameSite and Sec-Fetch-Site do the same.
        WTF_CSRF_SSL_STRICT=False,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        LARGER_BODY=partial(_larger_body, app),
    )
    csrf.init_app(app)
    app.before_request(_enter)
    app.after_request(_leave)
    app.register_error_handler(CSRFError, _old_form)
    user_authenticated.connect(_signed_in, app)
    user_logged_out.connect(_signed_out, app)


def _larger_body(app: Flask, head: bytes) -> int:
    """How many octets the server waits for after this head: for who was signed in a picture, else
    none beyond the ordinary. A stranger cannot make a cookie that we signed, nor use an old one."""
    lines = head.decode("latin-1").split("\r\n")
    cookies = (line.partition(":")[2] for line in lines if line.lower().startswith("cookie:"))
    serializer = DeskSessions().get_signing_serializer(app)
    try:
        value = parse_cookie("; ".join(cookies)).get(app.config["SESSION_COOKIE_NAME"], "")
        age = int(app.permanent_session_lifetime.total_seconds())
        known = serializer is not None and "_user_id" in serializer.loads(value, max_age=age)
    except BadSignature:
        return 0
    return LARGEST_FORM if known and lines[0].startswith(f"POST {DESK}/") else 0


def on_desk(path: str) -> bool:
    """Is this a page of the desk?"""
    return path == DESK or path.startswith(f"{DESK}/")


def is_secure(settings: Settings) -> bool:
    """Is the site on https, as everywhere but on a developer's machine?"""
    return settings.base_url.startswith("https://")


def cookie_name(settings: Settings, name: str) -> str:
    """With the prefix that makes browsers refuse a cookie another host or http has set (SEC-17)."""
    return f"__Host-{name}" if is_secure(settings) else name


def present() -> Account | None:
    """Who is signed in."""
    account: Account | None = g.get("account")
    return account


def sign_in_id() -> int:
    """The number of the sign-in this page is asked by."""
    found: int = g.sign_in_id
    return found


def token() -> Markup:
    """The field that every form of the desk carries, so that no other site can send it."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


def key() -> str:
    """The secret that names the sign-in this page is asked by."""
    return str(browser.get(KEY, ""))


def device(editor_id: int) -> str | None:
    """What this browser is known by as this editor's, if it is."""
    cookie = request.cookies.get(_device_cookie(editor_id), "")
    return guarding.known(state().settings, editor_id, cookie, now())


def _enter() -> AnyResponse | None:
    if not on_desk(request.path):
        return None
    counts = True
    if "_user_id" in browser:  # a cookie that we signed
        request.max_content_length = LARGEST_FORM
        counts = _recognise()
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return _home() if _asks_for_no_code() else None
    if request.headers.get("Sec-Fetch-Site") in OUTSIDE:
        raise BadRequest
    if not counts:
        return _ended()
    csrf.protect()
    return None


def _asks_for_no_code() -> bool:
    """Is this the page for a code, looked at by who is signed in and sets up nothing?

    Flask-Security would sign them out, and a link of anybody's could do that.
    """
    page = request.endpoint == "security.two_factor_token_validation"
    return page and present() is not None and browser.get("tf_state") != "validating_profile"


def _home() -> AnyResponse:
    return redirect(url_for("desk.home"), 302)


def _ended() -> AnyResponse:
    """What was sent does not count; words that somebody wrote are shown to them."""
    return typed.refuse(LATE_FORM) if typed.fields() else redirect(url_for("security.login"), 303)


def _recognise() -> bool:
    """Find the sign-in that the session names; one that ended takes the session with it."""
    moment = now()
    with state().database.read() as session:
        found = signing.found(session, state().settings, browser.get(KEY, ""), moment)
        if found is None or found[1].fs_uniquifier != browser["_user_id"]:
            browser.clear()
            browser["_flashes"] = [("info", GONE)]
            return False
        sign_in, editor = found
        g.account, g.sign_in_id = Account(editor, factors.passkeys(session, editor.id)), sign_in.id
    speak(spoken(g.account))
    if signing.is_stale(sign_in, moment):
        with state().database.write() as session:
            signing.seen(session, sign_in.id, moment)
    return True


def _leave(response: Response) -> Response:
    if on_desk(request.path):
        for name, value in PRIVATE.items():
            response.headers[name] = value
        if not response.content_security_policy:
            response.content_security_policy = policy(POLICY)
        if "device" in g:
            _know(response, *g.device)
    return response


def _signed_in(
    _app: Flask, user: Account, authn_via: list[str] | None = None, **_more: Any
) -> None:
    """Begin a row for this browser, whose secret only its cookie holds; and know the browser."""
    moment, settings = now(), state().settings
    browser[KEY] = key = secrets.token_urlsafe(32)
    for kept in (browser, g):  # who knew the token of before knows nothing of this sign-in
        kept.pop("csrf_token", None)
    via = ", ".join(authn_via or ["password"])
    with state().database.write() as session:
        row = signing.begin(
            session,
            user.id,
            key,
            moment,
            method=via,
            place=consent.network(request.remote_addr or ""),
            browser=browsers.in_words(request.user_agent.string),
        )
        who = audit.editor(user.id)
        audit.record(session, settings, who, "editor.sign_in", who, moment, {"by": via})
    g.account, g.sign_in_id = user, row.id
    if not device(user.id):
        g.device = (_device_cookie(user.id), guarding.device(settings, user.id, moment))


def _signed_out(_app: Flask, user: Account, **_more: Any) -> None:
    """End the row of this browser."""
    key, moment = browser.pop(KEY, ""), now()
    g.pop("account", None)
    with state().database.write() as session:
        if found := signing.found(session, state().settings, key, moment):
            signing.end(session, found[1].id, found[0].id, moment)
            who = audit.editor(found[1].id)
            audit.record(session, state().settings, who, "editor.sign_out", who, moment)


def _old_form(_error: CSRFError) -> Response:
    return typed.refuse(OLD_FORM)


def _know(response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=guarding.DEVICE_DAYS * 24 * 3600,
        secure=is_secure(state().settings),
        httponly=True,
        samesite="Lax",
    )


def _device_cookie(editor_id: int) -> str:
    return cookie_name(state().settings, f"desk-device-{editor_id}")
