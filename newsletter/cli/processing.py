"""`newsletter processing`: the record of processing (GDPR 30), in Dutch, as Markdown."""

import click

from newsletter import settings as settings_module
from newsletter.delivery.sender import utcnow
from newsletter.subscribers import processing


@click.command("processing")
def command() -> None:
    """Print the record of processing for the association's register, as Markdown in Dutch."""
    click.echo(processing.record(settings_module.load(), utcnow()))
