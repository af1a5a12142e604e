"""DKIM on the bytes that leave, verified by dkimpy against keys in a DNS of the test's own."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from newsletter import settings as settings_module
from newsletter.delivery import message
from newsletter.delivery.message import Content, Gap, gap
from newsletter.delivery.signing import Signatures, relaxed_body, relaxed_head, signers
from newsletter.delivery.template import Template
from newsletter.errors import FixSettings
from newsletter.settings import Settings
from tests.delivery import keys
from tests.delivery.keys import verified
from tests.delivery.octets import received

VALUES = {
    Gap.TO: b"jan@voorbeeld.example",
    Gap.MESSAGE_ID: b"<12.abc@nieuws.vvsg.example>",
    Gap.DATE: b"Mon, 23 Nov 2026 10:00:00 +0100",
    Gap.UNSUBSCRIBE: b"U" * 36,
    Gap.PREFERENCES: b"P" * 36,
}
SECOND = 1_793_000_000  # 2026-10-26
BODY = f"Dag\n.\n..\n  twee   blanco's \t\nx {gap(Gap.UNSUBSCRIBE)} y\n\n\n"
WHITE = st.sampled_from([b" ", b"\t", b"\r\n", b"a", b".", b"=", b"bc"])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("signing")
    plain = settings_module.load(
        environ={}, env_file=folder / "no.env", INSTANCE_DIR=str(folder), SECRET_KEY="k" * 40
    )
    return keys.signing(plain, folder)


def copy(settings: Settings, text: str = BODY, html: str = "<p>Dag", subject: str = "Nr") -> bytes:
    """A reader's copy as it arrives."""
    template = message.issue_template(settings, 12, Content("nl", subject, text, html), True)
    signatures = Signatures(signers(settings), template)
    return received(signatures.lines(VALUES, SECOND) + template.for_wire().fill(VALUES))


def tags(raw: bytes, index: int = 0) -> dict[str, str]:
    """The tags of one DKIM-Signature, without white space."""
    fields = re.findall(rb"(?m)^DKIM-Signature:((?:.*\r\n)(?:[ \t].*\r\n)*)", raw)
    pairs = re.sub(rb"\s", b"", fields[index]).decode().split(";")
    return dict(pair.split("=", 1) for pair in pairs)


def test_aut_02_aut_03_both_signatures_verify(settings: Settings) -> None:
    raw = copy(settings)
    assert verified(raw)
    assert raw.count(b"DKIM-Signature:") == 2
    assert raw.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n")
    first, second = tags(raw), tags(raw, 1)
    assert (first["a"], first["s"]) == ("rsa-sha256", "r2026")
    assert (second["a"], second["s"]) == ("ed25519-sha256", "e2026")
    assert first["d"] == second["d"] == keys.DOMAIN
    assert first["t"] == str(SECOND)
    assert first["bh"] == second["bh"]


def test_one_key_one_signature_no_key_none(settings: Settings) -> None:
    alone = replace(settings, dkim_ed25519_selector="", dkim_ed25519_key_file=None)
    raw = copy(alone)
    assert raw.count(b"DKIM-Signature:") == 1
    assert verified(raw, signatures=1)
    nothing = replace(alone, dkim_domain="", dkim_selector="", dkim_key_file=None)
    assert b"DKIM-Signature" not in copy(nothing)


def test_aut_04_every_header_is_signed_and_six_once_more(settings: Settings) -> None:
    raw = copy(settings)
    head = raw.split(b"\r\n\r\n", 1)[0].decode()
    present = [name.lower() for name in re.findall(r"(?m)^([\w-]+):", head)]
    present = [name for name in present if name != "dkim-signature"]
    signed = tags(raw)["h"].split(":")
    more = ["from", "to", "subject", "date", "content-type", "reply-to"]
    assert sorted(signed) == sorted(present + more)
    assert {"message-id", "mime-version", "content-language", "archived-at"} < set(signed)
    assert {"feedback-id", "auto-submitted", "list-unsubscribe-post"} < set(signed)
    assert not {"return-path", "received", "dkim-signature"} & set(signed)
    assert "l" not in tags(raw)


@pytest.mark.parametrize("name", ["List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"])
def test_uns_02_a_changed_list_header_breaks_it(settings: Settings, name: str) -> None:
    raw = copy(settings)
    assert not verified(re.sub(rb"(?m)^(%s: .*)\r\n" % name.encode(), rb"\1x\r\n", raw), 1)
    assert not verified(re.sub(rb"(?m)^%s: .*\r\n" % name.encode(), b"", raw), 1)


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Date", "Reply-To", "Content-Type"])
@pytest.mark.parametrize("place", ["above", "below"])
def test_aut_04_nobody_can_add_another(settings: Settings, name: str, place: str) -> None:
    raw, added = copy(settings), f"{name}: x@y.example\r\n".encode()
    head, body = raw.split(b"\r\n\r\n", 1)
    bent = added + raw if place == "above" else head + b"\r\n" + added + b"\r\n" + body
    assert not verified(bent, 1)


def test_a_changed_body_breaks_it(settings: Settings) -> None:
    raw = copy(settings)
    for bent in (raw + b"more\r\n", raw.replace(b"Dag", b"dag"), raw.replace(b"UUU", b"UVU")):
        assert not verified(bent, 1)
    assert not verified(raw.replace(b"DKIM-Signature: v=1; a", b"X: v=1; a", 1), 2)


def test_what_relays_do_to_white_space_does_not_break_it(settings: Settings) -> None:
    raw = copy(settings)
    refolded = re.sub(rb"(?m)^(List-Help:) ", rb"\1\r\n\t ", raw).replace(
        b"\r\nTo: ", b"\r\nTO:   "
    )
    assert refolded != raw
    assert verified(refolded.replace(b"U=\r\n", b"U= \t\r\n") + b"\r\n\r\n")


@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=200),
    subject=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Co"]), max_size=80),
    gaps=st.lists(st.sampled_from([Gap.UNSUBSCRIBE, Gap.PREFERENCES]), max_size=3),
)
def test_aut_05_any_text_verifies(
    settings: Settings, text: str, subject: str, gaps: list[Gap]
) -> None:
    with_gaps = "".join(f"{text}\n.{gap(name)}" for name in gaps)
    raw = copy(settings, with_gaps, with_gaps + text, subject)
    assert verified(raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    head = raw.split(b"\r\nContent-Type:", 1)[0].split(b"\r\n")
    assert max(map(len, head)) <= 78


@given(st.lists(WHITE, max_size=30).map(b"".join))
def test_bodies_are_canonicalised_as_dkimpy_does(body: bytes) -> None:
    lines = body + b"\r\n"
    assert relaxed_body(lines) == Relaxed.canonicalize_body(lines)


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"a", b":"]), max_size=30).map(b"".join))
def test_headers_are_canonicalised_as_dkimpy_does(value: bytes) -> None:
    ((name, expected),) = Relaxed.canonicalize_headers([(b"SubJect ", value)])
    assert relaxed_head(b"SubJect :" + value + b"\r\n") == name + b":" + expected


@given(
    before=st.lists(WHITE, max_size=8).map(b"".join),
    after=st.lists(WHITE, max_size=8).map(b"".join),
    value=st.text("Aa_-", min_size=1, max_size=4),
)
def test_canonicalising_first_and_filling_later_gives_the_same(
    before: bytes, after: bytes, value: str
) -> None:
    """The body is canonicalised before it is filled, a verifier does it afterwards."""
    token = value.encode()
    canonical = Template([before, after + b"\r\n"], [Gap.TO]).rewritten(relaxed_body)
    expected = Relaxed.canonicalize_body(before + token + after + b"\r\n")
    assert canonical.fill({Gap.TO: token}) == expected


def test_notices_are_signed_too(settings: Settings, now: datetime) -> None:
    raw = received(
        message.letter(
            settings,
            Content("nl", "Bevestig", BODY.replace(gap(Gap.UNSUBSCRIBE), ""), "<p>Dag"),
            to="jan@x.example",
            message_id="<n@x>",
            now=now,
            kind="confirm",
        )
    )
    assert verified(raw)
    assert not verified(raw.replace(b"Dag", b"dag"), 1)


def test_an_address_in_utf_8_is_signed_as_it_is(settings: Settings) -> None:
    template = message.issue_template(settings, 12, Content("nl", "s", "t", "h"), True)
    values = VALUES | {Gap.TO: "jän@voorbeeld.example".encode()}
    raw = Signatures(signers(settings), template).lines(values, SECOND) + template.fill(values)
    assert verified(raw)


# --- keys that cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"no key", "is not a private key in PEM"),
        (b"\xff\x00", "is not a private key in PEM"),
        (lambda: keys.pem(keys.rsa_key(1024)), "holds a key of 1024 bits; make one of 2048"),
        (lambda: keys.pem(keys.ed25519_key()), "holds a key that is not RSA"),
        (
            lambda: keys.rsa_key().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            ),
            "without password",
        ),
    ],
)
def test_aut_02_a_key_that_cannot_be_used_is_named_in_one_sentence(
    settings: Settings, tmp_path: Path, kept: bytes | Callable[[], bytes] | None, why: str
) -> None:
    file = tmp_path / "dkim.pem"
    if kept is not None:
        file.write_bytes(kept if isinstance(kept, bytes) else kept())
    with pytest.raises(FixSettings, match=rf"^DKIM_KEY_FILE [^\n]*{re.escape(why)}[^\n]*\.$"):
        signers(replace(settings, dkim_key_file=file))


def test_the_second_key_has_to_be_ed25519(settings: Settings) -> None:
    with pytest.raises(FixSettings, match=r"DKIM_ED25519_KEY_FILE .* not Ed25519"):
        signers(replace(settings, dkim_ed25519_key_file=settings.dkim_key_file))
