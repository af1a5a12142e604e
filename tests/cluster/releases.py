"""The release before this one: its code must go on working while this one is put in its place."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import config

# The commit of the last release, or of the oldest one that must still work. At each release: this
# is the commit that was released before.
PREVIOUS = "dae31ecc55e49a8d508d8495b39fe850e86fe531"


def unpack(folder: Path) -> str:
    """Put its code there; returns why it cannot be had, or nothing."""
    command = ["git", "archive", PREVIOUS, "newsletter", "migrations", "templates", "config.py"]
    try:
        done = subprocess.run(command, cwd=config.PROJECT_DIR, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"the history of the program is not there (git archive {PREVIOUS[:7]})"
    with tarfile.open(fileobj=BytesIO(done.stdout)) as code:
        code.extractall(folder, filter="data")
    return ""
