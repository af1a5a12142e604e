"""`newsletter backup`: a copy of the database, made while mail is sent."""

import dataclasses
from pathlib import Path

import click

from newsletter.cli.office import as_json, open_office, print_json, progress, tidy
from newsletter.delivery.sender import utcnow
from newsletter.recovery import copying

FOLDER = "backups"  # in INSTANCE_DIR
NOT_IN_IT = (
    "Not in it: CONTENT_DIR (keep it in git), SECRET_KEY and .env, DKIM keys, and OUTSIDE_DIR "
    "(the journal; never put its fence back)."
)


@click.command("backup")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@as_json
def command(file: Path | None, as_json: bool) -> None:
    """Copy the database to FILE (or into that folder), and read it back.

    Without FILE it goes to INSTANCE_DIR/backups, named by the time. The server goes on meanwhile.
    """
    office, now = open_office(), utcnow()
    folder = file or office.settings.instance_dir / FOLDER
    if file is None or file.is_dir():
        file = folder / copying.name(office.database, now)
    with tidy(), progress("Copying", 100, quiet=as_json) as advance:
        shown = 0

        def show(done: int, whole: int) -> None:
            nonlocal shown
            percent = done * 100 // max(whole, 1)
            advance(percent - shown)
            shown = percent

        made = copying.make(office.database, office.settings, file.absolute(), now, show)
    if as_json:
        return print_json(dataclasses.asdict(made))
    click.echo(f"{made.file}: {made.octets} octets, {made.rows} rows, schema {made.revision}.")
    click.echo(f"Read back: {made.proven}. SHA-256 {made.sha256}.")
    click.echo(NOT_IN_IT)
    return None
