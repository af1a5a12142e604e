"""Bytes as readable text: charsets, encoded words, HTML; in linear time, whatever they hold."""

import binascii
import html
import re

# Only charsets that mail uses: others of Python's codecs are slow, or no charsets at all.
CHARSET = re.compile(
    r"utf-?(?:7|8|16(?:le|be)?)|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?\d|windows-125\d|cp\d{3,4}"
    r"|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-(?:jp|kr)|shift_jis|iso-2022-(?:jp|kr)|macroman",
    re.IGNORECASE,
)
STATED = re.compile(r"""charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
ENCODED_WORD = re.compile(r"=\?([\w-]+)(?:\*[\w-]+)?\?([bq])\?([^?\s]*)\?=", re.IGNORECASE)
BETWEEN_WORDS = re.compile(r"(\?=)\s+(=\?)")
BREAK = re.compile(
    r"<(?:br|/?p|/?div|/?tr|/?li|/?h\d|/?table|/?pre|hr)\b[^<>]{0,500}>", re.IGNORECASE
)
UNSEEN = re.compile(r"</?(?:style|script|title)\b[^<>]{0,500}>", re.IGNORECASE)
TAG = re.compile(r"<(?![^<>\s=]{1,200}@[^<>\s=]{1,200}>)[!/?a-z][^<>]{0,3000}>", re.IGNORECASE)
CONTROLS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]+")


def decoded(data: bytes, content_type: str = "") -> str:
    """Text in the charset that `content_type` states, if that is one; else UTF-8 or Latin-1."""
    stated = STATED.search(content_type)
    charset = stated[1].lower() if stated and CHARSET.fullmatch(stated[1]) else ""
    if charset.startswith(("utf-7", "utf-16", "iso-2022")) or not charset:
        try:
            return data.decode(charset or "utf-8")
        except (UnicodeError, LookupError):
            return data.decode("latin-1")
    try:
        return data.decode()
    except UnicodeError:
        pass
    try:
        return data.decode(charset, "replace")
    except LookupError:
        return data.decode("latin-1")


def decoded_words(value: str) -> str:
    """A header field with its encoded words read (RFC 2047), as one line."""
    if "=?" in value:
        value = ENCODED_WORD.sub(_word, BETWEEN_WORDS.sub(r"\1\2", value))
    return one_line(value)


def one_line(text: str) -> str:
    """`text` without control characters, with single spaces."""
    return CONTROLS.sub(" ", text).strip()


def from_html(text: str) -> str:
    """What a person reads of HTML, in lines."""
    seen = "".join(UNSEEN.split(text)[::2])
    lines = BREAK.sub("\n", seen)
    return html.unescape(TAG.sub("", lines)).replace("\xa0", " ")


def _word(match: re.Match[str]) -> str:
    charset, encoding, text = match[1], match[2].lower(), match[3].encode("utf-8", "replace")
    try:
        data = (
            binascii.a2b_base64(text + b"===")
            if encoding == "b"
            else binascii.a2b_qp(text, header=True)
        )
    except binascii.Error:
        return match[0]
    return decoded(data, f"charset={charset}")
