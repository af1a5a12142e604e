"""How our mail is received: which share did not arrive, and which was called spam; with the shares
from which the editors are told, and an issue pauses."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for
from sqlalchemy.orm import Session

from newsletter import i18n, statistics
from newsletter.bounces import reputation
from newsletter.i18n import _, translate
from newsletter.statistics import OTHER, IssueRow, Live
from newsletter.web.desk import charts
from newsletter.web.desk.sheets import Cell, Sheet
from newsletter.web.page import locale, state

SHOWN = 12  # bars
HEADS = (_("Mails"), _("Niet aangekomen"), _("Deel"), _("Spam"), _("Deel spam"))
VERDICTS = {
    reputation.WARN: _("Dat is veel."),
    reputation.PAUSE: _("Dat is te veel."),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """An issue, or a domain of one: how its mail was received."""

    name: str
    answered: int
    failed: int
    complaints: int

    @property
    def cells(self) -> tuple[Cell, ...]:
        """A row of the table."""
        bounced, spam = share(self.failed, self.answered), share(self.complaints, self.answered)
        return (self.name, self.answered, self.failed, bounced, self.complaints, spam)


def by_issue(rows: Sequence[IssueRow]) -> Sheet:
    """The newest issues."""
    found = [_of(str(row.number), row.counts) for row in rows]
    links = tuple(url_for("desk.numbers_issue", number=row.number) for row in rows)
    return _sheet(_("Nummer"), found, links)


def by_domain(session: Session, number: int) -> Sheet:
    """An issue by domain of its readers."""
    complaints = statistics.by_key(session, "complaint", str(number))
    found = []
    for key, sums in statistics.parted(session, "domain", str(number)).items():
        refused, bounced = sums.get("refused", 0), sums.get("bounced", 0)
        answered = sums.get("accepted", 0) + refused + bounced
        name = _said(_("andere")) if key == OTHER else key
        found.append(Standing(name, answered, refused + bounced, complaints.get(key, 0)))
    return _sheet(_("Domein"), found)


def share(part: int, whole: int) -> str:
    """A share in per cent; a dash when there is nothing to divide."""
    if not whole:
        return "–"
    return f"{i18n.number(round(100 * part / whole, 2), locale())} %"


def verdict(counts: Live) -> str:
    """What the shares of an issue mean, in one sentence; empty when all is well."""
    found = reputation.level(state().settings, counts)
    return _said(VERDICTS[found]) if found else ""


def limits() -> str:
    """From which shares something is done."""
    settings = state().settings
    shares = {
        name: i18n.number(round(100 * getattr(settings, name), 4), locale())
        for name in ("bounce_warn", "bounce_pause", "complaint_warn", "complaint_pause")
    }
    return _said(
        _(
            "Komt meer dan %(bounce_warn)s %% niet aan, of noemt meer dan %(complaint_warn)s %% "
            "het spam, dan krijgt de redactie een brief. Boven %(bounce_pause)s %% of "
            "%(complaint_pause)s %% pauzeert het nummer."
        ),
        **shares,
    )


def _of(name: str, counts: Live) -> Standing:
    return Standing(name, counts.answered, counts.failed, counts.complaints)


def _sheet(head: str, found: Sequence[Standing], links: tuple[str, ...] = ()) -> Sheet:
    bars = [
        (one.name, round(1000 * one.failed / (one.answered or 1)), share(one.failed, one.answered))
        for one in found[:SHOWN]
    ]
    return Sheet(
        "reception",
        _said(_("Hoe onze mail ontvangen werd")),
        tuple(_said(text) for text in (head, *HEADS)),
        tuple(one.cells for one in found),
        charts.bars(bars),
        limits(),
        links,
    )


def _said(text: str, **values: object) -> str:
    return translate(locale(), text, **values)
