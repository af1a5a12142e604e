"""The link in a proof: looking stops nothing, the button stops, and only that issue."""

from datetime import UTC, datetime
from html import unescape

from newsletter.delivery.message import GAP
from newsletter.i18n import LOCALES
from newsletter.issues.planning import base_editions
from newsletter.models import Issue, IssueState
from newsletter.tokens import Purpose, Tokens
from tests.web.conftest import World


def stop_link(world: World, number: int, purpose: Purpose = Purpose.STOP_ISSUE) -> str:
    token = Tokens(world.settings.secret_key).issue(purpose, number, datetime.now(UTC))
    return f"/nl/stop/{token}"


def add_issue(world: World, state: IssueState) -> None:
    now = datetime.now(UTC)
    with world.database.write() as session:
        session.add(Issue(number=7, state=state, by_clock=True, compiled_at=now))


def state_of(world: World) -> IssueState:
    with world.database.read() as session:
        return session.get_one(Issue, 7).state


def test_uns_05_looking_stops_nothing_the_button_does(world: World) -> None:
    add_issue(world, IssueState.HELD)
    link, before = stop_link(world, 7), world.dump()
    for method in ("GET", "HEAD", "OPTIONS"):
        assert world.client.open(link, method=method).status_code == 200
    assert world.dump() == before
    assert "tegengehouden" in world.client.post(link).text
    assert state_of(world) is IssueState.STOPPED
    assert world.client.post(link).status_code == 200, "pressed twice"


def test_what_was_sent_cannot_be_stopped(world: World) -> None:
    add_issue(world, IssueState.SENT)
    answer = world.client.post(stop_link(world, 7))
    assert (answer.status_code, "al verzonden" in answer.text) == (409, True)
    assert state_of(world) is IssueState.SENT


def test_other_links_do_not_stop_an_issue(world: World) -> None:
    add_issue(world, IssueState.HELD)
    link = stop_link(world, 7)
    for bad in (stop_link(world, 7, Purpose.UNSUBSCRIBE), link[:-1], link[:-1] + "~"):
        assert world.client.post(bad).status_code == 404
    assert world.client.post(stop_link(world, 8)).status_code == 404
    assert state_of(world) is IssueState.HELD


def test_editors_look_at_the_mail_before_anybody_gets_it(issued: World) -> None:
    """The copies of readers are there only once an issue was sent."""
    looked = {
        locale: issued.client.get(stop_link(issued, 2).replace("/nl/stop/", f"/{locale}/proof/"))
        for locale in LOCALES
    }
    with issued.database.read() as session:
        issue = session.get_one(Issue, 2)
        editions = base_editions(session, issued.settings, issue, datetime.now(UTC))
    for locale, answer in looked.items():
        edition, _pieces = editions[locale]
        assert answer.status_code == 200
        assert f"<title>{edition.subject}</title>" in unescape(answer.text)
        assert not GAP.search(answer.text)
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert issued.client.get("/nl/issues/2/mail").status_code == 404
    for number, purpose in ((2, Purpose.UNSUBSCRIBE), (3, Purpose.STOP_ISSUE)):
        path = stop_link(issued, number, purpose).replace("/stop/", "/proof/")
        assert issued.client.get(path).status_code == 404
