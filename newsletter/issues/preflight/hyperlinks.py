"""Rules about links: each says where it goes, looks like a link, and goes there."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from newsletter.content.vague import is_vague
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
            yield stop(
                "HTM-04", link, f"The link to {_href(link)} has no text; write where it goes."
            )
        elif is_vague(text):
            message = f"{text!r} does not say where the link goes; name what it leads to."
            yield stop("HTM-08", link, message)


def targets(mail: Mail) -> Iterator[PreflightFinding]:
    """A link leads somewhere, and where its text says (FMT-20)."""
    ids = {node.attributes.get("id") for node in mail.root.walk()}
    for link in mail.root.find("a"):
        url = _href(link)
        if url.startswith("#"):
            if url[1:] not in ids:
                yield stop("HTM-23", link, f"Nothing in the mail is called {url}; mend the link.")
            continue
        parts = _split(url)
        if parts is None or parts.scheme not in SCHEMES or not (parts.netloc or parts.path):
            yield stop("FMT-20", link, f"{url!r} is no absolute web or mail address.")
            continue
        shown = LOOKS_LIKE_HOST.fullmatch(link.text())
        if shown and parts.hostname and not _same_site(shown[1].lower(), parts.hostname):
            message = f"The text shows {shown[1]} and the link goes to {parts.hostname}."
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
            message = f"{_href(link)} is no page of our site; mend the link or take it out."
            yield stop("HTM-23", link, message)
        elif missing := _missing(mail, page):
            yield stop("HTM-23", link, f"{missing}; mend the link or take it out.")


def _missing(mail: Mail, page: Mapping[str, str]) -> str | None:
    """What is not there, of an item or an issue that a link leads to."""
    if mail.known is None:
        return None
    slug, number = page.get("slug"), page.get("number")
    if slug and slug not in mail.known and slug not in {piece.slug for piece in mail.pieces}:
        return f"No item that was sent is called {slug!r}"
    if number and "kind" not in page and f"issues/{number}" not in mail.known:
        issues_known = any(name.startswith("issues/") for name in mail.known)
        return f"Issue {number} was not sent" if issues_known else None
    return None


def underlines(mail: Mail) -> Iterator[PreflightFinding]:
    """A link is known by more than its colour (HTM-09)."""
    for link in mail.root.find("a"):
        style = link.style()
        line = style.get("text-decoration", style.get("text-decoration-line", ""))
        if "underline" not in line:
            yield stop("HTM-09", link, f"{link.text()!r} is not underlined; underline it.")


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
