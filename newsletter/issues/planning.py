"""Planning: each reader gets the edition for locale, topics and cursor as they are right now."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.delivery.ledger import Group
from newsletter.errors import FixContent
from newsletter.issues import outline, preflight, searching
from newsletter.issues.compiler import piece_hash
from newsletter.issues.outline import Outline
from newsletter.issues.rendering import RenderedEdition, render_edition
from newsletter.models import Edition, Issue, Piece
from newsletter.settings import Settings


class Renderings:
    """Editions by what they say, each made and checked once.

    Filled before the transaction that plans: making hundreds of them takes seconds, in which nobody
    else could write. What is asked for and was not foreseen is made then.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[tuple[object, ...], RenderedEdition] = {}

    def edition(
        self, issue: Issue, pieces: Sequence[Piece], older: bool, now: datetime
    ) -> RenderedEdition:
        """The edition of these pieces (at least one, of one locale). `older`: with the link to what
        is too old to be carried. Raises FixContent when preflight stops it."""
        day = now.astimezone(self._settings.timezone).date()  # preflight looks at deadlines
        locale = pieces[0].locale
        key = (issue.number, locale, older, day, *(piece.hash for piece in pieces))
        if key not in self._made:
            edition = render_edition(self._settings, issue, pieces, locale, older_link=older)
            refuse_faults(self._settings, edition, pieces, now)
            self._made[key] = edition
        return self._made[key]


def render_ahead(
    session: Session, settings: Settings, issue: Issue, now: datetime, renderings: Renderings
) -> None:
    """Make the editions that `plan_issue` would need now. Reads only; raises FixContent."""
    drawn = outline.draw(session, settings, issue, now)
    _check_whole(settings, issue, drawn, now, renderings)
    for group, pieces in _by_group(session, settings, issue, drawn, now):
        if pieces:
            renderings.edition(issue, pieces, group.cursor < drawn.floor, now)


def plan_issue(
    session: Session,
    settings: Settings,
    issue: Issue,
    now: datetime,
    renderings: Renderings | None = None,
) -> int:
    """Number the items, assemble the editions real readers need, write their rows.

    Returns how many rows. Also run again later for readers whose older row had to settle first.
    Raises FixContent when an edition does not pass preflight; the caller's transaction ends then.
    """
    ledger.take_stock(session)
    drawn, renderings = (
        outline.draw(session, settings, issue, now),
        renderings or Renderings(settings),
    )
    if issue.top is None:
        _check_whole(settings, issue, drawn, now, renderings)
    _write_outline(session, issue, drawn, now)
    shelf = _Editions(session, issue, renderings)
    wanted, nothing = dict[Group, int](), list[Group]()
    for group, pieces in _by_group(session, settings, issue, drawn, now):
        if pieces:
            wanted[group] = shelf.id_of(pieces, group.cursor < drawn.floor, now)
        else:
            nothing.append(group)
    ledger.skip(session, issue, drawn.top, nothing)
    window = timedelta(hours=settings.delivery_window)
    due_at = ledger.spread(session, now, window) if window else ledger.at_once()
    planned = ledger.plan(session, issue, drawn.top, wanted, due_at)
    if planned:
        ledger.withdraw_paused(session, issue, now)
    return planned


def base_editions(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> dict[str, tuple[RenderedEdition, list[Piece]]]:
    """The whole issue as each locale's readers with every topic would get it, for preflight."""
    today, found = now.astimezone(settings.timezone), {}
    query = select(Piece).where(Piece.issue_number == issue.number).order_by(Piece.position)
    pieces = [piece for piece in session.scalars(query) if not outline.is_over(piece, today)]
    for locale in sorted({piece.locale for piece in pieces}):
        mine = [piece for piece in pieces if piece.locale == locale]
        found[locale] = (render_edition(settings, issue, mine, locale), mine)
    return found


def _check_whole(
    settings: Settings, issue: Issue, drawn: Outline, now: datetime, renderings: Renderings
) -> None:
    """A fault stops the issue in whatever language it is, also one that nobody reads today."""
    today = now.astimezone(settings.timezone)
    for pieces in drawn.pieces.values():
        if left := [piece for piece in pieces if not outline.is_over(piece, today)]:
            renderings.edition(issue, left, older=False, now=now)


def _by_group(
    session: Session, settings: Settings, issue: Issue, drawn: Outline, now: datetime
) -> Iterator[tuple[Group, list[Piece]]]:
    """Who is to be planned, and what they get."""
    choices, today = outline.topics_by_choice(session), now.astimezone(settings.timezone)
    for group in ledger.groups(session, issue, drawn.top, now):
        yield group, drawn.pieces_for(group, choices[group.topic_choice_id], today)


def _write_outline(session: Session, issue: Issue, drawn: Outline, now: datetime) -> None:
    """Make it so: numbers, carried pieces and, the first time, the top."""
    first = issue.top is None
    session.add_all([*drawn.new, *drawn.carried])
    if first:
        gone = [piece.id for piece in drawn.gone]
        session.execute(delete(Piece).where(Piece.id.in_(gone)))
        session.flush()
        for pieces in drawn.pieces.values():
            for piece in pieces:
                piece.item_number = drawn.numbers[piece.slug]
        issue.top, issue.planned_at = drawn.top, issue.planned_at or now
    session.flush()
    if first:
        searching.index(session, issue.number)
        ledger.withdraw_older(session, issue, now)


class _Editions:
    """The rows of an issue's editions: those that stand, and new ones that pass preflight."""

    def __init__(self, session: Session, issue: Issue, renderings: Renderings) -> None:
        self._session, self._issue, self._renderings = session, issue, renderings
        columns = select(Edition.locale, Edition.piece_ids, Edition.id)
        rows = session.execute(columns.where(Edition.issue_number == issue.number))
        self._ids = {(locale, piece_ids): id for locale, piece_ids, id in rows}

    def id_of(self, pieces: Sequence[Piece], older: bool, now: datetime) -> int:
        """The edition of these pieces."""
        key = (pieces[0].locale, _piece_ids(pieces, older))
        if key not in self._ids:
            rendered = self._renderings.edition(self._issue, pieces, older, now)
            edition = Edition(
                issue_number=self._issue.number,
                locale=key[0],
                piece_ids=key[1],
                subject=rendered.subject,
                html=rendered.html,
                text=rendered.text,
                hash=_edition_hash(rendered, pieces),
            )
            self._session.add(edition)
            self._session.flush()
            self._ids[key] = edition.id
        return self._ids[key]


def _piece_ids(pieces: Sequence[Piece], older: bool) -> str:
    return ",".join(str(piece.id) for piece in pieces) + ("+" if older else "")


def refuse_faults(
    settings: Settings, edition: RenderedEdition, pieces: Sequence[Piece], now: datetime
) -> None:
    """An edition with a finding of grade `stop` is not sent: raises FixContent with all of them."""
    findings = preflight.check(settings, edition, pieces, now)
    if stops := [str(finding) for finding in findings if finding.grade == "stop"]:
        raise FixContent(*stops)


def _edition_hash(rendered: RenderedEdition, pieces: Sequence[Piece]) -> str:
    whole = [rendered.subject, rendered.html, rendered.text, *(piece_hash(p) for p in pieces)]
    return hashlib.sha256("\0".join(whole).encode()).hexdigest()
