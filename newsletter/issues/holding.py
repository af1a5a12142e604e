"""Holding: an issue waits so that somebody can say no, and when it is late, until somebody says
yes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from newsletter import notices
from newsletter.delivery import ledger
from newsletter.errors import FixContent, FixRequest
from newsletter.i18n import _
from newsletter.issues import approving, foreseeing, preflight, trouble
from newsletter.issues.planning import base_editions
from newsletter.issues.preflight import PreflightFinding
from newsletter.issues.preflight.finding import told_once
from newsletter.issues.reading import pages
from newsletter.issues.rendering import RenderedEdition
from newsletter.models import Issue, IssueState, Notice, NoticeKind, NoticeState, Piece
from newsletter.settings import Settings


def hold(session: Session, settings: Settings, issue: Issue, now: datetime) -> None:
    """After compiling by the clock: preflight, proof to the editors, hold window."""
    issue.state = IssueState.HELD
    editions = base_editions(session, settings, issue, now)
    found = told_once(look_at(session, settings, issue, editions, now))
    if stops := [line for grade, line in found if grade == "stop"]:
        stop_by_preflight(session, settings, issue, FixContent(*stops), now)
        return
    edition, _pieces = editions.get("nl") or next(iter(editions.values()))
    _queue_proof(session, issue, edition, settings.editors, "nl", now)
    if not settings.editors:
        issue.hold_until = now + timedelta(hours=settings.hold_hours)
    foreseeing.tell(session, settings, issue, now)


def proof_to(
    session: Session,
    settings: Settings,
    issue: Issue,
    locale: str,
    addresses: Sequence[str],
    now: datetime,
) -> None:
    """Mail the edition of one locale, as readers of every topic will get it, to these editors.

    Raises FixRequest when the issue has nothing for that locale.
    """
    found = base_editions(session, settings, issue, now).get(locale)
    if found is None:
        raise FixRequest(_("Dit nummer heeft niets in die taal."))
    edition, _pieces = found
    _queue_proof(session, issue, edition, addresses, locale, now)


def _queue_proof(
    session: Session,
    issue: Issue,
    edition: RenderedEdition,
    addresses: Sequence[str],
    locale: str,
    now: datetime,
) -> None:
    proof = {"subject": edition.subject, "html": edition.html, "text": edition.text}
    facts = {"issue": issue.number, **proof}
    for address in addresses:
        notices.queue(
            session, NoticeKind.PROOF, email=address, locale=locale, facts=dict(facts), now=now
        )


def look_at(
    session: Session,
    settings: Settings,
    issue: Issue,
    editions: Mapping[str, tuple[RenderedEdition, Sequence[Piece]]],
    now: datetime,
) -> list[tuple[str, PreflightFinding]]:
    """All preflight findings of these editions of an issue, by locale, each with the locale."""
    known = pages(session, issue)
    return [
        (locale, finding)
        for locale, (edition, pieces) in editions.items()
        for finding in preflight.check(settings, edition, pieces, now, known)
    ]


def stop_by_preflight(
    session: Session, settings: Settings, issue: Issue, error: FixContent, now: datetime
) -> None:
    """Hold an issue that has faults until a person has mended them, and tell the editors."""
    issue.state, issue.why = IssueState.HELD, f"preflight: {error}"
    trouble.tell_of_faults(session, settings, issue, error, now, planned=False)


def locked(session: Session, condition: ColumnElement[bool]) -> Sequence[Issue]:
    """Issues no other process is moving at this moment."""
    query = select(Issue).where(condition).order_by(Issue.number)
    return session.scalars(query.with_for_update(skip_locked=True)).all()


def start_window(session: Session, settings: Settings, issue: Issue) -> None:
    """The window starts when the relay has accepted the proof, so that a stop is possible."""
    if issue.hold_until or issue.why or issue.slot is None:
        return  # without a slot people send it, and a proof is theirs
    proofs = select(Notice).where(Notice.kind == NoticeKind.PROOF)
    mine = [n for n in session.scalars(proofs) if n.facts.get("issue") == issue.number]
    sent = [n.settled_at for n in mine if n.state is NoticeState.SENT and n.settled_at]
    if sent:
        issue.hold_until = min(sent) + timedelta(hours=settings.hold_hours)
    elif mine and all(n.state is NoticeState.DROPPED for n in mine):
        issue.state, issue.why = IssueState.HELD, "the proof reached no editor; send it, or stop it"


def is_due(settings: Settings, issue: Issue, now: datetime) -> bool:
    """May a waiting issue begin now, if preflight lets it?"""
    if issue.state is IssueState.SCHEDULED:
        return issue.send_at is not None and issue.send_at <= now
    if issue.state is IssueState.APPROVED:
        return _is_due_approved(issue, now)
    return settings.approvals == 0 and not issue.why and _window_is_over(issue, now)


def goes_when_approved(session: Session, settings: Settings, issue: Issue, now: datetime) -> bool:
    """Does one more approval let it begin at once?"""
    lacking = max(1, settings.approvals) - approving.count(session, settings, issue)
    return lacking <= 1 and issue.state is not IssueState.SCHEDULED and _is_due_approved(issue, now)


def _is_due_approved(issue: Issue, now: datetime) -> bool:
    compiled_by_hand = issue.slot is None and issue.hold_until is None
    return compiled_by_hand or _window_is_over(issue, now)


def _window_is_over(issue: Issue, now: datetime) -> bool:
    return issue.hold_until is not None and issue.hold_until <= now


def holds_for_lateness(session: Session, settings: Settings, issue: Issue, now: datetime) -> bool:
    """Too long after its slot: a person decides, and is told so; an issue is never sent late
    silently."""
    if issue.state is IssueState.SCHEDULED or not trouble.is_late(settings, issue, now):
        return False
    issue.state, issue.why = IssueState.HELD, trouble.late_since(issue, "send it, or stop it")
    trouble.tell_of_lateness(session, settings, issue, now, planned=False)
    return True


def holds_for_approval(session: Session, settings: Settings, issue: Issue, now: datetime) -> bool:
    """Not enough people approved of the issue as it is at this moment: it waits for them, and the
    editors are told so."""
    if not approving.missing(session, settings, issue):
        return False
    issue.why, issue.state = approving.why_not(settings, issue), IssueState.HELD
    trouble.tell_of_approval(session, settings, issue, now)
    return True


def hold_late(session: Session, settings: Settings, now: datetime) -> list[int]:
    """Pause what was planned by the clock and of which nothing was handed over in time, since the
    relay or we ourselves were away; returns the numbers. What has begun is never held."""
    on_its_way = Issue.state.in_((IssueState.SENDING, IssueState.PAUSED))
    by_itself = or_(Issue.state == IssueState.SENDING, Issue.ask_at.is_not(None))
    held = []
    for issue in locked(session, and_(on_its_way, by_itself, Issue.by_clock)):
        late = trouble.is_late(settings, issue, now)
        if late and ledger.waits_untouched(session, issue.number):
            issue.state, issue.ask_at = IssueState.PAUSED, None
            issue.why = trouble.late_since(issue, "resume it, or stop it")
            trouble.tell_of_lateness(session, settings, issue, now, planned=True)
            held.append(issue.number)
    return held
