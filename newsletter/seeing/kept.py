"""A value that is made anew now and then, by one thread at a time, and not waited for too long."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """What `make` returned last. It may hang, as a database does that is cut off: then whoever asks
    gets None after `patience` seconds, and no second thread is spent on it."""

    def __init__(self, make: Callable[[], Value], seconds: float, patience: float) -> None:
        """A value younger than `seconds` is not made anew; `make` catches its own errors."""
        self._make, self._seconds, self._patience = make, seconds, patience
        self._turn = threading.Lock()
        self._done = threading.Event()
        self._value: Value | None = None
        self._made_at = self._begun_at = float("-inf")
        self._running = False

    def get(self) -> Value | None:
        """The value; while another thread makes it, the one before."""
        now = time.monotonic()
        with self._turn:
            if now - self._made_at < self._seconds:
                return self._value
            mine = not self._running
            if mine:
                self._running, self._begun_at, self._done = True, now, threading.Event()
                threading.Thread(target=self._run, args=(self._done,), daemon=True).start()
            late = now > self._begun_at + self._patience
            if late or (not mine and self._value is not None):
                return None if late else self._value
            done, left = self._done, self._begun_at + self._patience - now
        return self._value if done.wait(left) else None

    def _run(self, done: threading.Event) -> None:
        value = self._make()
        with self._turn:
            self._value, self._made_at, self._running = value, time.monotonic(), False
        done.set()
