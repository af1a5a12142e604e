"""One text as readers will see it, before it is saved: an issue of this one item, with what the
preflight says of it, each beside the line it concerns."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.content.frontmatter import FrontMatter
from newsletter.content.images import File
from newsletter.content.library import Library, Text
from newsletter.content.shelf import Item, ItemText
from newsletter.content.writing import place
from newsletter.errors import FixContent
from newsletter.i18n import Said
from newsletter.issues import preflight
from newsletter.issues.compiler import freeze
from newsletter.issues.pictures import NAME
from newsletter.issues.rendering import RenderedEdition, render_edition
from newsletter.models import Issue, IssueState, Piece
from newsletter.settings import Settings

SCHEMES = ("light", "dark")
_QUOTE = re.compile("“([^”]+)”")
_SIGNS = re.compile(r"[\W_]+")
_PICTURE = re.compile(rf"/pictures/({NAME})")
_SHORTEST = 4  # letters by which a line is found


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to mend (`stop`) or to look at (`warn`), at a line of the file or at none."""

    grade: str
    line: int | None
    message: Said
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What readers will get; `piece` and `edition` are None while the text cannot be read."""

    remarks: Sequence[Remark]
    issue: Issue
    piece: Piece | None = None
    edition: RenderedEdition | None = None
    pictures: Mapping[str, File] = field(default_factory=dict)


def preview(
    settings: Settings, library: Library, path: str, data: bytes, now: datetime, number: int = 1
) -> Preview:
    """The text of an item as it would be if it was saved and sent now, as this number."""
    text = library.tried(place(library.folder, path), data)
    remarks = [Remark("stop", note.line, note.message) for note in text.notes]
    issue = Issue(number=number, state=IssueState.COMPILED, compiled_at=now, planned_at=now)
    try:
        frozen = _frozen(library, text)
    except FixContent as error:
        known = {remark.message for remark in remarks}
        more = [Remark("stop", None, told) for told in error.said if told not in known]
        return Preview([*remarks, *more], issue)
    if frozen is None:
        return Preview(remarks, issue)
    piece, pictures = frozen
    edition = render_edition(settings, issue, [piece], text.locale)
    source = data.decode("utf-8", "replace")
    for found in preflight.check(settings, edition, [piece], now):
        line = line_of(source, str(found.where))
        remarks.append(Remark(found.grade, line, found.message, found.rule))
    return Preview(_each_once(remarks), issue, piece, edition, pictures)


def _each_once(remarks: Sequence[Remark]) -> list[Remark]:
    """What is told at its line is not told of the text part, which has no lines, once more."""
    placed = {remark.message for remark in remarks if remark.line is not None}
    known = dict.fromkeys(remarks)
    return [one for one in known if one.line is not None or one.message not in placed]


def next_number(session: Session) -> int:
    """The number that an issue would get now."""
    return (session.scalar(select(func.max(Issue.number))) or 0) + 1


def shown(html: str, base_url: str, scheme: str, pictures: Mapping[str, File]) -> str:
    """What readers get as the desk shows it, to who likes it light or dark. Its pictures, which are
    kept only when an issue is compiled, stand in it; others come from the site as it is visited."""
    query = "(prefers-color-scheme: dark)"
    html = html.replace(query, "all" if scheme == "dark" else "not all")
    html = html.replace(f'src="{base_url}/', 'src="/')
    return _PICTURE.sub(lambda found: _embedded(pictures.get(found[1])) or found[0], html)


def line_of(source: str, where: str) -> int | None:
    """The line of a file that a finding speaks of: the first that holds the words it quotes."""
    for quote in _QUOTE.findall(where):
        words = _plain(quote.rstrip("…"))
        if len(words) < _SHORTEST:
            continue
        for number, line in enumerate(source.splitlines(), start=1):
            if words in _plain(line):
                return number
    return None


def _plain(text: str) -> str:
    return _SIGNS.sub(" ", text).strip().casefold()


def _embedded(file: File | None) -> str:
    if file is None:
        return ""
    return f"data:{file.media_type};base64,{base64.b64encode(file.data).decode()}"


def _frozen(library: Library, text: Text[FrontMatter]) -> tuple[Piece, dict[str, File]] | None:
    """The piece of this text and its pictures; None while its front matter or the topics cannot be
    read."""
    if text.front is None or set(text.front.topics) - set(library.topics()):
        return None
    one = ItemText(text.slug, text.locale, text.path, text.front, text.body, text.body_line)
    pieces, album = freeze([Item(text.slug, {text.locale: one})], library)
    files = {file.name: file for ready in album.pictures for file in ready.files}
    return next(piece for piece in pieces if piece.locale == text.locale), files
