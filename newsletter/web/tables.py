"""Tables of a text: whole on a phone too, where each row is a list that names its columns."""

import re

from markupsafe import escape

from newsletter import i18n

# What the sanitiser lets through is regular: no nesting, no attributes we do not know.
TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
HEAD = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
CELL = re.compile(r"<td\b")
MARKS = re.compile(r"<sup>.*?</sup>|<[^>]*>", re.DOTALL)  # a number of a footnote is no name
# Laid out as blocks, the parts of a table lose their meaning for screen readers unless it is said.
ROLES = {
    "<table>": '<table role="table">',
    "<thead>": '<thead role="rowgroup">',
    "<tbody>": '<tbody role="rowgroup">',
    "<tr>": '<tr role="row">',
    "<th": '<th role="columnheader"',
}
ROLE = re.compile(r"<(?:table|thead|tbody|tr)>|<th\b")


def readable(html: str, locale: str) -> str:
    """A sanitised body whose tables scroll alone, and whose cells name their column."""
    label = escape(i18n.translate(locale, "Tabel"))
    scroll = f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">'
    return TABLE.sub(lambda found: f"{scroll}{_named(found[0])}</div>", html)


def _named(table: str) -> str:
    names = [MARKS.sub("", head).replace('"', "&#34;") for head in HEAD.findall(table)]
    rows = ROW.sub(lambda row: _row(row[0], names), table)
    return ROLE.sub(lambda tag: ROLES[tag[0]], rows)


def _row(row: str, names: list[str]) -> str:
    left = iter(names)
    return CELL.sub(lambda _: f'<td role="cell" data-label="{next(left, "")}"', row)
