"""`newsletter items …`: the shelf."""

import click

from newsletter import settings as settings_module
from newsletter.cli.office import as_json, needs_content, print_json
from newsletter.content.library import Library
from newsletter.errors import FixContent


@click.group("items")
def command() -> None:
    """The shelf of news items."""


def _library() -> Library:
    settings = settings_module.load()
    needs_content(settings)
    return Library(settings.content_dir, settings.timezone, settings.cadences)


@command.command("list")
@as_json
def list_items(as_json: bool) -> None:
    """All items, newest first."""
    items = sorted(_library().items(), key=lambda i: (i.text_for("nl").front.date, i.slug))
    rows = [
        {
            "slug": item.slug,
            "date": item.text_for("nl").front.date.isoformat(),
            "status": item.status,
            "locales": sorted(item.texts),
            "title": item.text_for("nl").front.title,
        }
        for item in reversed(items)
    ]
    if as_json:
        return print_json(rows)
    for row in rows:
        locales = ",".join(row["locales"])
        click.echo(f"{row['date']}  {row['status']:5}  {locales:11}  {row['slug']}: {row['title']}")
    return None


@command.command("check")
@as_json
def check_items(as_json: bool) -> None:
    """Every error in front matter, text and pictures, with file and line."""
    library = _library()
    findings = library.check()
    for hint in library.hints():
        click.echo(f"{hint} (A hint, no error.)", err=True)
    if as_json:
        print_json([{"path": f.path, "line": f.line, "message": str(f.message)} for f in findings])
        raise SystemExit(1 if findings else 0)
    if findings:
        raise FixContent(*(finding.said for finding in findings))
    click.echo(f"{len(library.items())} items, no errors.")
