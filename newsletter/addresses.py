"""Mail addresses: what a person typed, the one form we compare, and how they are masked."""

import re
import unicodedata
from dataclasses import dataclass

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from newsletter.errors import FixRequest
from newsletter.i18n import _

# Anything in a reply or log line that might be an address, quoted local parts included.
ADDRESS = re.compile(r'("[^"]*"|[^\s<>()\[\],;:"]+)@[^\s<>()\[\],;:"]+')

# What nearly every address looks like: short, in ASCII, no hyphens side by side (as in A-labels).
# All that needs a table or a library to judge is left to them.
PLAIN = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
    r"@((?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,})",
    re.ASCII,
)
SHORT = 64  # octets; then no part of it can be too long
SPECIAL_ENDS = tuple(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)


@dataclass(frozen=True, slots=True)
class MailAddress:
    """`typed` is mailed (domain as A-label), `canonical` is compared: one person, one row."""

    typed: str
    canonical: str

    @property
    def domain(self) -> str:
        """The domain as lower-case A-label."""
        return self.canonical.rpartition("@")[2]


def parse(email: str, *, allow_utf8: bool = False) -> MailAddress:
    """Read an address a person typed; no DNS is asked.

    RFC 5321 4.5.3.1 gives the lengths, in octets. A local part with other letters than ASCII is for
    relays with SMTPUTF8 only (RFC 6531 3.2) and refused unless `allow_utf8`. Dots and +tags stay.
    Raises FixRequest with a Dutch sentence.
    """
    email = email.strip()
    return _plain(email) or _any(email, allow_utf8=allow_utf8)


def _plain(email: str) -> MailAddress | None:
    """What `_any` makes of a plain address, forty times as fast; None when it must look."""
    found = PLAIN.fullmatch(email) if len(email) <= SHORT else None
    if found is None:
        return None
    canonical, start = email.lower(), found.start(1)
    if canonical.endswith(SPECIAL_ENDS):
        return None
    if canonical[: start - 1] in CASE_INSENSITIVE_MAILBOX_NAMES and canonical != email:
        return None
    return MailAddress(email[:start] + canonical[start:], canonical)


def _any(email: str, *, allow_utf8: bool) -> MailAddress:
    if not email or any(ord(char) < 32 or ord(char) == 127 for char in email):
        raise FixRequest(_("Vul een e-mailadres in, zoals naam@voorbeeld.be."))
    try:
        valid = validate_email(
            email, check_deliverability=False, test_environment=True, strict=True
        )
        domain = idna.encode(valid.domain, uts46=True).decode()
    except (EmailNotValidError, idna.IDNAError, UnicodeError):
        raise FixRequest(
            _("Dit e-mailadres klopt niet. Kijk na of het is zoals naam@voorbeeld.be.")
        ) from None
    local = valid.local_part
    if not (allow_utf8 or local.isascii()):
        raise FixRequest(
            _("Letters met accenten kunnen niet voor het @-teken van een e-mailadres staan.")
        )
    typed, canonical = f"{local}@{domain}", f"{_caseless(local)}@{domain.lower()}"
    for written in (typed, canonical):  # lower case may take more octets
        octets = written.encode()
        if len(octets) > 254 or octets.index(b"@") > 64:
            raise FixRequest(_("Dit e-mailadres is te lang."))
    return MailAddress(typed, canonical)


def _caseless(local: str) -> str:
    """Lower case in Unicode's composed form, which lower case may leave (İ)."""
    return unicodedata.normalize("NFC", local.lower())


def masked(email: str) -> str:
    """For pages that others may see: "j…n@voorbeeld.be"."""
    local, _at, domain = email.rpartition("@")
    return f"{local[:1]}…{local[-1:] if len(local) > 2 else ''}@{domain}"


def mailbox(canonical: str) -> str:
    """Where its mail ends up, as far as one can tell: without +tag, of Gmail without dots.

    To count by, never to mail or compare by: who owns a domain decides what its addresses mean.
    """
    local, _at, domain = canonical.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in ("gmail.com", "googlemail.com"):
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{domain}"


def without_addresses(text: str) -> str:
    """`text` for logs and stored replies: every address in it is replaced."""
    return ADDRESS.sub("<address>", text)
