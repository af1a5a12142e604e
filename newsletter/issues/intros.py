"""Intros: the editors' own words above the news, frozen with an issue, and told once."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from newsletter.content.intros import Greeting, greet
from newsletter.errors import FixContent, FixRequest
from newsletter.i18n import LOCALES
from newsletter.issues.repeats import went_out
from newsletter.models import Intro, Issue


class Foreword(NamedTuple):
    """An intro as it is printed."""

    html: str
    text: str
    hash: str


def freeze(session: Session, greetings: Mapping[str, Greeting], cadence: str | None) -> list[Intro]:
    """The intros of an issue compiled now, not yet in it: those that readers of `cadence` (None: of
    any) did not have with an earlier issue. `greetings` by locale."""
    made = [_intro(locale, greeting, by_hand=False) for locale, greeting in greetings.items()]
    return _untold(session, cadence, made)


def of(session: Session, issue: Issue) -> dict[str, Foreword]:
    """What the issue prints above its news, by locale. Until it is planned, another issue may have
    told its readers the same first."""
    mine = select(Intro).where(Intro.issue_number == issue.number, Intro.markdown != "")
    found: Sequence[Intro] = session.scalars(mine).all()
    if issue.planned_at is None:
        found = _untold(session, issue.cadence, found)
    return {intro.locale: Foreword(intro.html, intro.text, intro.hash) for intro in found}


def keep(session: Session, issue: Issue, locales: Collection[str]) -> None:
    """From now on the issue has the intros that it printed, in these locales, and no others."""
    others = (Intro.issue_number == issue.number, Intro.locale.not_in(list(locales)))
    session.execute(delete(Intro).where(*others))


def same(session: Session, issue_number: int, frozen: Sequence[Intro]) -> bool:
    """Does a waiting issue have these intros? What was written by hand for it stays as it is."""
    columns = select(Intro.locale, Intro.hash, Intro.by_hand)
    found = session.execute(columns.where(Intro.issue_number == issue_number)).all()
    by_hand = {row.locale for row in found if row.by_hand}
    theirs = {row.locale: row.hash for row in found if not row.by_hand}
    return theirs == {one.locale: one.hash for one in frozen if one.locale not in by_hand}


def written(session: Session, number: int, locale: str) -> str:
    """The Markdown of an issue's intro in one language; empty when it has none."""
    intro = session.get(Intro, (number, locale))
    return intro.markdown if intro else ""


def write(session: Session, number: int, locale: str, markdown: str) -> None:
    """Give an issue that is not yet planned an intro of its own in one language; empty: none.

    Raises FixRequest when that is not possible, FixContent with what has to be mended, by line.
    """
    issue = session.get(Issue, number, with_for_update=True)
    if issue is None or locale not in LOCALES:
        what = f"issue {number}" if issue is None else f"language {locale!r}"
        raise FixRequest(f"There is no {what} to write an intro for.")
    if issue.planned_at is not None:
        raise FixRequest(f"Issue {number} is on its way already; its intro cannot be changed.")
    greeting, notes = greet(markdown, locale)
    if markdown.strip() and notes:
        raise FixContent(*(note.said for note in notes))
    intro = _intro(locale, greeting, by_hand=True)
    intro.issue_number = number
    session.merge(intro)


def _untold(session: Session, cadence: str | None, intros: Sequence[Intro]) -> list[Intro]:
    """Of these, what did not stand in an issue that went out to readers of the cadence."""
    written = [intro.markdown for intro in intros]
    query = select(Intro.locale, Intro.markdown).join(Issue, Issue.number == Intro.issue_number)
    told = query.where(*went_out(cadence), Intro.markdown.in_(written))
    had = {tuple(row) for row in session.execute(told)} if written else set()
    return [intro for intro in intros if (intro.locale, intro.markdown) not in had]


def _intro(locale: str, greeting: Greeting, *, by_hand: bool) -> Intro:
    html, text = greeting.body.html, greeting.body.text
    seen = json.dumps([locale, html, text])
    return Intro(
        locale=locale,
        markdown=greeting.markdown,
        by_hand=by_hand,
        html=html,
        text=text,
        hash=hashlib.sha256(seen.encode()).hexdigest(),
    )
