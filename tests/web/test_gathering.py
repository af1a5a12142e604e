"""Wishes of several threads, fulfilled together."""

import threading
from collections.abc import Sequence

import pytest

from newsletter.web.gathering import Gathering


class Work:
    """Doubles numbers; its first call lasts until it is let go. Cannot do 13."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, wishes: Sequence[int]) -> list[int]:
        self.batches.append(list(wishes))
        self.begun.set()
        self.go_on.wait(10)
        if 13 in wishes:
            raise ValueError("13")
        return [2 * wish for wish in wishes]


def start(
    gathering: Gathering[int, int], answers: dict[int, object], wish: int
) -> threading.Thread:
    def run() -> None:
        try:
            answers[wish] = gathering.fulfil(wish)
        except ValueError as error:
            answers[wish] = str(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def gathered(work: Work, *wishes: int) -> dict[int, object]:
    """The first wish is being fulfilled while the others come in."""
    gathering, answers = Gathering(work), dict[int, object]()
    threads = [start(gathering, answers, wishes[0])]
    assert work.begun.wait(10)
    threads += [start(gathering, answers, wish) for wish in wishes[1:]]
    while len(gathering._waiting) < len(wishes) - 1:
        assert threads[-1].is_alive()
    work.go_on.set()
    for thread in threads:
        thread.join(10)
    assert gathering.fulfil(100) == 200, "the next one is led too"
    return answers


def test_who_comes_meanwhile_is_next_and_together() -> None:
    work = Work()
    assert gathered(work, 1, 2, 3, 4) == {1: 2, 2: 4, 3: 6, 4: 8}
    assert [sorted(batch) for batch in work.batches] == [[1], [2, 3, 4], [100]]


def test_one_that_cannot_be_fulfilled_holds_up_nobody() -> None:
    assert gathered(Work(), 1, 2, 13, 4) == {1: 2, 2: 4, 13: "13", 4: 8}


def test_the_first_may_fail_too() -> None:
    assert gathered(Work(), 13, 2) == {13: "13", 2: 4}


def test_alone_it_is_done_at_once() -> None:
    work = Work()
    work.go_on.set()
    gathering = Gathering(work)
    assert [gathering.fulfil(wish) for wish in (1, 2)] == [2, 4]
    with pytest.raises(ValueError, match="13"):
        gathering.fulfil(13)
    assert work.batches == [[1], [2], [13]]
