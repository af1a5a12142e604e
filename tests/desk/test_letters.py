"""The letters of the desk, from the outbox to the relay: whom they reach, and whom they do not."""

from datetime import datetime

import pytest
from sqlalchemy import select

from newsletter import notices
from newsletter.editors import people
from newsletter.i18n import LOCALES
from newsletter.models import Editor, Notice, NoticeKind, NoticeState, Role
from newsletter.notices import writing
from tests.desk.conftest import Build
from tests.relay import running


def test_only_who_makes_the_newsletter_gets_a_link(build_desk: Build, now: datetime) -> None:
    with running() as relay:
        desk = build_desk(mail_server="127.0.0.1", mail_port=relay.port)
        with desk.database.write() as session:
            an = people.create(session, "an@voorbeeld.example", "An", Role.EDITOR, "nl", now)
            people.invite(session, an, now)
            for name in ("an", "niemand"):
                email, ip = f"{name}@voorbeeld.example", "203.0.113.7"
                assert people.forgot(session, desk.settings, email, "fr", ip, now) == 0
        assert notices.drain(desk.database, desk.settings, now) == 2
    with desk.database.read() as session:
        rows = session.scalars(select(Notice).order_by(Notice.id)).all()
    assert [row.state for row in rows] == [
        NoticeState.SENT,
        NoticeState.SENT,
        NoticeState.DROPPED,
    ]
    assert {row.email for row in rows} == {None}


def test_an_invitation_that_was_accepted_is_not_mailed_again(
    build_desk: Build, now: datetime
) -> None:
    with running() as relay:
        desk = build_desk(mail_server="127.0.0.1", mail_port=relay.port)
        with desk.database.write() as session:
            an = people.create(session, "an@voorbeeld.example", "An", Role.EDITOR, "nl", now)
            people.invite(session, an, now)
            an.password = "chosen meanwhile, by an earlier letter"
        assert notices.drain(desk.database, desk.settings, now) == 0


@pytest.mark.sqlite("a letter is written without a database")
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", ["invitation", "new_password", "access_changed"])
def test_letters_speak_every_language(
    build_desk: Build, now: datetime, kind: str, locale: str
) -> None:
    settings = build_desk().settings
    editor = Editor(id=3, name="An", fs_uniquifier="x", password=None)
    notice = Notice(id=1, kind=NoticeKind(kind), locale=locale, facts={}, created_at=now)
    letter = writing.write(settings, notice, None, now, editor)
    assert "https://nieuws.test/desk/" in letter.text
    assert f'lang="{locale}"' in letter.html
    assert letter.subject
