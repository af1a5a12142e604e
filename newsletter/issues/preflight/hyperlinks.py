"""Rules about links: each says where it goes, looks like a link, and goes there."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from newsletter.content.vague import is_vague
from newsletter.i18n import Said
from newsletter.issues.preflight.finding import Mail, PreflightFinding, stop
from newsletter.issues.preflight.tree import Node
from newsletter.links import page_at

SCHEMES = ("https", "http", "mailto")
LOOKS_LIKE_HOST = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:/\S*)?", re.I)


def texts(mail: Mail) -> Iterator[PreflightFinding]:
    """Every link has a text that makes sense by itself (HTM-04, HTM-08)."""
    for link in mail.root.find("a"):
        text = link.text()
        if not text:
            message = Said(
                "De link naar %(url)s heeft geen tekst; schrijf waar hij heen gaat.",
                url=_href(link),
            )
            yield stop("HTM-04", link, message)
        elif is_vague(text):
            message = Said(
                "“%(text)s” zegt niet waar de link heen gaat; noem waar hij naar leidt.", text=text
            )
            yield stop("HTM-08", link, message)


def targets(mail: Mail) -> Iterator[PreflightFinding]:
    """A link leads somewhere, and where its text says (FMT-20)."""
    ids = {node.attributes.get("id") for node in mail.root.walk()}
    for link in mail.root.find("a"):
        url = _href(link)
        if url.startswith("#"):
            if url[1:] not in ids:
                message = Said("In de mail heet niets %(url)s; verbeter de link.", url=url)
                yield stop("HTM-23", link, message)
            continue
        parts = _split(url)
        if parts is None or parts.scheme not in SCHEMES or not (parts.netloc or parts.path):
            message = Said(
                "“%(url)s” is geen volledig web- of mailadres; zet er https:// of mailto: voor.",
                url=url,
            )
            yield stop("FMT-20", link, message)
            continue
        shown = LOOKS_LIKE_HOST.fullmatch(link.text())
        if shown and parts.hostname and not _same_site(shown[1].lower(), parts.hostname):
            message = Said(
                "De tekst toont %(shown)s en de link gaat naar %(host)s; maak ze gelijk.",
                shown=shown[1],
                host=parts.hostname,
            )
            yield stop("FMT-20", link, message)


def internal(mail: Mail) -> Iterator[PreflightFinding]:
    """A link to our own site leads to a page that is there (HTM-23)."""
    own = urlsplit(mail.settings.base_url)
    for link in mail.root.find("a"):
        parts = _split(_href(link))
        if parts is None or parts.netloc.lower() != own.netloc:
            continue
        page = page_at(parts.path.removeprefix(own.path))
        if page is None:
            message = Said(
                "%(url)s is geen pagina van onze site; verbeter de link of haal hem weg.",
                url=_href(link),
            )
            yield stop("HTM-23", link, message)
        elif missing := _missing(mail, page):
            yield stop("HTM-23", link, missing)


def _missing(mail: Mail, page: Mapping[str, str]) -> Said | None:
    """What is not there, of an item or an issue that a link leads to."""
    if mail.known is None:
        return None
    slug, number = page.get("slug"), page.get("number")
    if slug and slug not in mail.known and slug not in {piece.slug for piece in mail.pieces}:
        return Said(
            "Geen verschenen artikel heet “%(slug)s”; verbeter de link of haal hem weg.", slug=slug
        )
    if number and "kind" not in page and f"issues/{number}" not in mail.known:
        issues_known = any(name.startswith("issues/") for name in mail.known)
        unsent = Said(
            "Nummer %(number)s is niet verstuurd; verbeter de link of haal hem weg.", number=number
        )
        return unsent if issues_known else None
    return None


def underlines(mail: Mail) -> Iterator[PreflightFinding]:
    """A link is known by more than its colour (HTM-09)."""
    for link in mail.root.find("a"):
        style = link.style()
        line = style.get("text-decoration", style.get("text-decoration-line", ""))
        if "underline" not in line:
            message = Said(
                "“%(text)s” is niet onderstreept; onderstreep de link.", text=link.text()
            )
            yield stop("HTM-09", link, message)


def _href(link: Node) -> str:
    return link.attributes.get("href", "")


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:  # such as an unclosed IPv6 address
        return None


def _same_site(shown: str, real: str) -> bool:
    return shown.removeprefix("www.") == real.removeprefix("www.")


RULES = (texts, targets, internal, underlines)
