"""Tokens in links: HMAC(key outside the database, purpose, id, time, what it is bound to).

A token is `id ‖ time ‖ MAC`, base64url without padding: 36 characters; the MAC has 128 bits
(ASVS 5.0, 11.5.1). Nothing is stored, so nothing stored is usable. The key of each purpose is
derived from a secret, so that a token of one purpose is never one of another.

The first of SECRET_KEYS signs; the others keep what was signed before valid (ASVS 5.0, 13.3), as
long as whoever reads a token lets one of that age count. A secret of LEAKED_KEYS is believed only
where refusing would do more harm than a forger can: `LEAVING`.

A short token is `id ‖ MAC` in hexadecimal: 30 characters, for the local part of an envelope
address, where 64 have to do (RFC 5321 4.5.3.1.1) and some systems change the case of letters. Its
MAC has 80 bits, the least that RFC 2104 5 allows: it can only be guessed by mailing us.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from newsletter.settings import Settings

ID_BYTES, TIME_BYTES, MAC_BYTES = 6, 5, 16
LENGTH = 36
SHORT_ID_BYTES, SHORT_MAC_BYTES = 5, 10
SHORT_LENGTH = 30
SHORT = re.compile(rf"[0-9A-Fa-f]{{{SHORT_LENGTH}}}")
URL_SAFE = bytes.maketrans(b"+/", b"-_")
LARGEST_ID = 2**31 - 1  # of any row a link can name


class Purpose(StrEnum):
    """What a token permits; one can never serve for another."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    MESSAGE_ID = "message-id"
    FORM = "form"
    STOP_ISSUE = "stop-issue"
    DATA = "data"
    NEW_ADDRESS = "new-address"
    NEVER = "never"
    UNDO = "undo"
    RETURN_PATH = "return-path"
    NOTICE_RETURN_PATH = "notice-return-path"
    LEAVE_BY_MAIL = "leave-by-mail"
    INVITATION = "invitation"
    NEW_PASSWORD = "new-password"  # noqa: S105 (a name)
    DEVICE = "device"


# What links and addresses in mails may do for ever: end the mail. A forger could do no more.
LEAVING = frozenset({Purpose.UNSUBSCRIBE, Purpose.LEAVE_BY_MAIL, Purpose.NEVER})


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says, proven only once `Tokens.verify` has said so."""

    id: int
    issued_at: datetime
    mac: bytes

    def older_than(self, age: timedelta, now: datetime) -> bool:
        """Has the token outlived `age`?"""
        return now - self.issued_at > age


class Tokens:
    """Makes tokens with keys derived from one secret, and checks those of older secrets too."""

    def __init__(
        self, secret_key: str, older: Iterable[str] = (), leaked: Iterable[str] = ()
    ) -> None:
        self._root = secret_key.encode()
        # Keyed once and copied for each token: a hundred thousand messages need three each.
        self._macs = {
            purpose: hmac.new(self.derived(purpose), digestmod="sha256") for purpose in Purpose
        }
        self._address_key = self.derived("address")
        self._older = tuple(Tokens(secret) for secret in older)
        self._all_older = (*self._older, *(Tokens(secret) for secret in leaked))

    def derived(self, name: str) -> bytes:
        """32 octets that only the holder of the secret can make; others for each name."""
        return hmac.digest(self._root, b"newsletter/" + name.encode(), "sha256")

    def keys(self, name: str, *, leaked: bool = True) -> list[bytes]:
        """What `derived` gives, and what it gave with each earlier secret; that which signs first.

        Without those that leaked, where a forger who knows one must not be believed.
        """
        older = self._all_older if leaked else self._older
        return [self.derived(name), *(one.derived(name) for one in older)]

    def lasting(self, name: str) -> bytes:
        """What `derived` gives with the last secret, so that a new first one changes nothing: for
        names of what is counted, which nobody could find again under another key."""
        return (self._all_older or (self,))[-1].derived(name)

    def issue(self, purpose: Purpose, id: int, now: datetime, bound: str = "") -> str:
        """A token for row `id`, valid only together with `bound` (an address, say)."""
        return self.series(purpose, now, bound)(id).decode()

    def series(self, purpose: Purpose, now: datetime, bound: str = "") -> Callable[[int], bytes]:
        """What `issue` gives for each id, as bytes; all that is not the id's is done once."""
        time, tail = int(now.timestamp()).to_bytes(TIME_BYTES, "big"), bound.encode()
        keyed = self._macs[purpose]

        def issue(id: int) -> bytes:
            head = id.to_bytes(ID_BYTES, "big") + time
            mac = keyed.copy()
            mac.update(head + tail)
            token = binascii.b2a_base64(head + mac.digest()[:MAC_BYTES], newline=False)
            return token.translate(URL_SAFE)

        return issue

    def verify(self, purpose: Purpose, claim: Claim, bound: str = "") -> bool:
        """Was this claim issued by us, for this purpose and bound to this? In constant time."""
        seconds = int(claim.issued_at.timestamp())
        head = claim.id.to_bytes(ID_BYTES, "big") + seconds.to_bytes(TIME_BYTES, "big")
        if hmac.compare_digest(self._mac(purpose, head, bound), claim.mac):
            return True
        return any(one.verify(purpose, claim, bound) for one in self._before(purpose))

    def issue_short(self, purpose: Purpose, id: int) -> str:
        """A short token for row `id`."""
        head = id.to_bytes(SHORT_ID_BYTES, "big")
        return (head + self._mac(purpose, head, "")[:SHORT_MAC_BYTES]).hex()

    def read_short(self, purpose: Purpose, token: str) -> int | None:
        """The row a short token was issued for, in whatever case it comes back; else None."""
        if not SHORT.fullmatch(token):
            return None
        raw = bytes.fromhex(token)
        head, mac = raw[:SHORT_ID_BYTES], raw[SHORT_ID_BYTES:]
        sound = hmac.compare_digest(self._mac(purpose, head, "")[:SHORT_MAC_BYTES], mac)
        if sound:
            return int.from_bytes(head, "big")
        found = (one.read_short(purpose, token) for one in self._before(purpose))
        return next((id for id in found if id is not None), None)

    def address_key(self, canonical: str) -> str:
        """Keyed hash under which a suppressed address is kept; useless without the secret."""
        return hmac.new(self._address_key, canonical.encode(), hashlib.sha256).hexdigest()

    def address_keys(self, canonical: str) -> tuple[str, ...]:
        """All keyed hashes under which an address may have been kept; the newest secret's first."""
        return (
            self.address_key(canonical),
            *(old.address_key(canonical) for old in self._all_older),
        )

    def _before(self, purpose: Purpose) -> "tuple[Tokens, ...]":
        """The tokens of earlier secrets that count for this purpose."""
        return self._all_older if purpose in LEAVING else self._older

    def _mac(self, purpose: Purpose, head: bytes, bound: str) -> bytes:
        mac = self._macs[purpose].copy()
        mac.update(head + bound.encode())
        return mac.digest()[:MAC_BYTES]


def fingerprint(token: str) -> str:
    """SHA-256 of a token, in hex: proves which one it was without being one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=8)
def _made(secret_keys: tuple[str, ...], leaked: tuple[str, ...]) -> Tokens:
    return Tokens(secret_keys[0], secret_keys[1:], leaked)


def tokens_of(settings: Settings) -> Tokens:
    """The tokens of SECRET_KEYS and LEAKED_KEYS."""
    return _made(settings.secret_keys, settings.leaked_keys)


def parse(token: str) -> Claim | None:
    """The claim inside a token, or None when it has not the shape of one."""
    if len(token) != LENGTH or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    head, mac = raw[: ID_BYTES + TIME_BYTES], raw[ID_BYTES + TIME_BYTES :]
    seconds = int.from_bytes(head[ID_BYTES:], "big")
    try:
        issued_at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    id = int.from_bytes(head[:ID_BYTES], "big")
    return Claim(id, issued_at, mac) if id <= LARGEST_ID else None
