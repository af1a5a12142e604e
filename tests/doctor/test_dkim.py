"""DKIM keys on good and bad zones (AUT-02, AUT-03; RFC 6376, 8301, 8463)."""

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from newsletter.doctor import dkim
from newsletter.errors import FixSettings
from newsletter.settings import Settings
from tests.delivery.keys import DOMAIN, rsa_key
from tests.doctor.conftest import (
    ed25519_record,
    good_zone,
    graded,
    rsa_record,
    said,
    strings,
    without,
)
from tests.doctor.zones import asker

RSA, ED25519 = f"r2026._domainkey.{DOMAIN}.", f"e2026._domainkey.{DOMAIN}."


def pkcs1() -> str:
    """The same key in the other packing."""
    der = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return f"v=DKIM1; p={base64.b64encode(der).decode()}"


def stranger() -> str:
    raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"


def wrapped() -> str:
    """An Ed25519 key with its DER around it, as `openssl pkey -pubout` gives it."""
    return ed25519_record().replace("p=", "p=MCowBQYDK2VwAyEA")


# What stands at the selector, the grades that are not ok, and words.
CASES: dict[str, tuple[str, Callable[[], str], list[str], str]] = {
    "ours": (RSA, rsa_record, [], "the one we sign with (rsa)"),
    "ours, packed otherwise": (RSA, pkcs1, [], ""),
    "blanks": (RSA, lambda: rsa_record().replace("; ", " ;  ").replace("p=M", "p = M "), [], ""),
    "withdrawn": (RSA, lambda: "v=DKIM1; k=rsa; p=", ["fail"], "was withdrawn"),
    "a test": (RSA, lambda: rsa_record() + "; t=y:s", ["warn"], "t=y"),
    "strict": (RSA, lambda: rsa_record() + "; t=s", [], ""),
    "sha1 only": (RSA, lambda: rsa_record() + "; h=sha1", ["fail"], "h=sha1"),
    "both hashes": (RSA, lambda: rsa_record() + "; h=sha1:sha256", [], ""),
    "not for mail": (RSA, lambda: rsa_record() + "; s=tlsrpt", ["fail"], "not for mail"),
    "another kind": (RSA, ed25519_record, ["fail"], "of kind ed25519; ours is rsa"),
    "an unknown kind": (RSA, lambda: "v=DKIM1; k=dsa; p=AAAA", ["fail"], "of kind dsa"),
    "another key": (RSA, lambda: rsa_record(1024), ["fail"], "not the one we sign with"),
    "another version": (RSA, lambda: rsa_record().replace("DKIM1", "DKIM2"), ["fail"], "v=DKIM1"),
    "version last": (
        RSA,
        lambda: rsa_record().removeprefix("v=DKIM1; ") + "; v=DKIM1",
        ["fail"],
        "does not begin with v=DKIM1",
    ),
    "no key": (RSA, lambda: "v=DKIM1; k=rsa; p=bm8ga2V5", ["fail"], "is no key of kind rsa"),
    "no base64": (RSA, lambda: "v=DKIM1; k=rsa; p=é!", ["fail"], "is no key of kind rsa"),
    "cut off": (RSA, lambda: rsa_record()[:200], ["fail"], "is no key of kind rsa"),
    "twice the same tag": (RSA, lambda: rsa_record() + "; k=rsa", ["fail"], "cannot be read"),
    "Ed25519 of a stranger": (ED25519, stranger, ["fail"], "not the one we sign with"),
    "Ed25519 with DER around it": (ED25519, wrapped, ["fail"], "has 44 octets, not 32"),
}


@pytest.mark.parametrize(("place", "record", "expected", "words"), CASES.values(), ids=CASES)
def test_aut_02_03_the_key_in_the_dns_is_ours(
    place: str, record: Callable[[], str], expected: list[str], words: str, sending: Settings
) -> None:
    value = record().encode("unicode_escape").decode().replace("\\xe9", "\\233")
    zone = f"{without(good_zone(), place)}\n{place} IN TXT {strings(value)}"
    lines = dkim.lines(asker(zone), sending)
    assert graded(lines) == [f"dkim {grade}" for grade in expected], said(lines)
    assert words in said(lines)


@pytest.mark.parametrize(("bits", "grade"), [(2048, "ok"), (1024, "warn"), (1023, "fail")], ids=str)
def test_aut_02_a_short_key_of_the_relay_is_told(
    bits: int, grade: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    relays = f"s1._domainkey.{DOMAIN}. IN TXT {strings(rsa_record(max(bits, 1024)))}"
    if bits == 1023:  # no library makes such keys any more
        monkeypatch.setattr(dkim, "FLOOR_BITS", 1025)
    (line,) = dkim.lines(asker(relays), settings, "s1")
    assert line.grade == grade


def test_a_key_of_the_relay_of_a_kind_nobody_knows(settings: Settings) -> None:
    zone = asker(f's1._domainkey.{DOMAIN}. IN TXT "v=DKIM1; k=dsa; p=AAAA"')
    assert "receivers know rsa and ed25519" in said(dkim.lines(zone, settings, "s1"))


def test_a_missing_key_is_printed_ready_to_paste(sending: Settings) -> None:
    bare = without(good_zone(), RSA)
    (missing, _other) = dkim.lines(asker(bare), sending)
    assert missing.grade == "fail"
    record = missing.mend.splitlines()[1]
    assert all(len(string) <= 255 for string in record.split('"')[1::2])
    assert graded(dkim.lines(asker(f"{bare}\n{record}"), sending)) == []


def test_a_key_behind_an_alias_counts(sending: Settings) -> None:
    zone = without(good_zone(), RSA)
    zone += f"\n{RSA} IN CNAME key.relay.example.\nkey.relay.example. IN CNAME k2.relay.example."
    zone += f"\nk2.relay.example. IN TXT {strings(rsa_record())}"
    assert graded(dkim.lines(asker(zone), sending)) == []


def test_two_keys_at_one_selector_are_one_too_many(sending: Settings) -> None:
    zone = f'{good_zone()}\n{RSA} IN TXT "v=DKIM1; p="'
    assert "holds 2 keys" in said(dkim.lines(asker(zone), sending))


def test_other_text_beside_the_key_is_nothing(sending: Settings) -> None:
    zone = f'{good_zone()}\n{RSA} IN TXT "made by somebody"'
    assert graded(dkim.lines(asker(zone), sending)) == []


def test_without_a_key_the_relay_has_to_sign(settings: Settings) -> None:
    (line,) = dkim.lines(asker(good_zone()), settings)
    assert line.grade == "warn"
    assert "the relay has to sign" in line.said
    (line,) = dkim.lines(asker(good_zone()), settings, "s1")
    assert (line.grade, line.mend) == ("fail", "Publish what the relay signs with.")


def test_a_key_file_of_no_use_is_one_sentence(sending: Settings) -> None:
    with pytest.raises(FixSettings, match="cannot be read"):
        dkim.lines(asker(""), replace(sending, dkim_key_file=sending.instance_dir / "none.pem"))
