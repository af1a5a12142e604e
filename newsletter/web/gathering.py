"""Requests that want the same kind of thing at the same time get it in one transaction.

A commit is a disk write, and each statement lets other threads run: eight threads that commit for
themselves mostly wait for each other. As `delivery.writer` does for connections to the relay.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Wish = TypeVar("Wish")
Answer = TypeVar("Answer")

PAUSE = 0.0005  # seconds; while each brings another wish, a busy server waits for one more
PAUSES = 10


class _Waiting(Generic[Wish, Answer]):
    """One thread's wish, and what came of it: `answer` once it is committed, or `error`."""

    __slots__ = ("answer", "awake", "error", "settled", "wish")

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.settled = False
        self.answer: Answer
        self.error: Exception | None = None
        self.awake = threading.Lock()
        self.awake.acquire()  # until it is settled, or has to settle what waits


class Gathering(Generic[Wish, Answer]):
    """Fulfils the wishes of several threads together: one of those that wait does it for all."""

    def __init__(self, work: Callable[[Sequence[Wish]], Sequence[Answer]]) -> None:
        """`work` fulfils some wishes in one transaction: all of them or, when it raises, none."""
        self._work = work
        self._guard = threading.Lock()
        self._waiting: list[_Waiting[Wish, Answer]] = []
        self._led = False  # is one of the threads at it?
        self._busy = False  # were there several the last time?

    def fulfil(self, wish: Wish) -> Answer:
        """The answer to this wish, once it is committed. Raises what `work` raises for it."""
        mine = _Waiting[Wish, Answer](wish)
        with self._guard:
            self._waiting.append(mine)
            waits, self._led = self._led, True
        if waits:
            mine.awake.acquire()
        if not mine.settled:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return mine.answer

    def _lead(self) -> None:
        """Settle all that wait, this thread's own wish among them, and hand the lead on."""
        if self._busy:
            self._gather()
        with self._guard:
            together, self._waiting = self._waiting, []
        self._busy = len(together) > 1
        try:
            self._settle_all(together)
        finally:
            for one in together:
                one.awake.release()
            with self._guard:
                following = self._waiting[:1]
                self._led = bool(following)
            for one in following:
                one.awake.release()

    def _gather(self) -> None:
        seen = 0
        for _pause in range(PAUSES):
            if len(self._waiting) == seen:
                break
            seen = len(self._waiting)
            time.sleep(PAUSE)

    def _settle_all(self, together: Sequence[_Waiting[Wish, Answer]]) -> None:
        try:
            self._settle(together)
        except Exception as error:
            if len(together) == 1:
                together[0].error, together[0].settled = error, True
                return
            for one in together:  # one that cannot be fulfilled must not hold up the others
                self._settle_all([one])

    def _settle(self, together: Sequence[_Waiting[Wish, Answer]]) -> None:
        answers = self._work([one.wish for one in together])
        for one, answer in zip(together, answers, strict=True):
            one.answer, one.settled = answer, True
