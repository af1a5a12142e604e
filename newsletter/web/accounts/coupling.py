"""Coupling an app: a wrong first code does not take the key away that is being coupled."""

from typing import Any

from flask import current_app, render_template, request
from flask import session as browser

PAGE = "accounts/app.html"


def is_first(form: Any) -> bool:
    """Is this the code of somebody who signs in, and has to couple an app before anything else?

    Who is signed in already is no such person: on that page they proved nothing just now.
    """
    return not form.is_setup and browser.get("tf_state") == "validating_profile"


def again(form: Any) -> str:
    """The page with the key that the code of this form was tried with, and what to do now."""
    codes = current_app.extensions["security"].totp_factory
    shown = codes.fetch_setup_values(form.tf_totp_secret, form.user)
    return render_template(
        PAGE,
        chosen_method=form.primary_method,
        authr_qrcode=shown["image"],
        authr_key=shown["key"],
        state_token=(request.view_args or {}).get("token"),
        two_factor_verify_code_form=form,
    )
