"""Flask-Security, set up: which of its pages there are, on which addresses, in whose words."""

from datetime import timedelta

from flask import Blueprint, Flask, redirect, render_template, url_for
from flask_security import Security, views, webauthn
from flask_security import recovery_codes as recovery
from flask_security import tf_plugin as factors
from werkzeug.wrappers import Response

from newsletter.settings import Settings
from newsletter.tokens import tokens_of
from newsletter.web.accounts import association, coupling, forms, gate, means, passwords
from newsletter.web.accounts.store import Store
from newsletter.web.accounts.words import MESSAGES, Words
from newsletter.web.page import now

NAME = "Fiabel"  # what an app and a passkey call us
BOTH, SEND = ["GET", "POST"], ["POST"]
PAGES = (
    ("/sign-in", "login", views.login, BOTH),
    ("/sign-out", "logout", views.logout, SEND),
    ("/again", "verify", views.verify, BOTH),
    ("/own-password", "change_password", views.change_password, BOTH),
    ("/app", "two_factor_setup", views.two_factor_setup, BOTH),
    ("/app/<token>", "two_factor_setup_validate", views.two_factor_setup_validate, SEND),
    ("/code", "two_factor_token_validation", views.two_factor_token_validation, BOTH),
    ("/factor", "tf_select", factors.tf_select, BOTH),
    ("/recovery", "mf_recovery", recovery.mf_recovery, BOTH),
    ("/recovery-codes", "mf_recovery_codes", recovery.mf_recovery_codes, BOTH),
    ("/passkey", "wan_signin", webauthn.webauthn_signin, BOTH),
    ("/passkey/<token>", "wan_signin_response", webauthn.webauthn_signin_response, SEND),
    ("/passkeys", "wan_register", webauthn.webauthn_register, BOTH),
    ("/passkeys/<token>", "wan_register_response", webauthn.webauthn_register_response, SEND),
    ("/passkeys/remove", "wan_delete", webauthn.webauthn_delete, SEND),
    ("/passkey-again", "wan_verify", webauthn.webauthn_verify, BOTH),
    ("/passkey-again/<token>", "wan_verify_response", webauthn.webauthn_verify_response, SEND),
)
TEMPLATES = {
    "LOGIN_USER_TEMPLATE": "sign_in",
    "VERIFY_TEMPLATE": "again",
    "CHANGE_PASSWORD_TEMPLATE": "own_password",
    "TWO_FACTOR_SETUP_TEMPLATE": "app",
    "TWO_FACTOR_VERIFY_CODE_TEMPLATE": "code",
    "TWO_FACTOR_SELECT_TEMPLATE": "factor",
    "MULTI_FACTOR_RECOVERY_TEMPLATE": "recovery",
    "MULTI_FACTOR_RECOVERY_CODES_TEMPLATE": "recovery_codes",
    "WAN_SIGNIN_TEMPLATE": "passkey",
    "WAN_REGISTER_TEMPLATE": "passkeys",
    "WAN_VERIFY_TEMPLATE": "passkey_again",
}
FEATURES = {
    "TWO_FACTOR": True,
    "WEBAUTHN": True,
    "MULTI_FACTOR_RECOVERY_CODES": True,
    "CHANGEABLE": True,
    "TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
    "TWO_FACTOR_RESCUE_EMAIL": False,
    "TWO_FACTOR_AUTHENTICATOR_VALIDITY": 30,  # seconds that an app's clock may be off
    "WAN_ALLOW_USER_HINTS": False,  # nobody types a name before a passkey: nothing is to be learned
    "MULTI_FACTOR_RECOVERY_CODES_N": 10,
    "API_ENABLED_METHODS": ["session"],
    "RETURN_GENERIC_RESPONSES": True,
    "SEND_PASSWORD_CHANGE_EMAIL": False,  # ours goes by the outbox
    "PASSWORD_SCHEMES": ["argon2"],
    "PASSWORD_SINGLE_HASH": {"argon2"},  # a pepper would tie passwords to SECRET_KEYS
    "CLI_USERS_NAME": None,
    "CLI_ROLES_NAME": None,
    "WAN_RP_NAME": NAME,
    "TOTP_ISSUER": NAME,
    "POST_LOGIN_VIEW": "desk.home",
    "POST_VERIFY_VIEW": "desk.account",
    "POST_LOGOUT_VIEW": "security.login",
    "POST_CHANGE_VIEW": "desk.account",
    "TWO_FACTOR_POST_SETUP_VIEW": "desk.account",
    "TWO_FACTOR_ERROR_VIEW": "security.login",
    "WAN_POST_REGISTER_VIEW": "desk.account",
}
# RFC 9106's second choice: 64 MiB, three passes.
ARGON2 = {"argon2__memory_cost": 65536, "argon2__time_cost": 3, "argon2__parallelism": 4}
blueprint = Blueprint("security", __name__, url_prefix=gate.DESK)


def set_up(app: Flask, settings: Settings) -> None:
    """Everything that signing in needs; before any page of the desk is registered."""
    _configure(app, settings)
    gate.set_up(app, settings)
    security = Security(
        register_blueprint=False,
        render_template=_render,
        totp_cls=means.Codes,
        mf_recovery_codes_util_cls=means.RecoveryCodes,
        webauthn_util_cls=means.Passkeys,
        password_util_cls=means.Passwords,
        login_form=forms.SignInForm,
        verify_form=forms.AgainForm,
        change_password_form=forms.OtherPasswordForm,
        two_factor_verify_code_form=forms.CodeForm,
        mf_recovery_form=forms.RecoveryForm,
    )
    security.init_app(app, Store(), datetime_factory=now)
    security.want_json(lambda _request: False)
    security.i18n_domain = Words(app)  # type: ignore[no-untyped-call]
    _spare_the_public_site(app)
    app.register_blueprint(blueprint)
    association.set_up(app, settings)
    app.register_blueprint(passwords.blueprint)


def _configure(app: Flask, settings: Settings) -> None:
    keys = [key.hex() for key in tokens_of(settings).keys("session", leaked=False)]
    app.config.update(SECRET_KEY=keys[0], SECRET_KEY_FALLBACKS=keys[1:], SESSION_PROTECTION=None)
    values = FEATURES | {
        "PASSWORD_HASH_PASSLIB_OPTIONS": ARGON2,
        "TWO_FACTOR_REQUIRED": settings.desk_second_factor == "required",
        "TOTP_SECRETS": _totp_keys(settings),
        "FRESHNESS": timedelta(minutes=settings.desk_fresh_minutes),
        "FRESHNESS_GRACE_PERIOD": timedelta(0),  # from the proof, whatever was opened since
    }
    values |= {name: f"accounts/{template}.html" for name, template in TEMPLATES.items()}
    values |= {f"MSG_{name}": message for name, message in MESSAGES.items()}
    app.config.update({f"SECURITY_{name}": value for name, value in values.items()})


def _totp_keys(settings: Settings) -> dict[str, str]:
    """Keys by a name that stays theirs when SECRET_KEYS changes; the present one first."""
    return {f"k{key.hex()[:8]}": key.hex()[8:] for key in tokens_of(settings).keys("totp")}


def _render(template: str, **values: object) -> str:
    form = values.get("two_factor_verify_code_form")
    if template == f"accounts/{TEMPLATES['TWO_FACTOR_VERIFY_CODE_TEMPLATE']}.html" and (
        coupling.is_first(form)
    ):
        return coupling.again(form)
    return render_template(template, **values)


def _spare_the_public_site(app: Flask) -> None:
    """Flask-Login and Flask-Principal ask on every page, also public ones, who is signed in."""
    security = app.extensions["security"]
    app.before_request_funcs[None].remove(security.principal._on_before_request)
    app.after_request_funcs[None].remove(security.login_manager._update_remember_cookie)
    processors = app.template_context_processors[None]
    processors[:] = [one for one in processors if one.__module__ != "flask_login.utils"]


@blueprint.get("/help", endpoint="two_factor_rescue")
def lost() -> Response:
    """Who has no code at hand uses a recovery code."""
    return redirect(url_for("security.mf_recovery"))


for path, name, view, methods in PAGES:
    blueprint.add_url_rule(path, endpoint=name, view_func=view, methods=methods)
