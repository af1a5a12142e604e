"""`newsletter migrate`."""

import click

from newsletter import settings as settings_module
from newsletter.cli.office import open_database
from newsletter.db import is_current, migrate


@click.command("migrate")
def command() -> None:
    """Bring the database to the newest schema."""
    database = open_database(settings_module.load())
    if is_current(database):
        click.echo("The database already has the newest schema.")
        return
    migrate(database)
    click.echo("The database now has the newest schema.")
