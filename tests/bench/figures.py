"""Figures that were measured, kept as JSON: of this machine in build/, published ones in docs/."""

import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests import postgres
from tests.bench.world import ROOT

BUILD = ROOT / "build"
DOCS = ROOT / "docs" / "benchmarks"
KEPT = DOCS / "figures.json"
BUSY = 1.0  # load of a machine on which other work runs


def keep(part: str, measure: Callable[[Path], dict[str, Any]]) -> None:
    """Measure a part in a folder of its own, and write build/bench-PART.json."""
    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    if load > BUSY:
        print(f"Other work ran on this machine (load {load}): the figures are too low.")
    about = {"at": datetime.now(UTC).date().isoformat(), "load_before": load}
    file = BUILD / f"bench-{part}.json"
    BUILD.mkdir(exist_ok=True)
    file.write_text(json.dumps(about | machine() | found, indent=1) + "\n")
    print(f"Written to {file.relative_to(ROOT)}.", file=sys.stderr)


def publish() -> dict[str, Any]:
    """What build/ has goes over what was published, part by part; all that is published now."""
    found = published()
    for file in sorted(BUILD.glob("bench-*.json")):
        found[file.stem.removeprefix("bench-")] = json.loads(file.read_text())
    DOCS.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return published()


def published() -> dict[str, Any]:
    """By part; empty before the first time."""
    found: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def machine() -> dict[str, Any]:
    """What it was measured on; nothing that names this machine."""
    octets = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = re.match(r"\d+\.\d+", platform.release())
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(octets / 2**30),
        "system": f"{platform.system()} {system[0] if system else ''}".strip(),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    if programs := postgres.binaries():
        found["PostgreSQL"] = _said(str(programs / "postgres"), "--version")
    if postfix := shutil.which("postconf") or shutil.which("postconf", path="/usr/sbin"):
        found["Postfix"] = _said(postfix, "-d", "mail_version")
    return {name: version for name, version in found.items() if version}


def _said(*command: str) -> str:
    """The version in what a program says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    version = re.search(r"\d+\.[\d.]*\d", done.stdout)
    return version[0] if version else ""
