"""A sender with keys, as production has it, and the zones that suit it."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from newsletter.doctor import Line
from newsletter.settings import Settings
from tests.delivery.keys import DOMAIN, ed25519_key, rsa_key, signing

OUTGOING = "11.0.0.1"


@pytest.fixture
def sending(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a server that sends From: fiabel@nieuws.vvsg.example through a relay."""
    return replace(
        signing(settings, tmp_path),
        mail_server="relay.vvsg.example",
        mail_outgoing=(OUTGOING,),
        return_path=f"bounce@{DOMAIN}",
    )


def strings(value: str) -> str:
    """A TXT value in strings of 100 characters."""
    return " ".join(f'"{value[at : at + 100]}"' for at in range(0, len(value), 100))


def rsa_record(*bits: int) -> str:
    """The value that suits the RSA key, or another one of so many bits."""
    public = rsa_key(*bits).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def ed25519_record() -> str:
    """The value that suits the Ed25519 key."""
    raw = ed25519_key().public_key().public_bytes_raw()
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"


def good_zone() -> str:
    """All that the sender needs, and nothing else."""
    return f"""
vvsg.example. IN SOA ns.vvsg.example. dns.vvsg.example. 1 2 3 4 5
vvsg.example. IN MX 10 mx.vvsg.example.
_dmarc.vvsg.example. IN TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@vvsg.example"
{DOMAIN}. IN MX 10 mx.vvsg.example.
{DOMAIN}. IN TXT "v=spf1 ip4:{OUTGOING} -all"
r2026._domainkey.{DOMAIN}. IN TXT {strings(rsa_record())}
e2026._domainkey.{DOMAIN}. IN TXT "{ed25519_record()}"
mx.vvsg.example. IN A 11.0.0.2
mail.vvsg.example. IN A {OUTGOING}
1.0.0.11.in-addr.arpa. IN PTR mail.vvsg.example.
"""


def without(zone: str, start: str) -> str:
    """A zone without the records that begin so."""
    kept = [line for line in zone.splitlines() if not line.startswith(start)]
    assert len(kept) < len(zone.splitlines()), start
    return "\n".join(kept)


def graded(lines: list[Line], *names: str) -> list[str]:
    """`name grade` of the lines that are not ok (of these names), in order."""
    return [
        f"{line.name} {line.grade}"
        for line in lines
        if line.grade != "ok" and (not names or line.name in names)
    ]


def said(lines: list[Line]) -> str:
    """All words, to look something up in."""
    return "\n".join(f"{line.said} {line.mend}" for line in lines)
