"""What was withdrawn after it was sent: a note in its place, and nothing of it in any list."""

import json
from datetime import UTC, datetime

import html5lib
import pytest
from sqlalchemy import select

from newsletter.i18n import LOCALES
from newsletter.issues import reading, searching
from newsletter.issues.compiler import withdraw_drafts
from newsletter.models import Issue, ItemNumber, Piece, Published, Subject
from tests.web.conftest import PUBLISHED, World, withdraw

SLUG = PUBLISHED[0]  # the lead of its issue
AT = datetime(2026, 12, 3, 12, tzinfo=UTC)


@pytest.fixture
def withdrawn(issued: World) -> World:
    with issued.database.write() as session:
        withdraw(session, SLUG, AT)
    return issued


def told(world: World) -> tuple[str, str]:
    """Title and a sentence of its text, in Dutch."""
    with world.database.read() as session:
        mine = select(Piece).where(Piece.slug == SLUG, Piece.locale == "nl")
        piece = session.scalars(mine).one()
        return piece.title, piece.summary


@pytest.mark.parametrize("locale", LOCALES)
def test_the_page_says_that_it_is_gone_and_since_when(withdrawn: World, locale: str) -> None:
    title, summary = told(withdrawn)
    answer = withdrawn.client.get(f"/{locale}/items/{SLUG}")
    assert answer.status_code == 410
    assert "2026" in answer.text
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert 'rel="canonical"' not in answer.text
    assert f'href="/{locale}/issues/1"' in answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)
    if locale == "nl":
        assert f">{title}</h1>" in answer.text
        assert "Dit stuk is ingetrokken op 3 december 2026." in answer.text
    assert summary not in answer.text
    assert "application/ld+json" not in answer.text


def test_what_was_never_sent_has_no_page_at_all(withdrawn: World) -> None:
    assert withdrawn.client.get("/nl/items/kortrijk-chefchaouen-drie-jaar").status_code == 404
    assert withdrawn.client.get("/nl/items/nergens").status_code == 404


@pytest.mark.parametrize("locale", LOCALES)
def test_no_list_feed_search_calendar_or_site_map_has_it(issued: World, locale: str) -> None:
    places = (
        "/feed.atom", "/feed.json", "/agenda.ics", "/search?q=geboorte", "/search?q=Dogbo",
        "/search", "/", "/issues/", "/issues/1",
    )  # fmt: skip
    for path in ("/feed.atom", "/issues/1", "/"):
        assert f"/items/{SLUG}" in issued.client.get(f"/{locale}{path}").text, path
    with issued.database.write() as session:
        withdraw(session, SLUG, AT)
    for path in places:
        answer = issued.client.get(f"/{locale}{path}")
        assert answer.status_code == 200, path
        assert f"/items/{SLUG}" not in answer.text, path
    assert f"/items/{SLUG}" not in issued.client.get("/sitemap-1.xml").text
    ids = [one["id"] for one in json.loads(issued.client.get(f"/{locale}/feed.json").text)["items"]]
    assert len(ids) == len(PUBLISHED) - 1
    assert issued.client.get(f"/{locale}/places/dogbo").status_code == 404


@pytest.mark.parametrize("locale", LOCALES)
def test_its_issue_keeps_the_title_with_a_note(withdrawn: World, locale: str) -> None:
    title, summary = told(withdrawn)
    page = withdrawn.client.get(f"/{locale}/issues/1").text
    assert 'id="withdrawn"' in page
    html5lib.HTMLParser(strict=True).parse(page)
    if locale == "nl":
        assert f"{title}</span> (ingetrokken op 3 december 2026)" in page
    assert summary not in page
    assert f"/{locale}/items/{PUBLISHED[2]}" in page, "the rest stays"


def test_a_page_that_somebody_has_already_is_not_said_to_be_the_same(issued: World) -> None:
    for path in (f"/nl/items/{SLUG}", "/nl/issues/1", "/nl/feed.atom", "/nl/issues/1/mail"):
        etag = issued.client.get(path).headers["ETag"]
        again = {"If-None-Match": etag}
        assert issued.client.get(path, headers=again).status_code == 304
        with issued.database.write() as session:
            withdraw(session, SLUG, datetime.now(UTC))
        assert issued.client.get(path, headers=again).status_code in (200, 410), path
        with issued.database.write() as session:
            restore(session)


def restore(session: object) -> None:
    from sqlalchemy import update
    from sqlalchemy.orm import Session

    assert isinstance(session, Session)
    session.execute(update(ItemNumber).values(withdrawn_at=None))
    searching.rebuild(session)


def test_an_issue_of_which_all_is_withdrawn_still_has_its_page(issued: World) -> None:
    with issued.database.write() as session:
        for slug in PUBLISHED:
            withdraw(session, slug, AT)
    for path in ("/nl/issues/1", "/nl/issues/", "/nl/", "/nl/feed.atom", "/nl/agenda.ics"):
        assert issued.client.get(path).status_code == 200, path
    assert issued.client.get("/nl/issues/1").text.count("ingetrokken op") == len(PUBLISHED)
    answer = issued.client.get("/nl/issues/1/mail")
    assert answer.status_code == 410
    html5lib.HTMLParser(strict=True).parse(answer.text)


def test_the_copy_of_the_mail_leaves_it_out_and_says_so(withdrawn: World) -> None:
    title, summary = told(withdrawn)
    page = withdrawn.client.get("/nl/issues/1/mail")
    assert page.status_code == 200
    assert summary not in page.text
    assert "Dit stond ook in deze mail, en is daarna ingetrokken:" in page.text
    assert f"{title}</span> (ingetrokken op 3 december 2026)" in page.text
    html5lib.HTMLParser(strict=True).parse(page.text)


def test_making_it_a_draft_and_compiling_takes_it_out_at_once(issued: World) -> None:
    """What the editor does; a rebuilt index does not bring it back."""

    class Shelf:
        def items(self) -> list[object]:
            return [type("Item", (), {"slug": SLUG, "status": "draft"})()]

    with issued.database.write() as session:
        withdraw_drafts(session, Shelf(), AT)  # type: ignore[arg-type]
        for table in (Published, Subject):
            assert not session.scalars(select(table).where(table.slug == SLUG)).all()
        searching.rebuild(session)
        for table in (Published, Subject):
            assert not session.scalars(select(table).where(table.slug == SLUG)).all()
        (waiting,) = session.scalars(select(Issue).where(Issue.planned_at.is_(None)))
        assert SLUG not in reading.pages(session, waiting)
        found = reading.withdrawn_item(session, SLUG, "nl")
        assert found
        assert found.at == AT
    assert issued.client.get(f"/nl/items/{SLUG}").status_code == 410
