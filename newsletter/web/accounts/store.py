"""Flask-Security's way to our rows: it changes copies, and `commit` writes what differs at once,
in one transaction with its lines in the log."""

from dataclasses import dataclass, field
from typing import Any

from flask import g
from flask import session as browser
from flask_security import RoleMixin
from flask_security.datastore import UserDatastore
from sqlalchemy.orm import Session

from newsletter import audit
from newsletter.editors import factors, people, signing
from newsletter.models import Editor
from newsletter.web.accounts.account import Account, Credential, columns
from newsletter.web.page import now, state

KEY = "desk"  # of the secret that names the sign-in, in the session


@dataclass
class _Pending:
    """What a request has changed so far."""

    accounts: dict[int, Account] = field(default_factory=dict)
    added: list[Credential] = field(default_factory=list)
    used: list[Credential] = field(default_factory=list)
    removed: list[Credential] = field(default_factory=list)


class Store(UserDatastore):
    """Editors and passkeys; there are no roles in Flask-Security's sense."""

    def __init__(self) -> None:
        super().__init__(Account, RoleMixin, Credential)

    def find_user(self, case_insensitive: bool = False, **sought: Any) -> Account | None:
        """The editor with this address, number or key; that of the request is known already."""
        name, value = next(iter(sought.items()))
        present: Account | None = g.get("account")
        if present is not None and getattr(present, name) == value:
            return present
        with state().database.read() as session:
            if name == "email":
                editor = people.find(session, value)
            else:
                editor = session.query(Editor).filter_by(**{name: value}).one_or_none()
            return Account(editor, factors.passkeys(session, editor.id)) if editor else None

    def find_webauthn(self, credential_id: bytes) -> Credential | None:
        """The passkey with this id."""
        with state().database.read() as session:
            found = factors.passkey(session, credential_id)
            return Credential(**columns(found)) if found else None

    def create_webauthn(self, user: Any, credential_id: bytes, *_rest: Any, **values: Any) -> None:
        """Keep a new passkey."""
        values.pop("usage")
        made = {"editor_id": user.id, "credential_id": credential_id, "lastuse_datetime": now()}
        _pending().added.append(Credential(**made, **values))
        self.put(user)

    def put(self, model: Account | Credential) -> None:
        """Write it with the next commit."""
        if isinstance(model, Account):
            _pending().accounts[model.id] = model
        else:
            _pending().used.append(model)

    def delete(self, model: Credential) -> None:
        """Forget a passkey with the next commit."""
        _pending().removed.append(model)

    def commit(self) -> None:
        """Write what differs."""
        pending: _Pending = g.pop("desk_pending", _Pending())
        if pending == _Pending():
            return
        with state().database.write() as session:
            _write(session, pending)


def _pending() -> _Pending:
    if "desk_pending" not in g:
        g.desk_pending = _Pending()
    found: _Pending = g.desk_pending
    return found


def _write(session: Session, pending: _Pending) -> None:
    for account in pending.accounts.values():
        changed = {
            name: getattr(account, name)
            for name in factors.CHANGES
            if getattr(account, name) != account.loaded[name]
        }
        _tell(session, account.id, factors.change(session, account.id, changed))
        if "fs_uniquifier" in changed:
            signing.end_all(session, account.id, now(), but=browser.get(KEY))
    for one in pending.used:
        factors.use_passkey(session, one.credential_id, one.values())
    for one in pending.added:
        factors.add_passkey(session, one.values())
        _tell(session, one.editor_id, ["editor.passkey_added"])
    for one in pending.removed:
        factors.remove_passkey(session, one.credential_id)
        _tell(session, one.editor_id, ["editor.passkey_removed"])


def _tell(session: Session, editor_id: int, actions: list[str]) -> None:
    """Write it into the log, and to the editor, in case it was not them."""
    for action in actions:
        who = audit.editor(editor_id)
        audit.record(session, state().settings, who, action, who, now())
    if actions:
        people.tell(session, session.get_one(Editor, editor_id), now())
