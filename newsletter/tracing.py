"""What the work at hand belongs to: a request, a task of the clock, an issue, a lease.

It is bound where the work begins, and stands in every line of the log that is written meanwhile, so
that one issue's road can be found among all lines.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_BOUND: ContextVar[Mapping[str, object]] = ContextVar("bound")


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Bind fields, beside those that are bound already, for this thread (or coroutine). They hold
    numbers and names of ours, never an address or a token."""
    before = _BOUND.set({**fields_bound(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(before)


def fields_bound() -> Mapping[str, object]:
    """What is bound at this moment."""
    return _BOUND.get({})


def reference() -> str:
    """A new name for one request or one run of a task: 16 hexadecimal digits."""
    return secrets.token_hex(8)
