"""Letters because of the public forms: to whom one may go, and when (SEC-03).

Whoever fills the forms in, an address gets at most CONFIRM_NOTICES_PER_DAY within 24 hours and
CONFIRM_NOTICES_PER_MONTH within 30 days, and a domain SIGNUP_DOMAIN_RATE. Sign-up (with its
reminder) and the link to one's preferences are counted apart, so that neither blocks the other.
Variants of one mailbox (+tags, dots at Gmail) have their own limit together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from newsletter import addresses, limits, notices
from newsletter.models import NoticeKind
from newsletter.settings import Settings

VARIANTS_PER_DAY = 10  # letters to all variants of one mailbox


@dataclass(frozen=True, slots=True)
class _Letter:
    kind: NoticeKind
    subscriber_id: int
    email: str
    locale: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Post:
    """The letters of one transaction: asked for with `sign_up` or `link`, written, then queued."""

    session: Session
    settings: Settings
    now: datetime
    _letters: list[_Letter] = field(default_factory=list)

    def sign_up(self, canonicals: Iterable[str]) -> set[str]:
        """To which of these a letter about signing up may go; it is counted."""
        return self._month("signup", self._day("signup", canonicals))

    def sign_up_anew(self, canonical: str, since: datetime) -> bool:
        """The same for somebody who confirmed and left: the day counts from then, the month on."""
        count = self.settings.confirm_notices_per_day
        anew = f"{canonical} {since.isoformat()}"
        return bool(
            self._take("signup-day", [anew], count, limits.DAY)
            and self._is_no_flood("signup", canonical)
            and self._month("signup", [canonical])
        )

    def remind(self, canonicals: Iterable[str]) -> set[str]:
        """To which of these a reminder may go, whatever went today; it is counted."""
        return self._month("signup", canonicals)

    def link(self, canonicals: Iterable[str]) -> set[str]:
        """To which of these their link may go; it is counted."""
        return self._month("link", self._day("link", canonicals))

    def come_back(self, canonical: str) -> bool:
        """May somebody who bounced or was erased be asked again? Once in COME_BACK_DAYS."""
        span = timedelta(days=self.settings.come_back_days)
        # The other limits first: refused by them, the one letter is not used up.
        allowed = self.sign_up([canonical])
        return bool(allowed and self._take("come-back", allowed, 1, span))

    def write(
        self, kind: NoticeKind, id: int, email: str | None, locale: str, facts: dict[str, Any]
    ) -> None:
        """A letter for `queue`. ValueError when the address was erased meanwhile."""
        if email is None:
            raise ValueError(f"subscriber {id} was erased and cannot get a letter")
        self._letters.append(_Letter(kind, id, email, locale, facts))

    def queue(self) -> None:
        """Put all that was written in the outbox; what a domain has no room for, for later."""
        domains = dict[str, list[_Letter]]()
        for letter in self._letters:
            domains.setdefault(letter.email.rpartition("@")[2].lower(), []).append(letter)
        for domain, theirs in sorted(domains.items()):
            for letter, due_at in zip(theirs, self._times(domain, len(theirs)), strict=True):
                notice = notices.queue(
                    self.session,
                    letter.kind,
                    email=letter.email,
                    locale=letter.locale,
                    subscriber_id=letter.subscriber_id,
                    facts=letter.facts,
                    now=self.now,
                )
                notice.due_at = due_at
        self._letters.clear()
        self.session.flush()

    def _times(self, domain: str, count: int) -> list[datetime]:
        rate = self.settings.signup_domain_rate
        if rate is None:
            return [self.now] * count
        name = limits.hidden(self.settings, "domain", domain)
        return limits.book(self.session, name, rate, self.now, count)

    def _day(self, kind: str, whom: Iterable[str]) -> set[str]:
        count = self.settings.confirm_notices_per_day
        allowed = self._take(f"{kind}-day", whom, count, limits.DAY)
        return {one for one in allowed if self._is_no_flood(kind, one)}

    def _is_no_flood(self, kind: str, canonical: str) -> bool:
        """Has this mailbox room, when the address is a variant of it?"""
        mailbox = addresses.mailbox(canonical)
        if mailbox == canonical:
            return True
        return bool(self._take(f"{kind}-mailbox", [mailbox], VARIANTS_PER_DAY, limits.DAY))

    def _month(self, kind: str, whom: Iterable[str]) -> set[str]:
        count = self.settings.confirm_notices_per_month
        return self._take(f"{kind}-month", whom, count, limits.MONTH)

    def _take(self, kind: str, whom: Iterable[str], count: int, span: timedelta) -> set[str]:
        names = {limits.hidden(self.settings, kind, one): one for one in whom}
        return {names[name] for name in limits.take(self.session, names, count, span, self.now)}
