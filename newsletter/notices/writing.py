"""From a row of the outbox to a letter: its facts, and links signed at this very moment."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter import addresses
from newsletter.delivery import message
from newsletter.delivery.message import Gap
from newsletter.links import Links
from newsletter.models import Editor, Notice, NoticeKind, Subscriber
from newsletter.notices import troubles
from newsletter.notices.desk import bound
from newsletter.notices.letters import desk, editors, readers, signup
from newsletter.notices.letters.paper import Letter
from newsletter.settings import Settings
from newsletter.tokens import Purpose, tokens_of

# In a proof the links of readers lead nowhere: no editor unsubscribes anybody by trying them.
NOBODY = {Gap.UNSUBSCRIBE: "proof", Gap.PREFERENCES: "proof"}


@dataclass(frozen=True, slots=True)
class Writer:
    """What every letter is made from; `subscriber` is None for a letter to editors, `editor` for
    all others."""

    settings: Settings
    notice: Notice
    subscriber: Subscriber | None
    now: datetime
    editor: Editor | None = None

    @property
    def locale(self) -> str:
        """The locale of the letter."""
        return locale_of(self.notice, self.subscriber)

    @property
    def links(self) -> Links:
        """The addresses of the site."""
        return Links(self.settings.base_url)

    def token(self, purpose: Purpose, id: int, bound: str = "") -> str:
        """A token of this moment; none was stored."""
        return tokens_of(self.settings).issue(purpose, id, self.now, bound)

    def fact(self, name: str) -> str:
        """A fact every such notice has. KeyError otherwise: the notice is parked."""
        return str(self.notice.facts[name])

    def moment(self, name: str) -> datetime:
        """A fact that is a time. Raises as `fact` does."""
        return datetime.fromisoformat(self.fact(name))


def write(
    settings: Settings,
    notice: Notice,
    subscriber: Subscriber | None,
    now: datetime,
    editor: Editor | None = None,
) -> Letter:
    """The letter for a notice. Whatever it raises means that this one cannot be written."""
    return LETTERS[notice.kind](Writer(settings, notice, subscriber, now, editor))


def locale_of(notice: Notice, subscriber: Subscriber | None) -> str:
    """The reader's locale at this moment; of who has yet to confirm, the one asked for."""
    if subscriber is None or notice.kind in (NoticeKind.CONFIRM, NoticeKind.REMINDER):
        return notice.locale
    return subscriber.locale


def recipient(notice: Notice) -> str:
    """Whom it goes to. ValueError when the address was erased meanwhile."""
    if notice.email is None:
        raise ValueError("the notice has no address any more")
    return notice.email


def message_id(settings: Settings, notice: Notice) -> str:
    """The same at every try, `<token@domain>`, so that a repetition can be known as one."""
    tokens = tokens_of(settings)
    token = tokens.issue(Purpose.MESSAGE_ID, notice.id, notice.created_at, "notice")
    return f"<{token}@{settings.mail_domain}>"


def _confirm(writer: Writer) -> Letter:
    reader = _reader(writer)
    token = writer.token(Purpose.CONFIRM, reader.id, reader.canonical or "")
    return signup.confirm(
        writer.settings,
        writer.locale,
        email=recipient(writer.notice),
        link=writer.links.confirm(writer.locale, token),
        never=_never_link(writer),
        asked_at=writer.moment("asked_at"),
        now=writer.now,
        source=writer.notice.facts.get("source"),
    )


def _reminder(writer: Writer) -> Letter:
    # The link of the first letter, made as at its time: it ends when that one does.
    reader, sent_at = _reader(writer), writer.moment("sent_at")
    tokens = tokens_of(writer.settings)
    token = tokens.issue(Purpose.CONFIRM, reader.id, sent_at, reader.canonical or "")
    return signup.reminder(
        writer.settings,
        writer.locale,
        email=recipient(writer.notice),
        link=writer.links.confirm(writer.locale, token),
        never=_never_link(writer),
        asked_at=writer.moment("asked_at"),
        sent_at=sent_at,
    )


def _already(writer: Writer) -> Letter:
    return signup.already(
        writer.settings,
        writer.locale,
        email=recipient(writer.notice),
        link=_preferences_link(writer),
        asked_at=writer.moment("asked_at"),
    )


def _preferences(writer: Writer) -> Letter:
    # Bound to where this letter goes: after a change of address the old mailbox opens nothing.
    token = writer.token(Purpose.DATA, _reader(writer).id, _canonical(writer))
    return readers.preferences(
        writer.settings,
        writer.locale,
        link=_preferences_link(writer),
        data=writer.links.data(writer.locale, token),
    )


def _new_address(writer: Writer) -> Letter:
    token = writer.token(Purpose.NEW_ADDRESS, _reader(writer).id, _canonical(writer))
    return readers.new_address(
        writer.settings,
        writer.locale,
        link=writer.links.new_address(writer.locale, token),
        asked_at=writer.moment("asked_at"),
        now=writer.now,
    )


def _address_changed(writer: Writer) -> Letter:
    return readers.address_changed(
        writer.settings,
        writer.locale,
        changed_at=writer.moment("changed_at"),
    )


def _welcome(writer: Writer) -> Letter:
    locale, links = writer.locale, writer.links
    number = writer.notice.facts.get("issue")
    url = links.archive(locale) if number is None else links.issue(locale, number)
    token = writer.token(Purpose.UNSUBSCRIBE, _reader(writer).id)
    return signup.welcome(
        writer.settings,
        locale,
        read=signup.read_issue(locale, number, url),
        preferences=_preferences_link(writer),
        unsubscribe=links.unsubscribe(token),
    )


def _goodbye(writer: Writer) -> Letter:
    reader, locale, links = _reader(writer), writer.locale, writer.links
    undo, until = "", (reader.left_at or writer.now) + timedelta(days=writer.settings.undo_days)
    if writer.now < until:
        undo = links.undo(locale, writer.token(Purpose.UNDO, reader.id, reader.canonical or ""))
    home = links.home(locale)
    return readers.goodbye(writer.settings, locale, home=home, undo=undo, until=until)


def _erased(writer: Writer) -> Letter:
    return readers.erased(writer.settings, writer.locale)


def _proof(writer: Writer) -> Letter:
    number = int(writer.fact("issue"))
    leaves_at = writer.notice.facts.get("leaves_at")
    token = writer.token(Purpose.STOP_ISSUE, number)
    # Readers' own copies are there once it was sent; until then editors look at the proof's.
    copy = re.compile(re.escape(writer.links.mail_copy(writer.locale, number, "")) + "[0-9a-f]+")
    text, html = (
        copy.sub(writer.links.proof(writer.locale, token), message.plain(writer.fact(name), NOBODY))
        for name in ("text", "html")
    )
    return editors.proof(
        writer.settings,
        writer.locale,
        number=number,
        content=Letter(writer.fact("subject"), text, html),
        stop=writer.links.stop_issue(writer.locale, token),
        leaves_at=datetime.fromisoformat(leaves_at) if leaves_at else None,
    )


def _trouble(writer: Writer) -> Letter:
    return troubles.write(writer.settings, writer.locale, writer.notice.facts)


def _alarm(writer: Writer) -> Letter:
    facts = writer.notice.facts
    return editors.alarm(
        writer.settings,
        writer.locale,
        count=int(facts["count"]),
        seconds=int(facts["seconds"]),
        at=writer.moment("at"),
    )


def _invitation(writer: Writer) -> Letter:
    return desk.invitation(
        writer.settings,
        writer.locale,
        name=_editor(writer).name,
        link=_password_link(writer, Purpose.INVITATION),
        until=writer.now + timedelta(days=writer.settings.invitation_days),
    )


def _new_password(writer: Writer) -> Letter:
    return desk.new_password(
        writer.settings,
        writer.locale,
        link=_password_link(writer, Purpose.NEW_PASSWORD),
        until=writer.now + timedelta(hours=writer.settings.new_password_hours),
    )


def _access_changed(writer: Writer) -> Letter:
    at, link = writer.notice.created_at, writer.links.desk()
    return desk.access_changed(writer.settings, writer.locale, changed_at=at, link=link)


def _password_link(writer: Writer, purpose: Purpose) -> str:
    editor = _editor(writer)
    token = writer.token(purpose, editor.id, bound(editor))
    return writer.links.password(writer.locale, token)


def _editor(writer: Writer) -> Editor:
    if writer.editor is None:
        raise ValueError(f"a {writer.notice.kind} notice needs an editor")
    return writer.editor


def _never_link(writer: Writer) -> str:
    """The same in every letter to this address: of the time its row was made."""
    reader = _reader(writer)
    tokens = tokens_of(writer.settings)
    token = tokens.issue(Purpose.NEVER, reader.id, reader.created_at, reader.canonical or "")
    return writer.links.never(writer.locale, token)


def _preferences_link(writer: Writer) -> str:
    token = writer.token(Purpose.PREFERENCES, _reader(writer).id)
    return writer.links.preferences(writer.locale, token)


def _canonical(writer: Writer) -> str:
    return addresses.parse(recipient(writer.notice), allow_utf8=True).canonical


def _reader(writer: Writer) -> Subscriber:
    if writer.subscriber is None:
        raise ValueError(f"a {writer.notice.kind} notice needs a subscriber")
    return writer.subscriber


LETTERS: dict[NoticeKind, Callable[[Writer], Letter]] = {
    NoticeKind.CONFIRM: _confirm,
    NoticeKind.REMINDER: _reminder,
    NoticeKind.ALREADY: _already,
    NoticeKind.PREFERENCES: _preferences,
    NoticeKind.WELCOME: _welcome,
    NoticeKind.GOODBYE: _goodbye,
    NoticeKind.NEW_ADDRESS: _new_address,
    NoticeKind.ADDRESS_CHANGED: _address_changed,
    NoticeKind.ERASED: _erased,
    NoticeKind.PROOF: _proof,
    NoticeKind.TROUBLE: _trouble,
    NoticeKind.ALARM: _alarm,
    NoticeKind.INVITATION: _invitation,
    NoticeKind.NEW_PASSWORD: _new_password,
    NoticeKind.ACCESS_CHANGED: _access_changed,
}
