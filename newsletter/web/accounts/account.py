"""An editor and a passkey as Flask-Security knows them: copies, which `store` writes back."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask_security import UserMixin, WebAuthnMixin
from sqlalchemy import inspect

from newsletter import i18n
from newsletter.editors import people
from newsletter.models import Base, Editor, Passkey, Role


class Either(str):
    """What a passkey is for: Flask-Security wants it to be "first" or "secondary".

    Ours serve for both: as the first factor it has to know who holds it (see `means.Passkeys`), so
    that it is two factors by itself; as the second the password was given before.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other in ("first", "secondary")

    __hash__ = str.__hash__


class Credential(WebAuthnMixin):
    """A passkey."""

    editor_id: int
    usage = Either("first or secondary")

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def get_user_mapping(self) -> dict[str, Any]:
        """How its editor is found."""
        return {"id": self.editor_id}

    def values(self) -> dict[str, Any]:
        """Its columns."""
        return {name: value for name, value in self.__dict__.items() if name != "id"}


class Account(UserMixin):
    """An editor, with the passkeys they have; `fs_…`, `tf_…` and `mf_…` are Flask-Security's."""

    id: int
    email: str
    name: str
    locale: str
    role: Role
    active: bool
    password: str | None
    fs_uniquifier = ""  # Flask-Security looks for it in the class
    tf_primary_method: str | None
    tf_totp_secret: str | None
    tf_phone_number = None
    totp_counter: int | None
    mf_recovery_codes: list[str] | None
    fs_webauthn_user_handle: str
    subject: str | None
    webauthn: list[WebAuthnMixin]

    def __init__(self, editor: Editor, passkeys: Sequence[Passkey]) -> None:
        self.loaded = columns(editor)
        self.__dict__.update(self.loaded)
        self.webauthn = [Credential(**columns(passkey)) for passkey in passkeys]

    def may(self, needed: Role) -> bool:
        """Is this editor's role enough?"""
        return people.may(self.role, needed)

    @property
    def has_second_factor(self) -> bool:
        """Is there anything beside the password?"""
        return bool(self.tf_totp_secret or self.webauthn)

    def __hash__(self) -> int:
        return hash(self.fs_uniquifier)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and self.id == other.id


def columns(row: Base) -> Mapping[str, Any]:
    """The columns of a row, as they are now."""
    return {
        attribute.key: getattr(row, attribute.key) for attribute in inspect(row).mapper.column_attrs
    }


def spoken(account: Account) -> str:
    """The language of an editor."""
    return account.locale if account.locale in i18n.LOCALES else i18n.DEFAULT
