"""DKIM: the signatures that stand above a message (RFC 6376, RFC 8301; Ed25519: RFC 8463).

The arithmetic is that of `cryptography`; here the bytes are put together that it signs. Both
canonicalisations change nothing but white space and line ends, and no value of a gap holds any that
could change. So they commute with filling in, and are made once for each template: what is left for
each reader is to hash and to sign.
"""

import re
import textwrap
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from newsletter.delivery.template import Gap, Template
from newsletter.errors import FixSettings
from newsletter.settings import Settings

LEAST_BITS = 2048  # of an RSA key (RFC 8301 3.2: signers SHOULD)
# Named once more than they stand in the message, so that nobody can add one (RFC 6376 8.15).
OVERSIGNED = (b"from", b"to", b"subject", b"date", b"content-type", b"reply-to")
LINE = 72  # octets of base64 in one line

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Signer:
    """One key, and where its public half stands in the DNS: `selector._domainkey.domain`.

    `public` is what p= of that record holds, before base64: DER of an RSA key, 32 bytes of Ed25519.
    """

    algorithm: str
    domain: str
    selector: str
    public: bytes
    sign: Sign


def signers(settings: Settings) -> tuple[Signer, ...]:
    """One for each key of the settings; none: the relay signs.

    Raises FixSettings with one sentence about a key that cannot be used. Key files are read once.
    """
    found = []
    if settings.dkim_key_file:
        halves = _rsa(settings.dkim_key_file)
        found.append(Signer("rsa-sha256", settings.dkim_domain, settings.dkim_selector, *halves))
    if settings.dkim_ed25519_key_file:
        halves, selector = _ed25519(settings.dkim_ed25519_key_file), settings.dkim_ed25519_selector
        found.append(Signer("ed25519-sha256", settings.dkim_domain, selector, *halves))
    return tuple(found)


@lru_cache(maxsize=8)
def _rsa(file: Path) -> tuple[bytes, Sign]:
    key = _read("DKIM_KEY_FILE", file)
    if not isinstance(key, RSAPrivateKey):
        raise FixSettings(f"DKIM_KEY_FILE {file} holds a key that is not RSA.")
    if key.key_size < LEAST_BITS:
        raise FixSettings(
            f"DKIM_KEY_FILE {file} holds a key of {key.key_size} bits; make one of {LEAST_BITS}."
        )
    padding, algorithm = PKCS1v15(), SHA256()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public, lambda data: key.sign(data, padding, algorithm)


@lru_cache(maxsize=8)
def _ed25519(file: Path) -> tuple[bytes, Sign]:
    key = _read("DKIM_ED25519_KEY_FILE", file)
    if not isinstance(key, Ed25519PrivateKey):
        raise FixSettings(f"DKIM_ED25519_KEY_FILE {file} holds a key that is not Ed25519.")
    public = key.public_key().public_bytes_raw()
    # RFC 8463 3: the hash is what is signed.
    return public, lambda data: key.sign(sha256(data).digest())


def _read(setting: str, file: Path) -> object:
    try:
        return load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise FixSettings(f"{setting} {file} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Whatever the library says may hold a piece of the key.
        raise FixSettings(
            f"{setting} {file} is not a private key in PEM, without password."
        ) from None


class Signatures:
    """The signatures of one template: c=relaxed/relaxed, over the whole body (never l=)."""

    def __init__(self, signers: Sequence[Signer], template: Template) -> None:
        self._fields: list[tuple[Sign, bytes, bytes]] = []
        if not signers:
            return
        head, body = template.halves()
        head, body = head.rewritten(relaxed_head), body.rewritten(relaxed_body)
        self._head, self._rest = head, Template([b"", *body.parts[1:]], body.gaps)
        self._begun = sha256(body.parts[0])
        names = re.findall(rb"(?m)^([^:]+):", b"".join(head.parts))
        for signer in signers:
            field = _field(signer, [*names, *OVERSIGNED])
            self._fields.append((signer.sign, field, relaxed_head(field + b"\r\n")[:-2]))

    def lines(self, values: Mapping[Gap, bytes], second: int) -> bytes:
        """The header lines for the message filled with `values`, at this Unix time."""
        if not self._fields:
            return b""
        body = self._begun.copy()
        body.update(self._rest.fill(values))
        end = b"%d; bh=%b; b=" % (second, b2a_base64(body.digest(), newline=False))
        head = self._head.fill(values)
        return b"".join(
            b"%b%b\r\n %b\r\n" % (field, end, _folded(sign(head + canonical + end)))
            for sign, field, canonical in self._fields
        )


def relaxed_head(head: bytes) -> bytes:
    """Header fields as RFC 6376 3.4.2 wants them, the last one first.

    Of fields with the same name a verifier takes the last one first (5.4.2): so the order of the
    names in h= is right whatever the message holds.
    """
    lines = []
    for field in re.sub(rb"\r\n(?=[ \t])", b"", head).split(b"\r\n")[:-1]:
        name, _colon, value = field.partition(b":")
        value = re.sub(rb"[ \t]+", b" ", value).strip(b" ")
        lines.append(name.rstrip(b" \t").lower() + b":" + value + b"\r\n")
    return b"".join(reversed(lines))


def relaxed_body(body: bytes) -> bytes:
    """A body as RFC 6376 3.4.4 wants it."""
    body = re.sub(rb"[ \t]+", b" ", body).replace(b" \r\n", b"\r\n")
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n" if body else b""


def _field(signer: Signer, names: Sequence[bytes]) -> bytes:
    """DKIM-Signature as far as it is the same for every reader: up to `t=`."""
    keys = f"d={signer.domain}; s={signer.selector};"
    signed = f"h={b': '.join(names).decode()};"
    lines = [
        f"DKIM-Signature: v=1; a={signer.algorithm}; c=relaxed/relaxed;",
        keys,
        *textwrap.wrap(signed, LINE, break_on_hyphens=False),
        "t=",
    ]
    return "\r\n ".join(lines).encode("ascii")


def _folded(signature: bytes) -> bytes:
    text = b2a_base64(signature, newline=False)
    return b"\r\n ".join(text[start : start + LINE] for start in range(0, len(text), LINE))
