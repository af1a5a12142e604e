"""Files of other systems: how they are recognised, and what their columns mean to us.

Only the address and the time of consent are taken (data minimisation); names, ratings and places
stay behind. Rows that say that somebody left, bounced or was blocked are refused.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from newsletter.errors import FixRequest

EMAIL = "email"
CONFIRMED_AT = "confirmed_at"
COLUMNS = (EMAIL, "locale", "topics", "cadence", CONFIRMED_AT)
EMAIL_NAMES = (EMAIL, "email address", "e-mail", "e-mailadres", "adresse e-mail", "e-mail-adresse")

YES = frozenset({"1", "yes", "true", "ja", "oui", "y"})
NO = frozenset({"", "0", "no", "false", "nee", "non", "nein", "n", "[]"})
READING = frozenset({"", "enabled", "subscribed", "active", "confirmed"})

# "2024-03-14 09:12:31.52 +0100 CET", as Go prints a time; "14-03-2024", as Brevo does.
GO_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)\d* ([+-]\d{4})(?: \S+)?")
DAY_FIRST = re.compile(r"(\d\d)-(\d\d)-(\d{4})(.*)")


@dataclass(frozen=True, slots=True)
class Format:
    """A system whose files we know: `marks` are columns that give it away, all in lower case."""

    name: str
    marks: frozenset[str]
    least: int  # so many of the marks
    confirmed: str | None  # the column with the time of consent, if it has one
    in_utc: bool = False  # times without an offset are UTC, not TIMEZONE
    proven_by: str | None = None  # a column that must say yes before that time counts


FORMATS = (
    # A file each of subscribed, unsubscribed and cleaned members; CONFIRM_TIME is there too when
    # a single opt-in was enough.
    Format(
        "Mailchimp",
        frozenset({"member_rating", "optin_time", "confirm_time", "last_changed", "leid", "euid"}),
        2,
        "confirm_time",
        in_utc=True,
    ),
    # Consent is kept for each of its lists and does not stand in this file: see --confirmed-at.
    Format("listmonk", frozenset({"uuid", "email", "status"}), 3, None),
    Format(
        "Brevo",
        frozenset(
            {"added_time", "modified_time", "_listids", "_blocklisted", "_subscribed"}
            | {"email_blocklisted", "double_opt-in", "contact id"}
        ),
        1,
        "added_time",
        proven_by="double_opt-in",
    ),
)
PLAIN = Format("plain", frozenset(), 0, CONFIRMED_AT)


@dataclass(frozen=True, slots=True)
class Gone:
    """A column that may say that its row is nobody's who reads."""

    place: int
    why: Callable[[str], str | None]  # the reason in English, or None


@dataclass(frozen=True, slots=True)
class Layout:
    """What a header means: the place of each column of ours that it has, and the rest."""

    format: Format
    width: int
    places: dict[str, int]
    proven_by: int | None
    gone: tuple[Gone, ...]
    ignored: tuple[str, ...]  # as the header writes them


def recognise(header: Sequence[str], confirmed_at: str | None = None) -> Layout:
    """Whose file this is. `confirmed_at` names its column of consent, when we cannot know it.

    Raises FixRequest for a header that is neither ours nor of a system we know.
    """
    columns = [name.strip().lower() for name in header]
    found = (one for one in FORMATS if len(one.marks & set(columns)) >= one.least)
    format = next(found, PLAIN)
    chosen = confirmed_at.strip().lower() if confirmed_at else None
    wanted = _ours(columns, chosen) if format is PLAIN else _theirs(format, columns, chosen)
    for name in wanted.values():
        if columns.count(name) > 1:
            raise FixRequest(f"line 1: the column {name} stands twice in the header.")
    places = {ours: columns.index(theirs) for ours, theirs in wanted.items()}
    proof = None if chosen else format.proven_by
    gone = () if format is PLAIN else tuple(_gone(columns))
    used: set[int | None] = {*places.values(), *(column.place for column in gone)}
    proven_by = columns.index(proof) if proof in columns else None
    ignored = (place for place in range(len(columns)) if place not in used | {proven_by})
    names = tuple(header[place].strip() for place in ignored)
    return Layout(format, len(columns), places, proven_by, gone, names)


def iso_time(text: str) -> str:
    """A time as other systems write it, in ISO 8601; anything else stays as it is."""
    if found := GO_TIME.fullmatch(text):
        return found[1] + found[2]
    if found := DAY_FIRST.fullmatch(text):
        return f"{found[3]}-{found[2]}-{found[1]}{found[4]}"
    return text


def _ours(columns: list[str], chosen: str | None) -> dict[str, str]:
    wanted = _chosen(columns, chosen)
    known = ", ".join(COLUMNS)
    for name in columns:
        if name not in COLUMNS and name != chosen:
            raise FixRequest(f"line 1: there is no column {name!r}; the columns are {known}.")
    if EMAIL not in columns:
        raise FixRequest(f"line 1: the header has no column email; the columns are {known}.")
    return {name: name for name in COLUMNS if name in columns} | wanted


def _theirs(format: Format, columns: list[str], chosen: str | None) -> dict[str, str]:
    email = next((name for name in EMAIL_NAMES if name in columns), None)
    if email is None:
        raise FixRequest(
            f"line 1: this looks like a file of {format.name}, but it has no column email."
        )
    wanted = {EMAIL: email}
    if format.confirmed in columns and format.proven_by in (None, *columns):
        wanted[CONFIRMED_AT] = format.confirmed
    return wanted | _chosen(columns, chosen)


def _chosen(columns: list[str], chosen: str | None) -> dict[str, str]:
    if chosen is None:
        return {}
    if chosen not in columns:
        raise FixRequest(f"line 1: the header has no column {chosen!r} (--confirmed-at).")
    return {CONFIRMED_AT: chosen}


def _gone(columns: list[str]) -> list[Gone]:
    rules: dict[str, Callable[[str], str | None]] = {
        "status": _by_status,
        "unsub_time": _when_filled("this person unsubscribed there."),
        "clean_time": _when_filled("this address bounced there."),
    }
    blocked = ("_blocklisted", "email_blocklisted", "blocklisted", "email_blacklisted")
    rules |= dict.fromkeys((*blocked, "blacklisted"), _when_blocked)
    return [Gone(place, rules[name]) for place, name in enumerate(columns) if name in rules]


def _by_status(text: str) -> str | None:
    word = text.lower()
    return None if word in READING else f"its status there is {text[:20]!r}."


def _when_filled(reason: str) -> Callable[[str], str | None]:
    return lambda text: reason if text else None


def _when_blocked(text: str) -> str | None:
    """Yes or no, or (Brevo) which of mail, SMS and WhatsApp are blocked."""
    word = text.lower()
    if word in NO or ("_" in word and "email" not in word):
        return None
    return "this address is blocklisted there."
