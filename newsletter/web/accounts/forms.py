"""The forms in which something can be guessed: each try is counted before anything is compared, and
given back when it was right."""

from typing import Any

from flask import abort, make_response, request
from flask_login import current_user
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
from newsletter.web.accounts import coupling, gate
from newsletter.web.page import now, state


class SignInForm(LoginForm):
    """Address and password; nothing is remembered."""

    remember = None

    def validate(self, **more: Any) -> bool:
        """Count the try, for an address that nobody has too."""
        attempt = count_guess(str(self.email.data or ""))
        return forgiven(attempt, bool(super().validate(**more)))


class CodeForm(TwoFactorVerifyCodeForm):
    """The code of an app."""

    def validate(self, **more: Any) -> bool:
        """Count the try."""
        self.code.data = "".join(str(self.code.data or "").split())
        if self.user is None or self.is_setup:
            return bool(super().validate(**more)) or self._again()
        attempt = count_guess(self.user.email)
        return forgiven(attempt, bool(super().validate(**more)))

    def _again(self) -> bool:
        """No; but who couples an app sees its key again, not the page that makes another one."""
        if "token" in (request.view_args or {}):
            abort(make_response(coupling.again(self)))
        return False


class RecoveryForm(MfRecoveryForm):
    """A recovery code."""

    def validate(self, **more: Any) -> bool:
        """Count the try."""
        if self.user is None:
            return bool(super().validate(**more))
        attempt = count_guess(self.user.email)
        return forgiven(attempt, bool(super().validate(**more)))


class AgainForm(VerifyForm):
    """The password once more, before something that matters."""

    def validate(self, **more: Any) -> bool:
        """Count the try."""
        attempt = count_guess(self.user.email)
        return forgiven(attempt, bool(super().validate(**more)))


class OtherPasswordForm(ChangePasswordForm):
    """Another password, by who knows the present one."""

    def validate(self, **more: Any) -> bool:
        """Count the try; a new password that does not do is no wrong guess."""
        attempt = count_guess(current_user.email)
        found = bool(super().validate(**more))
        forgiven(attempt, not self.password.errors)
        return found


def count_guess(email: str) -> Attempt:
    """Count one try at an editor; raises TooManyRequests when this browser has had enough."""
    settings, who = state().settings, email.strip().lower()
    with state().database.write() as session:
        editor = people.find(session, who)
        device = gate.device(editor.id) if editor else None
        # As it is stored: an address can be typed in many ways that mean the same editor.
        attempt = Attempt(editor.email if editor else who, request.remote_addr or "", device)
        if wait := guarding.count(session, settings, attempt, now()):
            raise TooManyRequests(retry_after=wait)
    return attempt


def forgiven(attempt: Attempt, right: bool) -> bool:
    """`right`; a try that was right is not counted any more."""
    if right:
        with state().database.write() as session:
            guarding.give_back(session, state().settings, attempt, now())
    return right
