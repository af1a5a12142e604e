"""The command line: parse, call one function, print, exit code. Errors are one sentence each."""

import gc
import importlib
import os
from typing import Any

import click
from sqlalchemy.exc import DatabaseError

from newsletter.errors import NewsletterError
from newsletter.i18n import COMMAND_LINE

COMMANDS = {
    "serve": "newsletter.cli.serve",
    "demo": "newsletter.cli.demo",
    "worker": "newsletter.cli.worker",
    "migrate": "newsletter.cli.migrate",
    "items": "newsletter.cli.items",
    "issues": "newsletter.cli.issues",
    "deliver": "newsletter.cli.deliver",
    "subscribers": "newsletter.cli.subscribers",
    "suppressions": "newsletter.cli.suppressions",
    "retention": "newsletter.cli.retention",
    "processing": "newsletter.cli.processing",
    "editors": "newsletter.cli.editors",
    "bounces": "newsletter.cli.bounces",
    "audit": "newsletter.cli.audit",
    "adopt": "newsletter.cli.adopt",
    "backup": "newsletter.cli.backup",
    "restore": "newsletter.cli.restore",
    "doctor": "newsletter.cli.doctor",
}


class _Commands(click.Group):
    """Loads a command when it is called, and turns expected errors into a sentence and exit 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        gc.freeze()  # else the end looks through all that was imported once more
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NewsletterError as error:
            # Sentences for visitors are Dutch in the code; the command line speaks English.
            raise _sentence(error.in_(COMMAND_LINE)) from error
        except DatabaseError as error:
            raise _sentence(f"The database (DATABASE_URL) cannot be used: {error.orig}.") from error


def _sentence(text: str) -> click.ClickException:
    error = click.ClickException(text)
    error.show = lambda file=None: click.echo(text, err=True)  # type: ignore[method-assign]
    return error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Fiabel-nieuws: sign-ups, issues, and the mail that carries them."""
    os.umask(0o077)  # what this program writes holds addresses: nobody else on the machine reads it
