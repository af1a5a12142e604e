"""The people page: what happens is said before it does, and who lost a telephone begins anew."""

import pytest
from sqlalchemy import select

from newsletter import audit
from newsletter.editors import factors
from newsletter.models import Editor, Notice, NoticeKind, Passkey, Role, SignIn
from tests.desk.conftest import Desk
from tests.desk.signing import Person, is_in, send

PASSKEY = {
    "credential_id": b"x",
    "public_key": b"y",
    "sign_count": 0,
    "backup_state": False,
    "device_type": "single_device",
    "name": "telefoon",
}
SAID = {
    "role?role=editor": "Wim Schrijver is nu schrijver en wordt redacteur.",
    "deactivate": "Aanmelden kan dan niet meer.",
    "reset": "Er vertrekt een nieuwe uitnodiging naar wim@voorbeeld.example.",
}


def row(desk: Desk, editor: Editor) -> Editor:
    with desk.database.read() as session:
        return session.get_one(Editor, editor.id)


def equip(desk: Desk, editor: Editor) -> None:
    """Everything one can sign in with."""
    with desk.database.write() as session:
        one = session.get_one(Editor, editor.id)
        one.subject, one.fs_webauthn_user_handle = "els-1", "a handle"
        one.mf_recovery_codes, one.totp_counter = ["hash"], 7
        values = PASSKEY | {"editor_id": editor.id, "lastuse_datetime": one.created_at}
        factors.add_passkey(session, values)


def test_who_lost_a_telephone_begins_anew(desk: Desk) -> None:
    admin, els, browser = desk(Role.ADMINISTRATOR), Person.make(desk), desk.stranger()
    els.sign_in(browser)
    equip(desk, els.editor)
    before = row(desk, els.editor)
    assert admin.send(f"/desk/people/{before.id}/reset").location == "/desk/people"
    after = row(desk, els.editor)
    means = set(factors.CHANGES) - {"fs_uniquifier"}
    assert [getattr(before, name) for name in means].count(None) == 0, "there was something to lose"
    assert {getattr(after, name) for name in means} == {None}
    assert after.fs_uniquifier != before.fs_uniquifier
    assert (after.role, after.active, after.name) == (before.role, True, before.name)
    assert not is_in(browser)
    with desk.database.read() as session:
        assert not session.scalars(select(Passkey)).all()
        theirs = select(SignIn).where(SignIn.editor_id == before.id, SignIn.ended_at.is_(None))
        assert not session.scalars(theirs).all()
        notice = session.scalars(select(Notice)).one()
        line = audit.found(session, "editor.reset")[0]
    assert (notice.kind, notice.email) == (NoticeKind.INVITATION, before.email)
    assert (line.actor, line.subject) == (audit.editor(admin.editor.id), audit.editor(before.id))
    page = send(desk.stranger(), "/desk/sign-in", email=before.email, password="vier groene koeien")
    assert page.status_code == 200, "the old password is nobody's"


@pytest.mark.sqlite("who may be reset does not depend on the database")
def test_neither_oneself_nor_who_was_let_go_begins_anew(desk: Desk) -> None:
    admin, els = desk(Role.ADMINISTRATOR), desk(Role.EDITOR)
    number = admin.editor.id
    admin.send(f"/desk/people/{number}/reset")
    page = admin.get("/desk/people").text
    assert "Dit kan een andere beheerder voor je doen." in page
    assert f"/desk/people/{number}/reset" not in page
    assert row(desk, admin.editor).password
    admin.send(f"/desk/people/{els.editor.id}/deactivate")
    admin.send(f"/desk/people/{els.editor.id}/reset")
    assert row(desk, els.editor).password
    with desk.database.read() as session:
        assert not session.scalars(select(Notice)).all()


@pytest.mark.sqlite("pages do not depend on the database")
def test_what_will_happen_is_said_before_it_does(desk: Desk) -> None:
    admin, writer = desk(Role.ADMINISTRATOR), desk.editor(Role.WRITER)
    people = f"/desk/people/{writer.id}"
    for change, words in SAID.items():
        path = f"{people}/{change}"
        assert path.split("?")[0] in admin.get("/desk/people").text
        page = admin.get(path).text
        assert words in page
        assert f'method="post" action="{path.split("?")[0]}"' in page
    assert f'method="post" action="{people}' not in admin.get("/desk/people").text
    now = row(desk, writer)
    assert (now.role, now.active, now.password) == (writer.role, True, writer.password)
    own = admin.get(f"/desk/people/{admin.editor.id}/deactivate").text
    assert "Je wordt zelf meteen" in own
    for nonsense in ("role?role=king", "role?role=writer", "role"):
        assert admin.get(f"{people}/{nonsense}").location == "/desk/people"
    assert admin.get("/desk/people/99/reset").location == "/desk/people"


@pytest.mark.sqlite("pages do not depend on the database")
def test_beginning_anew_needs_a_fresh_proof(desk: Desk) -> None:
    writer, stale = desk.editor(Role.WRITER), desk(Role.ADMINISTRATOR, fs_paa=1.0)
    for ask in (stale.get, stale.send):
        asked = ask(f"/desk/people/{writer.id}/reset")
        assert asked.location.startswith("/desk/again")
    assert row(desk, writer).password
