"""What an issue takes in when it is planned: cases the cursor's machine comes to too rarely."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.issues import publishing
from newsletter.models import Piece
from newsletter.settings import Settings
from tests.issues.conftest import AddReader, Shelf
from tests.issues.test_publishing import accept_all, compiled

MONTH = timedelta(days=28)


def test_what_comes_along_is_as_readers_saw_it_last(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """An item is mended after one cadence had it; a reader whose pause ends gets what is mended."""
    add_reader(session, "week", cadence="weekly")
    add_reader(session, "maand")
    late = add_reader(session, "laat")
    late.paused_until = now + 3 * MONTH
    shelf.put("een", title="Met een fout")
    for cadence in ("weekly", "monthly"):
        issue = compiled(session, settings, shelf, now, cadence)
        publishing.send(session, settings, issue.number, now)
        accept_all(session, settings, now)
        publishing.finish(session, settings, now)
        shelf.put("een", title="Zonder fout")
    shelf.put("twee")
    held = compiled(session, settings, shelf, now + MONTH)
    late.paused_until = None
    session.flush()
    publishing.send(session, settings, held.number, now + MONTH)
    assert accept_all(session, settings, now + MONTH)["laat"] == ["twee", "een"]
    mine = (Piece.issue_number == held.number, Piece.slug == "een", Piece.locale == "nl")
    assert session.scalars(select(Piece.title).where(*mine)).one() == "Zonder fout"


def test_what_grew_too_old_while_an_issue_waited_is_not_in_its_editions(
    session: Session, settings: Settings, shelf: Shelf, add_reader: AddReader, now: datetime
) -> None:
    """It was compiled for a reader who lacked it; in the end only the archive has it for them."""
    add_reader(session, "vlot")
    late = add_reader(session, "laat")
    late.paused_until = now + MONTH / 2
    shelf.put("een")
    issue = compiled(session, settings, shelf, now)
    publishing.send(session, settings, issue.number, now)
    accept_all(session, settings, now)
    publishing.finish(session, settings, now)
    late.paused_until = None
    shelf.put("lang-gewacht")
    held = compiled(session, settings, shelf, now + MONTH)
    late.paused_until = now + 20 * MONTH
    for month in range(2, 3 + settings.backlog):
        shelf.put(f"maand-{month}")
        issue = compiled(session, settings, shelf, now + month * MONTH)
        publishing.send(session, settings, issue.number, now + month * MONTH)
        accept_all(session, settings, now + month * MONTH)
        publishing.finish(session, settings, now + month * MONTH)
    late.paused_until = None
    session.flush()
    then = now + 10 * MONTH
    publishing.send(session, settings, held.number, then)
    got = accept_all(session, settings, then)
    assert "een" not in got["laat"]
    assert got["laat"], "what is not too old is there"
