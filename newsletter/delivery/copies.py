"""One reader's copy of an edition, ready for the wire: its bytes joined around the gaps."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import select

from newsletter.db import Database
from newsletter.delivery import message
from newsletter.delivery.ledger import Claimed
from newsletter.delivery.message import Content
from newsletter.delivery.return_path import ReturnPath, Sent
from newsletter.delivery.signing import Signatures, signers
from newsletter.delivery.template import Gap, Template
from newsletter.errors import FixContent
from newsletter.i18n import Said
from newsletter.models import Edition, Issue
from newsletter.settings import Settings
from newsletter.tokens import Purpose, tokens_of

EDITIONS_KEPT = 64  # templates in memory, about 40 kB each


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An edition, and all about its copies that is the same for every reader."""

    template: Template  # for the wire
    signatures: Signatures
    id_start: bytes  # of its Message-IDs
    opaque: Callable[[int], bytes]
    unsubscribe: Callable[[int], bytes]
    preferences: Callable[[int], bytes]


class Copies:
    """Makes copies; keeps the templates of the editions it met last."""

    def __init__(
        self, database: Database, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        """Raises FixSettings when a DKIM key or RETURN_PATH cannot be used."""
        self._database, self._settings, self._clock = database, settings, clock
        self._tokens, self._signers = tokens_of(settings), signers(settings)
        self._return_path = ReturnPath(settings)
        self._prepared = lru_cache(maxsize=EDITIONS_KEPT)(self._prepare)
        self._date = lru_cache(maxsize=1)(self._format_date)
        self._id_end = f"@{settings.mail_domain}>".encode()

    def content(self, row: Claimed, utf8: bool = False) -> bytes:
        """The content of DATA for one delivery, signed, dot-stuffed, with the last dot.

        `utf8`: does the relay offer SMTPUTF8? Raises ValueError for an address that cannot stand in
        a header, FixContent when no message of the edition can be made at all: no reader is to
        blame for that.
        """
        edition, reader = self._prepared(row.edition_id), row.subscriber_id
        second = int(self._clock().timestamp())
        values = {
            Gap.TO: message.recipient(row.email, utf8),
            Gap.MESSAGE_ID: edition.id_start + edition.opaque(row.id) + self._id_end,
            Gap.DATE: self._date(second),
            Gap.UNSUBSCRIBE: edition.unsubscribe(reader),
            Gap.PREFERENCES: edition.preferences(reader),
            Gap.LEAVE: self._return_path.leave_token(reader),
        }
        return edition.signatures.lines(values, second) + edition.template.fill(values)

    def return_path(self, row: Claimed) -> str:
        """The envelope sender of one delivery; the same when it is sent again."""
        return self._return_path.of(Sent.DELIVERY, row.id)

    def _format_date(self, second: int) -> bytes:
        now = datetime.fromtimestamp(second, self._settings.timezone)
        return message.date_header(now, self._settings).encode("ascii")

    def _prepare(self, edition_id: int) -> _Prepared:
        query = (
            select(Edition, Issue)
            .join(Issue, Issue.number == Edition.issue_number)
            .where(Edition.id == edition_id)
        )
        with self._database.read() as session:
            edition, issue = session.execute(query).one()
        content = Content(edition.locale, edition.subject, edition.text, edition.html)
        try:
            made = message.issue_template(self._settings, issue.number, content, issue.by_clock)
        except ValueError as error:
            told = Said(
                "Van nummer %(number)s kan geen enkele mail gemaakt worden: %(why)s.",
                number=issue.number,
                why=str(error),
            )
            raise FixContent(told) from None
        # Tokens carry the time of planning: a message sent again has the same Message-ID and links.
        series, planned_at = self._tokens.series, issue.planned_at or issue.compiled_at
        return _Prepared(
            made.for_wire(),
            Signatures(self._signers, made),
            b"<%d." % issue.number,
            series(Purpose.MESSAGE_ID, planned_at),
            series(Purpose.UNSUBSCRIBE, planned_at),
            series(Purpose.PREFERENCES, planned_at),
        )
