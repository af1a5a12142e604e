"""The forms in which something can be guessed: each try is counted before anything is compared."""

from typing import Any

from flask import request
from flask_security import (
    ChangePasswordForm,
    LoginForm,
    MfRecoveryForm,
    TwoFactorVerifyCodeForm,
    VerifyForm,
)
from werkzeug.exceptions import TooManyRequests

from newsletter.editors import guarding, people
from newsletter.editors.guarding import Attempt
from newsletter.web.accounts import gate
from newsletter.web.page import now, state


class SignInForm(LoginForm):
    """Address and password; nothing is remembered."""

    remember = None

    def validate(self, **more: Any) -> bool:
        """Count the try, for an address that nobody has too."""
        count_guess(str(self.email.data or ""))
        return bool(super().validate(**more))


class CodeForm(TwoFactorVerifyCodeForm):
    """The code of an app."""

    def validate(self, **more: Any) -> bool:
        """Count the try."""
        if self.user is not None and not self.is_setup:
            count_guess(self.user.email)
        self.code.data = "".join(str(self.code.data or "").split())
        return bool(super().validate(**more))


class RecoveryForm(MfRecoveryForm):
    """A recovery code."""

    def validate(self, **more: Any) -> bool:
        """Count the try."""
        if self.user is not None:
            count_guess(self.user.email)
        return bool(super().validate(**more))


class AgainForm(VerifyForm):
    """The password once more, before something that matters."""

    def validate(self, **more: Any) -> bool:
        """Count the try."""
        count_guess(self.user.email)
        return bool(super().validate(**more))


class OtherPasswordForm(ChangePasswordForm):
    """Another password, by who knows the present one."""

    def validate(self, **more: Any) -> bool:
        """Count the try."""
        account = gate.present()
        if account is not None:
            count_guess(account.email)
        return bool(super().validate(**more))


def count_guess(email: str) -> None:
    """Count one try at an editor; raises TooManyRequests when this browser has had enough."""
    settings, who = state().settings, email.strip().lower()
    with state().database.write() as session:
        editor = people.find(session, who)
        device = gate.device(editor.id) if editor else None
        # As it is stored: an address can be typed in many ways that mean the same editor.
        attempt = Attempt(editor.email if editor else who, request.remote_addr or "", device)
        wait = guarding.count(session, settings, attempt, now())
    if wait:
        raise TooManyRequests(retry_after=wait)
