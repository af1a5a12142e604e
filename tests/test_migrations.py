"""The schema: up, down, up again; models and migrations agree; the constraints hold."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic import command
from sqlalchemy import JSON, MetaData, inspect, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from newsletter.db import Database, UtcDateTime, connect
from newsletter.models import Base
from newsletter.schema import is_current, migrate, migration_config
from newsletter.subscribers import chain, consent


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = connect(empty_url)
    yield database
    database.engine.dispose()


def test_upgrade_downgrade_upgrade(empty: Database) -> None:
    assert not is_current(empty)
    migrate(empty)
    assert is_current(empty)
    names = inspect(empty.engine).get_table_names()
    others = ("published_words", "procrastinate_")  # FTS5's own, and those of the cluster's engine
    tables = {name for name in names if not name.startswith(others)}
    assert tables == set(Base.metadata.tables) | {"alembic_version", "schema_floor"}
    with empty.engine.begin() as connection:
        command.downgrade(migration_config(connection), "base")
    assert inspect(empty.engine).get_table_names() == ["alembic_version"]
    migrate(empty)
    assert is_current(empty)


def test_alembic_check_finds_nothing(empty: Database) -> None:
    migrate(empty)
    with empty.engine.begin() as connection:
        command.check(migration_config(connection))


def test_only_erased_subscribers_have_no_address(database: Database) -> None:
    insert = (
        "INSERT INTO subscribers (email, canonical, locale, cadence, topic_choice_id, state,"
        " created_at) VALUES (:email, :email, 'nl', 'monthly', 1, :state, '2026-11-23')"
    )
    with database.write() as session:
        session.execute(text("INSERT INTO topic_choices (id, topics) VALUES (1, '')"))
        session.execute(text(insert), {"email": None, "state": "erased"})
    for email, state in ((None, "active"), ("a@b.be", "erased"), ("a@b.be", "nonsense")):
        with pytest.raises(IntegrityError), database.engine.begin() as connection:
            connection.execute(text(insert), {"email": email, "state": state})


def test_a_naive_time_is_refused(database: Database) -> None:
    from newsletter.models import Slot

    naive = datetime(2026, 11, 23)  # noqa: DTZ001 (the mistake itself)
    with database.write() as session:
        session.add(Slot(cadence="monthly", slot=naive, ran_at=naive, outcome=""))
        with pytest.raises(Exception, match="without a zone"):
            session.flush()
        session.rollback()


AT = datetime(2026, 11, 23, 9, 0, 0, 123456, UTC)
SALTS = (b"a" * 16, b"b" * 16)
OLD_DETAILS: tuple[dict[str, str | None], ...] = (
    {"email": "jan@example.be", "ip": "203.0.113.7", "user_agent": "Browser/1 (é)"},
    {"email": "an@example.be", "ip": None, "user_agent": None},
)


def test_people_and_their_proofs_survive_0003_up_and_down(empty: Database) -> None:
    """A database of version 0002, with two proofs; one came by a form, one by an import."""
    _step(empty, "upgrade", "0002")
    _fill(empty)
    before = _everything(empty)
    _step(empty, "upgrade", "0003")
    after = _everything(empty)
    assert [row["email"] for row in after["consent_details"]] == ["jan@example.be", "an@example.be"]
    [origin] = after["consent_origins"]
    assert (origin["consent_id"], origin["ip"]) == (1, "203.0.113.7")
    with empty.read() as session:
        for row, details in zip(after["consents"], after["consent_details"], strict=True):
            email = {"email": details["email"]}
            assert consent.fits(details["salt"], email, row["details_hash"])
        place = {"ip": origin["ip"], "user_agent": origin["user_agent"]}
        assert consent.fits(origin["salt"], place, after["consents"][0]["origin_hash"])
        assert after["consents"][1]["origin_hash"] is None
        assert chain.seal(session, AT, 0).sealed == 2
        session.commit()
        assert chain.verify(session).number == 2
    [asked] = after["requests"]
    assert (asked["kind"], asked["canonical"], asked["asked_at"]) == ("signup", "piet@x.be", AT)
    assert asked["facts"] == {}
    with pytest.raises(DatabaseError, match="append-only"), empty.engine.begin() as connection:
        connection.execute(text("DELETE FROM consents"))
    with empty.write() as session:
        session.execute(
            text(
                "INSERT INTO requests SELECT 9, email, canonical, locale, cadence, topics, wording,"
                " form_url, ip, user_agent, asked_at, 'link', '{}' FROM requests"
            )
        )
    _step(empty, "downgrade", "0002")
    assert _everything(empty) == before
    _step(empty, "upgrade", "head")
    assert is_current(empty)


def test_0007_takes_what_was_withdrawn_before_out_of_the_archives_lists(empty: Database) -> None:
    _step(empty, "upgrade", "0006")
    tables = _tables(empty).tables
    issue = {"number": 1, "state": "sent", "compiled_at": AT, "planned_at": AT, "by_clock": False}
    numbered = {"repeat": False, "issue_number": 1}
    frozen = {"issue_number": 1, "locale": "nl", "language": "nl", "position": 0, "topics": "a"}
    frozen |= {"date": AT.date(), "title": "T", "summary": "S", "facts": {}, "html": "", "text": ""}
    listed = {"locale": "nl", "language": "nl", "issue_number": 1, "first_at": AT, "updated_at": AT}
    listed |= {"dated": False, "head": "t", "words": "s", "parts": ""}
    with empty.engine.begin() as connection:
        connection.execute(tables["issues"].insert(), issue)
        for id, (slug, gone) in enumerate((("staat", None), ("weg", AT)), start=1):
            rows: dict[str, dict[str, Any]] = {
                "item_numbers": numbered | {"number": id, "slug": slug, "withdrawn_at": gone},
                "pieces": frozen | {"id": id, "slug": slug, "hash": slug, "item_number": id},
                "published": listed | {"id": id, "slug": slug, "piece_id": id},
                "subjects": {"kind": "topic", "key": "a", "locale": "nl", "slug": slug, "name": ""},
            }
            for name, row in rows.items():
                connection.execute(tables[name].insert(), row)
    _step(empty, "upgrade", "0007")
    after = _everything(empty)
    assert [row["slug"] for row in after["published"]] == ["staat"]
    assert [row["slug"] for row in after["subjects"]] == ["staat"]
    assert len(after["pieces"]) == len(after["item_numbers"]) == 2
    assert after["intros"] == []


def _step(database: Database, direction: str, revision: str) -> None:
    with database.engine.begin() as connection:
        getattr(command, direction)(migration_config(connection), revision)


def _tables(database: Database) -> MetaData:
    """The tables as they are there, with the types that the drivers alone do not know."""
    tables = MetaData()
    tables.reflect(database.engine)
    for table in tables.tables.values():
        for column in table.columns:
            if column.name.endswith("_at") or column.name == "at":
                column.type = UtcDateTime()
            if column.name == "facts":
                column.type = JSON()
    return tables


def _everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.engine.connect() as connection:
        return {
            name: [
                dict(row)
                for row in connection.execute(
                    table.select().order_by(*table.primary_key.columns)
                ).mappings()
            ]
            for name, table in _tables(database).tables.items()
        }


def _fill(database: Database) -> None:
    tables = _tables(database).tables
    people = {"locale": "nl", "cadence": "monthly", "state": "active", "topic_choice_id": 1}
    proof = {"subscriber_id": 1, "at": AT, "route": "form", "locale": "nl", "topics": ""}
    proof |= {"cadence": "monthly", "wording": "signup-1.nl", "source": None}
    asked = {"id": 3, "email": "Piet@x.be", "canonical": "piet@x.be", "locale": "nl"}
    asked |= {"cadence": "monthly", "topics": "", "wording": "signup-1.nl", "form_url": "u"}
    asked |= {"ip": "1.2.3.4", "user_agent": "b", "asked_at": AT}
    letter = {"kind": "goodbye", "locale": "nl", "facts": {}, "state": "sent", "attempts": 1}
    with database.engine.begin() as connection:
        connection.execute(tables["topic_choices"].insert(), {"id": 1, "topics": ""})
        for id, details in enumerate(OLD_DETAILS, start=1):
            email, salt = details["email"], SALTS[id - 1]
            written = json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            hash = hashlib.sha256(salt + written.encode()).hexdigest()
            one = people | {"id": id, "email": email, "canonical": email, "created_at": AT}
            connection.execute(tables["subscribers"].insert(), one)
            event = {"id": id, "event": "asked" if details["ip"] else "imported"}
            connection.execute(
                tables["consents"].insert(),
                proof | event | {"subscriber_id": id, "details_hash": hash},
            )
            connection.execute(
                tables["consent_details"].insert(), {"consent_id": id, "salt": salt, **details}
            )
        connection.execute(tables["signup_requests"].insert(), asked)
        connection.execute(
            tables["notices"].insert(),
            letter | {"id": 1, "subscriber_id": 1, "created_at": AT, "due_at": AT},
        )


@pytest.mark.sqlite("on PostgreSQL who reads to write locks the row; a transaction alone does not")
def test_two_writers_lose_no_update(database: Database) -> None:
    """SQLite's default transactions lost 304 of 360 such updates (LIBRARIES.md)."""
    from concurrent.futures import ThreadPoolExecutor

    others = [connect(str(database.engine.url)) for _ in range(4)]
    with database.write() as session:
        session.execute(text("INSERT INTO topic_choices (id, topics) VALUES (1, '0')"))

    def count_up(one: Database) -> None:
        for _ in range(25):
            with one.write() as session:
                found = session.execute(text("SELECT topics FROM topic_choices")).scalar_one()
                session.execute(text("UPDATE topic_choices SET topics = :n"), {"n": int(found) + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, others))
    with database.read() as session:
        assert session.execute(text("SELECT topics FROM topic_choices")).scalar_one() == "100"
    for one in others:
        one.engine.dispose()
