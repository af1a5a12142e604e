"""The figures of the desk, made anew while everybody else goes on writing."""

import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy.orm import Session

from newsletter import statistics
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.settings import Settings
from newsletter.statistics import Counts


def count(database: Database, settings: Settings, stop: threading.Event | None = None) -> list[int]:
    """Count readers, proofs, and the issues that changed; returns the numbers of those issues.

    What is counted is only read; what is written is a few rows, in a transaction of its own.
    """
    now = utcnow()
    _count(database, partial(statistics.count_readers, settings=settings))
    _count(database, partial(statistics.count_proofs, settings=settings, now=now))
    with database.read() as session:
        due = statistics.due_issues(session, now)
    counted = []
    for number in due:
        if stop is not None and stop.is_set():
            break
        _count(database, partial(statistics.count_issue, number=number, now=now))
        counted.append(number)
    return counted


def _count(database: Database, make: Callable[[Session], Counts]) -> None:
    with database.read() as session:
        counts = make(session)
    with database.write() as session:
        statistics.store(session, counts)
