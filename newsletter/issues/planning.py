"""Planning: each reader gets the edition for locale, topics and cursor as they are right now."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from newsletter import fence
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Group
from newsletter.errors import FixContent
from newsletter.i18n import Said
from newsletter.issues import intros, outline, preflight, searching
from newsletter.issues.blocks import Blocks
from newsletter.issues.intros import Foreword
from newsletter.issues.outline import Outline
from newsletter.issues.preflight.blockwise import Blockwise
from newsletter.issues.reading import pages
from newsletter.issues.rendering import Layout, RenderedEdition, lay_out, render_edition
from newsletter.models import Edition, Issue, Piece
from newsletter.settings import Settings


@dataclass(frozen=True, slots=True)
class Shared:
    """What all editions of an issue have in common at a moment: when that is, what has a page
    (`reading.pages`; None: links to pages are not looked at), and intros by locale."""

    issue: Issue
    now: datetime
    known: frozenset[str] | None = None
    intros: Mapping[str, Foreword] = field(default_factory=dict)


class Renderings:
    """Editions of blocks that are printed once, each checked once; they themselves are not kept,
    since hundreds of them are a hundred times what their blocks are.

    Filled before the transaction that plans: printing and checking takes seconds, in which nobody
    else could write. What is asked for and was not foreseen is made then.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._blocks: dict[tuple[object, ...], Blocks] = {}
        self._judges: dict[tuple[object, ...], Blockwise] = {}
        self._passed: set[tuple[object, ...]] = set()

    def edition(self, shared: Shared, pieces: Sequence[Piece], older: bool) -> RenderedEdition:
        """What readers of these pieces get (see `checked`)."""
        return self.checked(shared, pieces, older).edition()

    def checked(self, shared: Shared, pieces: Sequence[Piece], older: bool) -> Layout:
        """The edition of these pieces (at least one, of one locale), to be joined. `older`: with
        the link to what is too old to be carried. Raises FixContent when preflight stops it."""
        issue, locale = shared.issue, pieces[0].locale
        intro = shared.intros.get(locale)
        mine = (issue.number, locale, intro)
        if mine not in self._blocks:
            self._blocks[mine] = Blocks(self._settings, issue, locale, intro)
        layout = lay_out(self._blocks[mine], pieces, older)
        # Preflight looks at deadlines, and at links to pages.
        today = (shared.now.astimezone(self._settings.timezone).date(), shared.known)
        if (layout.hash, *today) not in self._passed:
            self._check(layout, shared, pieces, (*mine, *today))
            self._passed.add((layout.hash, *today))
        return layout

    def _check(
        self, layout: Layout, shared: Shared, pieces: Sequence[Piece], mine: tuple[object, ...]
    ) -> None:
        now, known = shared.now, shared.known
        if mine not in self._judges:
            self._judges[mine] = Blockwise(self._settings, pieces[0].locale, now, known)
        if not self._judges[mine].vouches_for(layout, pieces):
            refuse_faults(self._settings, layout.edition(), pieces, now, known)


def render_ahead(
    session: Session, settings: Settings, issue: Issue, now: datetime, renderings: Renderings
) -> None:
    """Make the editions that `plan_issue` would need now. Reads only; raises FixContent."""
    drawn = outline.draw(session, settings, issue, now)
    shared = _shared(session, issue, now)
    _check_whole(settings, drawn, shared, renderings)
    for group, pieces in _by_group(session, settings, issue, drawn, now):
        if pieces:
            renderings.checked(shared, pieces, group.cursor < drawn.floor)


def plan_issue(
    session: Session,
    settings: Settings,
    issue: Issue,
    now: datetime,
    renderings: Renderings | None = None,
) -> int:
    """Number the items, assemble the editions real readers need, write their rows.

    Returns how many rows. Also run again later for readers whose older row had to settle first.
    Raises FixContent when an edition does not pass preflight, or nothing is left to tell, and
    AdoptFirst for a copy; the caller's transaction ends then.
    """
    fence.require(session, settings)
    ledger.take_stock(session)
    drawn, renderings = (
        outline.draw(session, settings, issue, now),
        renderings or Renderings(settings),
    )
    shared, first = _shared(session, issue, now), issue.top is None
    if first:
        _check_whole(settings, drawn, shared, renderings)
    _write_outline(session, issue, drawn, shared)
    shelf = _Editions(session, shared, renderings)
    wanted, nothing = dict[Group, int](), list[Group]()
    for group, pieces in _by_group(session, settings, issue, drawn, now):
        if pieces:
            wanted[group] = shelf.id_of(pieces, group.cursor < drawn.floor)
        else:
            nothing.append(group)
    ledger.skip(session, issue, drawn.top, nothing)
    planned = ledger.plan(session, issue, drawn.top, wanted, _due_at(session, settings, now))
    fence.advance_with(session, settings)
    told = planned or drawn.new or ledger.readers_waiting(session, issue, drawn.top, now)
    if first and not told:
        gone = Said(
            "Alles van nummer %(number)s vertrok al met andere nummers; houd het tegen.",
            number=issue.number,
        )
        raise FixContent(gone)
    return planned


def _due_at(session: Session, settings: Settings, now: datetime) -> ColumnElement[datetime]:
    """When rows are due; while the domain is warmed up, its allowance spreads them."""
    if settings.warmup_days:
        return ledger.engaged_first(session, now)
    window = timedelta(hours=settings.delivery_window)
    return ledger.spread(session, now, window) if window else ledger.at_once()


def base_editions(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> dict[str, tuple[RenderedEdition, list[Piece]]]:
    """The whole issue as each locale's readers with every topic would get it, for preflight."""
    today, found, written = now.astimezone(settings.timezone), {}, intros.of(session, issue)
    query = select(Piece).where(Piece.issue_number == issue.number).order_by(Piece.position)
    pieces = [piece for piece in session.scalars(query) if not outline.is_over(piece, today)]
    for locale in sorted({piece.locale for piece in pieces}):
        mine = [piece for piece in pieces if piece.locale == locale]
        edition = render_edition(settings, issue, mine, locale, intro=written.get(locale))
        found[locale] = (edition, mine)
    return found


def _shared(session: Session, issue: Issue, now: datetime) -> Shared:
    return Shared(issue, now, frozenset(pages(session, issue)), intros.of(session, issue))


def _check_whole(
    settings: Settings, drawn: Outline, shared: Shared, renderings: Renderings
) -> None:
    """A fault stops the issue in whatever language it is, also one that nobody reads today."""
    today = shared.now.astimezone(settings.timezone)
    for pieces in drawn.pieces.values():
        if left := [piece for piece in pieces if not outline.is_over(piece, today)]:
            renderings.checked(shared, left, older=False)


def _by_group(
    session: Session, settings: Settings, issue: Issue, drawn: Outline, now: datetime
) -> Iterator[tuple[Group, list[Piece]]]:
    """Who is to be planned, and what they get."""
    choices, today = outline.topics_by_choice(session), now.astimezone(settings.timezone)
    for group in ledger.groups(session, issue, drawn.top, now):
        yield group, drawn.pieces_for(group, choices[group.topic_choice_id], today)


def _write_outline(session: Session, issue: Issue, drawn: Outline, shared: Shared) -> None:
    """Make it so: numbers, carried pieces and, the first time, the top."""
    first, now = issue.top is None, shared.now
    session.add_all([*drawn.new, *drawn.carried])
    if first:
        gone = [piece.id for piece in drawn.gone]
        session.execute(delete(Piece).where(Piece.id.in_(gone)))
        session.flush()
        for pieces in drawn.pieces.values():
            for piece in pieces:
                piece.item_number = drawn.numbers[piece.slug]
        intros.keep(session, issue, shared.intros.keys())
        issue.top, issue.planned_at = drawn.top, issue.planned_at or now
    session.flush()
    if first:
        searching.index(session, issue.number)
        ledger.withdraw_older(session, issue, now)


class _Editions:
    """The rows of an issue's editions: those that stand, and new ones that pass preflight."""

    def __init__(self, session: Session, shared: Shared, renderings: Renderings) -> None:
        self._session, self._shared, self._renderings = session, shared, renderings
        columns = select(Edition.locale, Edition.piece_ids, Edition.id)
        rows = session.execute(columns.where(Edition.issue_number == shared.issue.number))
        self._ids = {(locale, piece_ids): id for locale, piece_ids, id in rows}

    def id_of(self, pieces: Sequence[Piece], older: bool) -> int:
        """The edition of these pieces."""
        key = (pieces[0].locale, piece_ids(pieces, older))
        if key not in self._ids:
            rendered = self._renderings.edition(self._shared, pieces, older)
            edition = Edition(
                issue_number=self._shared.issue.number,
                locale=key[0],
                piece_ids=key[1],
                subject=rendered.subject,
                html=rendered.html,
                text=rendered.text,
                hash=rendered.hash,
            )
            self._session.add(edition)
            self._session.flush()
            self._ids[key] = edition.id
        return self._ids[key]


def piece_ids(pieces: Sequence[Piece], older: bool = False) -> str:
    """What an edition of these pieces is found by; `older`: with the link to what is too old."""
    return ",".join(str(piece.id) for piece in pieces) + ("+" if older else "")


def refuse_faults(
    settings: Settings,
    edition: RenderedEdition,
    pieces: Sequence[Piece],
    now: datetime,
    known: Collection[str] | None = None,
) -> None:
    """An edition with a finding of grade `stop` is not sent: raises FixContent with all of them.
    `known` are the slugs of items that have a page (`preflight.check`)."""
    findings = preflight.check(settings, edition, pieces, now, known)
    if stops := [finding.said for finding in findings if finding.grade == "stop"]:
        raise FixContent(*stops)
