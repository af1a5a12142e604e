"""Typed reading of YAML front matter that remembers lines and collects every fault.

Reads the node graph (`yaml.compose`), never Python objects: tags build nothing, aliases are
refused, and a country `NO` stays "NO" where YAML 1.1 would make it False.
"""

import difflib
import re
from collections.abc import Collection
from datetime import date, datetime
from typing import cast
from zoneinfo import ZoneInfo

import yaml

from newsletter.content.safety import ANY, first_forbidden, url_fault
from newsletter.content.source import Note

FIRST_LINE = 2  # of the file, where front matter begins
DEEPEST = 6
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T]+(\d{2}:\d{2})(:\d{2})? ?(Z|[+-]\d{2}:\d{2})?")
_OPEN_QUOTE = re.compile(r"[ -]*\w+: +(['\"])(?:(?!\1).)*$")
_YEARS = range(1900, 2101)
PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "timestamp", "null")
}


class Loader(yaml.SafeLoader):
    """SafeLoader without aliases and without deep nesting, so that no bomb can go off."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("references (*name) are not used here", event)
        if self.depth > DEEPEST:
            raise _refusal("it is nested too deeply", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refusal(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    mark = cast("yaml.error.Mark | None", event.start_mark)
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


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

    def refuse(self, name: str, message: str) -> None:
        """Note a fault at the line of a key."""
        self.notes.append(Note(self.line(name), message))

    def require(self, *names: str) -> None:
        """Note every key that is missing."""
        for name in names:
            if name not in self._values:
                message = f"The key '{name}' is missing; add a line '{name}: …'."
                self.notes.append(Note(self._home, message))

    def text(self, name: str, longest: int = 300) -> str | None:
        """A text on one line of at most `longest` characters."""
        value = self._scalar(name, self._values.get(name), "a text")
        if value is not None and len(value) > longest:
            self.refuse(name, f"'{name}' has {len(value)} characters; make it at most {longest}.")
            return None
        return value

    def word(self, name: str, allowed: Collection[str]) -> str | None:
        """One of the allowed words."""
        value = self.text(name)
        if value is not None and value not in allowed:
            self.refuse(name, f"'{name}' is '{value}'; write {' or '.join(sorted(allowed))}.")
            return None
        return value

    def url(self, name: str, schemes: tuple[str, ...] = ANY) -> str | None:
        """An address that may be linked to."""
        value = self.text(name, 2000)
        if value is not None and (fault := url_fault(value, schemes)):
            self.refuse(name, f"The link '{value[:80]}' in '{name}' {fault}.")
            return None
        return value

    def day(self, name: str) -> date | None:
        """A date as 2026-11-23."""
        value = self.text(name)
        found = None if value is None else _to_day(value)
        if value is not None and found is None:
            self.refuse(name, f"'{value}' in '{name}' is not a date; write it as 2026-11-23.")
        return found

    def moment(self, name: str, zone: ZoneInfo) -> date | datetime | None:
        """A date, or a date with a time; a time without an offset is on the clocks of `zone`."""
        value = self.text(name)
        found = None if value is None else (_to_day(value) or _to_moment(value, zone))
        if value is not None and found is None:
            example = "write it as 2026-11-23 or as 2026-11-23 19:30"
            self.refuse(name, f"'{value}' in '{name}' is not a date or time; {example}.")
        return found

    def number(self, name: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        value = self.text(name)
        return None if value is None else self._number(name, self._values[name], value, low, high)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of different texts."""
        values = [self._scalar(name, node, "a text") for node in self._list(name)]
        kept = tuple(value for value in values if value is not None)
        self._refuse_doubles(name, kept)
        return kept

    def numbers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """A list of different whole numbers from `low` to `high`."""
        kept = []
        for node in self._list(name):
            text = self._scalar(name, node, "a number")
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
                self._refuse_unknown(str(name or "this"), _line_of(key))
            elif name in self._values:
                first = _line_of(self._values[name])
                message = f"The key '{name}' was given at line {first} already; keep one."
                self.notes.append(Note(_line_of(key), message))
            elif not _is_empty(value):
                self._values[name] = value

    def _refuse_unknown(self, name: str, line: int) -> None:
        close = difflib.get_close_matches(name.lower(), self._known, n=1, cutoff=0.6)
        advice = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(self._known)}."
        self.notes.append(Note(line, f"The key '{name[:60]}' is unknown; {advice}"))

    def _list(self, name: str) -> list[yaml.Node]:
        node = self._values.get(name)
        if node is None:
            return []
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        example = f"[{node.value}]" if isinstance(node, yaml.ScalarNode) else "[a, b]"
        self.refuse(name, f"'{name}' has to be a list; write '{name}: {example[:60]}'.")
        return []

    def _group(self, name: str, node: yaml.Node, known: Collection[str]) -> "Fields | None":
        if isinstance(node, yaml.MappingNode):
            return Fields(node, known, self.notes)
        keys = ", ".join(f"{key}: …" for key in known)
        message = f"'{name}' needs the keys {keys} on lines of their own, indented under it."
        self.notes.append(Note(_line_of(node), message))
        return None

    def _scalar(self, name: str, node: yaml.Node | None, wanted: str) -> str | None:
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode):
            message = f"'{name}' has to be {wanted}, without brackets or dashes."
        elif node.tag not in PLAIN_TAGS:
            message = f"'{name}' starts with a tag ('!…'); put the value between quotes."
        elif what := first_forbidden(node.value):
            message = f"'{name}' holds the invisible character {what}; remove it."
        else:
            return re.sub(r"[ \t\n]+", " ", node.value).strip(" ")
        self.notes.append(Note(_line_of(node), message))
        return None

    def _number(self, name: str, node: yaml.Node, text: str, low: int, high: int) -> int | None:
        if re.fullmatch(r"-?[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        message = f"'{text[:40]}' in '{name}' has to be a whole number from {low} to {high}."
        self.notes.append(Note(_line_of(node), message))
        return None

    def _refuse_doubles(self, name: str, values: Collection[object]) -> None:
        if len(set(values)) < len(values):
            self.refuse(name, f"'{name}' names something twice; keep one of each.")


def parse(header: str, known: Collection[str], notes: list[Note]) -> Fields | None:
    """The keys of front matter that begins at line 2 of its file; None when it is not YAML."""
    try:
        node = yaml.compose(header, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = _open_quote(header, mark.line if mark else 0)
        problem = error.problem or error.context or "it is not YAML"
        advice = "put texts with ':', '#' or quotes in them between quotes"
        message = f"The front matter cannot be read here ({problem}); {advice}."
        notes.append(Note(line + FIRST_LINE, message))
        return None
    except (yaml.YAMLError, RecursionError):
        notes.append(Note(1, "The front matter cannot be read; write 'key: value' lines."))
        return None
    if not isinstance(node, yaml.MappingNode):
        notes.append(
            Note(1, "The front matter has no keys; write 'title: …' and the others in it.")
        )
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
