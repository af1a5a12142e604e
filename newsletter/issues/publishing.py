"""Publishing: the states of an issue, and what people and the clock may do with it."""

import contextlib
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from newsletter.delivery import ledger
from newsletter.errors import FixContent, FixRequest
from newsletter.issues import approving, foreseeing
from newsletter.issues.holding import (
    hold_late,
    holds_for_approval,
    holds_for_lateness,
    is_due,
    locked,
    look_at,
    start_window,
    stop_by_preflight,
)
from newsletter.issues.planning import Renderings, base_editions, plan_issue, render_ahead
from newsletter.issues.preflight import PreflightFinding
from newsletter.issues.trouble import LATE, tell_editors, tell_of_faults
from newsletter.models import EventKind, Issue, IssueState, Notice, NoticeKind
from newsletter.programs import events
from newsletter.settings import Settings

Ahead = Renderings | None  # editions made before anything is locked: see `ready_to_send`
LONGEST_REST = 10  # times RELAY_REST_SECONDS: for what a person has to mend
WAITING = (IssueState.HELD, IssueState.APPROVED, IssueState.SCHEDULED)
BEFORE_PLAN = (IssueState.COMPILED, IssueState.HELD, IssueState.SCHEDULED)


def get(session: Session, number: int) -> Issue:
    """The issue, locked for this transaction; raises FixRequest when there is none."""
    issue = session.get(Issue, number, with_for_update=True)
    if issue is None:
        raise FixRequest(f"There is no issue {number}; see `newsletter issues list`.")
    return issue


def listed(session: Session) -> list[Issue]:
    """All issues, newest first."""
    return list(session.scalars(select(Issue).order_by(Issue.number.desc())))


def check(
    session: Session, settings: Settings, issue: Issue, now: datetime
) -> list[tuple[str, PreflightFinding]]:
    """All preflight findings of an issue, each with the locale it was found in."""
    editions = base_editions(session, settings, issue, now)
    return look_at(session, settings, issue, editions, now)


# --- what a person does ---------------------------------------------------------------------------


def send(
    session: Session, settings: Settings, number: int, now: datetime, ahead: Ahead = None
) -> int:
    """Skip the hold window, never preflight or required approvals; returns rows planned.

    Approvals are asked for at this very moment. Pressed twice, the second one plans nothing more.
    """
    issue = get(session, number)
    if issue.state in (IssueState.SENDING, IssueState.SENT):
        return 0
    if issue.state in (IssueState.PAUSED, IssueState.STOPPED):
        raise FixRequest(
            f"Issue {number} is {issue.state}; `newsletter issues resume {number}` goes on with it."
        )
    _require_approval(session, settings, issue)
    issue.by_clock = False
    return start(session, settings, issue, now, ahead)


def start(session: Session, settings: Settings, issue: Issue, now: datetime, ahead: Ahead) -> int:
    """Plan an issue that may go, and let the sender have it; returns rows planned."""
    planned = plan_issue(session, settings, issue, now, ahead)
    issue.state, issue.why = IssueState.SENDING, None
    foreseeing.tell(session, settings, issue, now)
    return planned


def ready_to_send(
    session: Session, settings: Settings, now: datetime, number: int | None = None
) -> Renderings:
    """Make the editions of issue `number`, or of those that `advance` would begin now.

    Reads only: to be called in a transaction of its own before the one that plans, which has to
    make only what has changed since. What preflight stops is left to that one, too.
    """
    renderings = Renderings(settings)
    wanted = Issue.number == number if number is not None else Issue.state.in_(WAITING)
    for issue in session.scalars(select(Issue).where(wanted, Issue.top.is_(None))).all():
        if number is not None or is_due(settings, issue, now):
            with contextlib.suppress(FixContent):
                render_ahead(session, settings, issue, now, renderings)
    return renderings


def approve(
    session: Session,
    settings: Settings,
    number: int,
    now: datetime,
    editor_id: int | None = None,
    seen: str | None = None,
) -> int:
    """An editor (None: the command line) approves an issue before it is sent; returns how many more
    approvals it takes.

    With enough of them the clock sends it when its hold window is over, or at its time. `seen` is
    the fingerprint of what was looked at.
    """
    issue = get(session, number)
    _require(issue, *BEFORE_PLAN, IssueState.APPROVED, verb="approved")
    approving.give(session, settings, issue, editor_id, now, seen)
    if (issue.why or "").startswith(LATE):
        issue.slot = None  # a person has seen that it is late
    lacking = max(1, settings.approvals) - approving.count(session, settings, issue)
    if lacking <= 0 and issue.state is not IssueState.SCHEDULED:
        issue.state = IssueState.APPROVED
    issue.why = None
    return max(0, lacking)


def schedule(session: Session, settings: Settings, number: int, at: datetime, now: datetime) -> int:
    """Send at a moment of the editor's choice; returns how many approvals it still takes then: an
    approval is one of the time, too."""
    issue = get(session, number)
    _require(issue, *BEFORE_PLAN, IssueState.APPROVED, verb="scheduled")
    if at <= now:
        raise FixRequest("The time to send lies in the past; name a later one.")
    issue.state, issue.send_at, issue.why = IssueState.SCHEDULED, at, None
    return approving.missing(session, settings, issue)


def stop(session: Session, number: int, now: datetime) -> None:
    """Stop at once: rows wait where they are, those held in doubt are withdrawn."""
    issue = get(session, number)
    if issue.state is IssueState.SENT:
        raise FixRequest(f"Issue {number} has been sent; there is nothing left to stop.")
    issue.state, issue.why, issue.ask_at = IssueState.STOPPED, "stopped by a person", None
    ledger.release_held(session, number, now, send=False)


def resume(
    session: Session, settings: Settings, number: int, now: datetime, ahead: Ahead = None
) -> int:
    """Go on with a paused or stopped issue; rows held in doubt are sent once more.

    Returns 0; or how many approvals an issue that was stopped before it was planned still takes:
    then it waits for them as it did before, and nothing is sent.
    """
    issue = get(session, number)
    if issue.state is IssueState.SENDING:
        ledger.release_held(session, number, now, send=True)
        return 0
    _require(issue, IssueState.PAUSED, IssueState.STOPPED, IssueState.HELD, verb="resumed")
    if issue.planned_at is None:
        issue.state, issue.why = IssueState.COMPILED, None
        lacking = approvals_missing(session, settings, issue)
        if not lacking:
            send(session, settings, number, now, ahead)
        return lacking
    issue.state, issue.why, issue.ask_at = IssueState.SENDING, None, None
    issue.slot = None  # a person has decided: it is not late any more
    ledger.release_held(session, number, now, send=True)
    return 0


def retry(session: Session, number: int) -> int:
    """Send again what was refused by our own fault, to readers who have not had it with a later
    issue; returns how many rows. Raises FixRequest when the issue is not out."""
    issue = get(session, number)
    _require(issue, IssueState.SENDING, IssueState.PAUSED, IssueState.SENT, verb="retried")
    count = ledger.retry_ours(session, number)
    if count and issue.state is IssueState.SENT:
        issue.state, issue.sent_at = IssueState.SENDING, None
    return count


def approvals_missing(session: Session, settings: Settings, issue: Issue) -> int:
    """How many approvals of what it is now an issue lacks to be sent by a person."""
    if not settings.approvals or issue.planned_at is not None:
        return 0
    return max(0, settings.approvals - approving.count(session, settings, issue))


def _require_approval(session: Session, settings: Settings, issue: Issue) -> None:
    if lacking := approvals_missing(session, settings, issue):
        raise FixRequest(
            f"Issue {issue.number} needs {lacking} more approval(s), of what it is now: "
            f"`newsletter issues approve {issue.number}`."
        )


def _require(issue: Issue, *states: IssueState, verb: str) -> None:
    if issue.state not in states:
        raise FixRequest(f"Issue {issue.number} is {issue.state} and cannot be {verb}.")


# --- what happens by itself -----------------------------------------------------------------------


def advance(session: Session, settings: Settings, now: datetime, ahead: Ahead = None) -> list[int]:
    """Move every issue on that may move; returns the numbers of those that began sending."""
    begun = []
    hold_late(session, settings, now)
    for issue in locked(session, Issue.state.in_(WAITING)):
        start_window(session, settings, issue)
        if _may_begin(session, settings, issue, now):
            try:
                with session.begin_nested():
                    issue.by_clock = issue.state is IssueState.HELD
                    start(session, settings, issue, now, ahead)
                begun.append(issue.number)
            except FixContent as error:
                stop_by_preflight(session, settings, issue, error, now)
    return begun


def _may_begin(session: Session, settings: Settings, issue: Issue, now: datetime) -> bool:
    if not is_due(settings, issue, now) or holds_for_lateness(session, settings, issue, now):
        return False
    return not holds_for_approval(session, settings, issue, now)


def pause(
    session: Session,
    settings: Settings,
    number: int,
    why: str,
    now: datetime,
    *,
    ask_at: datetime | None = None,
) -> None:
    """Stop an issue by itself: until the relay answers again (asked at `ask_at`), or until a person
    has mended what is wrong, whom a notice tells so."""
    issue = get(session, number)
    if issue.state is IssueState.PAUSED and issue.ask_at is None:
        return
    if issue.state in (IssueState.SENDING, IssueState.PAUSED):
        issue.state, issue.why, issue.ask_at = IssueState.PAUSED, why, ask_at
        if ask_at is None:
            tell_editors(session, settings, number, why, now, paused=True)


def hold_back(session: Session, number: int, why: str) -> bool:
    """Pause an issue for what is said about it, until a person resumes it; False when it is not
    being sent."""
    issue = get(session, number)
    waits = issue.state is IssueState.PAUSED and issue.ask_at is not None
    if not (waits or issue.state is IssueState.SENDING):
        return False
    issue.state, issue.why, issue.ask_at = IssueState.PAUSED, why, None
    return True


def warn(session: Session, settings: Settings, number: int, words: str, now: datetime) -> None:
    """Tell the editors, once a day, what a receiving system says about us."""
    lately = (Notice.kind == NoticeKind.TROUBLE, Notice.created_at > now - timedelta(days=1))
    told = session.scalars(select(Notice).where(*lately))
    said = [notice.facts for notice in told if "what" not in notice.facts]
    if not any(facts.get("issue") == number for facts in said):
        tell_editors(session, settings, number, words, now, paused=False)


def rest(
    session: Session,
    settings: Settings,
    why: str,
    ask_at: datetime,
    now: datetime,
    issue_number: int | None = None,
) -> list[int]:
    """The relay cannot be used: every issue (or one) that needs it waits until it answers again.
    Returns those that were being sent until now."""
    sending = _sending(session)
    waits = [
        number
        for number in [*sending, *to_ask(session, settings, None)]
        if issue_number in (None, number) and ledger.has_open(session, number)
    ]
    for number in waits:
        pause(session, settings, number, why, now, ask_at=ask_at)
    return [number for number in waits if number in sending]


def to_ask(session: Session, settings: Settings, now: datetime | None) -> list[int]:
    """Issues that go on by themselves once the relay answers; with `now`, those to ask for now."""
    furthest = timedelta(seconds=LONGEST_REST * settings.relay_rest_seconds)
    query = select(Issue.number).where(Issue.state == IssueState.PAUSED, Issue.ask_at.is_not(None))
    if now is not None:
        # A time further ahead than any rest was written before a clock was set back.
        query = query.where(or_(Issue.ask_at <= now, Issue.ask_at > now + furthest))
    return list(session.scalars(query.order_by(Issue.number)))


def go_on(session: Session, number: int) -> bool:
    """The relay answers again; False when the issue does not wait for that any more."""
    issue = get(session, number)
    if issue.state is not IssueState.PAUSED or issue.ask_at is None:
        return False
    issue.state, issue.why, issue.ask_at = IssueState.SENDING, None, None
    return True


def paused(session: Session) -> list[int]:
    """Issues that are paused, whatever ends that."""
    query = select(Issue.number).where(Issue.state == IssueState.PAUSED)
    return list(session.scalars(query.order_by(Issue.number)))


def _sending(session: Session) -> list[int]:
    return list(session.scalars(select(Issue.number).where(Issue.state == IssueState.SENDING)))


def is_sending(session: Session) -> bool:
    """Is any issue being sent?"""
    query = select(Issue.number).where(Issue.state == IssueState.SENDING).limit(1)
    return session.scalar(query) is not None


def finish(session: Session, settings: Settings, now: datetime) -> list[int]:
    """Plan readers who had to wait, then close issues in which nothing is open; their numbers."""
    finished = []
    for issue in locked(session, Issue.state == IssueState.SENDING):
        if ledger.has_open(session, issue.number):
            continue
        try:
            with session.begin_nested():
                planned = plan_issue(session, settings, issue, now)
        except FixContent as error:
            issue.state, issue.why = IssueState.PAUSED, f"preflight: {error}"
            tell_of_faults(session, settings, issue, error, now, planned=True)
            continue
        if planned:
            continue
        if not ledger.readers_waiting(session, issue, issue.top or 0, now):
            issue.state, issue.sent_at = IssueState.SENT, now
            events.tell(session, EventKind.ISSUE_SENT, [issue.number], now)
            finished.append(issue.number)
    return finished
