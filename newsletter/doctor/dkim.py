"""Lines about DKIM: does the DNS hold the public half of each key we sign with (RFC 6376 3.6.1)?"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from newsletter.delivery import signing
from newsletter.doctor import tags
from newsletter.doctor.asking import Asker
from newsletter.doctor.lines import Line, fail, found, ok, publish, warn
from newsletter.settings import Settings

FLOOR_BITS = 1024  # of an RSA key; verifiers refuse smaller ones (RFC 8301 3.2)
GOOD_BITS = 2048
ED25519_OCTETS = 32
KINDS = ("rsa", "ed25519")


@dataclass(frozen=True, slots=True)
class Key:
    """Where a public key should stand; `kind` and `public` are None for one the relay signs with.

    `public` is what p= should hold, before base64.
    """

    domain: str
    selector: str
    kind: str | None = None
    public: bytes | None = None

    @property
    def place(self) -> str:
        """The name of its record."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The record as a line to paste; "" when we do not have the key."""
        if self.public is None:
            return ""
        value = f"v=DKIM1; k={self.kind}; p={b64encode(self.public).decode()}"
        return publish(self.place, "TXT", value)


def keys(settings: Settings, selector: str = "") -> list[Key]:
    """Our own keys; else the relay's, if its `selector` is known. Raises FixSettings."""
    own = [
        Key(one.domain, one.selector, one.algorithm.partition("-")[0], one.public)
        for one in signing.signers(settings)
    ]
    return own or ([Key(settings.mail_domain, selector)] if selector else [])


def lines(asker: Asker, settings: Settings, selector: str = "") -> list[Line]:
    """One or more for each key. Raises Unanswered, and FixSettings for a key file of no use."""
    known = keys(settings, selector)
    if known:
        return [line for key in known for line in _checked(asker, key)]
    said = "No key of ours is set, so the relay has to sign; whether it does was not looked at."
    mend = "Set DKIM_DOMAIN, DKIM_SELECTOR and DKIM_KEY_FILE (docs/MAIL.md), or give --selector."
    return [warn("dkim", said, mend)]


def _checked(asker: Asker, key: Key) -> list[Line]:
    records = [text for text in asker.texts(key.place) if "p=" in text.replace(" ", "")]
    mend = f"Publish:\n{key.record}" if key.record else "Publish what the relay signs with."
    if not records:
        return [fail("dkim", f"There is no key at {key.place}.", mend)]
    if len(records) > 1:
        said = f"{key.place} holds {len(records)} keys, and receivers take any of them."
        return [fail("dkim", said, "Leave one; a new key gets a new selector.")]
    try:
        record = tags.read(records[0])
    except ValueError as error:
        return [fail("dkim", f"The record at {key.place} cannot be read: {error}.", mend)]
    sound = ok("dkim", f"The key at {key.place} is sound{_ours(key)}.")
    return found([*_bad_tags(key, record), *_bad_key(key, record, mend)], sound)


def _ours(key: Key) -> str:
    return f", and the one we sign with ({key.kind})" if key.public else ""


def _bad_tags(key: Key, record: dict[str, str]) -> Iterator[Line]:
    if "v" in record and (record["v"] != "DKIM1" or next(iter(record)) != "v"):
        said = f"The record at {key.place} does not begin with v=DKIM1, so receivers skip it."
        yield fail("dkim", said, "Let it begin with v=DKIM1;")
    if "h" in record and "sha256" not in _values(record["h"]):
        said = f"The record at {key.place} allows h={record['h']} only; we sign with sha256."
        yield fail("dkim", said, "Take h= out of the record.")
    if "s" in record and not {"*", "email"} & set(_values(record["s"])):
        said = f"The record at {key.place} is not for mail (s={record['s']})."
        yield fail("dkim", said, "Take s= out of the record.")
    if "y" in _values(record.get("t", "")):
        said = f"The record at {key.place} says t=y: a test, whose signatures receivers may skip."
        yield warn("dkim", said, "Take t=y out of the record when the test is over.")


def _bad_key(key: Key, record: dict[str, str], mend: str) -> Iterator[Line]:
    kind, text = record.get("k", "rsa").lower(), "".join(record.get("p", "").split())
    if not text:
        said = f"The key at {key.place} was withdrawn (p= is empty); every signature fails."
        yield fail("dkim", said, "Make a new key with a new selector (docs/MAIL.md).")
        return
    if kind not in ((key.kind,) if key.kind else KINDS):
        said = f"The record at {key.place} is of a key of kind {kind}; "
        said += f"ours is {key.kind}." if key.kind else f"receivers know {' and '.join(KINDS)}."
        yield fail("dkim", said, mend)
        return
    try:
        octets = b64decode(text, validate=True)
        bits = _rsa_bits(octets) if kind == "rsa" else None
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        yield fail("dkim", f"p= in the record at {key.place} is no key of kind {kind}.", mend)
        return
    if kind == "ed25519" and len(octets) != ED25519_OCTETS:
        said = f"p= in the record at {key.place} has {len(octets)} octets, not {ED25519_OCTETS}."
        yield fail("dkim", said, mend)
    elif key.public is not None and _bare(octets) != _bare(key.public):
        said = f"The key at {key.place} is not the one we sign with; every signature fails."
        yield fail("dkim", said, f"Give a new key a new selector; or {mend[0].lower()}{mend[1:]}")
    elif bits is not None and bits < GOOD_BITS:
        make = warn if bits >= FLOOR_BITS else fail
        said = f"The key at {key.place} has {bits} bits."
        yield make("dkim", said, f"Make one of {GOOD_BITS} bits, with a new selector.")


def _values(text: str) -> list[str]:
    return [part.strip().lower() for part in text.split(":")]


def _rsa_bits(octets: bytes) -> int:
    key = load_der_public_key(octets)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not RSA")
    return key.key_size


def _bare(octets: bytes) -> object:
    """A key without its packing: RSA may stand in the DNS in either of two (RFC 6376, errata)."""
    if len(octets) == ED25519_OCTETS:
        return octets
    key = load_der_public_key(octets)
    return key.public_numbers() if isinstance(key, RSAPublicKey) else octets
