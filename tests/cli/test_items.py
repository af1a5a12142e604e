"""`newsletter items check` about pictures: errors with file and line, hints that stop nothing."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from newsletter.cli import main
from tests.content.files import jpeg

ITEM = """---
title: Een bron
date: 2026-11-02
status: ready
topics: [water]
summary: Een samenvatting in een korte zin.
image: bron.jpg
image_alt: {alt}
---
Het verhaal begint hier.
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "content"
    (folder / "items").mkdir(parents=True)
    (folder / "images").mkdir()
    names = "".join(f'{locale} = "Water"\n' for locale in ("nl", "fr", "en", "de"))
    (folder / "topics.toml").write_text(f"[water]\n{names}")
    (folder / "images/bron.jpg").write_bytes(jpeg())
    monkeypatch.setenv("CONTENT_DIR", str(folder))
    monkeypatch.setenv("INSTANCE_DIR", str(tmp_path / "instance"))
    return folder


def checked(*options: str) -> Result:
    return CliRunner().invoke(main, ["items", "check", *options])


def test_a_missing_credit_is_a_hint(shelf: Path) -> None:
    (shelf / "items/bron.nl.md").write_text(ITEM.format(alt="Een bron onder bomen"))
    done = checked()
    assert (done.exit_code, done.stdout) == (0, "1 items, no errors.\n")
    assert done.stderr == (
        "content/items/bron.nl.md:7: The picture 'bron.jpg' has no credit; say whose it is as "
        "'image_credit'. (A hint, no error.)\n"
    )
    done = checked("--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])


def test_htm_06_an_alternative_text_that_says_nothing_is_an_error(shelf: Path) -> None:
    (shelf / "items/bron.nl.md").write_text(ITEM.format(alt="bron.jpg"))
    done = checked()
    assert done.exit_code == 1
    assert "content/items/bron.nl.md:8: The alternative text of 'bron.jpg' is the name" in (
        done.stderr
    )
    [row] = json.loads(checked("--json").stdout)
    assert (row["path"], row["line"]) == ("content/items/bron.nl.md", 8)
