"""What DATA carries, for any text an editor may write: properties of the bytes themselves."""

import email
import email.policy
import re
import sys
import unicodedata
from dataclasses import replace
from email.header import decode_header, make_header
from email.headerregistry import Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import settings as settings_module
from newsletter.addresses import parse
from newsletter.delivery import message
from newsletter.delivery.message import Content, Gap, gap
from newsletter.errors import FixRequest
from newsletter.settings import Settings
from tests.delivery.octets import headers_of, lines_of, received, stuffed

VALUES = {
    Gap.TO: b"jan@voorbeeld.example",
    Gap.MESSAGE_ID: b"<12.abc@nieuws.vvsg.example>",
    Gap.DATE: b"Mon, 23 Nov 2026 10:00:00 +0100",
    Gap.UNSUBSCRIBE: b"-" * 36,
    Gap.PREFERENCES: b"_" * 36,
}
FORBIDDEN = [
    chr(point)
    for point in range(sys.maxunicode + 1)
    if unicodedata.category(chr(point)) in {"Cc", "Zl", "Zp", "Cs"}
]
WORDS = (
    "coördinatie ruimtelijke ’s-Hertogenbosch financiën de in Geraardsbergen vóór één",
    "à l’été où déjà coopération décentralisée œuvre la commune de Saint-Josse-ten-Noode",
    "Städtepartnerschaft für Straßen größer Übergänge und Ähnliches in Eupen",
    "sister cities don’t naïve the café of — “quoted” =?utf-8?q?x?= a b",
    "\u202bبلدية\u202c \u05e2\u05d9\u05e8\u05d9\u05d4 市町村 👩🏽‍🚒 🇧🇪 e\u0301 \u200f",
)
LINES = st.sampled_from([".", "..", "\n", "\r\n", "\r", " ", "\t", "=", "a", "é", "\x00", "From "])
any_text = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=1500),
    st.lists(LINES, max_size=60).map("".join),
    st.integers(1, 3000).map(lambda length: "x" * length),
)
subjects = st.one_of(
    *(st.lists(st.sampled_from(line.split()), max_size=24).map(" ".join) for line in WORDS),
    st.text(st.characters(exclude_characters=FORBIDDEN, exclude_categories=["Co"]), max_size=300),
    st.integers(1, 998).map(lambda length: "x" * length),
)


@pytest.fixture(scope="module")
def plain_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("wire")
    return settings_module.load(
        environ={}, env_file=folder / "no.env", INSTANCE_DIR=str(folder), SECRET_KEY="k" * 40
    )


def made(settings: Settings, subject: str = "s", text: str = "t", html: str = "h") -> bytes:
    content = Content("nl", subject, text, html)
    return message.issue_template(settings, 12, content, True).for_wire().fill(VALUES)


def names_of(raw: bytes) -> list[str]:
    return sorted(name for name, _value in headers_of(raw))


@given(subject=subjects, text=any_text, html=any_text)
def test_py_06_fmt_04_smt_25_any_edition_is_legal_on_the_wire(
    plain_settings: Settings, subject: str, text: str, html: str
) -> None:
    content = Content("nl", subject, f"{text}{gap(Gap.UNSUBSCRIBE)}{text}", html)
    template = message.issue_template(plain_settings, 12, content, True)
    whole, wire = template.fill(VALUES), template.for_wire().fill(VALUES)
    assert wire == stuffed(whole)
    assert received(wire) == whole
    assert wire.isascii()
    assert b"\x00" not in wire
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", wire)
    assert wire.endswith(b"\r\n.\r\n")
    assert wire.count(b"\r\n.\r\n") == 1
    head, body = whole.split(b"\r\n\r\n", 1)
    assert max(map(len, lines_of(head))) <= 98  # one URI a line
    assert all(line.strip() for line in lines_of(head))
    assert max(map(len, lines_of(body))) <= 76
    assert b"8bit" not in wire


@given(subject=subjects, text=any_text)
def test_fmt_05_both_parts_decode_to_what_went_in(
    plain_settings: Settings, subject: str, text: str
) -> None:
    parsed = email.message_from_bytes(received(made(plain_settings, subject, text, f"<{text}>")))
    assert not parsed.defects
    kinds = [part.get_content_type() for part in parsed.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"]
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    for part, wanted in zip(list(parsed.walk())[1:], (expected, f"<{expected}>"), strict=True):
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.decode().replace("\r\n", "\n") == wanted
        assert part.get_content_charset() == "utf-8"


@given(subject=subjects)
def test_py_03_fmt_11_subjects_arrive_as_they_were_written(
    plain_settings: Settings, subject: str
) -> None:
    raw = made(plain_settings, subject)
    (folded,) = [value for name, value in headers_of(raw) if name == "Subject"]
    for line in lines_of(b"Subject: " + folded):
        assert len(line) <= (76 if b"=?" in line else 78)
    for word in re.findall(rb"=\?[^?]*\?[^?]*\?[^?]*\?=", folded):
        assert len(word) <= 75
        charset, encoding, _text = word[2:-2].split(b"?")
        assert charset == b"utf-8"
        assert encoding in {b"b", b"q"}
        assert str(make_header(decode_header(word.decode())))  # no character is cut in two
    assert b"?==?" not in folded
    unfolded = folded.replace(b"\r\n", b"").decode()
    assert str(make_header(decode_header(unfolded))) == subject
    other = email.message_from_bytes(raw, policy=email.policy.default)["Subject"]
    assert "".join(str(other).split()) == "".join(subject.split())


@given(subject=subjects, name=subjects.filter(lambda name: len(name) < 200))
def test_py_04_fmt_01_no_text_adds_or_takes_a_header(
    plain_settings: Settings, subject: str, name: str
) -> None:
    sender = Address(display_name=name.strip(), username="fiabel", domain="nieuws.example")
    named = replace(plain_settings, mail_default_sender=sender)
    assert names_of(made(named, subject)) == names_of(made(plain_settings))
    once = ["Date", "From", "Message-ID", "Reply-To", "Subject", "To"]
    assert [header for header in names_of(made(named, subject)) if header in once] == once


def test_py_04_every_control_character_is_refused(plain_settings: Settings) -> None:
    assert len(FORBIDDEN) == 65 + 2 + 2048
    for bad in FORBIDDEN:
        for refuse in (
            lambda text: message.encoded("Subject", text),
            lambda text: message.phrase("From", text),
            lambda text: message.recipient(f"{text}@x.example", utf8=True),
            lambda text: message.recipient(f"jan@x.example{text}", utf8=True),
        ):
            with pytest.raises(ValueError, match="control character"):
                refuse(f"a{bad}b")
    with pytest.raises(ValueError, match="998"):
        made(plain_settings, "x" * 999)


@given(path=st.integers(20, 900))
def test_py_01_py_02_long_tokens_stay_whole(plain_settings: Settings, path: int) -> None:
    """A URL of 20 to 900 characters: no encoded word, one URI a line, byte for byte."""
    base = f"https://x.example/{'a' * (path - 20)}"
    raw = made(replace(plain_settings, base_url=base))
    for name, value in headers_of(raw):
        if name.startswith("List-") or name in {"Archived-At", "Feedback-ID"}:
            assert b"=?" not in value
            assert b"\r\n" not in value
    assert dict(headers_of(raw))["List-Unsubscribe"] == f"<{base}/u/{'-' * 36}>".encode()
    assert max(map(len, lines_of(raw))) <= 998


@given(name=subjects.filter(lambda name: name == name.strip() and len(name) < 200))
def test_display_names_in_any_language_survive(plain_settings: Settings, name: str) -> None:
    sender = Address(display_name=name, username="fiabel", domain="nieuws.example")
    raw = made(replace(plain_settings, mail_default_sender=sender))
    for header in ("From", "Reply-To", "List-Id"):
        folded = dict(headers_of(raw))[header].decode()
        assert all(len(line) <= 78 for line in f"{header}: {folded}".split("\r\n"))
        found = str(make_header(decode_header(folded.replace("\r\n", ""))))
        shown = found.rpartition("<")[0].strip()
        quoted = re.fullmatch(r'"(.*)"', shown)
        assert (re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else shown) == name


@pytest.mark.parametrize(
    ("typed", "header"),
    [
        ("jan@exämple.be", b"jan@xn--exmple-cua.be"),
        ("jan@straße.de", b"jan@xn--strae-oqa.de"),
        ("Jan.o'brien+a@xn--exmple-cua.be", b"Jan.o'brien+a@xn--exmple-cua.be"),
        ("jan@例子.广告", b"jan@xn--fsqu00a.xn--4rr70v"),
    ],
)
def test_py_05_domains_go_out_as_a_labels(typed: str, header: bytes) -> None:
    assert message.recipient(parse(typed).typed, utf8=False) == header
    with pytest.raises(ValueError, match="cannot stand in a header"):
        message.recipient("jan@exämple.be", utf8=True)


def test_fmt_10_utf_8_stands_only_in_to_and_only_with_smtputf8() -> None:
    assert message.recipient("jän@x.example", utf8=True) == "jän@x.example".encode()
    with pytest.raises(ValueError, match=r"needs SMTPUTF8, which the relay does not offer"):
        message.recipient("jän@x.example", utf8=False)


@given(st.text(max_size=60))
def test_whatever_is_accepted_as_an_address_can_be_mailed(typed: str) -> None:
    try:
        address = parse(typed, allow_utf8=True)
    except FixRequest:
        return
    assert message.recipient(address.typed, utf8=True).decode() == address.typed


@pytest.mark.parametrize("bad", ["a b@x.be", "a@x.be>", "<a@x.be", "a@x.be, b@x.be", "ax.be", ""])
def test_what_is_no_address_never_reaches_to_or_the_envelope(bad: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a header"):
        message.recipient(bad, utf8=True)
