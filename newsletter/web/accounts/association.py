"""The association's own login (OpenID Connect), for who was invited: code flow with PKCE, state and
nonce, by Authlib. The provider asks for a second factor itself, if it wants one."""

from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, current_app, flash, redirect, request, url_for
from flask import session as browser
from flask_security.utils import login_user, validate_redirect_url
from joserfc.errors import JoseError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter.editors import factors, people
from newsletter.i18n import _, translate
from newsletter.models import Editor
from newsletter.settings import Settings
from newsletter.web.accounts import gate
from newsletter.web.accounts.account import Account
from newsletter.web.accounts.passwords import blueprint
from newsletter.web.page import locale, now, state

NAME = "association"
AGAIN = "association_again"  # in the session: since when somebody proves themselves anew, for what
LEEWAY = 60  # seconds that the provider's clock may be behind ours
SECONDS = 10  # that the provider may take for an answer
REFUSED = _("Aanmelden met die account lukte niet. Vraag je beheerder om een uitnodiging.")
NOT_ANEW = _("We konden niet zien dat jij het bent. Lukt het niet? Meld je af en weer aan.")
BROKEN = _("De andere kant antwoordde niet zoals het hoort. Probeer het opnieuw.")


def set_up(app: Flask, settings: Settings) -> None:
    """Know the provider, when there is one; it is asked when somebody comes."""
    oauth = OAuth(app)
    app.extensions["desk_oauth"] = oauth
    if settings.oidc_issuer:
        method = "client_secret_basic" if settings.oidc_client_secret else "none"
        oauth.register(
            NAME,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret or None,
            server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": method,
                "default_timeout": SECONDS,
            },
        )


@blueprint.get("/association")
def association() -> AnyResponse:
    """To the provider; nothing is kept but in this browser's own cookie."""
    browser.pop(AGAIN, None)
    return _ask()


@blueprint.get("/association/again", endpoint="association_again")
def again() -> AnyResponse:
    """To the provider, which must ask anew who is there (OpenID Connect Core 1.0, 3.1.2.1)."""
    if gate.present() is None:
        return redirect(url_for("security.login"), 303)
    browser[AGAIN] = {"since": now().timestamp(), "next": request.args.get("next", "")}
    return _ask(prompt="login", max_age=0)


def _ask(**more: Any) -> AnyResponse:
    back = state().settings.base_url + url_for(".association_back")
    try:
        found: AnyResponse = _client().authorize_redirect(back, **more)
    except (AuthlibBaseError, requests.RequestException, ValueError):
        return _refused(BROKEN, browser.pop(AGAIN, None))
    return found


@blueprint.get("/association/back", endpoint="association_back")
def back() -> AnyResponse:
    """From the provider, with a code: sign in who it says it is, or see that it is still them."""
    asked = browser.pop(AGAIN, None)
    options = {"iss": {"essential": True, "values": [state().settings.oidc_issuer]}}
    try:
        said = _client().authorize_access_token(claims_options=options)["userinfo"]
    except (AuthlibBaseError, JoseError, requests.RequestException, ValueError, KeyError):
        current_app.logger.warning("The association's login gave an answer that does not hold.")
        return _refused(BROKEN, asked)
    if asked is not None:
        return _proven(said, asked)
    account = _invited(said)
    if account is None:
        return _refused(REFUSED)
    if account.subject != said["sub"]:
        account.subject = said["sub"]
        store = current_app.extensions["security"].datastore
        store.put(account)
        store.commit()
    login_user(account, remember=False, authn_via=["oidc"])
    # Who was let through there without being asked anything has proved nothing just now.
    browser["fs_paa"] = min(browser["fs_paa"], said.get("auth_time") or browser["fs_paa"])
    return redirect(url_for("desk.home"), 303)


def _proven(said: dict[str, Any], asked: dict[str, Any]) -> AnyResponse:
    """Who is signed in proved it, if the provider means the same account and asked it just now."""
    account = gate.present()
    is_new = (said.get("auth_time") or 0) >= asked["since"] - LEEWAY
    if account is None or account.subject != said["sub"] or not is_new:
        return _refused(NOT_ANEW, asked)
    browser["fs_paa"] = now().timestamp()
    onward = asked["next"] if validate_redirect_url(asked["next"]) else url_for("desk.account")
    return redirect(onward, 303)


def _invited(said: dict[str, Any]) -> Account | None:
    """Whom the provider means: known by its own name for them, the first time by their address."""
    with state().database.read() as session:
        editor = _find(session, said)
        if editor is None or not editor.active:
            return None
        return Account(editor, factors.passkeys(session, editor.id))


def _find(session: Session, said: dict[str, Any]) -> Editor | None:
    known = people.known_as(session, said["sub"])
    if known is not None or said.get("email_verified") is not True:
        return known
    found = people.find(session, str(said.get("email", "")))
    return found if found is not None and found.subject is None else None


def _client() -> Any:
    client = current_app.extensions["desk_oauth"].create_client(NAME)
    return client or abort(404)


def _refused(words: str, asked: dict[str, Any] | None = None) -> AnyResponse:
    """Say why, on the page one came from; `asked`: who is signed in was to prove it anew."""
    flash(translate(locale(), words), "error")
    if asked is None:
        return redirect(url_for("security.login"), 303)
    return redirect(url_for("security.verify", next=asked["next"] or None), 303)
