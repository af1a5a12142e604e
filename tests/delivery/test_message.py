"""What leaves the socket: STANDARDS section 0, 1 (headers), 3 and 8, on the bytes themselves."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import settings as settings_module
from newsletter.delivery import message
from newsletter.delivery.message import Content, Gap, gap
from newsletter.settings import Settings

VALUES = {
    Gap.TO: b"jan@voorbeeld.example",
    Gap.MESSAGE_ID: b"<12.abc@nieuws.vvsg.example>",
    Gap.DATE: b"Mon, 23 Nov 2026 10:00:00 +0100",
    Gap.UNSUBSCRIBE: b"U" * 36,
    Gap.PREFERENCES: b"P" * 36,
}
LIST_HEADERS = [
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Subscribe",
    "List-Owner",
    "List-Archive",
    "List-Post",
    "Archived-At",
    "Feedback-ID",
    "Reply-To",
]
words = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Co"]), max_size=300)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("message")
    return settings_module.load(
        environ={}, env_file=folder / "no.env", INSTANCE_DIR=str(folder), SECRET_KEY="k" * 40
    )


def content(subject: str = "Fiabel-nieuws", text: str = "Hallo", html: str = "<p>Hallo") -> Content:
    return Content("nl", subject, text, html)


def wire(settings: Settings, content: Content, by_clock: bool = True) -> bytes:
    return message.issue_template(settings, 12, content, by_clock).fill(VALUES)


def raw_header(raw: bytes, name: str) -> list[bytes]:
    head = raw.split(b"\r\n\r\n", 1)[0] + b"\r\n"
    return re.findall(rb"(?im)^%s: ((?:.*\r\n)(?:[ \t].*\r\n)*)" % name.encode(), head)


def test_header_set_of_an_issue(settings: Settings) -> None:
    raw = wire(settings, content())
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert not parsed.defects
    once = [*LIST_HEADERS, "From", "To", "Subject", "Date", "Message-ID", "MIME-Version"]
    for name in [*once, "Content-Language", "X-Auto-Response-Suppress", "Auto-Submitted"]:
        assert len(raw_header(raw, name)) == 1, name
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert parsed["Feedback-ID"] == "12:nl:news:fiabel1"
    assert parsed["To"] == "jan@voorbeeld.example"
    assert parsed["Archived-At"] == "<http://localhost:5000/nl/issues/12>"


def test_only_postmark_gets_headers_of_its_own(settings: Settings, now: datetime) -> None:
    mails: dict[str, Any] = {
        "to": "jan@x.example",
        "message_id": "<n@x>",
        "now": now,
        "kind": "confirm",
    }
    assert b"X-PM-" not in wire(settings, content())
    changed = replace(settings, postmark_webhook="reports:a password of Postmark's")
    letter = message.letter(changed, content(), **mails)
    for raw, message_id in ((wire(changed, content()), b"<12.abc@"), (letter, b"<n@x>")):
        assert raw_header(raw, "X-PM-KeepID") == [b"true\r\n"]
        assert raw_header(raw, "X-PM-Metadata-message-id") == raw_header(raw, "Message-ID")
        assert raw_header(raw, "Message-ID")[0].startswith(message_id)


def test_fmt_15_no_auto_submitted_when_a_person_pressed_send(settings: Settings) -> None:
    assert not raw_header(wire(settings, content(), by_clock=False), "Auto-Submitted")


def test_fmt_05_alternative_text_first_both_utf_8(settings: Settings) -> None:
    parsed = email.message_from_bytes(wire(settings, content("s", "tëkst", "<p>häla</p>")))
    assert parsed.get_content_type() == "multipart/alternative"
    parts = list(parsed.walk())[1:]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in parts] == ["utf-8", "utf-8"]
    assert [part["Content-Transfer-Encoding"] for part in parts] == ["quoted-printable"] * 2


@given(host=st.integers(20, 900))
def test_py_01_list_unsubscribe_survives_any_length(settings: Settings, host: int) -> None:
    base = "https://" + ("a" * 50 + ".") * (host // 51) + "nieuws.example"
    raw = wire(replace(settings, base_url=base), content())
    for name in LIST_HEADERS:
        assert b"=?" not in raw_header(raw, name)[0]
    unfolded = re.sub(rb"\r\n[ \t]", b" ", raw_header(raw, "List-Unsubscribe")[0]).strip()
    assert unfolded == f"<{base}/u/{'U' * 36}>".encode()


@given(subject=words)
def test_py_03_subject_is_legal_and_survives(settings: Settings, subject: str) -> None:
    raw = wire(settings, content(subject=subject))
    (folded,) = raw_header(raw, "Subject")
    for line in (b"Subject: " + folded).rstrip(b"\r\n").split(b"\r\n"):
        assert len(line) <= (76 if b"=?" in line else 998)
        for word in re.findall(rb"=\?[^?]*\?[^?]*\?[^?]*\?=", line):
            assert len(word) <= 75
        assert b"?==?" not in line
    decoded = str(make_header(decode_header(folded.decode("ascii").rstrip("\r\n"))))
    assert " ".join(decoded.split()) == " ".join(subject.split())


@pytest.mark.parametrize("bad", ["\r", "\n", "\x00", "\x0b", "\x1c", "\x85", "\u2028", "\u2029"])
def test_py_04_control_characters_never_reach_a_header(settings: Settings, bad: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        wire(settings, content(subject=f"a{bad}Bcc: x@y.be"))
    with pytest.raises(ValueError, match="control character"):
        message.phrase("From", f"Jan{bad}")


@pytest.mark.parametrize("name", ["Fiabel", 'Fia"bel\\', "Fiabel, nieuws", "Fiäbel " * 12, "=?x?="])
def test_display_names_survive(settings: Settings, name: str) -> None:
    sender = Address(display_name=name.strip(), username="fiabel", domain="nieuws.example")
    raw = wire(replace(settings, mail_default_sender=sender), content())
    assert raw.isascii()
    folded = raw_header(raw, "From")[0].decode()
    assert all(len(line) <= 75 for line in folded.split("\r\n"))
    found, address = parseaddr(str(make_header(decode_header(folded))).replace("\n", ""))
    assert (found, address) == (name.strip(), "fiabel@nieuws.example")


@given(text=st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=2000))
def test_fmt_04_body_survives_in_seven_bits(settings: Settings, text: str) -> None:
    with_gaps = f"{text}{gap(Gap.UNSUBSCRIBE)}{text}{gap(Gap.PREFERENCES)}"
    raw = wire(settings, content(text=with_gaps, html=with_gaps))
    assert raw.isascii()
    assert b"\x00" not in raw
    assert max(len(line) for line in raw.split(b"\r\n")) <= 76 + 22  # header lines: one URI each
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    body = raw.split(b"\r\n\r\n", 1)[1]
    assert max(len(line) for line in body.split(b"\r\n")) <= 76
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    for part in list(email.message_from_bytes(raw).walk())[1:]:
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found = payload.decode("utf-8").replace("\r\n", "\n")
        assert found == f"{lines}{'U' * 36}{lines}{'P' * 36}"


def test_a_text_that_looks_like_a_gap_stays_text(settings: Settings) -> None:
    raw = wire(settings, content(text="@unsubscribe@ {unsubscribe} %(unsubscribe)s"))
    assert b"@unsubscribe@ {unsubscribe} %(unsubscribe)s" in raw


def test_fmt_07_date_has_the_offset_of_brussels(settings: Settings) -> None:
    before = datetime(2026, 10, 25, 0, 59, tzinfo=UTC)
    after = datetime(2026, 10, 25, 1, 1, tzinfo=UTC)
    assert message.date_header(before, settings) == "Sun, 25 Oct 2026 02:59:00 +0200"
    assert message.date_header(after, settings) == "Sun, 25 Oct 2026 02:01:00 +0100"


def test_letter_has_no_list_unsubscribe(settings: Settings, now: datetime) -> None:
    raw = message.letter(
        settings, content(), to="jan@x.example", message_id="<n@x>", now=now, kind="confirm"
    )
    assert not raw_header(raw, "List-Unsubscribe")
    assert raw_header(raw, "Auto-Submitted") == [b"auto-generated\r\n"]
    with pytest.raises(ValueError, match="control character"):
        message.letter(
            settings, content(), to="jan@x\r\nBcc: y", message_id="<n@x>", now=now, kind="confirm"
        )


def test_sec_13_a_line_with_a_dot_ends_no_letter(settings: Settings, now: datetime) -> None:
    """SMT-25: what the relay gets is dot-stuffed and ends by one dot (RFC 5321 4.5.2)."""
    raw = message.letter(
        settings,
        content(text="een\n.\n.twee"),
        to="jan@x.example",
        message_id="<n@x>",
        now=now,
        kind="x",
    )
    assert b"een\r\n..\r\n..twee" in raw
    assert raw.endswith(b"\r\n.\r\n")
    assert raw.count(b"\r\n.\r\n") == 1
