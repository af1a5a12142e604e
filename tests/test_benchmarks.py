"""docs/BENCHMARKS.md says what was measured, and nothing of the machine it was measured on."""

import re

import pytest

from tests.bench import figures, report
from tests.bench.tables import number, table

HEAVIEST = 30_000  # octets of a file


def test_the_page_is_what_the_figures_say() -> None:
    assert report.PAPER.read_text("utf-8") == report.text(figures.published()), (
        "`python -m tests.bench --publish` writes it again"
    )


def test_the_page_and_its_plots_name_no_machine_and_are_small() -> None:
    plots = sorted(figures.DOCS.glob("*.svg"))
    shown = re.findall(r"\]\(benchmarks/(.*\.svg)\)", report.PAPER.read_text("utf-8"))
    assert sorted(shown) == [file.name for file in plots] != []
    for file in (report.PAPER, figures.KEPT, *plots):
        words = file.read_text("utf-8")
        assert not re.search(r"/(tmp|home|root|work|usr)/", words), file.name
        assert file.suffix != ".svg" or "<dc:date>" not in words
        assert file.stat().st_size <= HEAVIEST, file.name


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1_000_000, "1,000,000"),
        (1234.6, "1,235"),
        (0.9512, "0.95"),
        (20.0, "20"),
        (3.0, "3"),
        ("as it is", "as it is"),
    ],
)
def test_numbers_have_as_many_digits_as_say_something(value: object, written: str) -> None:
    assert number(value) == written


def test_a_table_in_markdown() -> None:
    assert table(("", "a"), [("x", 1000)]) == "| | a |\n| --- | --- |\n| x | 1,000 |"
