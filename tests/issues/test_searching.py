"""The search of the archive: the same on both databases, in the words of four languages."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from newsletter.db import Database
from newsletter.i18n import LOCALES
from newsletter.issues import reading, searching, words
from newsletter.issues.reading import About
from newsletter.issues.searching import Hits, search
from newsletter.models import Issue, IssueState, Piece, Published, Subject, SubjectKind
from newsletter.schema import migrate, migration_config

AT = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
# Slug: title, text, facts.
TEXTS: dict[str, tuple[str, str, dict[str, object]]] = {
    "dogbo": (
        "Roeselare en Dogbo",
        "Het geboorteregister van de gemeente is klaar. Kinderen krijgen een akte.",
        {"country": "BJ", "municipality": "Roeselare", "partner": "Dogbo", "sdgs": [16]},
    ),
    "perere": (
        "Werken met maniok",
        "In Pèrèrè bouwen vrouwen huizen. De gemeentebesturen helpen, en er zijn bronnen.",
        {"country": "BJ", "municipality": "Anzegem", "partner": "Pèrèrè", "sdgs": [5, 16]},
    ),
    "bomen": (
        "Bomen aan de bron",
        "Eén huis, één boom. De burgemeester plantte ze; wie water zoekt, vindt drinkwater.",
        {"municipality": "Sint-Niklaas", "event": {"start": "2027-01-01"}},
    ),
}


def publish(
    session: Session, number: int, slugs: Iterator[str] | list[str], more: str = ""
) -> None:
    """An issue that was planned, with these items in every locale; it is indexed."""
    at = AT + timedelta(days=number)
    issue = Issue(
        number=number, state=IssueState.SENT, by_clock=True, compiled_at=at, planned_at=at
    )
    session.add(issue)
    session.flush()
    for position, slug in enumerate(slugs):
        title, text, facts = TEXTS[slug]
        session.add_all(
            Piece(
                issue_number=number,
                slug=slug,
                locale=locale,
                language="nl",
                position=position,
                topics="bestuur|milieu",
                date=date(2026, 3, 3),
                title=title,
                summary=f"Wat er gebeurde. {more}",
                facts=facts,
                html="",
                text=text,
                hash="",
            )
            for locale in LOCALES
        )
    session.flush()
    searching.index(session, number)


@pytest.fixture
def archive(session: Session) -> Session:
    publish(session, 1, list(TEXTS))
    return session


def slugs(hits: Hits) -> list[str]:
    return [hit.piece.slug for hit in hits.hits]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("gemeente", {"dogbo", "perere"}),  # also "gemeentebesturen": it begins with it
        ("gemeenten", {"dogbo"}),  # the stem
        ("GEMEENTE", {"dogbo", "perere"}),
        ("gemeenteb", {"perere"}),  # while somebody types
        ("huis", {"perere", "bomen"}),  # huizen
        ("huizen", {"perere", "bomen"}),
        ("bron", {"perere", "bomen"}),
        ("boom", {"bomen"}),
        ("register", {"dogbo"}),  # the end of a compound
        ("registers", {"dogbo"}),
        ("besturen", {"perere"}),
        ("water", {"bomen"}),
        ("perere", {"perere"}),
        ("Pèrèrè", {"perere"}),
        ("benin", {"dogbo", "perere"}),  # the name of the country stands in no text
        ("Sint-Niklaas", {"bomen"}),
        ("de huizen van Benin", {"perere"}),
        ("huis boom", {"bomen"}),
        ("maniok burgemeester", {"perere", "bomen"}),  # none has both
        ("eboorteregister", set()),
        ("nl", set()),
        ("bestaatniet", set()),
        ("", set()),
        ("?! …", set()),
    ],
)
def test_it_knows_dutch(archive: Session, question: str, found: set[str]) -> None:
    hits = search(archive, "nl", question)
    assert set(slugs(hits)) == found
    assert hits.total == len(found)


@pytest.mark.parametrize(
    ("locale", "written", "asked"),
    [
        ("nl", "stedenbanden", "stedenband"),
        ("nl", "brieven", "brief"),
        ("nl", "ideeën", "ideeen"),
        ("fr", "réalisés", "réaliser"),
        ("fr", "coopérations", "cooperation"),
        ("en", "cities", "city"),
        ("en", "sharing", "shared"),
        ("de", "Häuser", "Haus"),
        ("de", "Straße", "strassen"),
        ("de", "Trinkwasser", "Wasser"),
    ],
)
def test_every_language_has_its_stems(locale: str, written: str, asked: str) -> None:
    [term] = words.terms(asked, locale)
    assert term.fits(words.fold(written), locale)


def test_a_title_weighs_more_than_a_text(archive: Session) -> None:
    assert slugs(search(archive, "nl", "bron")) == ["bomen", "perere"]


def test_languages_are_kept_apart(archive: Session) -> None:
    hits = search(archive, "fr", "Bénin")
    assert {hit.piece.locale for hit in hits.hits} == {"fr"}
    assert set(slugs(hits)) == {"dogbo", "perere"}
    assert search(archive, "en", "bénin").total == 2
    assert search(archive, "fr", "register").total == 0, "French makes no such compounds"


def test_some_of_the_words_are_better_than_nothing(archive: Session) -> None:
    assert search(archive, "nl", "huis boom").every
    assert not search(archive, "nl", "maniok burgemeester").every


def test_a_snippet_shows_what_was_found(archive: Session) -> None:
    [hit] = search(archive, "nl", "registers akten").hits
    assert [part for part, asked in hit.snippet if asked] == ["geboorteregister", "akte"]
    told = "Wat er gebeurde. Het geboorteregister van de gemeente is klaar. Kinderen krijgen een"
    assert "".join(part for part, _asked in hit.snippet).startswith(told)
    [hit] = search(archive, "nl", "Sint-Niklaas").hits
    assert [asked for _part, asked in hit.snippet] == [False], "its title said it"


def test_a_long_text_is_cut_between_words(session: Session) -> None:
    publish(session, 1, ["bomen"], "lang " * 200 + "naald " + "hooi " * 200)
    [hit] = search(session, "nl", "naald").hits
    parts = [part for part, _asked in hit.snippet]
    assert parts[0] == "… "
    assert parts[-1] == " …"
    assert "naald" in parts
    assert len("".join(parts)) < 300


def test_pages_of_hits(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "PAGE", 2)
    publish(session, 1, list(TEXTS))
    pages = [search(session, "nl", "gebeurde", page) for page in (1, 2, 3, -1, 10**30)]
    assert [len(page.hits) for page in pages] == [2, 1, 0, 2, 0]
    assert {page.total for page in pages} == {3}
    assert {page.pages for page in pages} == {2}
    assert {*slugs(pages[0]), *slugs(pages[1])} == set(TEXTS)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    question=st.one_of(
        st.text(max_size=300),
        st.text(st.sampled_from("\"'*():^-+&|!<>~\\%_\0 \nnearandornot"), max_size=40),
        st.sampled_from(["a" * 100_000, '"' * 999, "\ud800", "NEAR(a b)", "a AND", "_rank:1"]),
    ),
    locale=st.sampled_from(LOCALES),
)
def test_every_question_has_an_answer(archive: Session, question: str, locale: str) -> None:
    hits = search(archive, locale, question)
    assert 0 <= len(hits.hits) <= hits.total <= len(TEXTS)


@given(st.text(max_size=40), st.sampled_from(LOCALES))
def test_a_word_is_letters_and_digits_and_has_no_accents(text: str, locale: str) -> None:
    """So that neither database has anything to interpret, and both see the same words."""
    for word in (*words.indexed(text, locale).split(), *words.indexed_parts(text, locale).split()):
        assert word.isascii()
        assert word.isalnum()
        assert word.startswith(locale)
    for term in words.terms(text, locale):
        assert term.fits(term.word, locale)
        assert f"{locale}{term.word}" in words.indexed(text, locale).split()


def test_the_newest_issue_says_what_an_item_says(session: Session) -> None:
    publish(session, 1, ["dogbo"], "eerste")
    publish(session, 3, ["dogbo"], "derde")
    publish(session, 2, ["dogbo"], "tweede")  # planned late
    assert [search(session, "nl", word).total for word in ("eerste", "tweede", "derde")] == [
        0,
        0,
        1,
    ]
    told = reading.latest_piece(session, "dogbo", "nl")
    assert told
    assert told.piece.issue_number == 3
    assert (told.first_at, told.updated_at) == (AT + timedelta(1), AT + timedelta(3))
    assert [issue.number for issue in reading.issues_with(session, "dogbo")] == [3, 2, 1]


def test_what_items_are_about(archive: Session) -> None:
    counts = {(one.kind, one.key): (one.name, one.items) for one in reading.subjects(archive, "fr")}
    assert counts[SubjectKind.PLACE, "perere"] == ("Pèrèrè", 1)
    assert counts[SubjectKind.PLACE, "sint-niklaas"] == ("Sint-Niklaas", 1)
    assert counts[SubjectKind.COUNTRY, "bj"] == ("", 2)
    assert counts[SubjectKind.SDG, "16"] == ("", 2)
    assert counts[SubjectKind.TOPIC, "milieu"] == ("", 3)
    about = About(SubjectKind.SDG, "5")
    assert [one.piece.slug for one in reading.items(archive, "fr", about, 1)] == ["perere"]
    assert reading.items(archive, "fr", about, 2) == []
    assert reading.count(archive, "fr", About(SubjectKind.SDG, "4")) is None
    assert [one.piece.slug for one in reading.dated_items(archive, "nl", None)] == ["bomen"]


def test_what_an_item_is_no_longer_about_is_forgotten(
    archive: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    title, text, _facts = TEXTS["dogbo"]
    monkeypatch.setitem(TEXTS, "dogbo", (title, text, {"country": "SN"}))
    publish(archive, 2, ["dogbo"])
    kept = archive.scalars(
        select(Subject.key).where(Subject.slug == "dogbo", Subject.locale == "nl")
    )
    assert set(kept) == {"bestuur", "milieu", "sn"}


def test_an_issue_that_was_not_planned_is_not_in_the_archive(session: Session) -> None:
    publish(session, 1, ["dogbo"])
    session.add(Issue(number=2, state=IssueState.COMPILED, by_clock=True, compiled_at=AT))
    session.flush()
    searching.index(session, 2)
    searching.index(session, 7)
    assert [row.issue_number for row in session.scalars(select(Published))] == [1] * len(LOCALES)


def test_a_database_from_before_the_archive_gets_its_index(database: Database) -> None:
    with database.write() as session:
        publish(session, 1, list(TEXTS))
        publish(session, 2, ["dogbo"])
        session.commit()
        before = sorted(
            row.slug + row.locale + row.head for row in session.scalars(select(Published))
        )
    with database.engine.begin() as connection:
        command.downgrade(migration_config(connection), "0003")
    migrate(database)
    with database.read() as session:
        after = sorted(
            row.slug + row.locale + row.head for row in session.scalars(select(Published))
        )
        assert after == before
        assert set(slugs(search(session, "nl", "gemeente"))) == {"dogbo", "perere"}
        assert len(session.scalars(select(Subject)).all()) > 0


def test_half_of_all_texts_are_found_by_the_index(session: Session) -> None:
    """PostgreSQL would read them all, and unpack each: ten times slower at 5,000 items."""
    publish(session, 1, list(TEXTS))
    session.commit()
    assert search(session, "nl", "gemeente").total == 2
    if session.get_bind().dialect.name == "sqlite":
        return  # FTS5 has nothing but its index
    explained = text("EXPLAIN SELECT id FROM published WHERE document @@ to_tsquery('simple', 'x')")
    plan = "\n".join(session.scalars(explained))
    assert "ix_published_document" in plan
    session.rollback()
    assert session.scalar(text("SHOW enable_seqscan")) == "on", "only for that transaction"
