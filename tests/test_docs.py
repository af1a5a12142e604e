"""The papers: their links lead somewhere, and the guides to the desk show the same pictures."""

import re
from pathlib import Path

import pytest

from tests.screens import PICTURES

ROOT = Path(__file__).parent.parent
PAPERS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
EXAMPLE = re.compile("^```.*?^```", re.DOTALL | re.MULTILINE)
HEAVIEST = 150_000  # octets of a picture of the desk


def linked(paper: Path) -> set[Path]:
    words = EXAMPLE.sub("", paper.read_text("utf-8"))
    return {(paper.parent / found).resolve() for found in LINK.findall(words)}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_what_is_linked_is_there(paper: Path) -> None:
    assert [str(one) for one in linked(paper) if not one.exists()] == []


def test_pictures_of_the_desk_are_shown_in_both_languages_and_small() -> None:
    pictures = set(PICTURES.glob("desk-*.png"))
    assert pictures
    for guide in ("DESK.md", "REDACTIE.md"):
        shown = {one for one in linked(ROOT / "docs" / guide) if one.suffix == ".png"}
        assert shown == pictures
    assert all(one.stat().st_size <= HEAVIEST for one in pictures)
