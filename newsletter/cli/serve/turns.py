"""Whose turn it is to accept a connection, of several processes: that of the least busy one.

The kernel gives nearly all connections to one process, and connections are kept.
"""

import mmap
import os
import time

PLACES = 64  # processes; the memory has a row for each
FRESH_SECONDS = 3.0  # who has not reported since is not waited for


class Turns:
    """Memory made before the fork: who serves how many connections, and when they said so."""

    def __init__(self) -> None:
        self._rows = memoryview(mmap.mmap(-1, PLACES * 3 * 8)).cast("d")
        self._own = 0

    def join(self, number: int) -> None:
        """Take a place, in a new process; numbers rise by one for each."""
        self._own = number % PLACES * 3

    def report(self, connections: int) -> None:
        """Say how busy this process is: at every change, and at least every second."""
        self._rows[self._own + 1] = connections
        self._rows[self._own + 2] = time.monotonic()
        self._rows[self._own] = os.getpid()

    def is_mine(self) -> bool:
        """Has no living process fewer connections?"""
        own, now = self._rows[self._own + 1], time.monotonic()
        for row in range(0, PLACES * 3, 3):
            fresh = now - self._rows[row + 2] < FRESH_SECONDS
            if self._rows[row + 1] < own and fresh and _lives(int(self._rows[row])):
                return False
        return True


def _lives(pid: int) -> bool:
    if not pid:  # an empty row
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
