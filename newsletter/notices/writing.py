"""From a row of the outbox to a letter: its facts, and links signed at this very moment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from newsletter.delivery import message
from newsletter.delivery.message import Gap
from newsletter.links import Links
from newsletter.models import Notice, NoticeKind, Subscriber
from newsletter.notices import letters
from newsletter.notices.letters import Letter
from newsletter.settings import Settings
from newsletter.tokens import Purpose, Tokens

# In a proof the links of readers lead nowhere: no editor unsubscribes anybody by trying them.
NOBODY = {Gap.UNSUBSCRIBE: "proof", Gap.PREFERENCES: "proof"}


@dataclass(frozen=True, slots=True)
class Writer:
    """What every letter is made from; `subscriber` is None for a letter to editors."""

    settings: Settings
    notice: Notice
    subscriber: Subscriber | None
    now: datetime

    @property
    def locale(self) -> str:
        """The reader's locale as it is at this moment."""
        return self.subscriber.locale if self.subscriber else self.notice.locale

    @property
    def links(self) -> Links:
        """The addresses of the site."""
        return Links(self.settings.base_url)

    def token(self, purpose: Purpose, id: int, bound: str = "") -> str:
        """A token of this moment; none was stored."""
        return Tokens(self.settings.secret_key).issue(purpose, id, self.now, bound)

    def fact(self, name: str) -> str:
        """A fact every such notice has. KeyError otherwise: the notice is parked."""
        return str(self.notice.facts[name])


def write(
    settings: Settings, notice: Notice, subscriber: Subscriber | None, now: datetime
) -> Letter:
    """The letter for a notice. Whatever it raises means that this one cannot be written."""
    return LETTERS[notice.kind](Writer(settings, notice, subscriber, now))


def recipient(notice: Notice) -> str:
    """Whom it goes to. ValueError when the address was erased meanwhile."""
    if notice.email is None:
        raise ValueError("the notice has no address any more")
    return notice.email


def message_id(settings: Settings, notice: Notice) -> str:
    """The same at every try, `<token@domain>`, so that a repetition can be known as one."""
    tokens = Tokens(settings.secret_key)
    token = tokens.issue(Purpose.MESSAGE_ID, notice.id, notice.created_at, "notice")
    return f"<{token}@{settings.mail_domain}>"


def _confirm(writer: Writer) -> Letter:
    reader = _reader(writer)
    token = writer.token(Purpose.CONFIRM, reader.id, reader.canonical or "")
    return letters.confirm(
        writer.settings,
        writer.locale,
        email=recipient(writer.notice),
        link=writer.links.confirm(writer.locale, token),
        asked_at=datetime.fromisoformat(writer.fact("asked_at")),
        now=writer.now,
        source=writer.notice.facts.get("source"),
    )


def _already(writer: Writer) -> Letter:
    return letters.already(
        writer.settings,
        writer.locale,
        email=recipient(writer.notice),
        link=_preferences_link(writer),
        asked_at=datetime.fromisoformat(writer.fact("asked_at")),
    )


def _preferences(writer: Writer) -> Letter:
    return letters.preferences(writer.settings, writer.locale, link=_preferences_link(writer))


def _welcome(writer: Writer) -> Letter:
    locale, links = writer.locale, writer.links
    number = writer.notice.facts.get("issue")
    url = links.archive(locale) if number is None else links.issue(locale, number)
    token = writer.token(Purpose.UNSUBSCRIBE, _reader(writer).id)
    return letters.welcome(
        writer.settings,
        locale,
        read=letters.read_issue(locale, number, url),
        preferences=_preferences_link(writer),
        unsubscribe=links.unsubscribe(token),
    )


def _goodbye(writer: Writer) -> Letter:
    home = writer.links.home(writer.locale)
    return letters.goodbye(writer.settings, writer.locale, home=home)


def _proof(writer: Writer) -> Letter:
    number = int(writer.fact("issue"))
    leaves_at = writer.notice.facts.get("leaves_at")
    text, html = (message.plain(writer.fact(name), NOBODY) for name in ("text", "html"))
    return letters.proof(
        writer.settings,
        writer.locale,
        number=number,
        content=Letter(writer.fact("subject"), text, html),
        stop=writer.links.stop_issue(writer.locale, writer.token(Purpose.STOP_ISSUE, number)),
        leaves_at=datetime.fromisoformat(leaves_at) if leaves_at else None,
    )


def _trouble(writer: Writer) -> Letter:
    return letters.trouble(
        writer.settings,
        writer.locale,
        number=int(writer.fact("issue")),
        words=writer.fact("words"),
        paused=bool(writer.notice.facts["paused"]),
    )


def _preferences_link(writer: Writer) -> str:
    token = writer.token(Purpose.PREFERENCES, _reader(writer).id)
    return writer.links.preferences(writer.locale, token)


def _reader(writer: Writer) -> Subscriber:
    if writer.subscriber is None:
        raise ValueError(f"a {writer.notice.kind} notice needs a subscriber")
    return writer.subscriber


LETTERS: dict[NoticeKind, Callable[[Writer], Letter]] = {
    NoticeKind.CONFIRM: _confirm,
    NoticeKind.ALREADY: _already,
    NoticeKind.PREFERENCES: _preferences,
    NoticeKind.WELCOME: _welcome,
    NoticeKind.GOODBYE: _goodbye,
    NoticeKind.PROOF: _proof,
    NoticeKind.TROUBLE: _trouble,
}
