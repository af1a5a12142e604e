"""Somebody whom an editor adds by hand: pending, with the one letter that asks to confirm."""

import csv
import io
from datetime import datetime

from sqlalchemy.orm import Session

from newsletter import addresses, suppression
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers import importing, preferences
from newsletter.tokens import tokens_of

REFUSED = {
    SubscriberState.ACTIVE: _("Dit adres is al ingeschreven."),
    SubscriberState.PENDING: _("Dit adres kreeg al een brief om te bevestigen."),
    SubscriberState.LEFT: _("Deze persoon schreef zich uit. Alleen zelf kan die terugkomen."),
    SubscriberState.SUPPRESSED: _("Dit adres mag geen mail krijgen."),
}


def invite(
    session: Session, settings: Settings, email: str, locale: str, source: str, now: datetime
) -> Subscriber:
    """Take one address in as an import would, and ask it to confirm; `source` says who asked for
    it and how. Raises FixRequest for an address that is known, or must not be mailed."""
    source = source.strip()
    if not source:
        raise FixRequest(_("Schrijf op hoe deze persoon erom vroeg."))
    address = addresses.parse(email, allow_utf8=settings.mail_smtputf8)
    known = preferences.find_by_address(session, address.canonical)
    if known is not None:
        raise FixRequest(REFUSED[known.state])
    if suppression.is_suppressed(session, tokens_of(settings), address.canonical):
        raise FixRequest(REFUSED[SubscriberState.SUPPRESSED])
    rows = [["email", "locale"], [address.typed, locale]]
    report = importing.import_csv(
        session, settings, _lines(rows), source=source, now=now, invite=True, topics_known=()
    )
    made = preferences.find_by_address(session, address.canonical)
    if made is None or not report.added:
        raise FixRequest(_("Dit adres kon niet worden toegevoegd."))
    return made


def _lines(rows: list[list[str]]) -> list[str]:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().splitlines(keepends=True)
