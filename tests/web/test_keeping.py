"""Kept pages are never out of date: not after an issue, not on another host, not by a date."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import render_template, url_for
from sqlalchemy import event, update
from werkzeug.http import http_date

from newsletter.i18n import LOCALES
from newsletter.issues import publishing
from newsletter.models import ItemNumber
from newsletter.web import keeping, page
from tests.web.conftest import PUBLISHED, WAITING, Build, World

ITEM = f"/nl/items/{PUBLISHED[0]}"
CHANGING = ("/nl/issues/", "/nl/issues/1", "/nl/feed.atom", "/nl/feed.json", "/sitemap-1.xml")
GONE_FROM = ("/nl/issues/1", "/nl/feed.atom", "/nl/feed.json", "/sitemap-1.xml")
Break = Callable[..., Any]


def publish(world: World) -> None:
    """The issue that waits is planned, in another process."""
    with world.database.write() as session:
        publishing.send(session, world.settings, 2, datetime.now(UTC))


def withdraw(world: World) -> None:
    """The first item of the first issue is withdrawn, in another process."""
    with world.database.write() as session:
        change = update(ItemNumber).where(ItemNumber.slug == PUBLISHED[0])
        session.execute(change.values(withdrawn_at=datetime.now(UTC)))


def store(world: World) -> keeping.Store:
    found: keeping.Store = world.app.extensions["newsletter.kept"]
    return found


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> Break:
    """From now on, a page that is made is a failure."""

    def refuse() -> None:
        def fail(*_arguments: object, **_values: object) -> None:
            raise AssertionError("a page was made")

        monkeypatch.setattr(page, "render_template", fail)

    return refuse


def test_an_issue_is_on_every_page_the_moment_it_is_published(issued: World, build: Build) -> None:
    """Also in a process that has kept the pages of before and was told nothing."""
    hosts = (issued, build())
    before = [host.client.get(path) for host in hosts for path in CHANGING]
    assert all(WAITING not in answer.text for answer in before)
    assert issued.client.get(f"/nl/items/{WAITING}").status_code == 404
    publish(issued)
    for host in hosts:
        for path, old in zip(CHANGING, before, strict=False):
            known = {"If-None-Match": old.headers["ETag"]}
            answer = host.client.get(path, headers=known)
            assert answer.status_code == 200, path
            assert answer.headers["ETag"] != old.headers["ETag"]
            assert answer.text != old.text, path
        assert 'href="/nl/issues/2"' in host.client.get("/nl/issues/").text
        assert host.client.get(f"/nl/items/{WAITING}").status_code == 200


def test_what_is_withdrawn_is_gone_the_moment_it_is(issued: World) -> None:
    before = {path: issued.client.get(path) for path in (*GONE_FROM, ITEM)}
    withdraw(issued)
    for path, old in before.items():
        answer = issued.client.get(path, headers={"If-None-Match": old.headers["ETag"]})
        assert answer.status_code != 304, path
        assert answer.headers.get("ETag") != old.headers["ETag"]


def test_who_has_a_page_causes_none_to_be_made(issued: World, no_page: Break) -> None:
    """And who has not gets the one that is kept, byte for byte."""
    first = issued.client.get(ITEM)
    no_page()
    etag = first.headers["ETag"]
    for theirs in (etag, f"W/{etag}", f'"other", {etag}'):
        answer = issued.client.get(ITEM, headers={"If-None-Match": theirs})
        assert (answer.status_code, answer.data) == (304, b"")
    assert issued.client.get(ITEM).data == first.data


def test_a_query_changes_nothing_and_is_not_kept(issued: World, no_page: Break) -> None:
    first = issued.client.get(ITEM)
    no_page()
    for query in ("?utm_source=mail", "?locale=fr", "?" + "x" * 2000):
        answer = issued.client.get(ITEM + query)
        assert answer.data == first.data
        assert answer.headers["ETag"] == first.headers["ETag"]
    assert len(store(issued)) == 1


def test_a_date_is_only_good_when_it_is_ours(issued: World) -> None:
    """Who sends the time of an own look may have looked before a commit that began earlier."""
    first = issued.client.get(ITEM)
    changed = first.last_modified
    assert changed is not None
    for since, status in ((changed, 304), (changed + timedelta(hours=1), 200), ("x", 200)):
        sent = since if isinstance(since, str) else http_date(since)
        answer = issued.client.get(ITEM, headers={"If-Modified-Since": sent})
        assert answer.status_code == status, sent
    both = {"If-Modified-Since": first.headers["Last-Modified"], "If-None-Match": '"other"'}
    assert issued.client.get(ITEM, headers=both).status_code == 200, "the ETag decides"


def test_no_date_is_given_in_the_second_of_a_change(
    issued: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change in that second would have the same date."""
    changed = issued.client.get(ITEM).last_modified
    assert changed is not None
    monkeypatch.setattr(keeping, "now", lambda: changed + timedelta(microseconds=900_000))
    answer = issued.client.get(ITEM, headers={"If-Modified-Since": http_date(changed)})
    assert answer.status_code == 200
    assert answer.last_modified is None
    assert answer.headers["ETag"]


def test_names_that_change_get_a_new_date(issued: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = issued.client.get(ITEM).last_modified
    library = issued.app.extensions["newsletter"].library
    names = {key: {one: f"{key} {one}" for one in LOCALES} for key in library.topics()}
    monkeypatch.setattr(library, "topics", lambda: names)
    later = datetime.now(UTC) + timedelta(minutes=1)
    with monkeypatch.context() as at:
        at.setattr(keeping, "now", lambda: later)
        issued.client.get(ITEM)
    monkeypatch.setattr(keeping, "now", lambda: later + timedelta(minutes=1))
    answer = issued.client.get(ITEM)
    assert before is not None
    assert answer.last_modified == later.replace(microsecond=0)
    assert "bestuur nl" in answer.text


@pytest.mark.parametrize("header", [{"If-None-Match": "*"}, {"If-None-Match": '"a"'}, {}])
def test_what_is_not_there_is_not_unchanged(issued: World, header: dict[str, str]) -> None:
    assert issued.client.get("/nl/items/nergens", headers=header).status_code == 404


def test_a_page_and_its_name_are_of_one_moment(issued: World) -> None:
    """One transaction for both: nothing can be published between them."""
    begun: list[object] = []

    def note(connection: object) -> None:
        begun.append(connection)

    event.listen(issued.database.engine, "begin", note)
    try:
        assert issued.client.get("/nl/issues/1").status_code == 200
    finally:
        event.remove(issued.database.engine, "begin", note)
    assert len(begun) == 1


def test_paths_are_those_of_the_routes(issued: World) -> None:
    """Links to items and subjects are put together without asking Flask."""
    with issued.app.test_request_context("/nl/", environ_overrides={"SCRIPT_NAME": "/a"}):
        to = page.links()
        assert to.item("fr", "een-stuk") == url_for("archive.item", locale="fr", slug="een-stuk")
        for kind, key in (("topics", "milieu"), ("sdgs", "16"), ("places", "dogbo")):
            expected = url_for("finding.subject", locale="nl", kind=kind, key=key)
            assert to.subject("nl", kind, key) == expected == f"/a/nl/{kind}/{key}"
        values: dict[str, Any] = {"locale": "nl", "q": "a b&c", "page": 2}
        assert page.path("finding.search", **values) == url_for("finding.search", **values)


def test_pages_below_another_root_are_pages_of_their_own(issued: World) -> None:
    plain = issued.client.get(ITEM)
    below = issued.client.get(ITEM, environ_overrides={"SCRIPT_NAME": "/nieuws"})
    assert 'href="/nieuws/nl/issues/1"' in below.text
    assert 'href="/nieuws' not in plain.text
    assert below.headers["ETag"] != plain.headers["ETag"]


def test_no_token_is_remembered_in_a_path(world: World) -> None:
    before = page._path.cache_info().currsize
    token = "A" * 43
    with world.app.test_request_context(f"/u/{token}"):
        assert page.path("leaving.page", token=token) == f"/u/{token}"
    assert page._path.cache_info().currsize == before


def test_who_asks_at_the_same_time_waits_for_one_page(
    issued: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an issue thousands ask for one page: it is made once."""
    made, begun, go_on = [], threading.Event(), threading.Event()
    render = render_template

    def slowly(template: str, **values: Any) -> str:
        made.append(template)
        begun.set()
        assert go_on.wait(20)
        return render(template, **values)

    monkeypatch.setattr(page, "render_template", slowly)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(issued.client.get, ITEM)
        assert begun.wait(20)
        others = [pool.submit(issued.client.get, ITEM) for _ in range(3)]
        go_on.set()
        answers = [one.result(20) for one in (first, *others)]
    assert made == ["archive/item.html"]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
