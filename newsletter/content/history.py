"""The history of the shelf: where the content folder is a Git repository, a commit for each save.

Only `content/.git` counts, so that nothing is committed to a repository the folder happens to lie
in. Git's own hooks, filters of signatures and prompts are left out; what it cannot do is said, and
never undoes a save.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

SECONDS = 20
_WITHOUT = ("core.hooksPath=/dev/null", "commit.gpgSign=false", "core.fsmonitor=false", "gc.auto=0")
_CRUD = re.compile(r"[\x00-\x1f\x7f<>]")


def commit(folder: Path, paths: Sequence[str], name: str, email: str, message: str) -> str | None:
    """Commit exactly these paths (below `folder`), as that person. None: done, there was nothing to
    do, or there is no repository; else why Git could not, in its own English."""
    if not paths or not (folder / ".git").exists():
        return None
    who = _CRUD.sub("", name).strip(" .,:;\"'") or "editor"
    settings = (*_WITHOUT, f"user.name={who}", f"user.email={email}")
    text = " ".join(_CRUD.sub(" ", message).split())
    try:
        if _git(folder, settings, "status", "--porcelain", "--", *paths):
            _git(folder, settings, "add", "--", *paths)
            _git(folder, settings, "commit", "--quiet", "--only", f"--message={text}", "--", *paths)
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", b"") or str(error).encode()
        line = told.decode("utf-8", "replace").strip().partition("\n")[0]
        return str(line.replace(f"{folder.resolve()}/", "")[:200])
    return None


def _git(folder: Path, settings: Sequence[str], *arguments: str) -> bytes:
    options = [part for setting in settings for part in ("-c", setting)]
    # Whoever started us may have told Git about another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "--literal-pathspecs", *options, *arguments],
        cwd=folder,
        env=environment | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=SECONDS,
    )
    return done.stdout
