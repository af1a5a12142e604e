"""The sheets of the numbers: a title, columns and rows, with a chart; shown, or written as CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeAlias

from flask import url_for
from sqlalchemy.orm import Session

from newsletter import i18n, statistics
from newsletter.i18n import _, translate
from newsletter.statistics import OTHER, Growth, IssueRow
from newsletter.web.desk import charts
from newsletter.web.desk import subscriber_words as words
from newsletter.web.desk.charts import Chart
from newsletter.web.page import locale, now, state, topics

Cell: TypeAlias = str | int
MONTHS, DAYS = 12, 30
ISSUES = 12
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run
LEAVERS = ("withdrawn", "erased")
ERASED = _("gewist")
OUTCOMES = ("accepted", "refused", "bounced", "deferred", "withdrawn")
HEADS = {
    "accepted": _("Aangenomen"),
    "refused": _("Geweigerd"),
    "bounced": _("Teruggekomen"),
    "deferred": _("Uitgesteld"),
    "withdrawn": _("Ingetrokken"),
}
ANSWERS = {
    "too_much": _("te veel mail"),
    "not_for_me": _("niets voor mij"),
    "never_asked": _("nooit gevraagd"),
    "elsewhere": _("leest het elders"),
    "other": _("iets anders"),
}
SUBJECTS = {  # RFC 3463: what the second digit of a reply is about
    "1": _("het adres"),
    "2": _("de postbus"),
    "3": _("de mailserver van de lezer"),
    "4": _("het netwerk"),
    "5": _("het gesprek tussen mailservers"),
    "6": _("de inhoud"),
    "7": _("beveiliging of beleid"),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns and rows; the first column says what a row is about."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    chart: Chart | None = None
    told: str = ""
    links: tuple[str, ...] = ()  # of each row, if any
    periods: tuple[str, ...] = ()  # days or months (ISO 8601), for a spreadsheet to sort by


Make: TypeAlias = Callable[[Session], Sheet]


def readers(session: Session) -> Sheet:
    """Readers at the end of each month."""
    rows = statistics.growth(session, months=True)[-MONTHS:]
    names = [_month(row.period) for row in rows]
    chart = charts.line(names, _said(_("Lezers")), [row.readers for row in rows])
    heads = (_("Maand"), _("Lezers aan het eind"), _("Erbij"), _("Weg"))
    cells = [
        (name, row.readers, row.joined, row.gone) for name, row in zip(names, rows, strict=True)
    ]
    made = _sheet("readers", _("Lezers per maand"), heads, cells, chart)
    return replace(made, periods=tuple(row.period for row in rows))


def growth(session: Session) -> Sheet:
    """Who joined and who went, in the last thirty days."""
    since = _today() - timedelta(days=DAYS - 1)
    known = statistics.growth(session, months=False)
    rows = _every_day(known, [since + timedelta(days=place) for place in range(DAYS)])
    names = [_day(row.period) for row in rows]
    series = [
        (_said(_("Erbij")), [row.joined for row in rows]),
        (_said(_("Weg")), [row.gone for row in rows]),
    ]
    heads = (_("Dag"), _("Erbij"), _("Weg"), _("Lezers aan het eind"))
    cells = [
        (name, row.joined, row.gone, row.readers) for name, row in zip(names, rows, strict=True)
    ]
    title = _("Groei van de laatste dertig dagen")
    made = _sheet("growth", title, heads, cells, charts.columns(names, series))
    return replace(made, periods=tuple(row.period for row in rows))


def confirmations(session: Session) -> Sheet:
    """How many asked, and how many confirmed."""
    months = statistics.consents(session, _today() - timedelta(days=365))
    cells = []
    for month, events in months.items():
        asked, confirmed, imported = (
            sum(times for (event, _route), times in events.items() if event == name)
            for name in ("asked", "confirmed", "imported")
        )
        cells.append((_month(month), asked, confirmed, imported))
    names = [str(cell[0]) for cell in cells]
    series = [
        (_said(_("Gevraagd")), [cell[1] for cell in cells]),
        (_said(_("Bevestigd")), [cell[2] for cell in cells]),
    ]
    heads = (_("Maand"), _("Gevraagd"), _("Bevestigd"), _("Uit een lijst"))
    made = _sheet("confirmations", _("Bevestigingen"), heads, cells, charts.columns(names, series))
    return replace(made, periods=tuple(months))


def leaving(session: Session) -> Sheet:
    """Who left in the last year, and in which way."""
    months = statistics.consents(session, _today() - timedelta(days=365))
    ways: dict[str, int] = {}
    for events in months.values():
        for (event, route), times in events.items():
            if event in LEAVERS:
                way = ERASED if event == "erased" else words.ROUTES.get(route, route)
                ways[way] = ways.get(way, 0) + times
    named = [(_said(way), times) for way, times in sorted(ways.items(), key=lambda item: -item[1])]
    return _counted("leaving", _("Hoe lezers vertrokken"), _("Hoe"), _("Keer"), named)


def answers(session: Session) -> Sheet:
    """What leavers said, of who wanted to say."""
    said = statistics.by_key(session, "survey")
    named = [(_said(ANSWERS[key]), times) for key, times in said.items()]
    return _counted("answers", _("Waarom lezers vertrokken"), _("Antwoord"), _("Keer"), named)


def languages(session: Session) -> Sheet:
    """Readers by language."""
    found = statistics.by_key(session, "language")
    named = [(i18n.own_name(key), times) for key, times in found.items()]
    return _counted("languages", _("Lezers per taal"), _("Taal"), _("Lezers"), named)


def chosen(session: Session) -> Sheet:
    """Readers by topic."""
    found = statistics.by_key(session, "topic")
    named = [(_topic(key), times) for key, times in found.items()]
    told = _("Wie meer dan één onderwerp koos, telt bij elk daarvan mee.")
    return _counted("topics", _("Lezers per onderwerp"), _("Onderwerp"), _("Lezers"), named, told)


def issues(rows: Sequence[IssueRow]) -> Sheet:
    """The newest issues, and what became of their mail."""
    cells = [_issue_cells(row) for row in rows]
    names = [str(row.number) for row in reversed(rows)]
    series = [
        (_said(_("Aangenomen")), [row.counts.accepted for row in reversed(rows)]),
        (_said(_("Niet aangekomen")), [_failed(row) for row in reversed(rows)]),
    ]
    heads = (
        *(_("Nummer"), _("Gepland"), _("Aangenomen"), _("Geweigerd")),
        *(_("Teruggekomen"), _("Ingetrokken"), _("Nog open")),
    )
    links = tuple(url_for("desk.numbers_issue", number=row.number) for row in rows)
    chart = charts.columns(names, series)
    return _sheet("issues", _("Verzonden nummers"), heads, cells, chart, links=links)


OVERVIEW: dict[str, Make] = {
    "readers": readers,
    "growth": growth,
    "confirmations": confirmations,
    "leaving": leaving,
    "answers": answers,
    "languages": languages,
    "topics": chosen,
}


def domains(session: Session, number: int) -> Sheet:
    """An issue by domain of its readers."""
    found = statistics.parted(session, "domain", str(number))
    named = {(_said(_("andere")) if key == OTHER else key): sums for key, sums in found.items()}
    return _outcomes("domains", _("Per domein"), _("Domein"), named)


def replies(session: Session, number: int) -> Sheet:
    """Why mail of an issue did not arrive."""
    found = statistics.by_key(session, "reply", str(number))
    cells = []
    for key, times in found.items():
        outcome, _blank, status = key.partition(" ")
        cells.append((status, _about(status), _said(HEADS[outcome]), times))
    heads = (_("Antwoord"), _("Gaat over"), _("Wat gebeurde"), _("Keer"))
    chart = charts.bars([(f"{c[0]} {c[1]}", c[3], _number(c[3])) for c in cells[:12]])
    return _sheet("replies", _("Waarom niet aangekomen"), heads, cells, chart)


def spoken(session: Session, number: int) -> Sheet:
    """An issue by language."""
    found = statistics.parted(session, "spoken", str(number))
    named = {i18n.own_name(key): sums for key, sums in found.items()}
    return _outcomes("spoken", _("Per taal"), _("Taal"), named)


def subjects(session: Session, number: int) -> Sheet:
    """An issue by what its readers chose."""
    found = statistics.parted(session, "chosen", str(number))
    named = {_topic(key): sums for key, sums in found.items()}
    return _outcomes("subjects", _("Per onderwerp"), _("Onderwerp"), named)


OF_ISSUE: dict[str, Callable[[Session, int], Sheet]] = {
    "domains": domains,
    "replies": replies,
    "spoken": spoken,
    "subjects": subjects,
}


def as_csv(sheet: Sheet) -> str:
    """For a spreadsheet: UTF-8 with a mark, semicolons, and no cell that could be a formula."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow(_harmless(cell) for cell in sheet.columns)
    firsts = sheet.periods or [row[0] for row in sheet.rows]
    for first, row in zip(firsts, sheet.rows, strict=True):
        writer.writerow([_harmless(first), *(_harmless(cell) for cell in row[1:])])
    return f"\ufeff{text.getvalue()}"


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _sheet(
    id: str,
    title: str,
    heads: Sequence[str],
    rows: Sequence[tuple[Cell, ...]],
    chart: Chart,
    told: str = "",
    links: tuple[str, ...] = (),
) -> Sheet:
    spoken_heads = tuple(_said(head) for head in heads)
    told = _said(told) if told else ""
    return Sheet(id, _said(title), spoken_heads, tuple(rows), chart, told, links)


def _counted(
    id: str, title: str, head: str, count: str, named: Sequence[tuple[str, int]], told: str = ""
) -> Sheet:
    """One number for each name."""
    chart = charts.bars([(name, times, _number(times)) for name, times in named])
    return _sheet(id, title, (head, count), named, chart, told)


def _outcomes(id: str, title: str, head: str, named: Mapping[str, Mapping[str, int]]) -> Sheet:
    """What became of the mail, for each name; the chart shows how much of it did not arrive."""
    rows: list[tuple[Cell, ...]] = []
    shares = []
    for name, sums in named.items():
        total = sum(sums.values())
        failed = sums.get("refused", 0) + sums.get("bounced", 0)
        ends = (sums.get(outcome, 0) for outcome in OUTCOMES)
        rows.append((name, total, *ends))
        shares.append(
            (name, round(1000 * failed / total), f"{_number(round(100 * failed / total, 1))} %")
        )
    heads = (head, _("Gepland"), *(HEADS[outcome] for outcome in OUTCOMES))
    told = _("De balken tonen welk deel geweigerd werd of terugkwam.")
    return _sheet(id, title, heads, rows, charts.bars(shares[:12]), told)


def _every_day(known: Sequence[Growth], days: Sequence[date]) -> list[Growth]:
    """Also the days on which nobody came or went; none while there is nothing at all."""
    by_day = {row.period: row for row in known}
    before = [row for row in known if row.period < days[0].isoformat()]
    readers, found = before[-1].readers if before else 0, []
    for day in days if known else ():
        row = by_day.get(day.isoformat()) or Growth(day.isoformat(), 0, 0, readers)
        readers = row.readers
        found.append(row)
    return found


def _issue_cells(row: IssueRow) -> tuple[Cell, ...]:
    counts = row.counts
    ends = (counts.refused, counts.bounced, counts.withdrawn, counts.open)
    return (str(row.number), counts.planned, counts.accepted, *ends)


def _failed(row: IssueRow) -> int:
    return row.counts.refused + row.counts.bounced


def _about(status: str) -> str:
    """What a reply is about, in words."""
    subject = status.split(".")[1][:1] if status.count(".") == 2 else ""
    return _said(SUBJECTS.get(subject, _("onbekend")))


def _topic(key: str) -> str:
    if key == OTHER:
        return _said(_("andere"))
    return topics().get(key, key) if key else _said(_("alle onderwerpen"))


def _said(text: str) -> str:
    return translate(locale(), text)


def _number(value: float) -> str:
    return i18n.number(value, locale())


def _today() -> date:
    return now().astimezone(state().settings.timezone).date()


def _month(period: str) -> str:
    return i18n.day_in_words(date.fromisoformat(f"{period}-01"), "MMM y", _place())


def _day(period: str) -> str:
    return i18n.day_in_words(date.fromisoformat(period), "d MMM", _place())


def _place() -> str:
    return i18n.region(locale())
