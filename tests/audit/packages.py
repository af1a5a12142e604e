"""Known holes in what is locked, by pip-audit."""

import json
import subprocess
import sys
from typing import Any

import click

import config

SOURCES = ("pypi", "osv")
SECONDS = 300


def audit() -> bool:
    """Ask each source until one answers; True when a package has a known hole."""
    for source in SOURCES:
        asked, held = read(_run(source))
        if asked:
            click.echo(f"pip-audit: {asked} packages looked up at {source}.")
            for one in held:
                click.echo(f"pip-audit: {one}")
            return bool(held)
    click.echo(
        "pip-audit: nothing was looked up, since neither PyPI's advisories nor osv.dev answer "
        "here: run `make audit` where they do, at least at every release.",
    )
    return False


def read(said: str) -> tuple[int, list[str]]:
    """How many packages were looked up, and what is wrong; pip-audit passes over those that its
    source does not know, and ends well even when that is every one of them."""
    try:
        found: list[dict[str, Any]] = json.loads(said)["dependencies"]
    except (ValueError, KeyError):
        return 0, []
    known = [one for one in found if "skip_reason" not in one]
    held = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no version yet'}"
        for one in known
        for hole in one.get("vulns", ())
    ]
    return len(known), held


def _run(source: str) -> str:
    command = [sys.executable, "-m", "pip_audit", "--requirement", "requirements.lock"]
    options = ["--disable-pip", "--progress-spinner=off", "--format=json"]
    try:
        return subprocess.run(
            [*command, *options, f"--vulnerability-service={source}"],
            cwd=config.PROJECT_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            text=True,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired:
        return ""
