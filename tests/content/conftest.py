"""A shelf in a temporary folder, and a writer for its files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.content.library import Library

TOPICS = """
[milieu]
nl = "Milieu"
fr = "Environnement"
en = "Environment"
de = "Umwelt"

[bestuur]
nl = "Bestuur"
fr = "Gouvernance"
en = "Government"
de = "Verwaltung"
"""
GOOD = """---
title: Compost in Tambacounda
date: 2026-11-20
status: ready
topics: [milieu]
summary: Afval wordt compost.
---
Een eerste alinea.
"""
Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    (folder / "items" / "2026" / "11").mkdir(parents=True)
    (folder / "pages").mkdir()
    (folder / "images").mkdir()
    (folder / "topics.toml").write_text(TOPICS, "utf-8")
    return folder


@pytest.fixture
def write(shelf: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = shelf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def library(shelf: Path) -> Library:
    return Library(shelf)
