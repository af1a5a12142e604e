"""Lists: pages that neither skip nor repeat while others write, and cost what they show."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from newsletter.db import Database
from newsletter.models import DeliveryState, Published, SubscriberState, SuppressionReason
from newsletter.subscribers import privacy
from newsletter.tokens import Tokens, tokens_of
from newsletter.web.api import cursors
from tests.api.conftest import Program, token
from tests.statistics.world import Readers
from tests.web.conftest import World

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def pages(program: Program, path: str, between: Any = None) -> list[list[Any]]:
    """All pages of a list, by the link of each to the next."""
    found, following = list[list[Any]](), f"{path}{'&' if '?' in path else '?'}limit=2"
    while following:
        answer = program.get(following)
        assert answer.status_code == 200, answer.text
        found.append(answer.get_json()["data"])
        link = answer.headers.get("Link", "")
        assert bool(link) is bool(answer.get_json()["next"])
        following = link.partition("/api/v1")[2].partition(">")[0]
        if between and following:
            between()
            between = None
    return found


def test_who_comes_meanwhile_shifts_nobody(world: World, program: Program) -> None:
    for number in range(5):
        world.add(f"lezer{number}", SubscriberState.ACTIVE)
    found = pages(program, "/subscribers", lambda: world.add("nieuw", SubscriberState.PENDING))
    ids = [one["id"] for page in found for one in page]
    assert ids == [1, 2, 3, 4, 5, 6]
    assert [len(page) for page in found] == [2, 2, 2]
    assert found[0][0]["email"] == "lezer0@voorbeeld.example"


def test_suppressions_are_keyed_hashes_newest_first(world: World, program: Program) -> None:
    with world.database.write() as session:
        for number in range(5):
            email, at = f"x{number}@voorbeeld.example", NOW + timedelta(hours=number // 2)
            privacy.suppress(session, world.settings, email, SuppressionReason.STAFF, at, "x")
    rows = [one for page in pages(program, "/suppressions") for one in page]
    assert [row["since"] for row in rows] == sorted((row["since"] for row in rows), reverse=True)
    assert len({row["key"] for row in rows}) == 5
    assert "voorbeeld" not in str(rows)


def test_items_and_issues_are_the_newest_first(issued: World) -> None:
    program = token(issued)

    def published_anew() -> None:
        with issued.database.write() as session:
            newest = update(Published).where(Published.slug == "stuur-je-verhaal")
            session.execute(newest.values(updated_at=datetime.now(UTC)))

    whole = [one["slug"] for page in pages(program, "/items?locale=fr") for one in page]
    assert len(whole) == len(set(whole)) == 6
    found = pages(program, "/items?locale=fr", published_anew)
    slugs = [one["slug"] for page in found for one in page]
    assert set(whole) - {"stuur-je-verhaal"} <= set(slugs)
    assert [one["number"] for page in pages(program, "/issues") for one in page] == [2, 1]
    item = program.get("/items/elke-geboorte-telt?locale=fr").get_json()
    assert item["html"].startswith("<p>")
    assert item["url"] == "https://nieuws.test/fr/items/elke-geboorte-telt"
    assert program.get("/items/kortrijk-chefchaouen-drie-jaar").status_code == 404, "not out"


def test_deliveries_of_an_issue_of_a_reader_and_all(world: World, program: Program) -> None:
    with world.database.write() as session:
        readers = Readers(session)
        people = [readers.add("voorbeeld.example") for _n in range(3)]
        for number in (7, 8):
            issue = readers.issue(number)
            for one in people:
                readers.deliver(number, issue, one, DeliveryState.ACCEPTED, settled_at=NOW)
    rows = [one for page in pages(program, "/deliveries") for one in page]
    assert len({row["id"] for row in rows}) == 6
    rows = [one for page in pages(program, "/deliveries?issue=8") for one in page]
    assert [(row["issue"], row["subscriber"]) for row in rows] == [(8, one) for one in people]
    rows = [one for page in pages(program, f"/deliveries?subscriber={people[1]}") for one in page]
    assert [row["issue"] for row in rows] == [7, 8]
    assert "reply" not in rows[0], "the relay's words stay here"
    counts = program.get("/statistics/issues/7").get_json()
    assert (counts["planned"], counts["accepted"]) == (3, 3)
    assert program.get("/statistics/issues/9").status_code == 404


def test_a_page_walks_along_an_index(database: Database) -> None:
    """Whatever a million rows would cost: no sort, and no walk through a table."""
    questions = (
        "SELECT * FROM subscribers WHERE id > 5 ORDER BY id LIMIT 51",
        "SELECT * FROM deliveries WHERE id > 5 ORDER BY id LIMIT 51",
        "SELECT * FROM deliveries WHERE issue_number = 7 AND subscriber_id > 5"
        " ORDER BY subscriber_id LIMIT 51",
        "SELECT * FROM deliveries WHERE subscriber_id = 7 AND id > 5 ORDER BY id LIMIT 51",
        "SELECT * FROM suppressions WHERE (since, address_key) < ('2026-01-01', 'x')"
        " ORDER BY since DESC, address_key DESC LIMIT 51",
        "SELECT * FROM published WHERE locale = 'nl' AND (updated_at, id) < ('2026-01-01', 5)"
        " ORDER BY updated_at DESC, id DESC LIMIT 51",
        "SELECT * FROM issues WHERE number < 9 ORDER BY number DESC LIMIT 51",
    )
    postgresql = database.engine.name == "postgresql"
    with database.read() as session:
        if postgresql:  # the tables are empty: what would it do if reading them were dear?
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
        for question in questions:
            explain = "EXPLAIN " if postgresql else "EXPLAIN QUERY PLAN "
            plan = str([tuple(row) for row in session.execute(text(explain + question))])
            assert "Index" in plan if postgresql else "USING" in plan, plan
            assert "TEMP B-TREE" not in plan
            if "subscriber_id = 7" not in question:  # few rows: PostgreSQL may sort those
                assert "Sort" not in plan, plan


@pytest.mark.sqlite("nothing is asked")
def test_a_cursor_is_ours_and_of_one_list() -> None:
    tokens, other = Tokens("a key that is long enough"), Tokens("another key, long enough")
    made = cursors.make(tokens, "subscribers", [5])
    assert cursors.read(tokens, "subscribers", made) == [5]
    assert cursors.read(tokens, "deliveries", made) is None
    assert cursors.read(other, "subscribers", made) is None
    rotated = Tokens("another key, long enough", ("a key that is long enough",))
    assert cursors.read(rotated, "subscribers", made) == [5]
    leaked = Tokens("another key, long enough", (), ("a key that is long enough",))
    assert cursors.read(leaked, "subscribers", made) is None
    for wrong in ("", "x", made[:-2], made[:-1] + "é", "A" * 40, made + "AAAA", "=", "a b"):
        assert cursors.read(tokens, "subscribers", wrong) is None


LISTS = {
    '["subscribers", {}]': "/subscribers",
    '["suppressions", {}]': "/suppressions",
    '["issues", {}]': "/issues",
    '["items", {"locale": "nl"}]': "/items",
    '["deliveries", {"issue": null, "subscriber": null}]': "/deliveries",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("key", [[], ["x"], [True], [1, 2, 3], ["x", None], [[1]]])
def test_a_cursor_of_another_shape_has_no_place(
    program: Program, name: str, key: list[Any]
) -> None:
    made = cursors.make(tokens_of(program.world.settings), name, key)
    assert program.get(f"{LISTS[name]}?cursor={made}").status_code == 404


def test_a_cursor_goes_on_with_the_same_filters(program: Program) -> None:
    name = '["deliveries", {"issue": 1, "subscriber": null}]'
    made = cursors.make(tokens_of(program.world.settings), name, [5])
    assert program.get(f"/deliveries?issue=1&cursor={made}").status_code == 200
    assert program.get(f"/deliveries?issue=1&limit=9&cursor={made}").status_code == 200
    for other in ("issue=2&", "issue=1&subscriber=1&", ""):
        assert program.get(f"/deliveries?{other}cursor={made}").status_code == 404


def test_a_cursor_that_is_none_has_no_place(program: Program) -> None:
    answer = program.get("/subscribers?cursor=abc")
    assert answer.status_code == 404
    assert answer.get_json()["errors"] == [{"detail": "is none of ours", "parameter": "cursor"}]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1.0", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("colour=red", "colour"),
        ("cursor=" + "x" * 401, "cursor"),
    ],
)
def test_what_is_asked_wrongly_is_named(program: Program, query: str, parameter: str) -> None:
    answer = program.get(f"/subscribers?{query}")
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.get_json()["errors"]] == [parameter]
