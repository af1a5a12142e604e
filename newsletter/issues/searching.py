"""The archive's index, and its search: one function for SQLite (FTS5) and PostgreSQL (tsvector).

`index` is called when an issue is planned; what an item says in the archive is what its newest
issue says.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, takewhile
from typing import Any

from sqlalchemy import Row, delete, select, text
from sqlalchemy.orm import Session

from newsletter.db import insertion, new_rows
from newsletter.i18n import DEFAULT, country_name
from newsletter.issues.stories import pattern_name
from newsletter.issues.words import Term, fold, indexed, indexed_parts, terms
from newsletter.models import Issue, ItemNumber, Piece, Published, Subject, SubjectKind

PAGE = 10  # hits
FURTHEST = 1_000  # pages
BEFORE, AFTER = 60, 180  # characters of a snippet, before and after the first word found
SPOKEN = re.compile(r"[^\W_]+")
UNDERLINE = re.compile("^[-=]{3,}$", re.MULTILINE)  # below a heading of a plain text
PLACES = ("municipality", "partner")
# The columns that `index` reads, by name: the migration runs it on tables as they were then.
_PIECE = (
    Piece.id,
    Piece.slug,
    Piece.locale,
    Piece.language,
    Piece.topics,
    Piece.deadline,
    Piece.title,
    Piece.summary,
    Piece.facts,
    Piece.text,
)
_WITHDRAWN = select(ItemNumber.slug).where(ItemNumber.withdrawn_at.is_not(None))
_RENEWED = ("language", "piece_id", "issue_number", "updated_at", "dated", "head", "words", "parts")

# A word of the title, or what it is about, weighs most, the part of a compound least.
_SQLITE = text(
    "SELECT rowid FROM published_words WHERE published_words MATCH :query"
    " ORDER BY bm25(published_words, 10.0, 3.0, 0.5), rowid DESC"
)
# To rank by a whole text PostgreSQL has to fetch it: only the WEIGHED best by their heads are.
WEIGHED = 200
# For a word that half of the texts have, the planner would read them all: it does not count what it
# costs to fetch and unpack them, which is ten times what the index costs.
_BY_INDEX = text("SET LOCAL enable_seqscan = off")
_POSTGRESQL = text(
    "WITH found AS (SELECT id, asked, ts_rank(head_document, asked, 1) AS by_head"
    " FROM published, to_tsquery('simple', :query) AS asked WHERE document @@ asked),"
    " first AS (SELECT * FROM found ORDER BY by_head DESC, id DESC LIMIT :most),"
    " weighed AS (SELECT id, ts_rank('{0.05, 0.1, 0.3, 1.0}', document, asked, 1) AS by_all"
    " FROM first JOIN published USING (id))"
    " SELECT id FROM found LEFT JOIN weighed USING (id)"
    " ORDER BY by_all DESC NULLS LAST, by_head DESC, id DESC"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A piece that was found. The snippet in parts; those that are True are what was asked for."""

    piece: Piece
    snippet: Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of what was found, best first. `every`: each hit has all words of the question."""

    total: int
    page: int  # from 1
    hits: Sequence[Hit]
    every: bool

    @property
    def pages(self) -> int:
        """How many there are, at least 1."""
        return max(1, -(-self.total // PAGE))


# --- the index ------------------------------------------------------------------------------------


def index(session: Session, issue_number: int) -> None:
    """Bring the archive up to date with an issue that is planned; twice is as good as once."""
    planned = select(Issue.planned_at).where(Issue.number == issue_number)
    at = session.scalar(planned)
    standing = (Piece.issue_number == issue_number, Piece.slug.not_in(_WITHDRAWN))
    pieces = session.execute(select(*_PIECE).where(*standing)).all()
    if at is None or not pieces:
        return
    rows = [
        _row(piece) | {"issue_number": issue_number, "first_at": at, "updated_at": at}
        for piece in pieces
    ]
    _write(session, rows)
    newest = select(Published.slug).where(Published.issue_number == issue_number)
    slugs = set(session.scalars(newest))
    session.execute(delete(Subject).where(Subject.slug.in_(slugs)))
    if subjects := list(_subjects(piece for piece in pieces if piece.slug in slugs)):
        session.execute(new_rows(session, Subject), subjects)


def forget(session: Session, slugs: Collection[str]) -> None:
    """Take items that were withdrawn out of the archive's lists, search and feeds."""
    for table in (Subject, Published):
        session.execute(delete(table).where(table.slug.in_(slugs)))


def rebuild(session: Session) -> None:
    """Make the whole index again, from every issue that was planned."""
    session.execute(delete(Subject))
    session.execute(delete(Published))
    planned = select(Issue.number).where(Issue.planned_at.is_not(None)).order_by(Issue.number)
    for number in session.scalars(planned).all():
        index(session, number)


def _write(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """New items are added; those that are known are renewed, unless by an older issue."""
    insert = insertion(session, Published)
    renewed = insert.on_conflict_do_update(
        index_elements=["slug", "locale"],
        set_={name: insert.excluded[name] for name in _RENEWED},
        where=Published.issue_number <= insert.excluded.issue_number,
    )
    session.execute(renewed, rows)


def _row(piece: Row[Any]) -> dict[str, Any]:
    facts, locale = piece.facts, piece.locale
    country = country_name(facts["country"], locale) if facts.get("country") else ""
    places = (facts.get(name, "") for name in PLACES)
    about = " ".join((piece.title, country, *places, *facts.get("topic_names", ())))
    told = f"{piece.summary} {piece.text}"
    return {
        "slug": piece.slug,
        "locale": locale,
        "language": piece.language,
        "piece_id": piece.id,
        "dated": bool(piece.deadline or facts.get("event")),
        "head": indexed(about, locale),
        "words": indexed(told, locale),
        "parts": indexed_parts(f"{about} {told}", locale),
    }


def _subjects(pieces: Iterable[Row[Any]]) -> Iterator[dict[str, str]]:
    """What the pieces are about. Keys are those of the Dutch text, the same in every locale."""
    found = list(pieces)
    dutch = {piece.slug: piece.facts for piece in found if piece.locale == DEFAULT}
    for piece in found:
        facts = dutch.get(piece.slug, piece.facts)
        about = [(SubjectKind.TOPIC, key, "") for key in piece.topics.split("|") if key]
        about += [(SubjectKind.SDG, str(number), "") for number in facts.get("sdgs", ())]
        if country := facts.get("country"):
            about.append((SubjectKind.COUNTRY, country.lower(), ""))
        for name in PLACES:
            if key := pattern_name(facts.get(name, "")):
                about.append((SubjectKind.PLACE, key, piece.facts.get(name) or facts[name]))
        for kind, key, name in about:
            yield {
                "kind": kind,
                "key": key,
                "locale": piece.locale,
                "slug": piece.slug,
                "name": name,
            }


# --- the search -----------------------------------------------------------------------------------


def search(session: Session, locale: str, words: str, page: int = 1) -> Hits:
    """What readers of `locale` are shown for `words`: any text, of any length.

    Pieces that have every word; where there are none, pieces that have one of them. A word is found
    as it stands, by its stem, as the beginning of a word, and at the end of a compound; accents and
    capitals make no difference. A page that is not there is empty.
    """
    asked = terms(words, locale)
    page = min(max(page, 1), FURTHEST)
    found = _ids(session, locale, asked, every=True) if asked else []
    every = bool(found) or len(asked) < 2
    if not every:
        found = _ids(session, locale, asked, every=False)
    shown = found[(page - 1) * PAGE : page * PAGE]
    query = select(Published.id, Piece).join(Piece, Piece.id == Published.piece_id)
    pieces = {row.id: row.Piece for row in session.execute(query.where(Published.id.in_(shown)))}
    is_asked = cache(partial(_is_asked, locale, asked))
    hits = [Hit(pieces[id], snippet(pieces[id], is_asked)) for id in shown if id in pieces]
    return Hits(len(found), page, hits, every)


def _ids(session: Session, locale: str, asked: Sequence[Term], *, every: bool) -> list[int]:
    """Rows of `published`, best first. A word has letters and digits only: nothing to escape."""
    sqlite = session.get_bind().dialect.name == "sqlite"
    one, both, either = (_fts5, " AND ", " OR ") if sqlite else (_tsquery, " & ", " | ")
    query = (both if every else either).join(one(term, locale) for term in asked)
    if sqlite:
        return list(session.scalars(_SQLITE, {"query": query}))
    session.execute(_BY_INDEX)
    return list(session.scalars(_POSTGRESQL, {"query": query, "most": WEIGHED}))


def _fts5(term: Term, locale: str) -> str:
    beginning = "*" if term.begins else ""
    return f'("{locale}{term.word}"{beginning} OR "{locale}{term.stem}")'


def _tsquery(term: Term, locale: str) -> str:
    beginning = ":*" if term.begins else ""
    return f"({locale}{term.word}{beginning} | {locale}{term.stem})"


# --- what is shown --------------------------------------------------------------------------------


def snippet(piece: Piece, is_asked: Callable[[str], bool]) -> list[tuple[str, bool]]:
    """The stretch of a text in which the first of the words stands, in parts: words that were
    asked for are True."""
    told = " ".join(f"{piece.summary} {UNDERLINE.sub('', piece.text)}".split())
    spans = (word.span() for word in SPOKEN.finditer(told) if is_asked(word[0]))
    first = next(spans, (0, 0))
    start = told.rfind(" ", 0, first[0] - BEFORE) + 1 if first[0] > BEFORE else 0
    end = _end(told, start + BEFORE + AFTER)
    within = takewhile(lambda span: span[1] <= end, chain([first], spans))
    marked = _in_parts(told, start, end, within)
    cut = [("… ", False)] if start else []
    return [*cut, *marked, *([(" …", False)] if end < len(told) else [])]


def _is_asked(locale: str, asked: Sequence[Term], spoken: str) -> bool:
    word = fold(spoken)
    return any(term.fits(word, locale) for term in asked)


def _end(told: str, furthest: int) -> int:
    if furthest >= len(told):
        return len(told)
    space = told.rfind(" ", 0, furthest)
    return space if space > 0 else furthest


def _in_parts(
    told: str, start: int, end: int, spans: Iterable[tuple[int, int]]
) -> Iterator[tuple[str, bool]]:
    at = start
    for since, until in spans:
        if since > at:
            yield told[at:since], False
        if until > since:
            yield told[since:until], True
        at = until
    if at < end:
        yield told[at:end], False
