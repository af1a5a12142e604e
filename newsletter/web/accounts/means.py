"""The means by which one signs in, where ours differ from Flask-Security's: codes of an app count
once, recovery codes are kept as keyed hashes, a passkey alone has to know who holds it."""

import hmac
import re
import unicodedata
from typing import Any, cast

import qrcode
from flask_security import MfRecoveryCodesUtil, PasswordUtil, Totp, UserMixin, WebauthnUtil
from markupsafe import Markup
from passlib.exc import UsedTokenError
from passlib.totp import TOTP, AppWallet, TotpMatch
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from newsletter import audit
from newsletter.editors import factors, people
from newsletter.i18n import _, translate
from newsletter.tokens import tokens_of
from newsletter.web.accounts.account import Account
from newsletter.web.page import locale, now, state

SHORTEST, LONGEST = 12, 128  # characters of a password
OURS = (
    *("fiabel", "vvsg", "nieuwsbrief", "nieuws", "newsletter", "gemeenten", "gemeente", "redactie"),
    *("redacteur", "schrijver", "uitgever", "beheerder", "wachtwoord", "paswoord", "password"),
    *("welkom", "bienvenue", "welcome", "willkommen"),
)
WEAK = 3  # of 4: below this, zxcvbn finds a password within 10^10 guesses
LEAST = 10**6  # guesses for what is left without known words: six letters that nobody knows
ALIKE = {"a": "a4@", "e": "e3", "i": "i1!|", "l": "l1|", "o": "o0", "s": "s5$", "t": "t7+"}
SHORT = _("Kies een wachtwoord van 12 tot 128 tekens.")
COMMON = _("Dit wachtwoord is te makkelijk te raden. Kies bijvoorbeeld vier woorden na elkaar.")


class Codes(Totp):
    """Codes of an app. `secrets` are keys by name, the present one first."""

    def __init__(self, secrets: dict[str, str], issuer: str) -> None:
        # The keys are random: to hash them for long, as a password, would add nothing.
        wallet = AppWallet(secrets, default_tag=next(iter(secrets)), encrypt_cost=4)
        self._totp = TOTP.using(issuer=issuer, wallet=wallet)

    def get_last_counter(self, user: UserMixin) -> int | None:
        """Of the last code that was taken."""
        return cast(Account, user).totp_counter

    def set_last_counter(self, user: UserMixin, tmatch: TotpMatch) -> None:
        """Take a code; two requests with the same one at once do not both succeed."""
        with state().database.write() as session:
            if not factors.use_code(session, user.id, tmatch.counter):
                raise UsedTokenError

    def generate_qrcode(self, username: str, totp: str) -> str:
        """The code to scan, as SVG that stands in the page."""
        code = qrcode.QRCode(border=4)
        code.add_data(self.get_totp_uri(username, totp))
        rows = code.get_matrix()
        dots = "".join(
            f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
        )
        return Markup(
            '<svg class="qr" viewBox="0 0 {size} {size}" role="img" aria-label="{label}">'
            '<rect width="{size}" height="{size}" fill="#fff"/><path d="{dots}" fill="#000"/></svg>'
        ).format(size=len(rows), dots=dots, label=translate(locale(), "QR-code voor je app"))


class RecoveryCodes(MfRecoveryCodesUtil):
    """Codes on paper, of which only keyed hashes are kept: shown once, no use to a thief."""

    def _encrypt_codes(self, codes: list[str]) -> list[str]:
        return [_hashed(code) for code in codes]

    def get_recovery_codes(self, user: UserMixin) -> list[str]:
        """None: they were shown when they were made."""
        return []

    def check_recovery_code(self, user: UserMixin, code: str) -> bool:
        """Is it one that was not used? Then it is now: of two requests at once, one succeeds."""
        with state().database.write() as session:
            if not factors.use_recovery_code(session, user.id, _all_hashed(code)):
                return False
            who = audit.editor(user.id)
            audit.record(session, state().settings, who, "editor.recovery_used", who, now())
            people.tell(session, people.get(session, user.id), now())
        return True

    def delete_recovery_code(self, user: UserMixin, code: str) -> bool:
        """It was used up when it was checked."""
        return True


class Passkeys(WebauthnUtil):
    """Passkeys that can be found without a name, of any kind."""

    def origin(self) -> str:
        """The address of the site, never what the request says it is."""
        return state().settings.base_url

    def authenticator_selection(
        self, user: UserMixin, usage: str
    ) -> AuthenticatorSelectionCriteria:
        """Kept in the device, and asking who holds it if it can."""
        return AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        )

    def user_verification(
        self, user: UserMixin | None, usage: list[str]
    ) -> UserVerificationRequirement:
        """Alone it must ask for a finger, a face or a PIN; after a password it need not."""
        alone = usage == ["first"]
        return (
            UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.PREFERRED
        )


class Passwords(PasswordUtil):
    """Long enough, and not what everybody chooses."""

    def validate(
        self, password: str, is_register: bool, **more: Any
    ) -> tuple[list[str] | None, str]:
        """What is wrong with a password, if anything is; and the password as it is compared."""
        normal, user = self.normalize(password), more.get("user")
        wrong = too_weak(normal, user.name, user.email) if user else too_weak(normal)
        return ([translate(locale(), wrong)] if wrong else None), normal


def too_weak(password: str, *about: str) -> str | None:
    """A Dutch sentence when a password is too short, common, or made of what we know of someone."""
    if not SHORTEST <= len(password) <= LONGEST:
        return SHORT
    import zxcvbn  # 1 MB of lists: read when the first password is chosen

    parts = {part for one in about for part in re.split(r"[\W_]+", _plain(one)) if len(part) > 1}
    known = [*OURS, *about, *parts]
    left = _without(password, {*OURS, *parts})
    if not left or zxcvbn.zxcvbn(left[:72])["guesses"] < LEAST:
        return COMMON
    judged: dict[str, Any] = zxcvbn.zxcvbn(password[:72], user_inputs=known)
    return COMMON if judged["score"] < WEAK else None


def _without(password: str, words: set[str]) -> str:
    """The letters and digits of a password that belong to none of these words, also when those are
    spaced out or written with digits: zxcvbn takes each word more for ten thousand guesses."""
    letters = (
        (f"[{re.escape(ALIKE.get(letter, letter))}]" for letter in word)
        for word in sorted(words, key=len, reverse=True)
    )
    known = "|".join(r"[\W_]*".join(word) for word in letters)
    return "".join(filter(str.isalnum, re.sub(known, " ", _plain(password))))


def _plain(text: str) -> str:
    """Without case and accents."""
    return re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text)).casefold()


def _hashed(code: str) -> str:
    return _all_hashed(code)[0]


def _all_hashed(code: str) -> list[str]:
    """With the present secret, and with earlier ones."""
    plain, settings = code.replace("-", "").strip().lower(), state().settings
    keys = tokens_of(settings).keys("recovery")
    return [hmac.new(key, plain.encode(), "sha256").hexdigest() for key in keys]
