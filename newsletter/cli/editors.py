"""`newsletter editors …`: who makes the newsletter. The first administrator comes from here."""

import click
from sqlalchemy.orm import Session

from newsletter import i18n
from newsletter.cli.office import Office, as_json, log, open_office, print_json
from newsletter.delivery.sender import utcnow
from newsletter.editors import people
from newsletter.errors import FixRequest
from newsletter.links import Links
from newsletter.models import Editor, Role
from newsletter.notices.desk import bound, has_come
from newsletter.tokens import Purpose, tokens_of

email_argument = click.argument("email")
show_link = click.option("--link", is_flag=True, help="Print the link instead of mailing it.")


@click.group("editors")
def command() -> None:
    """People who make the newsletter on the desk."""


@command.command("create")
@email_argument
@click.option("--name", required=True, help="As others see it.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.WRITER.value,
    show_default=True,
    help="What they may do; each may do what those before it may.",
)
@click.option("--locale", type=click.Choice(i18n.LOCALES), default=i18n.DEFAULT, show_default=True)
@show_link
def create(email: str, name: str, role: str, locale: str, link: bool) -> None:
    """Invite somebody to the desk; they choose a password by the mailed link."""
    office = open_office()
    with office.database.write() as session:
        editor = people.create(session, email, name, Role(role), locale, utcnow())
        log(session, "editor.invite", f"editor {editor.id}", role=role)
        words = _invited(session, office, editor, link)
    click.echo(words)


@command.command("invite")
@email_argument
@show_link
def invite(email: str, link: bool) -> None:
    """Mail the invitation once more."""
    office = open_office()
    with office.database.write() as session:
        editor = _find(session, email)
        words = _invited(session, office, editor, link)
        log(session, "editor.invite", f"editor {editor.id}", role=editor.role.value)
    click.echo(words)


@command.command("reset")
@email_argument
@show_link
def reset(email: str, link: bool) -> None:
    """Who lost a telephone begins anew: password, codes and passkeys go, an invitation comes.

    Every browser they are signed in with is signed out. Be sure first who asks for it.
    """
    office = open_office()
    with office.database.write() as session:
        editor = _find(session, email)
        people.reset(session, editor, utcnow(), mail=not link)
        log(session, "editor.reset", f"editor {editor.id}")
        words = _invitation(office, editor, link)
    click.echo(words)


@command.command("list")
@as_json
def list_editors(as_json: bool) -> None:
    """Everybody, with their roles."""
    office = open_office()
    with office.database.read() as session:
        rows = [
            {
                "id": one.id,
                "email": one.email,
                "name": one.name,
                "role": one.role.value,
                "locale": one.locale,
                "active": one.active,
                "invited": not has_come(one),
                "seen_at": one.seen_at.isoformat() if one.seen_at else None,
            }
            for one in people.listed(session)
        ]
    if as_json:
        return print_json(rows)
    for row in rows:
        mark = "" if row["active"] else "  (not active)"
        mark = "  (invited)" if row["active"] and row["invited"] else mark
        click.echo(f"{row['id']:4}  {row['role']:13}  {row['name']} <{row['email']}>{mark}")
    return None


@command.command("deactivate")
@email_argument
def deactivate(email: str) -> None:
    """Let somebody go; every browser they are signed in with is signed out."""
    office = open_office()
    with office.database.write() as session:
        editor = _find(session, email)
        people.deactivate(session, editor, utcnow())
        log(session, "editor.deactivate", f"editor {editor.id}")
    click.echo(f"{editor.name} can sign in no more.")


def _find(session: Session, email: str) -> Editor:
    if editor := people.find(session, email):
        return editor
    raise FixRequest("No editor has this address.")


def _invited(session: Session, office: Office, editor: Editor, link: bool) -> str:
    people.invite(session, editor, utcnow(), mail=not link)
    return _invitation(office, editor, link)


def _invitation(office: Office, editor: Editor, link: bool) -> str:
    """What to say of an invitation: it was mailed, or its link, for who sets up a server that sends
    no mail yet."""
    if not link:
        return f"The invitation of {editor.name} is on its way."
    keys = tokens_of(office.settings)
    token = keys.issue(Purpose.INVITATION, editor.id, utcnow(), bound(editor))
    return Links(office.settings.base_url).password(editor.locale, token)
