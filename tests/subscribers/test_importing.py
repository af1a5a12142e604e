"""CSV files as people really make them, and who may not come back by them."""

import gc
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.errors import FixRequest
from newsletter.models import (
    Consent,
    ConsentDetails,
    ConsentEvent,
    Cursor,
    Notice,
    NoticeKind,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.subscribers import leaving, preferences
from newsletter.subscribers.importing import ImportReport, import_csv, read_lines, report, taking
from newsletter.tokens import Tokens
from tests.subscribers.people import ask, dump, form, kinds, only, reader

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TOPICS = ("sdg", "milieu", "agenda")


def take_in(session: Session, settings: Settings, *lines: str, **values: Any) -> ImportReport:
    defaults: dict[str, Any] = {
        "source": "participants 2025",
        "now": NOW,
        "invite": False,
        "topics_known": TOPICS,
    }
    text = [f"{line}\n" for line in lines]
    return import_csv(session, settings, text, **(defaults | values))


def count(session: Session, table: Any) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_row_with_confirmed_at_is_active_with_a_proof_and_a_cursor(
    session: Session, settings: Settings
) -> None:
    done = take_in(
        session,
        settings,
        "email,locale,topics,cadence,confirmed_at",
        "Jan@EXÄMPLE.be,FR,sdg | milieu,weekly,2026-05-01T09:30:00+02:00",
    )
    assert done == ImportReport(added=1)
    someone = only(session)
    assert someone.state is SubscriberState.ACTIVE
    assert (someone.canonical, someone.locale) == ("jan@xn--exmple-cua.be", "fr")
    assert someone.confirmed_at == datetime(2026, 5, 1, 7, 30, tzinfo=UTC)
    assert preferences.topics_of(session, someone) == ("milieu", "sdg")
    row = session.scalars(select(Consent)).one()
    assert (row.event, row.source, row.route) == ("imported", "participants 2025", "import")
    assert (row.locale, row.cadence, row.topics) == ("fr", "weekly", "milieu|sdg")
    assert session.get_one(ConsentDetails, row.id).email == someone.email
    assert session.get_one(Cursor, someone.id).number == 0
    assert not kinds(session)


@pytest.mark.parametrize("invite", [False, True])
def test_a_row_without_confirmed_at_is_pending_and_written_to_only_when_invited(
    session: Session, settings: Settings, invite: bool
) -> None:
    take_in(session, settings, "email", "jan@example.be", invite=invite)
    assert only(session).state is SubscriberState.PENDING
    assert kinds(session) == [NoticeKind.CONFIRM] * invite
    if invite:
        notice = session.scalars(select(Notice)).one()
        assert notice.facts == {"asked_at": NOW.isoformat(), "source": "participants 2025"}
    assert count(session, Cursor) == 0


@pytest.mark.parametrize(
    "header", ["Email;Locale", "\ufeffEMAIL,locale", " email , LOCALE ", "locale;email"]
)
def test_headers_as_excel_and_people_write_them(
    session: Session, settings: Settings, header: str
) -> None:
    row = "de;jan@example.be" if header.startswith("locale") else "jan@example.be;de"
    if ";" not in header:
        row = row.replace(";", ",")
    assert take_in(session, settings, header, row).added == 1
    assert only(session).locale == "de"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("email,naam", "no column 'naam'; the columns are email, locale"),
        ("locale", "no column email"),
        ("", "no column"),
        ("email,email", "twice"),
        ("jan@example.be", "no column 'jan@example.be'"),
    ],
)
def test_a_header_that_is_not_ours_stops_before_anything_is_written(
    session: Session, settings: Settings, header: str, says: str
) -> None:
    before = dump(session)
    with pytest.raises(FixRequest, match=says):
        take_in(session, settings, header, "piet@example.be,x")
    assert dump(session) == before


def test_an_empty_file_is_refused_clearly(session: Session, settings: Settings) -> None:
    with pytest.raises(FixRequest, match="no column email"):
        take_in(session, settings)


def test_prv_05_an_import_without_a_source_is_no_proof(
    session: Session, settings: Settings
) -> None:
    with pytest.raises(FixRequest, match="Say where"):
        take_in(session, settings, "email", "jan@example.be", source="  ")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("jan,nl,,,", "address"),
        (",nl,sdg,,", "address"),
        ("jan@example.be,es,,,", "no locale 'es'; the locales are nl, fr, en, de"),
        ("jan@example.be,nl-BE,,,", "no locale 'nl-be'"),
        ("jan@example.be,nl,sdg|koken,,", "no topic 'koken'"),
        ("jan@example.be,nl,,daily,", "no cadence 'daily'; the cadences are monthly, weekly"),
        ("jan@example.be,nl,,,yesterday", "not an ISO 8601 time"),
        ("jan@example.be,nl,,,01/05/2026", "not an ISO 8601 time"),
        ("jan@example.be,nl,,,0001-01-01", "not an ISO 8601 time"),
        ("jan@example.be,nl,,,2026-11-23T10:00:01", "in the future"),
        ("jan@example.be,nl,,,,more", "more values"),
    ],
)
def test_a_refused_row_is_listed_with_line_and_reason_and_the_rest_goes_in(
    session: Session, settings: Settings, row: str, says: str
) -> None:
    header = "email,locale,topics,cadence,confirmed_at"
    done = take_in(session, settings, header, "a@example.be", "", row, "b@example.be,nl,,,")
    assert (done.added, [refusal.line for refusal in done.refused]) == (2, [4])
    assert says in next(iter(done.refused)).reason
    assert "jan@" not in next(iter(done.refused)).reason


def test_a_time_without_an_offset_is_local_time(session: Session, settings: Settings) -> None:
    header = "email,confirmed_at"
    take_in(session, settings, header, "a@example.be,2026-07-01T12:00", "b@example.be,2026-01-01")
    times = session.scalars(select(Subscriber.confirmed_at).order_by(Subscriber.id)).all()
    assert times == [
        datetime(2026, 7, 1, 10, 0, tzinfo=UTC),
        datetime(2025, 12, 31, 23, 0, tzinfo=UTC),
    ]


def test_the_same_person_twice_in_a_file_or_the_same_file_twice_adds_nobody(
    session: Session, settings: Settings
) -> None:
    lines = ("email", "jan@exämple.be", "JAN@xn--exmple-cua.be", "piet@example.be")
    assert take_in(session, settings, *lines) == ImportReport(added=2, unchanged=1)
    before = dump(session)
    assert take_in(session, settings, *lines) == ImportReport(unchanged=3)
    assert dump(session) == before


def test_an_active_reader_keeps_their_own_choices(
    session: Session, settings: Settings, now: datetime
) -> None:
    reader(session, settings, now)
    before = dump(session)
    done = take_in(session, settings, "email,locale,confirmed_at", "jan@example.be,de,2026-01-01")
    assert done == ImportReport(unchanged=1)
    assert dump(session) == before


def test_a_pending_person_confirmed_elsewhere_becomes_active(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form(locale="fr"))
    done = take_in(session, settings, "email,locale,confirmed_at", "jan@example.be,de,2026-01-01")
    assert done == ImportReport(activated=1)
    someone = only(session)
    assert (someone.state, someone.locale) == (SubscriberState.ACTIVE, "fr")
    proof = session.scalars(select(Consent).where(Consent.event == ConsentEvent.IMPORTED)).one()
    assert proof.locale == "fr"
    assert session.get(Cursor, someone.id) is not None


@pytest.mark.parametrize("how", ["left", "left and asked again", "bounced", "never", "erased"])
def test_uns_14_nobody_who_is_gone_comes_back_by_an_import(
    session: Session, settings: Settings, now: datetime, how: str
) -> None:
    tokens = Tokens(settings.secret_key)
    if how.startswith("left"):
        leaving.leave(session, settings, reader(session, settings, now), "page", now)
        if how.endswith("again"):
            ask(session, settings, now)
    else:
        suppression.add(session, tokens, "jan@example.be", SuppressionReason(how), now)
    before = dump(session)
    rows = ("JAN@example.be,2026-01-01", "jan@example.be,")
    done = take_in(session, settings, "email,confirmed_at", *rows, invite=True)
    assert (done.added, done.activated) == (0, 0)
    assert dump(session) == before


def test_progress_counts_the_rows_of_every_batch(
    session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "BATCH", 1000)
    seen: list[int] = []
    lines = ["email", *(f"r{number}@example.be" for number in range(2500))]
    take_in(session, settings, *lines, progress=seen.append)
    assert seen == [1000, 2000, 2500]


def test_an_address_in_the_source_does_not_outlive_its_owner(
    session: Session, settings: Settings
) -> None:
    take_in(session, settings, "email", "jan@example.be", source="mail of jan@example.be, 3 May")
    assert session.scalars(select(Consent)).one().source == "mail of <address>, 3 May"


# --- files ----------------------------------------------------------------------------------------


def import_file(session: Session, settings: Settings, file: Path) -> ImportReport:
    return import_csv(
        session,
        settings,
        read_lines(file),
        source="file",
        now=NOW,
        invite=False,
        topics_known=TOPICS,
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("email\na@example.be\njosé@example.be\n".encode("latin-1"), "line 3: this is not UTF-8"),
        ("email\na@example.be\n".encode("utf-16"), "line 1: this is not UTF-8"),
        ("email\na@example.be\n".encode("utf-16-le"), "line 1: this is not UTF-8"),
        (b'email,locale\na@example.be,nl\n"b@example.be,nl\nc@example.be,nl\n', "line 3"),
    ],
)
def test_a_fault_anywhere_in_the_file_stops_before_the_first_row(
    session: Session, settings: Settings, tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "readers.csv"
    file.write_bytes(content)
    with pytest.raises(FixRequest, match=says):
        import_file(session, settings, file)
    assert count(session, Subscriber) == 0


def test_a_file_that_is_not_there_is_one_clear_sentence(
    session: Session, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(FixRequest, match="cannot be read: No such file"):
        import_file(session, settings, tmp_path / "none.csv")


def test_a_file_of_excel_with_bom_crlf_and_quotes_is_read_with_true_line_numbers(
    session: Session, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "readers.csv"
    text = '\ufeff"Email";"Topics"\r\n"a@example.be";"sdg|agenda"\r\n"b\n";""\r\n;\r\nwrong;\r\n'
    file.write_bytes(text.encode())
    done = import_file(session, settings, file)
    assert done.added == 1
    assert [refusal.line for refusal in done.refused] == [3, 6]


def many(number: int) -> Iterator[str]:
    yield "email,locale,topics,confirmed_at\n"
    for index in range(number):
        yield f"reader{index}@domain{index % 900}.example,nl,sdg,2026-01-01T00:00:00Z\n"


def test_ten_thousand_rows_go_in(session: Session, settings: Settings) -> None:
    done = import_csv(
        session, settings, many(10_000), source="x", now=NOW, invite=False, topics_known=TOPICS
    )
    assert done.added == 10_000
    for table in (Subscriber, Consent, ConsentDetails, Cursor):
        assert count(session, table) == 10_000


@pytest.mark.sqlite("it measures how the file is read, and tracing memory is slow")
def test_memory_stays_flat_however_long_the_file(
    session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invited, and every second row refused."""
    monkeypatch.setattr(taking, "BATCH", 500)
    monkeypatch.setattr(report, "PACK", 500)
    usual = gc.get_threshold()

    def lines(number: int) -> Iterator[str]:
        for line in many(number):
            yield line
            yield f"nobody {line}"

    def peak(number: int) -> int:
        gc.set_threshold(700)  # as outside the tests: what waits to be collected is no leak
        tracemalloc.start()
        done = import_csv(
            session, settings, lines(number), source="x", now=NOW, invite=True, topics_known=TOPICS
        )
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        gc.set_threshold(*usual)
        assert len(done.refused) == number + 1
        session.rollback()
        return highest

    peak(500)  # statements are compiled once
    assert peak(4000) < 1.2 * peak(1000)
