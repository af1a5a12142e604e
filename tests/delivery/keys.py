"""DKIM keys of a test's own, and the DNS that holds their public halves."""

import base64
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from newsletter.settings import Settings

DOMAIN = "nieuws.vvsg.example"


@cache
def rsa_key(bits: int = 2048) -> RSAPrivateKey:
    """One for the whole run: making it takes long."""
    return generate_private_key(65537, bits)


@cache
def ed25519_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def pem(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signing(settings: Settings, folder: Path) -> Settings:
    """`settings` with an RSA key and an Ed25519 key."""
    rsa, ed25519 = folder / "rsa.pem", folder / "ed25519.pem"
    rsa.write_bytes(pem(rsa_key()))
    ed25519.write_bytes(pem(ed25519_key()))
    one = replace(settings, dkim_domain=DOMAIN, dkim_selector="r2026", dkim_key_file=rsa)
    return replace(one, dkim_ed25519_selector="e2026", dkim_ed25519_key_file=ed25519)


def dns() -> Callable[..., bytes | None]:
    """What the DNS answers for the two selectors (RFC 6376 3.6.1, RFC 8463 4.2)."""
    public = rsa_key().public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = ed25519_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    records = {
        f"r2026._domainkey.{DOMAIN}.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(der),
        f"e2026._domainkey.{DOMAIN}.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw),
    }
    return lambda name, timeout=5: records.get(name.decode())


def verified(raw: bytes, signatures: int = 2) -> bool:
    """Does dkimpy find each signature sound?"""
    return all(_sound(raw, index) for index in range(signatures))


def _sound(raw: bytes, index: int) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=dns()))
    except dkim.ValidationError:
        return False
