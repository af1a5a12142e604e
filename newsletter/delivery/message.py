"""An edition turned into bytes once, with gaps (`template`); a message is then bytes joined.

This room knows headers and encodings, and neither database nor network. A gap stands in a text as a
private-use character pair around its name (no editor's text can hold one) and in the bytes as a
random marker on a line of its own, which no quoted-printable soft break can cut (RFC 2045 6.7).
"""

import re
import secrets
from base64 import encodebytes
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.policy import Compat32
from email.quoprimime import body_encode
from email.utils import format_datetime

from newsletter.delivery.return_path import ReturnPath
from newsletter.delivery.signing import Signatures, signers
from newsletter.delivery.template import Gap as Gap  # with `gap`, for those who write the texts
from newsletter.delivery.template import Template
from newsletter.links import Links
from newsletter.settings import Settings

GAP = re.compile("\ue000([a-z-]+)\ue001")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# An address as `addresses.parse` gives it: nothing in it needs quotes or could end a command.
ADDR_SPEC = re.compile(
    r"[^\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff()<>\[\]:;@\\,\"]+@[A-Za-z0-9_.-]+"
)
MAX_SUBJECT = 998  # characters; Gmail refuses more
MAX_LINE = 78  # what RFC 5322 2.1.1 recommends; beyond it go only URIs, which cannot be folded
MAX_WORD = 60  # a longer word, or name, becomes encoded words, which can
MAX_QP_LINE = 75  # one less than RFC 2045 allows: room for the soft break before a gap


def gap(name: Gap) -> str:
    """The placeholder that stands for `name` in a text or a URL."""
    return f"\ue000{name}\ue001"


def plain(text: str, values: Mapping[Gap, str]) -> str:
    """`text` with its gaps filled, for pages and previews; an unnamed gap becomes empty."""
    return GAP.sub(lambda match: values.get(Gap(match[1]), ""), text)


# What Postmark reports of a mail, it reports with its metadata (POSTMARK_WEBHOOK); readers do not
# get these two.
POSTMARK = (("X-PM-KeepID", "true"), ("X-PM-Metadata-message-id", gap(Gap.MESSAGE_ID)))


@dataclass(frozen=True, slots=True)
class Content:
    """What a template is built from."""

    locale: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A mail that is passed on as a file, every byte as it came; and who gets the answer."""

    content: bytes  # empty: no file
    reply_to: str  # a value for Reply-To; empty: as in every letter


def issue_template(settings: Settings, number: int, content: Content, by_clock: bool) -> Template:
    """The message of one edition, with the header set of STANDARDS 8a (what has a reader today)."""
    links = Links(settings.base_url)
    locale, sender = content.locale, settings.mail_default_sender
    headers = [
        *_common_headers(settings, content),
        ("List-Id", list_id(settings)),
        ("List-Unsubscribe", _ways_to_leave(settings, links)),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Help", f"<{links.help(locale)}>"),
        ("List-Subscribe", f"<{links.home(locale)}>"),
        ("List-Owner", f"<mailto:{settings.org_email or sender.addr_spec}>"),
        ("List-Archive", f"<{links.archive(locale)}>"),
        ("List-Post", "NO"),
        ("Archived-At", f"<{links.issue(locale, number)}>"),
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        ("Feedback-ID", f"{number}:{locale}:news:{settings.feedback_sender}"),
    ]
    if by_clock:  # RFC 3834 5: absent when a person pressed send
        headers.append(("Auto-Submitted", "auto-generated"))
    return _build(headers, content)


def letter(
    settings: Settings,
    content: Content,
    *,
    to: str,
    message_id: str,
    now: datetime,
    kind: str,
    attached: Attached | None = None,
) -> bytes:
    """A whole mail to one person (a notice), signed, for the wire; header set of STANDARDS 8b.

    Raises FixSettings when a DKIM key cannot be used, ValueError for what no header can hold.
    """
    common = _common_headers(settings, content)
    if attached and attached.reply_to:
        common = [one if one[0] != "Reply-To" else (one[0], attached.reply_to) for one in common]
    headers = [
        *common,
        ("List-Id", list_id(settings)),
        ("List-Help", f"<{Links(settings.base_url).help(content.locale)}>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        ("Feedback-ID", f"{content.locale}:notice:{kind}:{settings.feedback_sender}"),
    ]
    template = _build(headers, content, attached.content if attached else b"")
    values = {
        Gap.TO: recipient(to, utf8=True),
        Gap.MESSAGE_ID: header_value(message_id).encode("ascii"),
        Gap.DATE: date_header(now, settings).encode("ascii"),
    }
    signature = Signatures(signers(settings), template).lines(values, int(now.timestamp()))
    return signature + template.for_wire().fill(values)


def _ways_to_leave(settings: Settings, links: Links) -> str:
    """One HTTPS URI (RFC 8058 3.1), and an address for programs that only mail (UNS-10)."""
    page = f"<{links.unsubscribe(gap(Gap.UNSUBSCRIBE))}>"
    address = ReturnPath(settings).to_leave(gap(Gap.LEAVE))
    return f"{page},\r\n <mailto:{address}>" if address else page


def _common_headers(settings: Settings, content: Content) -> list[tuple[str, str]]:
    sender = settings.mail_default_sender
    if len(content.subject) > MAX_SUBJECT:
        raise ValueError(f"the subject has more than {MAX_SUBJECT} characters")
    return [
        ("From", mailbox("From", sender)),
        ("Reply-To", reply_to(settings)),
        ("To", gap(Gap.TO)),
        ("Subject", encoded("Subject", content.subject)),
        ("Date", gap(Gap.DATE)),
        ("Message-ID", gap(Gap.MESSAGE_ID)),
        ("Content-Language", content.locale),
        *(POSTMARK if settings.postmark_webhook else ()),
    ]


def reply_to(settings: Settings) -> str:
    """Where readers' answers go, under the sender's name."""
    sender = settings.mail_default_sender
    return angled("Reply-To", sender.display_name, settings.reply_to or sender.addr_spec)


def date_header(now: datetime, settings: Settings) -> str:
    """RFC 5322 date with the offset of TIMEZONE at that moment."""
    return format_datetime(now.astimezone(settings.timezone))


def list_id(settings: Settings) -> str:
    """`Fiabel <fiabel.list-id.domain>` (RFC 2919)."""
    name = settings.mail_default_sender.display_name
    return angled("List-Id", name, settings.list_id)


def recipient(email: str, utf8: bool) -> bytes:
    """`email` for To:, raw where `utf8` is allowed (RFC 6532 3.2: only with SMTPUTF8).

    Raises ValueError for all that is no address with an ASCII domain (IDN as A-labels, RFC 5891).
    """
    if not ADDR_SPEC.fullmatch(email):
        header_value(email)
        raise ValueError("its address cannot stand in a header")
    if not (utf8 or email.isascii()):
        raise ValueError("its address needs SMTPUTF8, which the relay does not offer")
    return email.encode()


def mailbox(header: str, address: Address) -> str:
    """A display name and an ASCII address, RFC 2047 where the name needs it."""
    return angled(header, address.display_name, address.addr_spec)


def angled(header: str, name: str, value: str) -> str:
    """`name <value>`, or `<value>` alone."""
    if not name:
        return f"<{value}>"
    name = phrase(header, name)
    line = f"{name} <{value}>"
    # A line that holds an encoded word ends at 76 (RFC 2047 2): the address goes on the next one.
    if "=?" in name or len(f"{header}: {line}") > MAX_LINE:
        return f"{name}\r\n <{value}>"
    return line


def phrase(header: str, name: str) -> str:
    """A display name as atoms, quoted string or encoded words."""
    header_value(name)
    if not name.isascii() or "=?" in name or len(name) > MAX_WORD:
        return encoded(header, name)
    if re.fullmatch(r"[\w !#$%&'*+/=?^`{|}~-]*", name, re.ASCII):
        return name
    escaped = re.sub(r'([\\"])', r"\\\1", name)
    return f'"{escaped}"'


def encoded(header: str, text: str) -> str:
    """Unstructured text, folded, every encoded word within RFC 2047 2.

    Header.encode is used rather than EmailMessage, whose folding loses spaces (cpython #144156).
    """
    header_value(text)
    words = text.split(" ") if text.isascii() and "=?" not in text else []
    plain_words = words and all(0 < len(word) <= MAX_WORD for word in words)
    charset = "us-ascii" if plain_words else "utf-8"
    return Header(text, charset, header_name=header).encode(maxlinelen=75, linesep="\r\n")


def header_value(text: str) -> str:
    """`text`, unless it holds a character that must never reach a header (NUL, CR, LF …)."""
    if match := CONTROL.search(text):
        raise ValueError(f"control character U+{ord(match[0]):04X} in a mail header")
    return text


class _WirePolicy(Compat32):
    """Writes header values as they are: they were encoded and folded above, and only there.

    The email package would turn any unbroken token over 76 characters, such as the URI of
    List-Unsubscribe, into an encoded word, which RFC 2047 5 forbids (cpython #85725).
    """

    def fold(self, name: str, value: str) -> str:
        return f"{name}: {value}\r\n"

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii")


_WIRE = _WirePolicy(linesep="\r\n", mangle_from_=False)


def _build(headers: list[tuple[str, str]], content: Content, file: bytes = b"") -> Template:
    marker = secrets.token_hex(8)
    texts = whole = _multipart("alternative")
    texts.attach(_part("plain", content.text, marker))
    texts.attach(_part("html", content.html, marker))
    if file:
        whole = _multipart("mixed")
        whole.attach(texts)
        whole.attach(_file(file))
    for name, value in headers:
        whole[name] = GAP.sub(lambda match: _mark(match, marker), value)
    return Template.split(whole.as_bytes(policy=_WIRE), f"@{marker}-".encode(), b"@")


def _multipart(kind: str) -> MIMEMultipart:
    return MIMEMultipart(kind, boundary=f"=_{secrets.token_hex(16)}", policy=_WIRE)


def _file(content: bytes) -> Message:
    """A mail as a file: message/rfc822 must not be base64 (RFC 2046 5.2.1), and a mail of somebody
    else can hold anything, which no relay has to carry as it is."""
    part = Message(policy=_WIRE)
    part["Content-Type"] = "application/octet-stream"
    part["Content-Disposition"] = 'attachment; filename="mail.eml"'
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(encodebytes(content).decode("ascii").replace("\n", "\r\n"))
    return part


def _part(kind: str, text: str, marker: str) -> Message:
    part = Message(policy=_WIRE)
    part["Content-Type"] = f'text/{kind}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(_quoted_printable(text, marker))
    return part


def _quoted_printable(text: str, marker: str) -> str:
    """Encode segment by segment, each gap alone between soft line breaks."""
    segments = GAP.split(text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = []
    for index, segment in enumerate(segments):
        if index % 2:
            lines.append(f"=\r\n@{marker}-{segment}@=\r\n")
        else:
            raw = segment.encode("utf-8").decode("latin-1")  # body_encode wants a char per octet
            lines.append(body_encode(raw, maxlinelen=MAX_QP_LINE, eol="\r\n"))
    return "".join(lines)


def _mark(match: re.Match[str], marker: str) -> str:
    return f"@{marker}-{match[1]}@"
