"""Who makes the newsletter: invited, given a role, let go. One of them always administers."""

import contextlib
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter import i18n, limits, notices
from newsletter.addresses import parse
from newsletter.editors import factors, signing
from newsletter.errors import FixRequest
from newsletter.i18n import _
from newsletter.models import Editor, NoticeKind, Role
from newsletter.notices.desk import bound, has_come
from newsletter.settings import Settings
from newsletter.tokens import Purpose, tokens_of
from newsletter.tokens import parse as read

LONGEST_NAME = 80
LETTERS = 3  # with a link for a new password, to one address in a day
RANKS = tuple(Role)  # each may do what those before it may


def may(role: Role, needed: Role) -> bool:
    """Is `role` enough for what `needed` may do?"""
    return RANKS.index(role) >= RANKS.index(needed)


def listed(session: Session) -> Sequence[Editor]:
    """All editors, by name; who was let go comes last."""
    return session.scalars(select(Editor).order_by(Editor.active.desc(), Editor.name)).all()


def find(session: Session, email: str) -> Editor | None:
    """The editor with this address, in whatever case it is typed; None for nonsense too."""
    try:
        canonical = parse(email, allow_utf8=True).canonical
    except FixRequest:
        return None
    return session.scalar(select(Editor).where(func.lower(Editor.email) == canonical.lower()))


def known_as(session: Session, subject: str) -> Editor | None:
    """The editor whom the association's login calls this."""
    return session.scalar(select(Editor).where(Editor.subject == subject))


def get(session: Session, id: int) -> Editor:
    """The editor with this number; raises FixRequest when there is none."""
    if editor := session.get(Editor, id):
        return editor
    raise FixRequest(_("Deze medewerker bestaat niet."))


def create(
    session: Session, email: str, name: str, role: Role, locale: str, now: datetime
) -> Editor:
    """A new editor, who cannot sign in before accepting an invitation."""
    address, name = parse(email), " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise FixRequest(_("Vul een naam in van hoogstens 80 tekens."))
    if locale not in i18n.LOCALES:
        raise FixRequest(_("Kies een taal uit de lijst."))
    if find(session, email):
        raise FixRequest(_("Er is al een medewerker met dit e-mailadres."))
    editor = Editor(
        email=address.canonical,
        name=name,
        locale=locale,
        role=role,
        active=True,
        fs_uniquifier=uuid.uuid4().hex,
        created_at=now,
    )
    session.add(editor)
    session.flush()
    return editor


def invite(session: Session, editor: Editor, now: datetime, *, mail: bool = True) -> None:
    """Mail the link by which somebody chooses a password; an earlier one still works.

    `mail=False` only says whether there may be one.
    """
    if not editor.active or has_come(editor):
        raise FixRequest(_("Deze medewerker heeft geen uitnodiging nodig."))
    if mail:
        _write(session, NoticeKind.INVITATION, editor.email, editor.locale, now)


def forgot(
    session: Session, settings: Settings, email: str, locale: str, ip: str, now: datetime
) -> int:
    """Mail a link for a new password; whether somebody has this address, the outbox finds out.

    0, or the seconds until this network may ask again. More than three letters a day to one
    address are not written, and nobody is told.
    """
    name = limits.hidden(settings, "desk-forgot", limits.network(ip))
    if wait := limits.admit(session, name, settings.desk_network_guesses, now):
        return wait
    with contextlib.suppress(FixRequest):
        address = parse(email).canonical
        place = limits.hidden(settings, "desk-letter", address)
        if limits.take(session, [place], LETTERS, limits.DAY, now):
            _write(session, NoticeKind.NEW_PASSWORD, address, locale, now)
    return 0


def tell(session: Session, editor: Editor, now: datetime) -> None:
    """Write an editor that the way they sign in was changed, in case it was not them."""
    _write(session, NoticeKind.ACCESS_CHANGED, editor.email, editor.locale, now)


def change_role(session: Session, editor: Editor, role: Role, now: datetime) -> None:
    """Another role, from the next sign-in on: the present ones end."""
    if editor.role is role:
        return
    if editor.role is Role.ADMINISTRATOR:
        _leave_one(session, editor)
    editor.role = role
    signing.end_all(session, editor.id, now)


def deactivate(session: Session, editor: Editor, now: datetime) -> None:
    """Let somebody go: what they did stays theirs, they sign in no more."""
    if editor.role is Role.ADMINISTRATOR:
        _leave_one(session, editor)
    editor.active = False
    editor.fs_uniquifier = uuid.uuid4().hex  # so that no mailed link opens anything
    signing.end_all(session, editor.id, now)


def reactivate(session: Session, editor: Editor) -> None:
    """Take somebody back, as they were."""
    editor.active = True


def reset(
    session: Session, editor: Editor, now: datetime, *, by: int | None = None, mail: bool = True
) -> None:
    """Take away all that somebody signs in with and invite them anew: a telephone was lost, say.

    `by`: the editor who does it, who cannot do it to themselves. `mail`: as in `invite`.
    """
    if editor.id == by:
        raise FixRequest(_("Dit kan een andere beheerder voor je doen."))
    if not editor.active:
        raise FixRequest(_("Deze account is uitgeschakeld."))
    factors.take_away(session, editor)
    signing.end_all(session, editor.id, now)
    invite(session, editor, now, mail=mail)


def opened(session: Session, settings: Settings, token: str, now: datetime) -> Editor | None:
    """Whose password the token of a mailed link may set; None when it is not, or no longer, one."""
    claim = read(token)
    editor = session.get(Editor, claim.id) if claim else None
    if claim is None or editor is None or not editor.active:
        return None
    ages = {
        Purpose.INVITATION: timedelta(days=settings.invitation_days),
        Purpose.NEW_PASSWORD: timedelta(hours=settings.new_password_hours),
    }
    keys, tied = tokens_of(settings), bound(editor)
    for purpose, age in ages.items():
        if not claim.older_than(age, now) and keys.verify(purpose, claim, tied):
            return editor
    return None


def _write(session: Session, kind: NoticeKind, email: str, locale: str, now: datetime) -> None:
    notices.queue(session, kind, email=email, locale=locale, now=now)


def _leave_one(session: Session, editor: Editor) -> None:
    """Of two administrators who let each other go at the same moment, one waits for the other."""
    others = session.scalars(
        select(Editor.id)
        .where(Editor.role == Role.ADMINISTRATOR, Editor.active)
        .order_by(Editor.id)
        .with_for_update()
    ).all()
    if not set(others) - {editor.id}:
        raise FixRequest(
            _("Er moet altijd één beheerder zijn. Maak eerst iemand anders beheerder.")
        )
