"""`newsletter serve`: the site, its clock and, in development, the mail catcher."""

import dataclasses
import os
import socket
from datetime import UTC, datetime
from ipaddress import ip_address

import click

import config
from newsletter import seeing
from newsletter import settings as settings_module
from newsletter.catcher import listen
from newsletter.cli import first_start
from newsletter.cli.serve.lmtp import listen as listen_lmtp
from newsletter.cli.serve.server import Server
from newsletter.db import Database, connect
from newsletter.errors import FixContent, FixSettings
from newsletter.schema import is_current, migrate
from newsletter.settings import Settings

HOST = "127.0.0.1"


def _as_ip(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise click.BadParameter("give an IP address, such as 0.0.0.0.") from None


@click.command("serve")
@click.option(
    "--port",
    default=5000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="TCP port of the site on this machine (0: a free one).",
)
@click.option(
    "--host",
    default=HOST,
    show_default=True,
    callback=_as_ip,
    help="IP address to listen on. Others than a proxy of yours must not reach it.",
)
def command(port: int, host: str) -> None:
    """Serve the site with the scheduler inside; in development also the mail catcher."""
    settings = settings_module.load()
    site = _listen(host, port)
    settings = _at_port(settings, site.getsockname()[1])
    catcher = listen(settings.catcher_port) if settings.uses_catcher else None
    lmtp = listen_lmtp(settings.bounce_lmtp) if settings.bounce_lmtp else None
    figures = seeing.listen(settings.metrics_port) if settings.metrics_port else None
    prepare(settings)
    Server(settings, site, catcher, lmtp, figures).run()


def prepare(settings: Settings) -> None:
    """Bring the database up to date; in development, an empty one gets the sample content.

    Raises FixSettings when a database of many hosts was not migrated: a person chooses that moment.
    """
    database = connect(settings.database_url)
    try:
        if database.engine.dialect.name == "sqlite":
            migrate(database)
        elif not is_current(database):
            raise FixSettings(
                "The database of DATABASE_URL has not the newest schema: run `newsletter migrate`."
            )
        if settings.uses_catcher and settings.content_host:
            _fill_first(database, settings)
    finally:
        database.engine.dispose()


def _fill_first(database: Database, settings: Settings) -> None:
    """An error in the content folder is shown, and keeps nobody from starting to mend it."""
    try:
        if first_start.fill(database, settings, datetime.now(UTC)):
            click.echo("First start: the sample content goes to a few sample readers.")
    except FixContent as error:
        click.echo(f"The sample content was not sent:\n{error}", err=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise FixSettings(
            f"Port {port} of {host} cannot be used ({os.strerror(error.errno or 0)}): "
            "end the program that holds it, or choose another with --port."
        ) from None


def _at_port(settings: Settings, port: int) -> Settings:
    """In development, a BASE_URL that nobody set follows the port."""
    chosen = "BASE_URL" in os.environ or settings.base_url != config.BASE_URL
    if settings.production or chosen:
        return settings
    return dataclasses.replace(settings, base_url=f"http://localhost:{port}")
