"""Every line of the standards is proved by a test, or says why not."""

from pathlib import Path

import pytest

from tests.standards import LINES, Line, ids_of, problems, proofs, table

ONE = Line("UNS-01", "P0", "a line")


def test_every_line_is_proved_or_says_why_not() -> None:
    assert not problems(LINES, proofs())


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_uns_03_one_click", ["UNS-03"]),
        ("test_uns_03_04_both", ["UNS-03", "UNS-04"]),
        ("test_sec_02_uns_05_looking", ["SEC-02", "UNS-05"]),
        ("test_prv_11_after_30_days", ["PRV-11"]),
        ("test_responses_02_are_no_id", []),
    ],
)
def test_names_carry_ids(name: str, ids: list[str]) -> None:
    assert list(ids_of(name)) == ids


@pytest.mark.parametrize(
    ("line", "found", "problem"),
    [
        (ONE, {}, "UNS-01 has neither a test nor a reason: a line"),
        (Line("UNS-01", "P2", "polish"), {}, None),
        (Line("UNS-01", "P1", "a line", "a reason"), {}, None),
        (Line("UNS-01", "P1", "a line", "a reason"), {"UNS-01": ["a::b"]}, "reason beside a test"),
        (ONE, {"UNS-01": ["a::b"], "UNS-99": ["c::d"]}, "UNS-99 is no line of the standards: c::d"),
    ],
)
def test_what_is_missing_or_too_much_is_said(
    line: Line, found: dict[str, list[str]], problem: str | None
) -> None:
    said = problems([line], found)
    assert len(said) == (problem is not None)
    assert problem is None or problem in said[0]


def test_tests_are_found_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/test_a.py").write_text("class A:\n    def test_sec_07_same(self): ...\n")
    (tmp_path / "test_b.py").write_text("def test_sec_07_time(): ...\ndef sec_07_no(): ...\n")
    found = proofs(tmp_path)
    assert found == {"SEC-07": ["test_b.py::test_sec_07_time", "web/test_a.py::test_sec_07_same"]}


def test_the_table_says_met_not_applicable_and_open() -> None:
    lines = [ONE, Line("UNS-02", "P0", "another", "because"), Line("UNS-03", "P0", "a third")]
    said = table(lines, {"UNS-01": ["a.py::b"]}).splitlines()
    assert said == [
        "UNS-01  P0  met   a line",
        "                  a.py::b",
        "UNS-02  P0  n/a   another",
        "                  because",
        "UNS-03  P0  open  a third",
    ]
