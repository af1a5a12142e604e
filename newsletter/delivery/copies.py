"""One reader's copy of an edition, ready for the wire: its bytes joined around the gaps."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from sqlalchemy import select

from newsletter.db import Database
from newsletter.delivery import message
from newsletter.delivery.ledger import Claimed
from newsletter.delivery.message import Content, Gap, Template
from newsletter.errors import FixContent
from newsletter.models import Edition, Issue
from newsletter.settings import Settings
from newsletter.tokens import Purpose, Tokens

EDITIONS_KEPT = 64  # templates in memory, about 40 kB each


class Copies:
    """Makes copies; keeps the templates of the editions it met last."""

    def __init__(
        self, database: Database, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._tokens = Tokens(settings.secret_key)
        self._template = lru_cache(maxsize=EDITIONS_KEPT)(self._build)
        self._date_header = lru_cache(maxsize=1)(self._format_date)
        self.sender = settings.mail_default_sender.addr_spec

    def content(self, row: Claimed) -> bytes:
        """The content of DATA for one delivery, dot-stuffed, with the last dot.

        Raises ValueError for an address that cannot stand in a header, FixContent when no message
        of the edition can be made at all: no reader is to blame for that.
        """
        template, planned_at = self._template(row.edition_id)
        issue = self._tokens.issue
        reader = row.subscriber_id
        # Tokens carry the time of planning: a message sent again has the same Message-ID and links.
        opaque = issue(Purpose.MESSAGE_ID, row.id, planned_at)
        message_id = f"<{row.issue_number}.{opaque}@{self._settings.mail_domain}>"
        values = {
            Gap.TO: message.header_value(row.email).encode("ascii"),
            Gap.MESSAGE_ID: message_id.encode("ascii"),
            Gap.DATE: self._date_header(int(self._clock().timestamp())),
            Gap.UNSUBSCRIBE: issue(Purpose.UNSUBSCRIBE, reader, planned_at).encode("ascii"),
            Gap.PREFERENCES: issue(Purpose.PREFERENCES, reader, planned_at).encode("ascii"),
        }
        return template.fill(values)

    def _format_date(self, _second: int) -> bytes:
        return message.date_header(self._clock(), self._settings).encode("ascii")

    def _build(self, edition_id: int) -> tuple[Template, datetime]:
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
            raise FixContent(f"No message of issue {issue.number} can be made: {error}.") from None
        return made.for_wire(), issue.planned_at or issue.compiled_at
