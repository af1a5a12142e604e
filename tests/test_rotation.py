"""SECRET_KEYS: what was signed with an earlier key holds as long as it would have; what was signed
with one that leaked ends at once, but for leaving (SEC-18)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from newsletter import limits, suppression
from newsletter.bounces import intake
from newsletter.bounces.report import Kind, Report
from newsletter.delivery.return_path import ReturnPath, Sent
from newsletter.editors import guarding, people
from newsletter.models import Editor, Role, Subscriber, SubscriberState, SuppressionReason
from newsletter.notices.desk import bound
from newsletter.settings import Settings
from newsletter.subscribers import (
    access,
    addressing,
    confirming,
    leaving,
    preferences,
    refusing,
    signup,
    undoing,
)
from newsletter.subscribers.preferences import choice
from newsletter.tokens import LEAVING, Purpose, parse, tokens_of

pytestmark = pytest.mark.sqlite("keys do not depend on the database")

NEW = "a newer key, also long enough for tests"
JAN = "jan@voorbeeld.example"
AGO = timedelta(minutes=1)
GONE = "weg@voorbeeld.example"
TIED = {
    Purpose.CONFIRM: JAN,
    Purpose.DATA: JAN,
    Purpose.NEW_ADDRESS: JAN,
    Purpose.NEVER: JAN,
    Purpose.UNDO: GONE,
    Purpose.DEVICE: "browser",
    Purpose.MESSAGE_ID: "notice",
}
SHORT = {
    Purpose.RETURN_PATH: Sent.DELIVERY,
    Purpose.NOTICE_RETURN_PATH: Sent.NOTICE,
    Purpose.LEAVE_BY_MAIL: Sent.READER,
}


@dataclass(frozen=True)
class Those:
    """Whom tokens are made for, and what reads them."""

    session: Session
    settings: Settings
    reader: Subscriber
    gone: Subscriber
    editor: Editor

    def id(self, purpose: Purpose) -> int:
        if purpose in {Purpose.INVITATION, Purpose.NEW_PASSWORD, Purpose.DEVICE}:
            return self.editor.id
        return (self.gone if purpose is Purpose.UNDO else self.reader).id

    def tied(self, purpose: Purpose) -> str:
        if purpose in {Purpose.INVITATION, Purpose.NEW_PASSWORD}:
            return bound(self.editor)
        return TIED.get(purpose, "")

    def issue(self, settings: Settings, purpose: Purpose, made: datetime) -> str:
        """What a letter, a mail or a page holds."""
        if purpose in SHORT:
            return ReturnPath(settings).of(SHORT[purpose], self.id(purpose))
        keys = tokens_of(settings)
        return keys.issue(purpose, self.id(purpose), made, self.tied(purpose))

    def opens(self, settings: Settings, purpose: Purpose, token: str, now: datetime) -> bool:
        """Does it do what it was made for?"""
        return bool(READERS[purpose](replace(self, settings=settings), token, now))


def _form(those: Those, made: str, now: datetime) -> bool:
    form = signup.LinkForm(
        email=JAN, locale="nl", made=made, form_url="x", ip="203.0.113.7", user_agent="x"
    )
    easy = replace(those.settings, work_bits=0)
    return signup.request(those.session, easy, form, now).answer is signup.Answer.TAKEN


def _named(those: Those, token: str) -> bool:
    report = Report(Kind.HUMAN, message_id=f"<{token}@{those.settings.mail_domain}>")
    return intake.of_report(those.settings, report).about is not None


def _stops(those: Those, token: str, _now: datetime) -> bool:
    claim = parse(token)
    return claim is not None and tokens_of(those.settings).verify(Purpose.STOP_ISSUE, claim)


def _short(those: Those, address: str, _now: datetime) -> bool:
    return ReturnPath(those.settings).read(address) is not None


Reading = Callable[[Those, str, datetime], object]
READERS: dict[Purpose, Reading] = {
    Purpose.CONFIRM: lambda x, token, now: (
        confirming.look(x.session, x.settings, token, now).result is confirming.Result.OPEN
    ),
    Purpose.UNSUBSCRIBE: lambda x, token, _: leaving.find(x.session, x.settings, token),
    Purpose.PREFERENCES: lambda x, token, _: preferences.find(x.session, x.settings, token),
    Purpose.MESSAGE_ID: lambda x, token, _: _named(x, token),
    Purpose.FORM: _form,
    Purpose.STOP_ISSUE: _stops,
    Purpose.DATA: lambda x, token, now: (
        (found := access.find(x.session, x.settings, token, now)) and found.fresh
    ),
    Purpose.NEW_ADDRESS: lambda x, token, now: (
        addressing.look(x.session, x.settings, token, now).subscriber
    ),
    Purpose.NEVER: lambda x, token, _: refusing.look(x.session, x.settings, token),
    Purpose.UNDO: lambda x, token, now: (
        undoing.look(x.session, x.settings, token, now).result is undoing.Undoing.OPEN
    ),
    Purpose.RETURN_PATH: _short,
    Purpose.NOTICE_RETURN_PATH: _short,
    Purpose.LEAVE_BY_MAIL: _short,
    Purpose.INVITATION: lambda x, token, now: people.opened(x.session, x.settings, token, now),
    Purpose.NEW_PASSWORD: lambda x, token, now: people.opened(x.session, x.settings, token, now),
    Purpose.DEVICE: lambda x, token, now: guarding.known(
        x.settings, x.editor.id, f"browser.{token}", now
    ),
}


def lifetimes(settings: Settings) -> dict[Purpose, timedelta | None]:
    """How long what each purpose permits may be asked; None: for ever."""
    return dict.fromkeys(Purpose) | {
        Purpose.CONFIRM: timedelta(days=settings.confirm_days),
        Purpose.FORM: signup.FORM_AGE,
        Purpose.DATA: timedelta(hours=settings.data_link_hours),
        Purpose.NEW_ADDRESS: timedelta(days=settings.confirm_days),
        Purpose.UNDO: timedelta(days=settings.undo_days),
        Purpose.INVITATION: timedelta(days=settings.invitation_days),
        Purpose.NEW_PASSWORD: timedelta(hours=settings.new_password_hours),
        Purpose.DEVICE: timedelta(days=guarding.DEVICE_DAYS),
    }


@pytest.fixture
def those(session: Session, settings: Settings, now: datetime) -> Those:
    def add(email: str, state: SubscriberState, left_at: datetime | None = None) -> Subscriber:
        someone = Subscriber(
            email=email,
            canonical=email,
            locale="nl",
            cadence="monthly",
            topic_choice_id=choice(session, ()).id,
            state=state,
            left_at=left_at,
            created_at=now,
        )
        session.add(someone)
        session.flush()
        return someone

    reader = add(JAN, SubscriberState.ACTIVE)
    gone = add(GONE, SubscriberState.LEFT, now)
    editor = people.create(session, "an@vvsg.example", "An", Role.EDITOR, "nl", now)
    paths = replace(settings, return_path="bounce@nieuws.test")
    return Those(session, paths, reader, gone, editor)


def rotated(settings: Settings) -> Settings:
    return replace(settings, secret_keys=(NEW, settings.secret_key))


def leaked(settings: Settings) -> Settings:
    return replace(settings, secret_keys=(NEW,), leaked_keys=(settings.secret_key,))


@pytest.mark.parametrize("purpose", Purpose)
def test_sec_18_what_was_signed_before_lives_as_long_as_it_would_have(
    those: Those, purpose: Purpose, now: datetime
) -> None:
    if purpose is Purpose.CONFIRM:
        those.reader.state = SubscriberState.PENDING
    settings, life = those.settings, lifetimes(those.settings)[purpose]
    token = those.issue(settings, purpose, now)
    last = now + (life or timedelta(days=4000)) - AGO
    for after in (settings, rotated(settings)):
        assert those.opens(after, purpose, token, now + AGO)
        assert those.opens(after, purpose, token, last)
        if life:
            assert not those.opens(after, purpose, token, last + 2 * AGO)
    lost = replace(settings, secret_keys=(NEW,))
    assert not those.opens(lost, purpose, token, now + AGO), "a key that is not there opens nothing"


@pytest.mark.parametrize("purpose", Purpose)
def test_sec_18_a_key_that_leaked_lets_leave_and_nothing_else(
    those: Those, purpose: Purpose, now: datetime
) -> None:
    if purpose is Purpose.CONFIRM:
        those.reader.state = SubscriberState.PENDING
    token = those.issue(those.settings, purpose, now)
    assert those.opens(leaked(those.settings), purpose, token, now + AGO) is (purpose in LEAVING)


@pytest.mark.parametrize("after", [rotated, leaked])
def test_sec_18_suppressions_limits_and_replies_outlive_a_key(
    session: Session,
    settings: Settings,
    now: datetime,
    after: Callable[[Settings], Settings],
) -> None:
    suppression.add(session, tokens_of(settings), JAN, SuppressionReason.NEVER, now)
    assert suppression.is_suppressed(session, tokens_of(after(settings)), JAN)
    for name in ("limits", "replies"):
        assert tokens_of(settings).lasting(name) == tokens_of(after(settings)).lasting(name)
    assert limits.hidden(settings, "x", JAN) == limits.hidden(after(settings), "x", JAN)


def test_what_is_signed_now_is_signed_with_the_first_key(settings: Settings, now: datetime) -> None:
    alone = replace(settings, secret_keys=(NEW,))
    for keys in (rotated(settings), leaked(settings)):
        for purpose in Purpose:
            token = tokens_of(keys).issue(purpose, 7, now)
            assert token == tokens_of(alone).issue(purpose, 7, now)
