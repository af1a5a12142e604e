"""Rules about the letter as a whole: subject, size, text part, footer, gaps and leftovers."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from newsletter.delivery.message import CONTROL, GAP, Gap, gap
from newsletter.issues.preflight.finding import Mail, PreflightFinding, stop, warn
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
PRIVATE_USE = re.compile("[\ue000-\uf8ff]")


def subject(mail: Mail) -> Iterator[PreflightFinding]:
    """One line that says what is in the mail (FMT-11, AUT-10)."""
    text = mail.edition.subject
    if not text.strip():
        yield stop("FMT-11", "subject", "The subject is empty; give the lead item a title.")
    if len(text) > SUBJECT_LENGTH:
        message = f"{len(text)} characters; keep it within {SUBJECT_LENGTH}."
        yield stop("FMT-11", "subject", message)
    if FAKE_REPLY.search(text):
        message = "It looks like a reply or a forwarded mail; take the Re: or Fwd: away."
        yield stop("AUT-10", "subject", message)
    if SHOUTING.search(text) or _mostly_capitals(text):
        message = "It shouts; write words in lower case and end with one sign at most."
        yield stop("SUBJECT-CALM", "subject", message)


def _mostly_capitals(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    return sum(char.isupper() for char in letters) * 2 > len(letters)


def size(mail: Mail) -> Iterator[PreflightFinding]:
    """Not so long that a mail program cuts off the footer (HTM-16)."""
    octets = encoded_size(mail.edition.html)
    message = f"{octets} octets as it travels; put fewer items in the issue or shorten the lead"
    if octets >= SIZE_LIMIT:
        yield stop("HTM-16", "HTML", f"{message} (the limit is {SIZE_LIMIT}).")
    elif octets > SIZE_AIM:
        yield warn("HTM-16", "HTML", f"{message} (the aim is {SIZE_AIM}).")


def unsubscribe(mail: Mail) -> Iterator[PreflightFinding]:
    """The way out and the preferences stand in both parts (UNS-07, PRV-03)."""
    ways = {
        "unsubscribe link": mail.links.unsubscribe(gap(Gap.UNSUBSCRIBE)),
        "preferences link": mail.links.preferences(mail.locale, gap(Gap.PREFERENCES)),
    }
    linked = {link.attributes.get("href") for link in mail.root.find("a")}
    for name, url in ways.items():
        rule = "UNS-07" if url.endswith(gap(Gap.UNSUBSCRIBE)) else "PRV-03"
        if url not in linked:
            yield stop(rule, "HTML", f"The {name} is missing; put it back in the footer.")
        if url not in mail.edition.text:
            yield stop(rule, "text part", f"The {name} is missing; put it back in the footer.")


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
    parts = {"HTML": mail.root.text(), "text part": " ".join(mail.edition.text.split())}
    for where, text in parts.items():
        for name, value in wanted.items():
            if not value or " ".join(value.split()) not in text:
                message = f"{name} is not in the footer; set it and print it."
                yield stop("PRV-16", where, message)


def gaps(mail: Mail) -> Iterator[PreflightFinding]:
    """Only the gaps that are filled for each reader (PRV-08)."""
    parts = {"HTML": mail.edition.html, "text part": mail.edition.text}
    for where, text in parts.items():
        unknown = set(GAP.findall(text)) - READERS_GAPS
        if unknown or PRIVATE_USE.search(GAP.sub("", text)):
            names = ", ".join(sorted(unknown)) or "a private-use character"
            message = f"Nothing fills this gap: {names}; take it out."
            yield stop("GAP", where, message)
    if PRIVATE_USE.search(mail.edition.subject):
        yield stop("GAP", "subject", "A subject is the same for everyone; take the gap out.")


def leftovers(mail: Mail) -> Iterator[PreflightFinding]:
    """No template or draft text is left (a mail cannot be called back)."""
    for node in mail.root.walk():
        if node.tag in ("style", "script"):
            continue
        words = (child for child in node.children if isinstance(child, str))
        found = [*map(_in_attribute, node.attributes.values()), *map(LEFTOVERS.search, words)]
        yield from _left_behind(node, found)
    yield from _left_behind("subject", [LEFTOVERS.search(mail.edition.subject)])
    yield from _left_behind("text part", [LEFTOVERS.search(mail.edition.text)])


@lru_cache(ATTRIBUTES)
def _in_attribute(value: str) -> re.Match[str] | None:
    return LEFTOVERS.search(value)


def _left_behind(
    where: Node | str, found: Iterable[re.Match[str] | None]
) -> Iterator[PreflightFinding]:
    for match in filter(None, found):
        yield stop("LEFTOVER", where, f"{match[0]!r} was left behind; write the real text.")


def control_characters(mail: Mail) -> Iterator[PreflightFinding]:
    """No character that hides, splits a header or breaks a part (PY-04)."""
    edition = mail.edition
    parts = {"subject": edition.subject, "HTML": edition.html, "text part": edition.text}
    for where, text in parts.items():
        body = text if where == "subject" else text.replace("\n", "").replace("\t", "")
        if found := CONTROL.search(body):
            yield stop("PY-04", where, f"Holds the character U+{ord(found[0]):04X}; remove it.")


def text_part(mail: Mail) -> Iterator[PreflightFinding]:
    """The two parts say the same: every link, every sentence, every item (FMT-05)."""
    for link in mail.root.find("a"):
        url = link.attributes.get("href", "")
        bare = url.removeprefix("mailto:").rstrip("/")
        if bare and not url.startswith("#") and bare not in mail.edition.text:
            yield stop("FMT-05", link, f"{url} is not in the text part; add it there.")
    told = squeezed(mail.edition.text)
    for node in mail.root.find("p", "li", "th", "dt", "dd", *HEADINGS):
        for words in (child for child in node.children if isinstance(child, str)):
            whole = node.tag in HEADINGS or SENTENCE.search(words)
            if whole and len(words.split()) >= MOST_ALONE and squeezed(words) not in told:
                message = "This is not in the text part; the two parts have to say the same."
                yield stop("FMT-05", node, message)
    said = squeezed(mail.root.text())
    for title in (piece.title for piece in mail.pieces):
        for where, text in (("HTML", said), ("text part", told)):
            if squeezed(title) not in text:
                yield stop("FMT-05", where, f"The item {title!r} is missing; render it again.")


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
            message = f"Its deadline was {piece.deadline}; leave it out of the issue."
            yield stop("DEADLINE", f"item {piece.slug}", message)


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
