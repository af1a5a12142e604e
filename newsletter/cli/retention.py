"""`newsletter retention`: remove the personal data that has been kept long enough, and say what."""

import click

from newsletter.cli.office import as_json, open_office, print_json
from newsletter.delivery.sender import utcnow
from newsletter.jobs import nightly
from newsletter.subscribers import retention


@click.command("retention")
@click.option("--rules", is_flag=True, help="Only say what is kept how long.")
@as_json
def command(rules: bool, as_json: bool) -> None:
    """Remove personal data that was kept as long as the settings say; each night by itself too."""
    office = open_office()
    gone = {} if rules else nightly.forget_old(office.database, office.settings, utcnow())
    rows = [
        {
            "what": rule.what,
            "setting": rule.setting,
            "days": rule.days(office.settings),
            "removed": gone.get(rule.what, 0),
        }
        for rule in retention.RULES
    ]
    if as_json:
        return print_json(rows)
    for row in rows:
        count = "" if rules else f"{row['removed']:>9}  "
        click.echo(f"{count}{row['what']} (older than {row['days']} days, {row['setting']})")
    return None
