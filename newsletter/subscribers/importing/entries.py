"""One row of a file: checked, or refused with a reason."""

from collections.abc import Collection
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from newsletter import addresses, i18n
from newsletter.addresses import MailAddress, without_addresses
from newsletter.errors import FixRequest
from newsletter.settings import Settings
from newsletter.subscribers import preferences
from newsletter.subscribers.importing.formats import (
    CONFIRMED_AT,
    EMAIL,
    PLAIN,
    YES,
    Layout,
    iso_time,
)

SHOWN = 40  # letters of a wrong value that a reason repeats
REMEMBERED = 10_000  # different lists of topics that need to be read once only


class Entry(NamedTuple):
    """A row that may go in. `topics` is as in `topic_choices`; without a time it is pending."""

    line: int
    email: str
    canonical: str
    locale: str
    cadence: str
    topics: str
    confirmed_at: datetime | None


class Checker:
    """Reads the rows of one layout."""

    def __init__(
        self, settings: Settings, layout: Layout, topics_known: Collection[str], now: datetime
    ) -> None:
        self._settings, self._layout, self._now = settings, layout, now
        self._topics_known = topics_known
        self._topics_read = {"": ""}
        self._zone: tzinfo = UTC if layout.format.in_utc else settings.timezone
        self._foreign = layout.format is not PLAIN
        names = (EMAIL, "locale", "topics", "cadence", CONFIRMED_AT)
        # What a file has no column for is read from one more value, which is always empty.
        self._places = tuple(layout.places.get(name, layout.width) for name in names)

    def entry(self, line: int, fields: list[str]) -> Entry:
        """What a row says. Raises FixRequest with a reason that holds no address."""
        width = self._layout.width
        if len(fields) > width:
            if any(value.strip() for value in fields[width:]):
                raise FixRequest("there are more values than the header has columns.")
            del fields[width:]
        fields += [""] * (width + 1 - len(fields))
        email, locale, topics, cadence, confirmed_at = (fields[at].strip() for at in self._places)
        if self._foreign:
            self._look_whether_gone(fields)
        cadence = self._cadence(cadence)
        locale = self._locale(locale)
        address = self._address(email)
        topics = self._topics(topics)
        moment = self._moment(confirmed_at) if confirmed_at and self._proven(fields) else None
        return Entry(line, address.typed, address.canonical, locale, cadence, topics, moment)

    def _look_whether_gone(self, fields: list[str]) -> None:
        for column in self._layout.gone:
            if reason := column.why(fields[column.place].strip()):
                raise FixRequest(reason)

    def _proven(self, fields: list[str]) -> bool:
        place = self._layout.proven_by
        return place is None or fields[place].strip().lower() in YES

    def _cadence(self, text: str) -> str:
        if not text:
            return self._settings.default_cadence
        if text not in self._settings.cadences:
            known = ", ".join(self._settings.cadences)
            raise FixRequest(f"there is no cadence {_shown(text)}; the cadences are {known}.")
        return text

    def _locale(self, text: str) -> str:
        locale = text.lower() or i18n.DEFAULT
        if locale not in i18n.LOCALES:
            known = ", ".join(i18n.LOCALES)
            raise FixRequest(f"there is no locale {_shown(locale)}; the locales are {known}.")
        return locale

    def _address(self, text: str) -> MailAddress:
        try:
            return addresses.parse(text, allow_utf8=self._settings.mail_smtputf8)
        except FixRequest as error:  # Dutch, since visitors see it too
            raise FixRequest(i18n.translate("en", str(error))) from None

    def _topics(self, text: str) -> str:
        if (read := self._topics_read.get(text)) is not None:
            return read
        keys = [key.strip() for key in text.split("|") if key.strip()]
        for key in keys:
            if key not in self._topics_known:
                known = ", ".join(sorted(self._topics_known))
                raise FixRequest(f"there is no topic {_shown(key)}; the topics are {known}.")
        joined = preferences.joined(keys)
        if len(self._topics_read) < REMEMBERED:
            self._topics_read[text] = joined
        return joined

    def _moment(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(iso_time(text) if self._foreign else text)
            zoned = moment if moment.tzinfo else moment.replace(tzinfo=self._zone)
            moment = zoned.astimezone(UTC)
        except (ValueError, OverflowError):
            raise FixRequest(
                f"{CONFIRMED_AT} {_shown(text)} is not an ISO 8601 time such as"
                " 2026-05-01T09:30:00+02:00."
            ) from None
        if moment > self._now:
            raise FixRequest(f"{CONFIRMED_AT} {_shown(text)} lies in the future.")
        return moment


def _shown(value: str) -> str:
    """A wrong value in a reason: no address when columns have shifted, and never long."""
    return repr(without_addresses(value)[:SHOWN])
