"""Reading what comes back: bounces, delays, complaints, answers. Bytes in, reports out, no more."""

import logging
import traceback

from newsletter.bounces.dsn.sorting import sort
from newsletter.bounces.report import Kind, Report

log = logging.getLogger(__name__)


def read(raw: bytes) -> list[Report]:
    """What a message says: one report for each recipient it speaks of, and at least one.

    Takes any bytes and never raises. DSN (RFC 3464, 6522), bounces in words, ARF (RFC 5965) and
    Microsoft's form of it, delay notices, automatic answers (RFC 3834), readers who leave by mail,
    people. Only `failed` is a failure, only `delayed` a delay (RFC 3464 2.3.3); what was delivered,
    relayed or expanded is unknown.
    """
    try:
        return sort(raw)
    except Exception as error:  # one strange message must not stop those behind it
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(  # and not what the error says, which may hold an address
            "A message counts as unknown, since reading it failed: %s in %s:%s.",
            type(error).__name__, place.name, place.lineno,
        )  # fmt: skip
        return [Report(Kind.UNKNOWN)]
