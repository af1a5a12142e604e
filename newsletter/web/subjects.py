"""What items are about, as pages and feeds show it: its address and its name."""

from dataclasses import dataclass

from flask import abort
from sqlalchemy.orm import Session

from newsletter import i18n
from newsletter.issues import reading
from newsletter.issues.reading import About, Count
from newsletter.issues.stories import SDGS
from newsletter.models import SubjectKind
from newsletter.web.page import locale, topics
from newsletter.web.sheet import subject_path

# How a kind stands in addresses.
PATHS = {
    "topics": SubjectKind.TOPIC,
    "countries": SubjectKind.COUNTRY,
    "places": SubjectKind.PLACE,
    "sdgs": SubjectKind.SDG,
}
KIND = f"<any({','.join(PATHS)}):kind>"
NAMES = {kind: name for name, kind in PATHS.items()}
LONGEST_KEY = 250


@dataclass(frozen=True, slots=True)
class Heading:
    """A topic, country, place or goal: what it is called, and how many items are about it."""

    about: About
    name: str
    items: int

    @property
    def kind(self) -> str:
        """As it stands in addresses: "topics"."""
        return NAMES[self.about.kind]

    @property
    def path(self) -> str:
        """Its page."""
        return subject_path(self.kind, self.about.key)

    @property
    def number(self) -> int | None:
        """Of a goal: 1 to 17."""
        return int(self.about.key) if self.about.kind is SubjectKind.SDG else None


def find(session: Session, kind: str, key: str) -> Heading:
    """What an address names; 404 when there is no such topic, and for a place nothing is about."""
    about = About(PATHS[kind], key)
    if len(key) > LONGEST_KEY or "\0" in key:
        abort(404)
    counted = reading.count(session, locale(), about)
    if counted is None and not _is_known(about):
        abort(404)
    return heading(counted or Count(*about, "", 0))


def heading(counted: Count) -> Heading:
    """The name of a subject, in the locale of the page."""
    about = About(counted.kind, counted.key)
    return Heading(about, _name(about, counted.name), counted.items)


def _is_known(about: About) -> bool:
    if about.kind is SubjectKind.TOPIC:
        return about.key in topics()
    return about.kind is SubjectKind.SDG and about.key in {str(n + 1) for n in range(len(SDGS))}


def _name(about: About, name: str) -> str:
    if about.kind is SubjectKind.TOPIC:
        return topics().get(about.key, about.key.capitalize())
    if about.kind is SubjectKind.COUNTRY:
        return i18n.country_name(about.key.upper(), locale())
    if about.kind is SubjectKind.SDG:
        return i18n.translate(locale(), SDGS[int(about.key) - 1])
    return name
