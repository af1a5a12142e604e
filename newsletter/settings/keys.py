"""SECRET_KEYS: which keys there are, and the one that development makes for itself."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from newsletter.errors import FixSettings
from newsletter.settings.parsing import secret


def chosen(values: Mapping[str, Any], alone: str | None, problems: list[str]) -> tuple[str, ...]:
    """SECRET_KEYS, or SECRET_KEY (`alone`) as a list of one; empty when neither is set."""
    keys: tuple[str, ...] = values["secret_keys"] or ((alone,) if alone else ())
    if alone and alone != keys[0]:
        problems.append(
            "SECRET_KEY is not the first of SECRET_KEYS: keep SECRET_KEYS, the newest first, and "
            "take SECRET_KEY away."
        )
    if set(keys) & set(values["leaked_keys"] or ()):
        problems.append(
            "LEAKED_KEYS has a key that still stands in SECRET_KEYS: take it out there."
        )
    return keys


def development_key(file: Path) -> str:
    """The key kept in this file, made the first time. Raises FixSettings."""
    try:
        return _kept_key(file)
    except (OSError, ValueError) as error:
        raise FixSettings(f"The key in {file} cannot be used: {error}.") from None


def _kept_key(file: Path) -> str:
    if not file.exists():
        with tempfile.NamedTemporaryFile("w", dir=file.parent) as fresh:  # mode 0600
            fresh.write(secrets.token_urlsafe(48))
            fresh.flush()
            # A hard link appears whole or not at all: of two starts at once, one wins.
            with contextlib.suppress(FileExistsError):
                os.link(fresh.name, file)
    if not (key := secret(file.read_text("ascii"))):
        raise ValueError("it is empty")
    return key
