"""`newsletter migrate`."""

import click

from newsletter import settings as settings_module
from newsletter.cli.office import open_database
from newsletter.schema import is_current, migrate, waits_for_post

WAITS = (
    "A migration waits until no process of an older release runs: then run "
    "`newsletter migrate --post`."
)


@click.command("migrate")
@click.option(
    "--post",
    is_flag=True,
    help="Also take away what only older releases need: once none of their processes runs.",
)
def command(post: bool) -> None:
    """Bring the database to the newest schema; older releases that still run go on working."""
    database = open_database(settings_module.load())
    done = is_current(database) and not (post and waits_for_post(database))
    if not done:
        migrate(database, post=post)
    click.echo(
        "The database already has the newest schema."
        if done
        else "The database now has the newest schema."
    )
    if waits_for_post(database):
        click.echo(WAITS)
