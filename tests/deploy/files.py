"""What `deploy/` holds, as the programs that read it see it."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import config

DEPLOY = config.PROJECT_DIR / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
PROGRAM = "/srv/fiabel/current/.venv/bin/newsletter"


def values(unit: Path, name: str) -> list[str]:
    """What a unit says under this name, line by line."""
    return re.findall(rf"(?m)^{name}=(.*)$", unit.read_text("utf-8"))


def words(unit: Path) -> list[str]:
    """What ExecStart says to the program, without its path."""
    [line] = values(unit, "ExecStart")
    program, *arguments = shlex.split(line)
    assert program == PROGRAM
    return arguments


@cache
def tracked() -> frozenset[str]:
    """Every file of the project, as git has them."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=config.PROJECT_DIR, capture_output=True, text=True, check=True
    )
    return frozenset(listed.stdout.splitlines())


FILLED = {
    "SECRET_KEY": "a key of production that is long enough",
    "BASE_URL": "https://nieuws.example",
    "MAIL_SERVER": "127.0.0.1",
    "MAIL_DEFAULT_SENDER": '"Fiabel <fiabel@nieuws.example>"',
    "LIST_ID": "fiabel.list-id.nieuws.example",
    "ORG_NAME": "Vereniging",
    "ORG_LEGAL_FORM": "vzw",
    "ORG_ADDRESS": '"Straat 1, 1000 Brussel"',
    "ORG_NUMBER": "0000.000.000",
    "ORG_COURT": '"RPR Gent"',
    "ORG_EMAIL": "info@nieuws.example",
    "ORG_WEBSITE": "https://www.nieuws.example/",
}


def filled(**changes: object) -> str:
    """The template of the settings as somebody fills it in; `changes` replace or add lines."""
    text = (DEPLOY / "newsletter.env").read_text("utf-8")
    for name, value in (FILLED | changes).items():
        line = f"{name}={value}"
        text, found = re.subn(rf"(?m)^#?{name}=.*$", lambda _: line, text)  # noqa: B023
        if not found:
            text += f"{line}\n"
    return text
