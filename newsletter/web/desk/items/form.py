"""The form of a text: what its front matter shows, and what a form that comes back changes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flask import request

from newsletter.content import matter, translations
from newsletter.content.library import NO_STORY
from newsletter.content.matter import NotAForm, Value
from newsletter.content.safety import strip
from newsletter.content.translations import shared
from newsletter.i18n import Said, _
from newsletter.issues.previewing import Remark
from newsletter.web.desk.items.access import Work, skeleton
from newsletter.web.page import now

LINES = (
    *("title", "date", "status", "summary", "image", "image_alt", "image_credit", "link"),
    *("country", "municipality", "partner", "deadline"),
)
EVENT = ("start", "end", "place")
LABELS = {
    "title": _("Titel"),
    "date": _("Datum"),
    "status": _("Stand"),
    "summary": _("Samenvatting"),
    "topics": _("Thema’s"),
    "image": _("Bestand van de foto"),
    "image_alt": _("Wat er op de foto te zien is"),
    "image_credit": _("Wie de foto maakte"),
    "link": _("Lees verder op"),
    "country": _("Land"),
    "municipality": _("Gemeente"),
    "partner": _("Partner"),
    "sdgs": _("Duurzame ontwikkelingsdoelen"),
    "deadline": _("Uiterste dag"),
    "event_start": _("Begint op"),
    "event_end": _("Eindigt op"),
    "event_place": _("Waar"),
    "sources": _("Bronnen"),
    "body": _("Tekst"),
    "text": _("Hele bestand"),
}
# What somebody writes in the form: shown again when it came too late.
FIRST = ("text", "body", "title", "summary")
TYPED = {name: LABELS[name] for name in (*FIRST, *LABELS) if name != "status"} | {
    "picture_alt": LABELS["image_alt"],
    "picture_credit": LABELS["image_credit"],
}
_KEY = re.compile(r"([a-z_]+):")


class Placed(NamedTuple):
    """A remark, the field it concerns (empty: none), and the line in it (0: none)."""

    remark: Remark
    field: str
    line: int


def shown(text: str) -> dict[str, Any] | None:
    """The fields of a text; None when its front matter cannot be shown as a form."""
    try:
        found = matter.values(text)
        body = matter.body(text)
    except NotAForm:
        return None
    event, topics, sdgs = found.get("event"), found.get("topics"), found.get("sdgs")
    fields: dict[str, Any] = {name: _text(found.get(name)) for name in LINES}
    fields |= {
        f"event_{name}": _text(event.get(name)) if isinstance(event, Mapping) else ""
        for name in EVENT
    }
    listed = topics if isinstance(topics, list) else []
    fields["topics"] = [one for one in listed if isinstance(one, str)]
    fields["sdgs"] = ", ".join(map(str, sdgs)) if isinstance(sdgs, list) else ""
    fields["sources"] = "\n".join(_source(one) for one in found.get("sources") or ())
    return fields | {"body": body, "original": _text(found.get("original"))}


def typed(work: Work, base: str) -> str:
    """The whole text that a form was sent with: of the form's fields, or as one."""
    if "text" in request.form:
        return _plain(request.form["text"])
    start = base or skeleton(work.dutch, now())
    try:
        return matter.written(start, _changes(work, start), _plain(request.form.get("body", "")))
    except NotAForm:
        return base


def _changes(work: Work, base: str) -> dict[str, Value]:
    """What the form changes in `base`; what it sent back as it was shown is no change."""
    known, was = matter.values(base), shown(base) or {}
    typed = {name: strip(text) for name, text in request.form.items()}
    new = {name for name, text in typed.items() if name in was and not _same(text, was[name])}
    changes: dict[str, Value] = {name: typed[name] for name in LINES if name in new}
    if "sources" in new:
        changes["sources"] = _sources(typed["sources"], known)
    if work.is_translation:
        place = {"place": typed["event_place"]} if typed.get("event_place") else {}
        words = {name: changes[name] for name in ("image_alt", "image_credit") if name in changes}
        changes |= shared(matter.values(work.dutch), {**known, "event": place} | words)
        if "follows" in typed:
            changes["original"] = translations.told(work.dutch)
    elif "date" in typed:  # the form of a text that has facts of its own
        changes |= _own_facts(typed, new, known, was)
    return changes


def _own_facts(
    typed: Mapping[str, str], new: set[str], known: Mapping[str, Value], was: Mapping[str, Any]
) -> dict[str, Value]:
    facts: dict[str, Value] = {}
    ticked, topics = [strip(one) for one in request.form.getlist("topics")], was.get("topics", [])
    stay = [one for one in topics if one in ticked]  # in the order of the file
    more = [one for one in ticked if one not in stay]
    if stay != topics or more:
        facts["topics"] = stay + more
    if "sdgs" in new:
        facts["sdgs"] = [one for one in re.split(r"[\s,;]+", typed["sdgs"]) if one]
    if times := {name: typed[f"event_{name}"] for name in EVENT if f"event_{name}" in new}:
        event = known.get("event")
        facts["event"] = {**event, **times} if isinstance(event, Mapping) else times
    return facts


def _same(typed: str, was: object) -> bool:
    """Does a field still say what it was shown with?"""
    return _rows(typed) == _rows(strip(str(was)))


def _sources(typed: str, known: Mapping[str, Value]) -> list[Any]:
    """The lines as sources; a line that was there already is what it was."""
    groups = (one for one in known.get("sources") or () if isinstance(one, Mapping))
    there = {matter.one_line(_source(one)): one for one in groups}
    return [there.get(line) or _parted(line) for line in _rows(typed)]


def _rows(text: str) -> list[str]:
    return [row for line in text.split("\n") if (row := matter.one_line(line))]


def _plain(text: str) -> str:
    # PostgreSQL keeps no NUL, and no text has one.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _text(value: Value | None) -> str:
    return value if isinstance(value, str) else ""


def _source(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{value.get('title', '')} | {value.get('url', '')}"
    return str(value)


def _parted(line: str) -> dict[str, str]:
    title, bar, url = line.rpartition("|")
    return {"title": title.strip(), "url": url.strip()} if bar else {"title": line.strip()}


def with_picture(text: str, name: str, alt: str, credit: str, *, above: bool) -> str:
    """A text with a picture above its story, or below its last line."""
    try:
        if above:
            found = {"image": name, "image_alt": alt, "image_credit": credit}
            return matter.written(text, found)
        said = alt.replace("[", "(").replace("]", ")")
        whose = credit.replace('"', "”")
        line = f'![{said}]({name} "{whose}")' if credit else f"![{said}]({name})"
        return matter.written(text, {}, f"{matter.body(text).rstrip()}\n\n{line}\n")
    except NotAForm:
        return text


def placed(text: str, remarks: Sequence[Remark]) -> list[Placed]:
    """Remarks with the field they concern, and the line in the text below the fields."""
    fields, first, whole = _lines(text), _body_line(text), shown(text) is None
    return [_placed(one, fields, first, whole) for one in remarks]


def _placed(remark: Remark, fields: Mapping[int, str], first: int, whole: bool) -> Placed:
    line = remark.line or 0
    if whole:
        return Placed(remark, "text", line)
    name = fields.get(line) or _named(remark.message)
    if not name and line >= first:
        return Placed(remark, "body", line - first + 1)
    return Placed(remark, name if name in LABELS else "", 0)


def _body_line(text: str) -> int:
    """The line of the file where the text below the front matter begins."""
    try:
        return text.count("\n") - matter.body(text).count("\n") + 1
    except NotAForm:
        return 1


def _lines(text: str) -> dict[int, str]:
    """The field of each line of the front matter."""
    found: dict[int, str] = {}
    name = ""
    for number, line in enumerate(text.splitlines()[1:], start=2):
        if line.rstrip() == "---":
            break
        if key := _KEY.match(line):
            name = key[1]
        if name and line.strip() and not line.startswith("#"):
            found[number] = "event_start" if name == "event" else name
    return found


def _named(message: Said) -> str:
    """The field that a message speaks of without being on one of its lines: a key is missing, or
    the whole story."""
    return "body" if message == NO_STORY else str(dict(message.values).get("key", ""))
