"""What no text on the shelf may hold: characters that hide or steer, and links that lead elsewhere.

`FORBIDDEN` is one character class, so that `strip` and `first_forbidden` can never disagree.
"""

import re
from urllib.parse import urlsplit

from newsletter.i18n import Said, either

# Private-use characters are refused because the mails use them as gaps for tokens; bidi overrides
# because they make a reader see another text than the one that is there (Trojan Source).
_RANGES = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # Cc but tab and line feed
    "\u2028-\u202e\u2066-\u2069"  # line separators, bidi embeddings, overrides and isolates
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff"  # lone surrogates, private use
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff"  # non-characters, byte order mark, annotations
)
_ASTRAL = "".join(chr(plane * 0x10000 + low) for plane in range(1, 15) for low in (0xFFFE, 0xFFFF))
FORBIDDEN = re.compile(f"[{_RANGES}{_ASTRAL}]")

_MAILTO = re.compile(r"[^\s@<>\"?]+@[^\s@<>\"?]+(\?.*)?")
_UNSAFE_IN_URL = re.compile(r"[\s<>\"\\^`{}|]")
WEB = ("https", "http")
ANY = (*WEB, "mailto")


def strip(text: str) -> str:
    """`text` without forbidden characters; line ends become line feeds."""
    return FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def first_forbidden(text: str) -> str | None:
    """The first forbidden character as "U+202E", or None."""
    found = FORBIDDEN.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def url_fault(url: str, schemes: tuple[str, ...] = ANY) -> Said | None:
    """Why `url` may not be linked to, to be put after "De link … "; None when it may."""
    if _UNSAFE_IN_URL.search(url) or FORBIDDEN.search(url):
        return Said(
            "heeft een spatie of een ander teken dat niet in een adres kan; kopieer het uit "
            "je browser"
        )
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return Said("is geen webadres; schrijf het met https:// vooraan")
    if parts.scheme.lower() not in schemes:
        return Said("moet beginnen met %(choices)s", choices=either(*map(_beginning, schemes)))
    if parts.scheme.lower() == "mailto":
        return (
            None
            if _MAILTO.fullmatch(url[7:])
            else Said("heeft geen e-mailadres na mailto:; vul het aan")
        )
    if not host:
        return Said("heeft geen naam van een site na ://; vul hem aan")
    return (
        Said("heeft een gebruikersnaam voor die van de site; haal die weg")
        if "@" in parts.netloc
        else None
    )


def _beginning(scheme: str) -> str:
    return "mailto:" if scheme == "mailto" else f"{scheme}://"
