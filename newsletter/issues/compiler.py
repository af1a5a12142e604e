"""Compiling: freezing the chosen items as pieces, one for each locale."""

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from newsletter.content.frontmatter import DRAFT, FrontMatter
from newsletter.content.library import Library
from newsletter.content.shelf import Item
from newsletter.i18n import LOCALES
from newsletter.issues import intros, pictures, searching
from newsletter.issues.outline import LAST_DAYS
from newsletter.issues.pictures import Album
from newsletter.issues.selection import select_items
from newsletter.models import Intro, Issue, IssueState, ItemNumber, Piece
from newsletter.settings import Settings

TopicNames = Mapping[str, Mapping[str, str]]  # key → locale → name
UNSENT = (IssueState.COMPILED, IssueState.HELD, IssueState.APPROVED, IssueState.SCHEDULED)


def compile_issue(
    session: Session,
    settings: Settings,
    library: Library,
    now: datetime,
    cadence: str | None,
    slugs: Sequence[str] = (),
) -> Issue | None:
    """Freeze what readers of `cadence` (None: of all) have not had; None when that is nothing.

    When an issue with the very same pieces and intros is still waiting to be sent, that one is
    returned, in whatever order people have put it.
    """
    withdraw_drafts(session, library, now)
    chosen = select_items(session, settings, library, cadence, slugs, now)
    if not chosen.news:
        return None
    pieces, album = freeze(chosen.items, library, chosen.repeats)
    greetings = intros.freeze(session, library.intros(cadence), cadence)
    if waiting := _waiting_twin(session, cadence, pieces, greetings, in_order=bool(slugs)):
        return waiting
    issue = Issue(
        number=(session.scalar(select(func.max(Issue.number))) or 0) + 1,
        cadence=cadence,
        state=IssueState.COMPILED,
        by_clock=False,  # who sends it is known when it is sent
        compiled_at=now,
    )
    session.add(issue)
    session.flush()
    for piece in pieces:
        piece.issue_number = issue.number
    for greeting in greetings:
        greeting.issue_number = issue.number
    session.add_all([*pieces, *greetings])
    pictures.keep(session, album.pictures)
    session.flush()
    return issue


def read_ahead(
    session: Session,
    settings: Settings,
    library: Library,
    now: datetime,
    cadence: str | None,
    slugs: Sequence[str] = (),
) -> None:
    """Read the shelf and make pictures ready that `compile_issue` would need now; changes nothing.

    To be called in a reading transaction before the one that compiles: converting thousands of
    texts, or thirty photographs, takes seconds, in which nobody else could write.
    """
    chosen = select_items(session, settings, library, cadence, slugs, now)
    if chosen.news:
        freeze(chosen.items, library, chosen.repeats)


def withdraw_drafts(session: Session, library: Library, now: datetime) -> None:
    """A published item that is made a draft is withdrawn for good: who did not get it will not, and
    the archive shows its title only."""
    drafts = [item.slug for item in library.items() if item.status == DRAFT]
    published = (ItemNumber.slug.in_(drafts), ItemNumber.withdrawn_at.is_(None))
    withdrawn = update(ItemNumber).where(*published).values(withdrawn_at=now)
    if slugs := set(session.scalars(withdrawn.returning(ItemNumber.slug))):
        searching.forget(session, slugs)
        pictures.forget(session, slugs)


def freeze(
    items: Sequence[Item], library: Library, repeats: Set[str] = frozenset()
) -> tuple[list[Piece], Album]:
    """The pieces of `items`, in order, for every locale, and the pictures in them; not yet in an
    issue. Raises FixContent when a picture cannot be made ready.

    `repeats` are slugs of calls that are told once more: in their last days.
    """
    topics, album = library.topics(), Album(library.gallery)
    pieces = [
        _piece(item, locale, position, topics, album, repeat=item.slug in repeats)
        for position, item in enumerate(items)
        for locale in LOCALES
    ]
    return pieces, album


def _waiting_twin(
    session: Session,
    cadence: str | None,
    pieces: Sequence[Piece],
    greetings: Sequence[Intro],
    *,
    in_order: bool,
) -> Issue | None:
    same = Issue.cadence.is_(None) if cadence is None else Issue.cadence == cadence
    waiting = select(Issue).where(same, Issue.state.in_(UNSENT)).order_by(Issue.number.desc())
    wanted = [(piece.position if in_order else 0, piece.locale, piece.hash) for piece in pieces]
    for issue in session.scalars(waiting):
        columns = select(Piece.position, Piece.locale, Piece.hash)
        rows = session.execute(columns.where(Piece.issue_number == issue.number))
        found = [(position if in_order else 0, *rest) for position, *rest in rows]
        if sorted(found) == sorted(wanted) and intros.same(session, issue.number, greetings):
            return issue
    return None


def _piece(
    item: Item, locale: str, position: int, topics: TopicNames, album: Album, *, repeat: bool
) -> Piece:
    text = item.text_for(locale)
    front = text.front
    piece = Piece(
        slug=item.slug,
        locale=locale,
        language=text.locale,
        position=position,
        topics="|".join(sorted(front.topics)),
        date=front.date,
        deadline=front.deadline,
        title=front.title,
        summary=front.summary,
        facts=facts(front, [topics[key][locale] for key in front.topics], album.above(front))
        | ({LAST_DAYS: True} if repeat else {}),
        html=album.within(text.body.html),
        text=text.body.text,
    )
    piece.hash = piece_hash(piece)
    return piece


def piece_hash(piece: Piece) -> str:
    """SHA-256 over everything a reader could see of a piece."""
    seen = [
        piece.slug,
        piece.locale,
        piece.language,
        piece.topics,
        piece.date.isoformat(),
        _iso(piece.deadline),
        piece.title,
        piece.summary,
        piece.facts,
        piece.html,
        piece.text,
    ]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def facts(
    front: FrontMatter, topic_names: list[str], picture: dict[str, Any] | None
) -> dict[str, Any]:
    """What a reader sees beside the text, as JSON: dates in ISO 8601, nothing that is empty."""
    event = front.event
    found: dict[str, Any] = {
        "topic_names": topic_names,
        "country": front.country,
        "municipality": front.municipality,
        "partner": front.partner,
        "sdgs": list(front.sdgs),
        "link": front.link,
        "picture": picture,
        "sources": [{"title": source.title, "url": source.url} for source in front.sources],
        "event": event
        and {"start": _iso(event.start), "end": _iso(event.end), "place": event.place},
    }
    return {name: value for name, value in found.items() if value}


def _iso(value: date | datetime | None) -> str | None:
    return value.isoformat() if value else None
