"""`newsletter restore`: put a backup back."""

import dataclasses
from pathlib import Path

import click

from newsletter import settings as settings_module
from newsletter.cli.office import as_json, print_json, tidy
from newsletter.delivery.sender import utcnow
from newsletter.recovery import restoring


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also where there is one: that is put aside.")
@as_json
def command(file: Path, force: bool, as_json: bool) -> None:
    """Put the backup FILE in the place of DATABASE_URL; who left since, leaves again.

    Stop the server first, on all hosts. Nothing is sent afterwards until `newsletter adopt`.
    """
    settings = settings_module.load()

    def step(said: str) -> None:
        if not as_json:
            click.echo(f"{said[:1].upper()}{said[1:]} ...")

    with tidy():
        done = restoring.restore(settings, file.absolute(), utcnow(), force=force, step=step)
    if as_json:
        return print_json(dataclasses.asdict(done))
    if done.kept:
        click.echo(f"What was there is kept: {done.kept}.")
    again = done.replayed
    click.echo(
        f"By the journal {again.left} left, {again.blocked} were blocked and {again.erased} erased "
        "again."
    )
    click.echo("Nothing is sent from it: run `newsletter adopt`, and then start the server.")
    return None
