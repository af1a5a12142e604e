"""wapiti against the running site, as a reader and as an editor; nothing outside is asked."""

import json
import secrets
import shutil
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from newsletter import settings as settings_module
from newsletter.app import create_app
from newsletter.db import connect
from newsletter.editors import people, signing
from newsletter.models import Role
from tests.cli.serving import Serving

PROGRAM = "wapiti"
KEY = "a key for the audit that is long enough"
MEDIUM = 2  # of 1 (low), 2 (medium), 3 (high)
# Left out: nikto and wapp fetch their lists from elsewhere, ssrf and xxe need a host there, and
# buster guesses names for hours.
MODULES = (
    "backup,blindsql,brute_login_form,cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,"
    "methods,permanentxss,redirect,shellshock,sql,xss"
)
CRAWL, ATTACK = 60, 30  # seconds; the second for each module
READERS = ("/nl/", "/en/", "/nl/signup", "/nl/my-link", "/nl/search?q=a", "/nl/for-your-site")
EDITORS = ("/desk/", "/desk/items", "/desk/issues", "/desk/people", "/desk/subscribers")
LEFT_ALONE = "/desk/sign-out"  # else the rest is tried from outside


def audit(serving: Serving, folder: Path) -> bool:
    """Scan twice; True when something of medium level or higher was found."""
    program = shutil.which(PROGRAM)
    if program is None:
        click.echo(
            f"{PROGRAM} is missing, so the site was not scanned (Debian: apt-get install it)."
        )
        return False
    jar = folder / "cookies.json"
    jar.write_text(json.dumps(cookies(serving)), "utf-8")
    nobody = _scan(program, serving, folder / "reader", READERS)
    editor = _scan(program, serving, folder / "editor", EDITORS, "-c", str(jar))
    return nobody | editor


def found(report: dict[str, Any]) -> list[tuple[int, str]]:
    """Everything in a report of wapiti: its level, and what it is."""
    kinds = (report.get(kind, {}) for kind in ("vulnerabilities", "anomalies"))
    return sorted(
        {
            (int(one["level"]), f"{name}: {one['method']} {one['path']} {one['info']}")
            for kind in kinds
            for name, those in kind.items()
            for one in those
        },
        reverse=True,
    )


def cookies(serving: Serving) -> dict[str, Any]:
    """The session of an administrator, as wapiti reads cookies."""
    environ = {"SECRET_KEY": KEY, "INSTANCE_DIR": str(serving.folder)}
    settings = settings_module.load(environ, serving.folder / "no.env")
    settings = replace(settings, base_url=serving.url)
    app, now = create_app(settings), datetime.now(UTC)
    database, key = connect(settings.database_url), secrets.token_urlsafe(32)
    with database.write() as session:
        editor = people.create(session, "an@voorbeeld.example", "An", Role.ADMINISTRATOR, "nl", now)
        editor.password = "not a hash: nobody signs in with it"
        how = {"method": "password", "place": "203.0.113.0/24", "browser": "wapiti"}
        signing.begin(session, editor.id, key, now, **how)
    database.engine.dispose()
    values = {"_user_id": editor.fs_uniquifier, "desk": key, "fs_paa": time.time()}
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    value = serializer.dumps(values | {"csrf_token": secrets.token_hex(20)})
    cookie = {"value": value, "expires": None, "secure": False, "version": 0}
    return {"localhost": {"/": {app.config["SESSION_COOKIE_NAME"]: cookie}}}


def _scan(
    program: str, serving: Serving, folder: Path, starts: tuple[str, ...], *more: str
) -> bool:
    folder.mkdir()
    report, starting = folder / "report.json", [serving.url + path for path in starts]
    subprocess.run(
        [
            *(program, "-u", starting[0], "--scope", "domain", "-m", MODULES, "--no-bugreport"),
            *(part for one in starting[1:] for part in ("-s", one)),
            *("-x", serving.url + LEFT_ALONE, "--store-session", str(folder / "session")),
            *("--store-config", str(folder / "config"), "-d", "3", "--max-links-per-page", "40"),
            *("--max-files-per-dir", "10", "--max-parameters", "20"),
            *("--max-scan-time", str(CRAWL), "--max-attack-time", str(ATTACK)),
            *("-v", "1", "-f", "json", "-o", str(report), *more),
        ],
        stdin=subprocess.DEVNULL,
        stdout=(folder / "said.txt").open("wb"),
        stderr=subprocess.STDOUT,
        timeout=CRAWL + len(MODULES.split(",")) * ATTACK + 120,
        check=False,
    )
    said = (folder / "said.txt").read_text("utf-8", "replace")
    asked = sum(line.startswith(("[+] GET", "[+] POST")) for line in said.splitlines())
    rows = found(json.loads(report.read_text("utf-8")))
    click.echo(f"{PROGRAM}, {folder.name}: {asked} attacks tried, {len(rows)} findings.")
    for level, what in rows:
        click.echo(f"  level {level}: {what}")
    return any(level >= MEDIUM for level, _what in rows)
