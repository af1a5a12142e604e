"""Which of several processes accepts the next connection."""

import os
import subprocess
import sys

import pytest

from newsletter.cli.serve import turns
from newsletter.cli.serve.turns import PLACES, Turns


def report(shared: Turns, number: int, connections: int) -> None:
    shared.join(number)
    shared.report(connections)


def test_the_least_busy_process_is_next() -> None:
    shared = Turns()
    report(shared, 1, 5)
    assert shared.is_mine()  # alone
    report(shared, 2, 5)
    assert shared.is_mine()  # as busy as the other
    report(shared, 2, 6)
    assert not shared.is_mine()
    shared.join(1)
    assert shared.is_mine()


def test_a_process_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Turns()
    report(shared, 1, 0)
    report(shared, 1 + PLACES + 1, 9)
    assert not shared.is_mine()
    monkeypatch.setattr(turns, "FRESH_SECONDS", 0.0)
    assert shared.is_mine()


def test_a_dead_process_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Turns()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: dead.pid)
        report(shared, 1, 0)
    report(shared, 2, 9)
    assert shared.is_mine()
