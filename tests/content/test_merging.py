"""Three-way merging: no line that somebody wrote gets lost."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from newsletter.content.merging import has_marks, merge

BASE = "een\ntwee\ndrie\nvier\nvijf\n"


def test_changes_in_different_places_are_both_there() -> None:
    theirs = BASE.replace("een", "EEN")
    ours = BASE.replace("vijf", "vijf\nzes")
    assert merge(BASE, theirs, ours) == ("EEN\ntwee\ndrie\nvier\nvijf\nzes\n", 0)


def test_changes_in_the_same_place_stand_side_by_side() -> None:
    found = merge(BASE, BASE.replace("drie", "3"), BASE.replace("drie", "III"), ("zij", "jij"))
    assert found.conflicts == 1
    assert "twee\n<<<<<<< zij\n3\n=======\nIII\n>>>>>>> jij\nvier\n" in found.text
    assert has_marks(found.text, "")


def test_the_same_change_twice_is_one_change() -> None:
    changed = BASE.replace("drie", "3")
    assert merge(BASE, changed, changed) == (changed, 0)


def test_what_one_deleted_and_the_other_changed_is_a_conflict() -> None:
    assert merge(BASE, BASE.replace("drie\n", ""), BASE.replace("drie", "3")).conflicts == 1


def test_a_last_line_without_end() -> None:
    assert merge("a", "a\nb", "a").text == "a\nb"
    assert merge("a", "b", "c").text == "<<<<<<< theirs\nb\n=======\nc\n>>>>>>> ours\n"


def test_a_new_file_made_twice() -> None:
    assert merge("", "a\n", "b\n").conflicts == 1
    assert merge("", "", "b\n") == ("b\n", 0)


lines = st.lists(st.sampled_from("abcdefgh"), max_size=12).map(
    lambda found: "".join(f"{line}\n" for line in found)
)


@given(lines, lines, lines)
def test_what_somebody_added_is_in_the_result(base: str, theirs: str, ours: str) -> None:
    found = merge(base, theirs, ours)
    there = Counter(found.text.splitlines())
    had = Counter(base.splitlines())
    for text in (theirs, ours):
        assert not (Counter(text.splitlines()) - had) - there
    assert has_marks(found.text, base) == bool(found.conflicts)


@given(lines, lines)
def test_who_changed_nothing_gets_what_the_other_made(base: str, other: str) -> None:
    assert merge(base, other, base) == merge(base, base, other) == (other, 0)
    assert merge(base, other, other) == (other, 0)


def test_the_middle_mark_alone_is_one_where_there_was_none() -> None:
    assert has_marks("Een\n=======\nTwee\n", "Een\nTwee\n")
    assert not has_marks("Een\n=======\nTwee\n", "Een\n=======\n")
