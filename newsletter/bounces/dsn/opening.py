"""Opens a message as far as reading it needs: bounded, whatever the bytes are.

Not the standard library's parser: that reads every line of the newsletter that came back too, and
goes as deep as its sender likes. This one cuts at boundaries, decodes what will be looked at, and
takes MIME as it comes: wrong line ends, lost boundaries, lying types.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from newsletter.bounces.dsn.plaintext import decoded, decoded_words, from_html

LIMIT = 1 << 20  # bytes that are read of a message
PART = 1 << 17  # bytes that are read of a part
TEXT = 20_000  # characters that are kept of what a message says
PARTS, DEPTH, FIELDS = 100, 8, 400
VALUE = 2000  # characters that are kept of a field

# Fields by lower-case name, unfolded, in their order.
Fields = dict[str, list[str]]

BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
LOST_BOUNDARY = re.compile(rb"^--(\S[^\n]{0,199})\n+Content-", re.MULTILINE | re.IGNORECASE)
FIELD = re.compile(r"([!-9;-~]+)[ \t]*:(.*)")
STATUS = ("message/delivery-status", "message/global-delivery-status")
FEEDBACK = ("message/feedback-report",)
DISPOSITION = ("message/disposition-notification", "message/global-disposition-notification")
ORIGINAL = (
    "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers",
    "message/global-headers", "text/rfc822",
)  # fmt: skip


@dataclass(slots=True)
class Opened:
    """A message by what its parts are for; "" and {} where there is no such part."""

    fields: Fields
    kind: str  # its media type
    report_type: str  # of a multipart/report (RFC 6522), in lower case
    text: str = ""  # what it says by itself
    status: str = ""  # delivery status (RFC 3464)
    feedback: str = ""  # feedback report (RFC 5965)
    disposition: str = ""  # disposition notification (RFC 8098)
    original: Fields = field(default_factory=dict)  # header of the message that came back
    enclosed: bytes = b""  # that message itself

    def first(self, name: str) -> str:
        """A field of the header, readable; "" when it is not there."""
        return decoded_words(next(iter(self.fields.get(name, ())), ""))


@dataclass(frozen=True, slots=True)
class _Leaf:
    kind: str
    fields: Fields
    body: bytes

    @property
    def attached(self) -> bool:
        return next(iter(self.fields.get("content-disposition", ())), "").lower()[:6] == "attach"

    def data(self) -> bytes:
        """Its content without transfer encoding; as it stands where that cannot be."""
        encoding = next(iter(self.fields.get("content-transfer-encoding", ())), "").strip().lower()
        body = self.body[:PART]
        if encoding == "quoted-printable":
            return binascii.a2b_qp(body)
        if encoding == "base64":
            try:
                return binascii.a2b_base64(body + b"===")
            except binascii.Error:
                return body
        return body

    def text(self) -> str:
        return decoded(self.data(), next(iter(self.fields.get("content-type", ())), ""))


def open_message(raw: bytes) -> Opened:
    """Open any bytes, of which LIMIT are read."""
    top, body = _split(_lines(raw[:LIMIT]))
    content_type = next(iter(top.get("content-type", ())), "")
    found = re.search(r'report-type\s*=\s*"?([\w-]+)', content_type, re.IGNORECASE)
    opened = Opened(top, _kind(top), found[1].lower() if found else "")
    plain: list[str] = []
    html: list[str] = []
    late: list[str] = []  # texts that come after what is for machines: footers, the original
    for number, leaf in enumerate(_leaves(top, body, DEPTH)):
        if number == PARTS:
            break
        if leaf.kind.startswith("text/") and leaf.kind not in ORIGINAL:
            after = opened.status or opened.original or leaf.attached
            (late if after else html if leaf.kind == "text/html" else plain).append(leaf.text())
        else:
            _keep(opened, leaf)
    said = next((text for text in map("\n".join, (plain, html, late)) if text.strip()), "")
    opened.text = (from_html(said) if _is_html(said) else said)[:TEXT]
    return opened


def fields_of(text: str) -> Fields:
    """Header fields out of text, up to its end; lines that are none are left out."""
    found: Fields = {}
    for line in re.sub(r"\n[ \t]+", " ", text[:PART]).split("\n", FIELDS)[:FIELDS]:
        if match := FIELD.match(line):
            found.setdefault(match[1].lower(), []).append(match[2].strip()[:VALUE])
    return found


def _keep(opened: Opened, leaf: _Leaf) -> None:
    """Put a part for machines where it belongs; the first of its kind counts."""
    if leaf.kind in STATUS:
        opened.status += leaf.text() + "\n\n"
    elif leaf.kind in FEEDBACK:
        opened.feedback = opened.feedback or leaf.text()
    elif leaf.kind in DISPOSITION:
        opened.disposition = opened.disposition or leaf.text()
    elif leaf.kind in ORIGINAL and not opened.original:
        data = leaf.data()
        opened.original = _split(_lines(data))[0]
        opened.enclosed = data if leaf.kind.startswith("message/") else b""


def _lines(raw: bytes) -> bytes:
    """Lines that end in LF alone, without what mailbox files put before a message."""
    if b"\r" in raw:
        raw = raw.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    raw = raw.lstrip(b"\n")
    if raw[:5] == b"From " or raw[:6] == b">From ":
        raw = raw.partition(b"\n")[2]
    return raw


def _split(message: bytes) -> tuple[Fields, bytes]:
    """Header and body, at the first empty line."""
    if message[:1] == b"\n":
        return {}, message[1:]
    header, _gap, body = message.partition(b"\n\n")
    fields = fields_of(decoded(header[:PART]))
    return (fields, body) if fields else ({}, message)


def _kind(fields: Fields) -> str:
    kind = next(iter(fields.get("content-type", ())), "").partition(";")[0].strip().lower()
    return kind if "/" in kind else "text/plain"  # RFC 2045 5.2


def _leaves(fields: Fields, body: bytes, depth: int) -> Iterator[_Leaf]:
    """The parts that have no parts, in their order; a message that came back is one of them."""
    kind = _kind(fields)
    if not kind.startswith("multipart/"):
        yield _Leaf(kind, fields, body)
        return
    chunks = _chunks(next(iter(fields.get("content-type", ())), ""), body)
    if depth == 0 or not chunks:
        yield _Leaf("text/plain", {}, body)
        return
    for chunk in chunks:
        yield from _leaves(*_split(chunk), depth - 1)


def _chunks(content_type: str, body: bytes) -> list[bytes]:
    """What stands between the boundaries (RFC 2046 5.1.1); none when there is no boundary."""
    found = BOUNDARY.search(content_type)
    names = [(found[1] or found[2]).encode("utf-8", "replace")] if found else []
    if lost := LOST_BOUNDARY.search(body):
        names.append(lost[1].rstrip())
    for name in names:
        pattern = rb"^--" + re.escape(name.rstrip()) + rb"(?:--)?[ \t]*(?:\n|\Z)"
        chunks = re.split(pattern, body, maxsplit=PARTS, flags=re.MULTILINE)[1:]
        if chunks:
            return chunks if chunks[-1].strip() else chunks[:-1]
    return []


def _is_html(text: str) -> bool:
    return (
        re.match(r"\s*(<!doctype html|<html|<head|<body|<div|<p\b|<table)", text, re.I) is not None
    )
