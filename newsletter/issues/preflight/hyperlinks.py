"""Rules about links: each says where it goes, looks like a link, and goes there."""

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from newsletter.i18n import LOCALES
from newsletter.issues.preflight.finding import Mail, PreflightFinding, stop
from newsletter.issues.preflight.tree import Node

# What says nothing out of its sentence, as a screen reader lists links (HTM-08).
VAGUE = frozenset(
    (
        # Dutch
        "hier", "klik hier", "klik", "meer", "meer info", "meer informatie", "meer lezen",
        "lees meer", "lees verder", "verder lezen", "verder", "link", "deze link", "deze pagina",
        "website", "bekijk", "details", "info", "lees hier verder", "lees hier meer",
        "klik hier voor meer", "deze website", "hier te vinden", "via deze link", "meer weten",
        # French
        "ici", "cliquez ici", "cliquer ici", "plus", "plus d’infos", "plus d'infos",
        "plus d’informations", "plus d'informations", "en savoir plus", "lire la suite",
        "lire plus", "la suite", "suite", "lien", "ce lien", "cette page", "site web", "voir",
        "détails", "par ici", "cliquez", "plus d’info", "plus d'info", "voir plus",
        "lire l’article", "lire l'article", "suivez ce lien",
        # English
        "here", "click here", "click", "more", "more info", "more information", "read more",
        "read on", "learn more", "find out more", "continue reading", "this link", "this page",
        "see", "view", "details", "see more", "see here", "right here", "follow this link",
        "website",
        # German
        "klick hier", "hier klicken", "klicken sie hier", "klicke hier", "mehr", "mehr infos",
        "mehr informationen", "mehr lesen", "mehr erfahren", "weiter", "weiterlesen",
        "dieser link", "diese seite", "ansehen", "mehr dazu", "hier mehr", "zum artikel",
        "hier lesen",
    )
)  # fmt: skip
SCHEMES = ("https", "http", "mailto")
# Every page of the site that a mail may link to, behind BASE_URL (`newsletter.links`, `web`).
OWN_PAGE = re.compile(
    r"/?|/(?P<locale>[a-z]{2})/(|issues/([1-9]\d*(/mail)?)?|items/(?P<slug>[\w-]+)|about/[\w-]+"
    r"|(topics|countries|places|sdgs)/[\w-]+(/.*)?|feed\.(atom|json)|agenda\.ics|search|signup"
    r"|my-link|embed|for-your-site|preferences/.+)"
    r"|/u/.+|/patterns/[\w-]+\.(png|svg)|/receipts/key|/sitemap\.xml"
)
LOOKS_LIKE_HOST = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:/\S*)?", re.I)


def texts(mail: Mail) -> Iterator[PreflightFinding]:
    """Every link has a text that makes sense by itself (HTM-04, HTM-08)."""
    for link in mail.root.find("a"):
        text = link.text()
        if not text:
            yield stop(
                "HTM-04", link, f"The link to {_href(link)} has no text; write where it goes."
            )
        elif " ".join(text.casefold().split()).strip(" .,:;…›»→>!?()[]*«‹-–—'\"") in VAGUE:
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
    slugs = {piece.slug for piece in mail.pieces} | set(mail.known or ())
    for link in mail.root.find("a"):
        parts = _split(_href(link))
        if parts is None or parts.netloc.lower() != own.netloc:
            continue
        page = OWN_PAGE.fullmatch(parts.path.removeprefix(own.path))
        if page is None or page["locale"] not in (None, *LOCALES):
            message = f"{_href(link)} is no page of our site; mend the link or take it out."
            yield stop("HTM-23", link, message)
        elif page["slug"] and mail.known is not None and page["slug"] not in slugs:
            message = f"No item is called {page['slug']!r}; mend the link or take it out."
            yield stop("HTM-23", link, message)


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
