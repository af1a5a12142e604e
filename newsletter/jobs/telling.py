"""Telling endpoints of events: rows are taken in one transaction, posted without one, and settled
in another."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic

from newsletter import audit, fence
from newsletter.db import Database
from newsletter.delivery.sender import utcnow
from newsletter.programs import events, posting
from newsletter.programs.events import Letter, Result
from newsletter.settings import Settings
from newsletter.tokens import tokens_of

log = logging.getLogger(__name__)
AT_ONCE = 8  # endpoints that are told at the same time
TURN = 15  # seconds after which an endpoint begins nothing more, until the others had their turn


def tell(database: Database, settings: Settings, stop: threading.Event | None = None) -> int:
    """Post what is due, until nothing is; returns how many events were taken. Raises AdoptFirst."""
    stop = stop or threading.Event()
    told = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while not stop.is_set():
            with database.read() as session:  # an idle clock looks, and writes nothing
                fence.require(session, settings)  # receivers know the original, not its copy
                due = events.due(session, utcnow())
            if not due:
                break
            taken = list(pool.map(partial(_tell, database, settings, stop), due))
            if not any(taken):  # they rest now, or another host is at them
                break
            told += sum(taken)
    return told


def _tell(database: Database, settings: Settings, stop: threading.Event, endpoint_id: int) -> int:
    """Tell one endpoint what is due; after the first that it does not take, the rest waits."""
    with database.write() as session:
        letters = events.claim(session, tokens_of(settings), endpoint_id, utcnow())
    if not letters:
        return 0
    results, untried = _posted(settings, stop, letters)
    with database.write() as session:
        ended = events.settle(session, endpoint_id, results, untried, utcnow())
        if ended:
            facts = {"outcome": results[-1].outcome}
            what = ("endpoint.disable", f"endpoint {endpoint_id}")
            audit.record(session, settings, audit.CLOCK, *what, utcnow(), facts)
    if ended:
        log.warning("Endpoint %d did not take events for two days: it is disabled.", endpoint_id)
    return sum(result.taken for result in results)


def _posted(
    settings: Settings, stop: threading.Event, letters: list[Letter]
) -> tuple[list[Result], list[Letter]]:
    """What became of the letters, and those that were not posted."""
    results: list[Result] = []
    until = monotonic() + TURN
    for place, letter in enumerate(letters):
        if stop.is_set() or monotonic() > until or (results and not results[-1].taken):
            return results, letters[place:]
        outcome = posting.post(letter, utcnow(), inside=settings.endpoints_inside)
        results.append(Result(letter, outcome))
    return results, []
