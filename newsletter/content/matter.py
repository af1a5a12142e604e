"""Front matter as a form shows it, and written back into the text of its file.

Only what was changed is written: comments, order, quotes and keys that nobody knows stay as they
were. A form that changed nothing gives the same file, to the byte.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import yaml

from newsletter.content.fields import PLAIN_TAGS
from newsletter.content.frontmatter import ITEM_KEYS
from newsletter.content.loader import Loader

# What stands behind a key: a text, a list, named texts, or a list of these; empty: no key.
Value: TypeAlias = str | Sequence[str] | Mapping[str, str] | Sequence[Mapping[str, str]]
_CUT = re.compile(r"(\ufeff?---[ \t]*\r?\n)(.*?\n)??(---[ \t]*(?:\r?\n|\Z))", re.DOTALL)
_INDENT = "  "
_TEXTS = {tag for tag in PLAIN_TAGS if not tag.endswith(":null")}


class Parts(NamedTuple):
    """A file in three: joined they are the file again."""

    opening: str  # the line --- (with a byte order mark, where there is one)
    header: str
    rest: str  # from the second line --- on


class _Entry(NamedTuple):
    """A key where it stands in the header."""

    name: str
    value: Value
    start: int  # of its first line
    end: int  # of what follows its last line
    span: tuple[int, int] | None  # the value alone, where it is on the line of its key


class NotAForm(Exception):
    """Front matter that cannot be shown as a form: it is not there, broken, or written otherwise
    than in lines `key: value`."""


def values(text: str) -> dict[str, Value]:
    """What the front matter of a file says, by key. Raises NotAForm."""
    return {entry.name: entry.value for entry in _entries(_cut(text).header)}


def body(text: str) -> str:
    """What stands below the front matter, with plain line ends. Raises NotAForm."""
    rest = _cut(text).rest
    return _plain(rest[rest.index("\n") + 1 :] if "\n" in rest else "")


def written(text: str, changes: Mapping[str, Value], below: str | None = None) -> str:
    """The text of a file with these keys changed, and another body. Raises NotAForm."""
    opening, header, rest = _cut(text)
    line = "\r\n" if opening.endswith("\r\n") else "\n"
    for name, value in changes.items():
        header = _changed(header, name, _clean(value), line)
    if below is not None and _plain(below) != body(text):
        rest = f"---{line}" + _plain(below).replace("\n", line)
    return opening + header + rest


def new(changes: Mapping[str, Value], below: str) -> str:
    """The text of a new file."""
    return written("---\n---\n", changes, below)


def _cut(text: str) -> Parts:
    found = _CUT.match(text)
    if not found:
        raise NotAForm
    return Parts(found[1], found[2] or "", text[found.start(3) :])


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _entries(header: str) -> list[_Entry]:
    try:
        node = yaml.compose(header, Loader=Loader) if header.strip() else None
    except (yaml.YAMLError, RecursionError):
        raise NotAForm from None
    if node is None:
        return []
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        raise NotAForm
    keys = [key for key, _value in node.value]
    names = [key.value for key in keys if isinstance(key, yaml.ScalarNode)]
    if len(set(names)) < len(keys) or any(key.start_mark.column for key in keys):
        raise NotAForm
    ends = [*(key.start_mark.index for key in keys[1:]), len(header)]
    return [
        _entry(header, key, value, end) for (key, value), end in zip(node.value, ends, strict=True)
    ]


def _entry(header: str, key: yaml.ScalarNode, value: yaml.Node, next_key: int) -> _Entry:
    start = key.start_mark.index
    end = _last_line(header, start, next_key, value)
    span = (value.start_mark.index, value.end_mark.index)
    if span[0] == span[1]:  # nothing behind the colon
        colon = header.index(":", key.end_mark.index) + 1
        span = (colon, colon)
    alone = key.start_mark.line == value.start_mark.line == value.end_mark.line
    return _Entry(key.value, _value(value), start, end, span if alone else None)


def _last_line(header: str, start: int, end: int, value: yaml.Node) -> int:
    """Where the lines of a value end: comments and empty lines below it belong to what follows."""
    if isinstance(value, yaml.ScalarNode) and value.style in ("|", ">"):
        return end
    lines = header[start:end].splitlines(keepends=True)
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        end -= len(lines.pop())
    return end


def _value(node: yaml.Node) -> Value:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.MappingNode):
        return _named(node)
    if isinstance(node, yaml.SequenceNode):
        if node.value and all(isinstance(one, yaml.MappingNode) for one in node.value):
            return [_named(one) for one in node.value]
        return [_scalar(one) for one in node.value]
    raise NotAForm


def _named(node: yaml.MappingNode) -> dict[str, str]:
    return {_scalar(key): _scalar(value) for key, value in node.value}


def _scalar(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise NotAForm
    return one_line(node.value)


def one_line(text: str) -> str:
    """A text without line ends, and with single spaces."""
    # Not \s: the spaces that French and our own texts do not break at stay.
    return re.sub(r"[ \t\r\n]+", " ", text).strip(" ")


def _clean(value: Value) -> Value:
    """Texts on one line; nothing empty in lists and groups."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Mapping):
        return _group(value)
    kept = [_group(one) if isinstance(one, Mapping) else one_line(one) for one in value]
    return [one for one in kept if one]  # type: ignore[return-value]


def _group(value: Mapping[str, str]) -> dict[str, str]:
    return {key: line for key, text in value.items() if (line := one_line(text))}


def _changed(header: str, name: str, value: Value, line: str) -> str:
    entries = _entries(header)
    known = next((entry for entry in entries if entry.name == name), None)
    if value == (known.value if known else ""):
        return header
    lines = [f"{text}{line}" for text in _lines(name, value)] if value else []
    if known is None:
        at = _where(entries, name)
        return _closed(header[:at], line) + "".join(lines) + header[at:]
    if len(lines) == 1 and known.span:
        start, end = known.span
        space = "" if header[start - 1 : start] == " " else " "
        return header[:start] + space + lines[0][len(name) + 2 : -len(line)] + header[end:]
    return header[: known.start] + "".join(lines) + header[known.end :]


def _closed(text: str, line: str) -> str:
    return text if not text or text.endswith("\n") else text + line


def _where(entries: Sequence[_Entry], name: str) -> int:
    """Behind the last key that comes before this one by custom."""
    order = ITEM_KEYS.index(name) if name in ITEM_KEYS else len(ITEM_KEYS)
    before = [one.end for one in entries if one.name in ITEM_KEYS[:order]]
    return max(before, default=0)


def _lines(name: str, value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield f"{name}: {_quoted(value)}"
    elif isinstance(value, Mapping):
        yield f"{name}:"
        yield from (f"{_INDENT}{key}: {_quoted(text)}" for key, text in value.items())
    elif isinstance(value[0], str):
        yield f"{name}: [{', '.join(_quoted(str(text), flow=True) for text in value)}]"
    else:
        yield f"{name}:"
        for group in value:
            assert isinstance(group, Mapping)  # noqa: S101 - the type says it, mypy cannot see it
            for index, (key, text) in enumerate(group.items()):
                yield f"{_INDENT}{'  ' if index else '- '}{key}: {_quoted(text)}"


def _quoted(text: str, *, flow: bool = False) -> str:
    """A text as YAML, plain where that means the same."""
    if _means(f"[{text}]" if flow else f"a: {text}", text, flow=flow):
        return text
    if _means(quoted := "'" + text.replace("'", "''") + "'", text):
        return quoted
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _means(written: str, text: str, *, flow: bool = False) -> bool:
    try:
        node = yaml.compose(written, Loader=Loader)
    except (yaml.YAMLError, RecursionError):
        return False
    if isinstance(node, yaml.MappingNode):
        node = node.value[0][1] if len(node.value) == 1 else None
    elif flow and isinstance(node, yaml.SequenceNode):
        node = node.value[0] if len(node.value) == 1 else None
    return isinstance(node, yaml.ScalarNode) and node.value == text and node.tag in _TEXTS
