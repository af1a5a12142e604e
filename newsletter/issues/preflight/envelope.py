"""Rules about the letter as a whole: subject, size, text part, footer, gaps and leftovers."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from newsletter.delivery.message import CONTROL, GAP, Gap, gap
from newsletter.i18n import Said
from newsletter.issues.preflight.finding import (
    HTML,
    SUBJECT,
    TEXT,
    Mail,
    PreflightFinding,
    stop,
    warn,
)
from newsletter.issues.preflight.tree import HEADINGS, Node
from newsletter.issues.rendering import SIZE_AIM, SUBJECT_LENGTH, encoded_size

SIZE_LIMIT = 102_000  # octets; beyond it Gmail clips the mail, footer and all
SENTENCE = re.compile(r"[.!?…]\W*$")
ATTRIBUTES = 1024  # that are kept as looked at: a mail has few, each many times
MOST_ALONE = 4  # words; shorter runs such as labels may stand in one part only
READERS_GAPS = {Gap.UNSUBSCRIBE, Gap.PREFERENCES}
LEFTOVERS = re.compile(
    r"\{\{|\}\}|\{%|\{#|%\(|<%|\$\{|\b(TODO|FIXME|TBD|XXX+)\b"
    r"|(?i:lorem ipsum|dolor sit amet)"
    r"|(?i:\[\s*(naam|voornaam|datum|titel|link|tekst|invullen|nom|prénom|date|titre|lien|texte"
    r"|name|first name|title|text|vorname)\s*\])"
    r"|(?i:nog (aan te vullen|in te vullen)|à compléter|to be completed"
    r"|noch zu ergänzen)|\*\|[A-Z_]+\|\*|\b(None|undefined|NaN)\b(?=[,.]?$)"
)
FAKE_REPLY = re.compile(r"(^|: )\s*(re|fw|fwd|aw|wg|tr|antw|antwoord|rép)\s*:", re.IGNORECASE)
SHOUTING = re.compile(r"[!?]{2}|!.*!|\b[A-ZÀ-Þ]{8,}\b")
NOT_IN_TEXT = Said("Dit staat niet in het tekstdeel; beide delen moeten hetzelfde zeggen.")
NO_WAY_OUT = Said("De link om uit te schrijven ontbreekt; zet hem terug in de voet.")
NO_CHOICES = Said("De link naar de keuzes van de lezer ontbreekt; zet hem terug in de voet.")
PRIVATE_USE = re.compile("[\ue000-\uf8ff]")


def subject(mail: Mail) -> Iterator[PreflightFinding]:
    """One line that says what is in the mail (FMT-11, AUT-10)."""
    text = mail.edition.subject
    if not text.strip():
        message = Said("Het onderwerp is leeg; geef het eerste artikel een titel.")
        yield stop("FMT-11", SUBJECT, message)
    if len(text) > SUBJECT_LENGTH:
        message = Said(
            "%(count)s tekens; maak er hoogstens %(most)s van.",
            count=len(text),
            most=SUBJECT_LENGTH,
        )
        yield stop("FMT-11", SUBJECT, message)
    if FAKE_REPLY.search(text):
        message = Said("Het lijkt een antwoord of een doorgestuurde mail; haal Re: of Fwd: weg.")
        yield stop("AUT-10", SUBJECT, message)
    if SHOUTING.search(text) or _mostly_capitals(text):
        message = Said("Het roept; schrijf kleine letters, en hoogstens één leesteken achteraan.")
        yield stop("SUBJECT-CALM", SUBJECT, message)


def _mostly_capitals(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    return sum(char.isupper() for char in letters) * 2 > len(letters)


def size(mail: Mail) -> Iterator[PreflightFinding]:
    """Not so long that a mail program cuts off the footer (HTM-16)."""
    octets = encoded_size(mail.edition.html)
    if octets >= SIZE_LIMIT:
        message = Said(
            "%(octets)s bytes onderweg; zet minder artikels in het nummer of kort het eerste in "
            "(de grens is %(limit)s).",
            octets=octets,
            limit=SIZE_LIMIT,
        )
        yield stop("HTM-16", HTML, message)
    elif octets > SIZE_AIM:
        message = Said(
            "%(octets)s bytes onderweg; zet minder artikels in het nummer of kort het eerste in "
            "(liefst hoogstens %(aim)s).",
            octets=octets,
            aim=SIZE_AIM,
        )
        yield warn("HTM-16", HTML, message)


def unsubscribe(mail: Mail) -> Iterator[PreflightFinding]:
    """The way out and the preferences stand in both parts (UNS-07, PRV-03)."""
    ways = {
        "UNS-07": (NO_WAY_OUT, mail.links.unsubscribe(gap(Gap.UNSUBSCRIBE))),
        "PRV-03": (NO_CHOICES, mail.links.preferences(mail.locale, gap(Gap.PREFERENCES))),
    }
    linked = {link.attributes.get("href") for link in mail.root.find("a")}
    for rule, (message, url) in ways.items():
        if url not in linked:
            yield stop(rule, HTML, message)
        if url not in mail.edition.text:
            yield stop(rule, TEXT, message)


def footer(mail: Mail) -> Iterator[PreflightFinding]:
    """Who sends this, as the law asks (PRV-16; WVV art. 2:20)."""
    settings = mail.settings
    wanted = {
        "ORG_NAME": settings.org_name,
        "ORG_LEGAL_FORM": settings.org_legal_form,
        "ORG_ADDRESS": settings.org_address,
        "ORG_NUMBER": settings.org_number,
        "ORG_COURT": settings.org_court,
        "ORG_EMAIL": settings.org_email,
        "ORG_WEBSITE": settings.org_website,
    }
    parts = {HTML: mail.root.text(), TEXT: " ".join(mail.edition.text.split())}
    for where, text in parts.items():
        for name, value in wanted.items():
            if not value or " ".join(value.split()) not in text:
                message = Said(
                    "%(name)s staat niet in de voet; vul de instelling in en druk ze af.",
                    name=name,
                )
                yield stop("PRV-16", where, message)


def gaps(mail: Mail) -> Iterator[PreflightFinding]:
    """Only the gaps that are filled for each reader (PRV-08)."""
    parts = {HTML: mail.edition.html, TEXT: mail.edition.text}
    for where, text in parts.items():
        unknown = set(GAP.findall(text)) - READERS_GAPS
        if unknown or PRIVATE_USE.search(GAP.sub("", text)):
            names = ", ".join(sorted(unknown)) or Said("een teken voor eigen gebruik")
            message = Said("Niets vult dit gat: %(names)s; haal het weg.", names=names)
            yield stop("GAP", where, message)
    if PRIVATE_USE.search(mail.edition.subject):
        message = Said("Een onderwerp is voor iedereen hetzelfde; haal het gat weg.")
        yield stop("GAP", SUBJECT, message)


def leftovers(mail: Mail) -> Iterator[PreflightFinding]:
    """No template or draft text is left (a mail cannot be called back)."""
    for node in mail.root.walk():
        if node.tag in ("style", "script"):
            continue
        words = (child for child in node.children if isinstance(child, str))
        found = [*map(_in_attribute, node.attributes.values()), *map(LEFTOVERS.search, words)]
        yield from _left_behind(node, found)
    yield from _left_behind(SUBJECT, [LEFTOVERS.search(mail.edition.subject)])
    yield from _left_behind(TEXT, [LEFTOVERS.search(mail.edition.text)])


@lru_cache(ATTRIBUTES)
def _in_attribute(value: str) -> re.Match[str] | None:
    return LEFTOVERS.search(value)


def _left_behind(
    where: Node | Said, found: Iterable[re.Match[str] | None]
) -> Iterator[PreflightFinding]:
    for match in filter(None, found):
        message = Said("“%(words)s” is blijven staan; schrijf de echte tekst.", words=match[0])
        yield stop("LEFTOVER", where, message)


def control_characters(mail: Mail) -> Iterator[PreflightFinding]:
    """No character that hides, splits a header or breaks a part (PY-04)."""
    edition = mail.edition
    parts = {SUBJECT: edition.subject, HTML: edition.html, TEXT: edition.text}
    for where, text in parts.items():
        body = text if where == SUBJECT else text.replace("\n", "").replace("\t", "")
        if found := CONTROL.search(body):
            code = f"U+{ord(found[0]):04X}"
            message = Said("Hier staat het teken %(character)s; haal het weg.", character=code)
            yield stop("PY-04", where, message)


def text_part(mail: Mail) -> Iterator[PreflightFinding]:
    """The two parts say the same: every link, every sentence, every item (FMT-05)."""
    for link in mail.root.find("a"):
        url = link.attributes.get("href", "")
        bare = url.removeprefix("mailto:").rstrip("/")
        if bare and not url.startswith("#") and bare not in mail.edition.text:
            message = Said("%(url)s staat niet in het tekstdeel; zet het daar ook.", url=url)
            yield stop("FMT-05", link, message)
    told = squeezed(mail.edition.text)
    for node in mail.root.find("p", "li", "th", "dt", "dd", *HEADINGS):
        for words in (child for child in node.children if isinstance(child, str)):
            whole = node.tag in HEADINGS or SENTENCE.search(words)
            if whole and len(words.split()) >= MOST_ALONE and squeezed(words) not in told:
                yield stop("FMT-05", node, NOT_IN_TEXT)
    said = squeezed(mail.root.text())
    for title in (piece.title for piece in mail.pieces):
        for where, text in ((HTML, said), (TEXT, told)):
            if squeezed(title) not in text:
                message = Said(
                    "Het artikel “%(title)s” ontbreekt; maak het nummer opnieuw.", title=title
                )
                yield stop("FMT-05", where, message)


def squeezed(text: str) -> str:
    """Letters and digits only: quotes, dashes and line ends differ between the parts."""
    return "".join(filter(str.isalnum, text)).casefold()


def deadlines(mail: Mail) -> Iterator[PreflightFinding]:
    """A call that nobody can answer any more is no news."""
    if mail.now is None:
        return
    today = mail.now.astimezone(mail.settings.timezone).date()
    for piece in mail.pieces:
        if piece.deadline and piece.deadline < today:
            message = Said(
                "De uiterste dag was %(deadline)s; laat het uit het nummer.",
                deadline=piece.deadline,
            )
            yield stop("DEADLINE", Said("artikel %(slug)s", slug=piece.slug), message)


RULES = (
    subject,
    size,
    unsubscribe,
    footer,
    gaps,
    leftovers,
    control_characters,
    text_part,
    deadlines,
)
