"""What a public form asks, taken at the door: protection, limits, and one row for the clock.

The answer is the same for everybody, in bytes and in time (SEC-07): `request` does the same work
for a new, pending, active, left or suppressed address, and looks at none of them. `settling` then
decides which letter goes, if any. Every route in (form, frame, API) goes through here (SEC-04).
"""

import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.orm import Session

from newsletter import addresses, i18n, limits, notices
from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES, _
from newsletter.models import FormRequest, NoticeKind, RequestKind
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate
from newsletter.subscribers import consent, preferences, tallies, work
from newsletter.tokens import Purpose, parse, tokens_of

log = logging.getLogger(__name__)

FORM_AGE = timedelta(hours=24)  # a forgotten tab is older
HASTE = timedelta(seconds=1)  # no person fills in a form within it
SLOWER = 10  # how much smaller the limits of the slow lane are
# The limit for everybody is kept in so many rows, when it is so high that chance evens them out.
SHARES, SHARED_FROM = 8, 4000
LONGEST = {"form_url": 500, "ip": 64, "user_agent": 300}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkForm:
    """What every public form sends, and from where: here, "mail me the link to my preferences".

    `made` is the form's signed time token, `work` the nonce a browser found (see `work`), `trap`
    what was filled in where nothing may be.
    """

    email: str
    locale: str
    made: str
    work: str = ""
    trap: str = ""
    form_url: str
    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupForm(LinkForm):
    """What the sign-up form sends; `wording` is the id of the sentence it showed.

    `facts` prove what else it showed: `privacy` (version and SHA-256 of the privacy statement) and
    `template` (SHA-256 of the form).
    """

    topics: tuple[str, ...]
    cadence: str
    wording: str
    facts: dict[str, Any] = field(default_factory=dict)


class Answer(StrEnum):
    """What the door has to show."""

    TAKEN = "taken"
    TRAPPED = "trapped"  # filled in what must stay empty: a machine, or a browser by mistake
    OUTDATED = "outdated"  # not a form of ours, or an old one: press once more
    LIMITED = "limited"  # too many; nothing was kept


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer, and for LIMITED the seconds until there is room."""

    answer: Answer
    retry_after: int = 0


def request(session: Session, settings: Settings, form: LinkForm, now: datetime) -> Answered:
    """Write down what somebody asked: one row of one shape, whoever it is. The caller commits.

    A LinkForm asks for the link to one's preferences, by the same door.

    Raises FixRequest with one Dutch sentence (translatable) when the form itself is wrong.
    """
    (answer,) = request_all(session, settings, [form], now)
    if isinstance(answer, FixRequest):
        raise answer
    return answer


def request_all(
    session: Session, settings: Settings, forms: Sequence[LinkForm], now: datetime
) -> list[Answered | FixRequest]:
    """The same for forms that came at the same time, in order; a mistake is no other form's.

    Rows are locked by name, those of everybody last, so that two processes never wait for each
    other.
    """
    visits = [_examined(settings, form, now) for form in forms]
    waiting = [visit for visit in visits if visit.answer == TAKEN]
    for name, visit in sorted(_by_ip(settings, waiting), key=lambda one: one[0]):
        rate = _in_lane(settings.signup_ip_rate, visit.fast)
        visit.wait(limits.admit(session, name, rate, now) if rate else 0)
    full = [
        fast
        for fast in (True, False)
        if not _admit_all(session, settings, [v for v in waiting if v.fast is fast], fast, now)
    ]
    if rows := [visit.row for visit in waiting if visit.answer == TAKEN]:
        session.connection().execute(INSERTION, rows)
    for fast in full[:1]:
        _alarm(session, settings, fast, now)
    _count(session, settings, visits, now)
    return [visit.answer for visit in visits]


def made(settings: Settings, now: datetime) -> str:
    """The signed time token of a form; it is also what a browser's work is bound to."""
    return tokens_of(settings).issue(Purpose.FORM, 0, now)


def storable(field: str, text: str) -> str:
    """Header values are anybody's: PostgreSQL stores neither NUL nor lone surrogates."""
    clean = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return clean[: LONGEST[field]]


@dataclass(slots=True)
class _Visit:
    """One form at the door; `row` is what will be written of it."""

    answer: Answered | FixRequest
    ip: str = ""
    fast: bool = False
    row: dict[str, Any] = field(default_factory=dict)

    def wait(self, seconds: int) -> None:
        """There is no room for so long; 0: there is."""
        if seconds:
            self.answer = Answered(Answer.LIMITED, seconds)


def _examined(settings: Settings, form: LinkForm, now: datetime) -> _Visit:
    """What the form itself says; no database is asked."""
    age = _age(settings, form.made, now)
    if form.trap and age is not None:  # whose form is none of ours is told that first
        return _Visit(Answered(Answer.TRAPPED))
    is_old = isinstance(form, SignupForm) and form.wording not in _wordings()
    if age is None or age > FORM_AGE or is_old:
        return _Visit(Answered(Answer.OUTDATED))
    worked = work.is_done(form.made, form.email, form.work, settings.work_bits)
    fast = worked and age >= HASTE
    try:
        row = _row(settings, form, fast, now)
    except FixRequest as mistake:
        return _Visit(mistake)
    return _Visit(TAKEN, form.ip, fast, row)


def _row(settings: Settings, form: LinkForm, fast: bool, now: datetime) -> dict[str, Any]:
    address = addresses.parse(form.email, allow_utf8=settings.mail_smtputf8)
    if form.locale not in LOCALES:
        raise FixRequest(_("Deze taal kennen we niet. Kies een taal uit de lijst."))
    return _asked(form, "done" if fast else "slow lane") | {
        "email": address.typed,
        "canonical": address.canonical,
        "locale": form.locale,
        "form_url": storable("form_url", form.form_url.partition("?")[0]),  # it may name people
        "ip": storable("ip", form.ip),
        "user_agent": storable("user_agent", form.user_agent),
        "asked_at": now,
    }


def _asked(form: LinkForm, lane: str) -> dict[str, Any]:
    """What the two kinds of form differ in."""
    if isinstance(form, SignupForm):
        return {
            "kind": RequestKind.SIGNUP,
            "cadence": form.cadence,
            "topics": preferences.joined(form.topics),
            "wording": form.wording,
            "facts": form.facts | {"work": lane},
        }
    nothing = dict.fromkeys(("cadence", "topics", "wording"), "")
    return {"kind": RequestKind.LINK, **nothing, "facts": {"work": lane}}


INSERTION = insert(cast("Table", FormRequest.__table__))
TAKEN = Answered(Answer.TAKEN)


def _age(settings: Settings, made: str, now: datetime) -> timedelta | None:
    """How old the form is; None when it is not ours."""
    claim = parse(made)
    if claim is None or not tokens_of(settings).verify(Purpose.FORM, claim):
        return None
    return now - claim.issued_at


def _by_ip(settings: Settings, visits: Iterable[_Visit]) -> Iterator[tuple[str, _Visit]]:
    """Each with the name of its IP's limit; none when there is no such limit."""
    for visit in visits if settings.signup_ip_rate else ():
        kind = "ip-fast" if visit.fast else "ip-slow"
        yield limits.hidden(settings, kind, limits.network(visit.ip)), visit


def _admit_all(
    session: Session, settings: Settings, visits: Sequence[_Visit], fast: bool, now: datetime
) -> bool:
    """The limit for everybody, whose row is locked until the commit; was there room for all?"""
    rate = _in_lane(settings.signup_rate, fast)
    admitted = [visit for visit in visits if visit.answer == TAKEN] if rate else []
    if rate is None or not admitted:
        return True
    name, share = _share(rate, fast)
    for visit in admitted:
        visit.wait(limits.admit(session, name, share, now))
    return all(visit.answer == TAKEN for visit in admitted)


def _share(rate: Rate, fast: bool) -> tuple[str, Rate]:
    """One of the rows of the limit for everybody, by chance: else all processes wait for one."""
    lane, rows = "fast" if fast else "slow", SHARES if rate.count >= SHARED_FROM else 1
    share = Rate(rate.count // rows, rate.seconds)
    return f"all-{lane}-{secrets.randbelow(rows)}", share


def _count(session: Session, settings: Settings, visits: Iterable[_Visit], now: datetime) -> None:
    found = [one.answer.answer for one in visits if isinstance(one.answer, Answered)]
    for answer in (Answer.LIMITED, Answer.TRAPPED):
        if times := found.count(answer):
            tallies.add(session, settings, answer.value, now, times)


def _in_lane(rate: Rate | None, fast: bool) -> Rate | None:
    """The limit as it is, or the slow lane's: a tenth."""
    if rate is None or fast:
        return rate
    return Rate(max(1, rate.count // SLOWER), rate.seconds)


def _alarm(session: Session, settings: Settings, fast: bool, now: datetime) -> None:
    """Tell the log and the editors, once a day, that the forms are used up (SEC-05)."""
    rate = _in_lane(settings.signup_rate, fast)
    if rate is None or not limits.take(session, ["alarm"], 1, limits.DAY, now):
        return
    lane = "fast" if fast else "slow"
    log.warning("The sign-up limit for everybody (SIGNUP_RATE, %s lane) is used up.", lane)
    facts = {"lane": lane, "count": rate.count, "seconds": rate.seconds, "at": now.isoformat()}
    for editor in settings.editors:
        notices.queue(
            session, NoticeKind.ALARM, email=editor, locale=i18n.DEFAULT, facts=facts, now=now
        )


@cache
def _wordings() -> frozenset[str]:
    """The sentences in force; who saw an older one is shown the form again."""
    return frozenset(consent.wording(locale).id for locale in LOCALES)
