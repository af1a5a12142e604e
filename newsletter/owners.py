"""Whose the files in OUTSIDE_DIR are: a command run as root must leave them to the service."""

import os
from pathlib import Path


def make(folder: Path, like: Path) -> None:
    """A folder, and those above it that lack, for its owner alone: when root makes it, that of
    `like`. Raises OSError."""
    if not folder.is_dir():
        make(folder.parent, like)
        folder.mkdir(mode=0o700, exist_ok=True)
        give(folder, like)


def give(file: Path | int, like: Path) -> None:
    """Let a file (or an open one) that root made belong to whom `like` does. Raises OSError."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(file, owner.st_uid, owner.st_gid)
