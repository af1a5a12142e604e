"""Typed reading of YAML front matter that remembers lines and collects every fault.

Reads the node graph (`yaml.compose`), never Python objects: tags build nothing, aliases are
refused, and a country `NO` stays "NO" where YAML 1.1 would make it False.
"""

import difflib
import re
from collections.abc import Collection
from datetime import date, datetime
from zoneinfo import ZoneInfo

import yaml

from newsletter.content.loader import Loader, in_words
from newsletter.content.safety import ANY, first_forbidden, url_fault
from newsletter.content.source import Note
from newsletter.i18n import Said, either

FIRST_LINE = 2  # of the file, where front matter begins
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T]+(\d{2}:\d{2})(:\d{2})? ?(Z|[+-]\d{2}:\d{2})?")
_OPEN_QUOTE = re.compile(r"[ -]*\w+: +(['\"])(?:(?!\1).)*$")
_YEARS = range(1900, 2101)
_TEXT, _NUMBER = Said("een tekst"), Said("een getal")
PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "timestamp", "null")
}


class Fields:
    """The keys of one mapping. Getters return None (or an empty tuple) where a key is missing or
    wrong; faults are appended to `notes`, with lines of the file."""

    def __init__(
        self, node: yaml.MappingNode, known: Collection[str], notes: list[Note], home: int = 0
    ) -> None:
        self.notes, self._node = notes, node
        self._home = home or _line_of(node)
        self._known = known
        self._values: dict[str, yaml.Node] = {}
        self._take(node)

    def line(self, name: str) -> int:
        """Line of the key's value, or of its mapping when the key is missing."""
        return _line_of(self._values.get(name, self._node))

    def lines(self) -> dict[str, int]:
        """Line of every key that is there."""
        return {name: _line_of(value) for name, value in self._values.items()}

    def has(self, name: str) -> bool:
        """Is the key there, with a value (even a wrong one)?"""
        return name in self._values

    def refuse(self, name: str, message: Said) -> None:
        """Note a fault at the line of a key."""
        self.notes.append(Note(self.line(name), message))

    def require(self, *names: str) -> None:
        """Note every key that is missing."""
        for name in names:
            if name not in self._values:
                line = f"{name}: …"
                message = Said(
                    "“%(key)s” ontbreekt; vul het in, of zet er een regel “%(line)s” bij.",
                    key=name,
                    line=line,
                )
                self.notes.append(Note(self._home, message))

    def text(self, name: str, longest: int = 300) -> str | None:
        """A text on one line of at most `longest` characters."""
        value = self._scalar(name, self._values.get(name), _TEXT)
        if value is not None and len(value) > longest:
            message = Said(
                "“%(key)s” telt %(count)s tekens; maak er hoogstens %(most)s van.",
                key=name,
                count=len(value),
                most=longest,
            )
            self.refuse(name, message)
            return None
        return value

    def word(self, name: str, allowed: Collection[str]) -> str | None:
        """One of the allowed words."""
        value = self.text(name)
        if value is not None and value not in allowed:
            message = Said(
                "“%(key)s” is “%(value)s”; schrijf %(choices)s.",
                key=name,
                value=value,
                choices=either(*sorted(allowed)),
            )
            self.refuse(name, message)
            return None
        return value

    def url(self, name: str, schemes: tuple[str, ...] = ANY) -> str | None:
        """An address that may be linked to."""
        value = self.text(name, 2000)
        if value is not None and (fault := url_fault(value, schemes)):
            message = Said(
                "De link “%(url)s” in “%(key)s” %(fault)s.", url=value[:80], key=name, fault=fault
            )
            self.refuse(name, message)
            return None
        return value

    def day(self, name: str) -> date | None:
        """A date as 2026-11-23."""
        value = self.text(name)
        found = None if value is None else _to_day(value)
        if value is not None and found is None:
            message = Said(
                "“%(value)s” in “%(key)s” is geen datum; schrijf het als 2026-11-23.",
                value=value,
                key=name,
            )
            self.refuse(name, message)
        return found

    def moment(self, name: str, zone: ZoneInfo) -> date | datetime | None:
        """A date, or a date with a time; a time without an offset is on the clocks of `zone`."""
        value = self.text(name)
        found = None if value is None else (_to_day(value) or _to_moment(value, zone))
        if value is not None and found is None:
            message = Said(
                "“%(value)s” in “%(key)s” is geen dag of tijdstip; schrijf 2026-11-23 of "
                "2026-11-23 19:30.",
                value=value,
                key=name,
            )
            self.refuse(name, message)
        return found

    def number(self, name: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        value = self.text(name)
        return None if value is None else self._number(name, self._values[name], value, low, high)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of different texts."""
        values = [self._scalar(name, node, _TEXT) for node in self._list(name)]
        kept = tuple(value for value in values if value is not None)
        self._refuse_doubles(name, kept)
        return kept

    def numbers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """A list of different whole numbers from `low` to `high`."""
        kept = []
        for node in self._list(name):
            text = self._scalar(name, node, _NUMBER)
            number = None if text is None else self._number(name, node, text, low, high)
            kept += [] if number is None else [number]
        self._refuse_doubles(name, kept)
        return tuple(kept)

    def group(self, name: str, known: Collection[str]) -> "Fields | None":
        """A mapping of its own under the key."""
        node = self._values.get(name)
        if node is None:
            return None
        return self._group(name, node, known)

    def groups(self, name: str, known: Collection[str]) -> list["Fields"]:
        """A list of mappings under the key."""
        found = [self._group(name, node, known) for node in self._list(name)]
        return [group for group in found if group is not None]

    def _take(self, node: yaml.MappingNode) -> None:
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or name not in self._known:
                self._refuse_unknown(str(name or ""), _line_of(key))
            elif name in self._values:
                first = _line_of(self._values[name])
                message = Said(
                    "“%(key)s” staat al op regel %(first)s; houd er één.", key=name, first=first
                )
                self.notes.append(Note(_line_of(key), message))
            elif not _is_empty(value):
                self._values[name] = value

    def _refuse_unknown(self, name: str, line: int) -> None:
        close = difflib.get_close_matches(name.lower(), self._known, n=1, cutoff=0.6)
        known = Said("kies uit %(known)s.", known=", ".join(self._known))
        advice = Said("bedoel je “%(close)s”?", close=close[0]) if close else known
        key = name[:60] or Said("dit")
        message = Said("“%(key)s” is hier niet bekend; %(advice)s", key=key, advice=advice)
        self.notes.append(Note(line, message))

    def _list(self, name: str) -> list[yaml.Node]:
        node = self._values.get(name)
        if node is None:
            return []
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        example = f"[{node.value}]" if isinstance(node, yaml.ScalarNode) else "[a, b]"
        line = f"{name}: {example[:60]}"
        self.refuse(
            name, Said("“%(key)s” moet een lijst zijn; schrijf “%(line)s”.", key=name, line=line)
        )
        return []

    def _group(self, name: str, node: yaml.Node, known: Collection[str]) -> "Fields | None":
        if isinstance(node, yaml.MappingNode):
            return Fields(node, known, self.notes)
        keys = ", ".join(f"{key}: …" for key in known)
        message = Said(
            "Onder “%(key)s” horen %(keys)s, elk op een eigen regel die inspringt.",
            key=name,
            keys=keys,
        )
        self.notes.append(Note(_line_of(node), message))
        return None

    def _scalar(self, name: str, node: yaml.Node | None, wanted: Said) -> str | None:
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode):
            message = Said(
                "“%(key)s” moet %(wanted)s zijn, zonder haken of streepjes.",
                key=name,
                wanted=wanted,
            )
        elif node.tag not in PLAIN_TAGS:
            message = Said(
                "“%(key)s” begint met een uitroepteken; zet de waarde tussen aanhalingstekens.",
                key=name,
            )
        elif what := first_forbidden(node.value):
            message = Said(
                "In “%(key)s” staat het onzichtbare teken %(character)s; haal het weg.",
                key=name,
                character=what,
            )
        else:
            return re.sub(r"[ \t\n]+", " ", node.value).strip(" ")
        self.notes.append(Note(_line_of(node), message))
        return None

    def _number(self, name: str, node: yaml.Node, text: str, low: int, high: int) -> int | None:
        if re.fullmatch(r"-?[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        message = Said(
            "“%(value)s” in “%(key)s” moet een geheel getal van %(low)s tot %(high)s zijn.",
            value=text[:40],
            key=name,
            low=low,
            high=high,
        )
        self.notes.append(Note(_line_of(node), message))
        return None

    def _refuse_doubles(self, name: str, values: Collection[object]) -> None:
        if len(set(values)) < len(values):
            self.refuse(name, Said("In “%(key)s” staat iets dubbel; houd van elk één.", key=name))


def parse(header: str, known: Collection[str], notes: list[Note]) -> Fields | None:
    """The keys of front matter that begins at line 2 of its file; None when it is not YAML."""
    try:
        node = yaml.compose(header, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = _open_quote(header, mark.line if mark else 0)
        told = error.problem or error.context
        message = Said(
            "De kop kan hier niet gelezen worden (%(problem)s); zet een tekst met “:”, “#” of "
            "aanhalingstekens erin tussen aanhalingstekens.",
            problem=in_words(told) if told else Said("dit is geen YAML"),
        )
        notes.append(Note(line + FIRST_LINE, message))
        return None
    except (yaml.YAMLError, RecursionError):
        message = Said("De kop kan niet gelezen worden; schrijf regels als “sleutel: waarde”.")
        notes.append(Note(1, message))
        return None
    if not isinstance(node, yaml.MappingNode):
        message = Said("De kop heeft geen sleutels; zet er “title: …” en de andere in.")
        notes.append(Note(1, message))
        return None
    return Fields(node, known, notes, home=1)


def _open_quote(header: str, last: int) -> int:
    """Where a quote opened that YAML missed only later ('s-Gravenvoeren), else `last`; from 0."""
    for number, line in enumerate(header.split("\n")[: last + 1]):
        if _OPEN_QUOTE.match(line):
            return number
    return last


def _line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + FIRST_LINE


def _is_empty(node: yaml.Node) -> bool:
    if isinstance(node, yaml.ScalarNode):
        return not node.value.strip() or (node.tag.endswith(":null") and not node.style)
    return False


def _to_day(value: str) -> date | None:
    if not _DAY.fullmatch(value):
        return None
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return None
    return found if found.year in _YEARS else None


def _to_moment(value: str, zone: ZoneInfo) -> datetime | None:
    parts = _MOMENT.fullmatch(value)
    if not parts:
        return None
    try:
        text = f"{parts[1]}T{parts[2]}{parts[3] or ''}{parts[4] or ''}"
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.year not in _YEARS:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)
