"""All checks, side by side: those that ask the network do not wait for each other.

None may hold up the end: what is not done in time is a line that says so.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Thread

import dns.resolver
from sqlalchemy.exc import DBAPIError

from newsletter.db import Database
from newsletter.doctor import (
    allowing,
    configuration,
    dkim,
    dmarc,
    domains,
    machine,
    relay,
    storage,
    workers,
)
from newsletter.doctor.asking import Asker, Unanswered
from newsletter.doctor.lines import Line, fail, ok
from newsletter.errors import FixSettings, NewsletterError
from newsletter.settings import Settings

LIMIT = 30.0  # seconds for everything; a question to the DNS has 5, an answer of the relay 10


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at; `name` is that of its lines."""

    name: str
    run: Callable[[], Sequence[Line]]


def unset(error: FixSettings) -> list[Line]:
    """The settings cannot be read, so nothing else can be looked at."""
    mend = "Mend it in the environment or in .env (config.py explains each setting)."
    return [fail("settings", problem, mend) for problem in str(error).splitlines()]


def checks(
    settings: Settings,
    database: Database,
    now: datetime,
    resolver: Callable[[], dns.resolver.Resolver],
    selector: str = "",
) -> list[Check]:
    """What there is to look at, in the order of the report.

    In development without a relay nothing outside is asked. `selector` is of the relay's DKIM key.
    """
    here = [
        Check("settings", lambda: configuration.lines(settings)),
        Check("database", lambda: _stored(settings, database)),
        Check("disk", lambda: machine.disks(settings)),
        Check("ticks", lambda: workers.ticking(settings, database, now)),
        Check("content", lambda: machine.shelf(settings)),
    ]
    if settings.uses_catcher:
        said = "Development: mail goes to the catcher, so neither relay nor DNS was asked."
        return [*here, Check("relay", lambda: [ok("relay", said)])]
    return [*here, *_outside(settings, now, resolver, selector)]


def _stored(settings: Settings, database: Database) -> list[Line]:
    """The database; and when it can be used, the clock, which is held against it."""
    lines = storage.lines(settings, database)
    if any(line.grade == "fail" for line in lines):
        return lines
    return [*lines, *machine.clock(database, machine.in_step())]


def _outside(
    settings: Settings,
    now: datetime,
    resolver: Callable[[], dns.resolver.Resolver],
    selector: str,
) -> Iterator[Check]:
    yield Check("relay", lambda: relay.lines(settings, now))
    try:
        asker = Asker(resolver())
    except Unanswered as error:
        lines = [_unanswered("dns", error)]
        yield Check("dns", lambda: lines)
        return
    yield Check("soa", lambda: domains.existing(asker, settings))
    yield Check("mx", lambda: domains.receiving(asker, settings))
    yield Check("spf", lambda: allowing.lines(asker, settings))
    yield Check("dkim", lambda: dkim.lines(asker, settings, selector))
    yield Check("dmarc", lambda: dmarc.lines(asker, settings))
    yield Check("ptr", lambda: domains.reverse(asker, settings))


def examine(
    wanted: Sequence[Check],
    progress: Callable[[int], None] = lambda count: None,
    limit: float = LIMIT,
) -> list[Line]:
    """The lines of all checks, in their order; `progress` is told of each that is done."""
    done = SimpleQueue[tuple[int, list[Line]]]()

    def work(place: int) -> None:
        done.put((place, _ran(wanted[place])))

    # Daemons: a database or a relay that does not answer must not hold up the end of the program.
    for place in range(len(wanted)):
        Thread(target=work, args=(place,), daemon=True).start()
    answers = {place: [_late(check, limit)] for place, check in enumerate(wanted)}
    end = time.monotonic() + limit
    with contextlib.suppress(Empty):
        for _check in wanted:
            place, lines = done.get(timeout=max(0.001, end - time.monotonic()))
            answers[place] = lines
            progress(1)
    return [line for place in range(len(wanted)) for line in answers[place]]


def _ran(check: Check) -> list[Line]:
    try:
        return list(check.run())
    except Unanswered as error:
        return [_unanswered(check.name, error)]
    except NewsletterError as error:
        return [fail(check.name, str(error), "Mend what it says; docs/DOCTOR.md has more.")]
    except DBAPIError as error:
        said = f"The database (DATABASE_URL) cannot be used: {error.orig}".strip()
        return [fail(check.name, said, "Start it, or mend DATABASE_URL.")]
    except OSError as error:
        mend = "Run this as the user that runs the server, or mend the file's rights."
        return [fail(check.name, f"It could not be looked at: {error}.", mend)]
    except Exception as error:  # a fault of ours must not hide what the others found
        said = f"This check broke: {type(error).__name__}: {error}"
        return [fail(check.name, said, "Tell who makes this program; the other lines hold.")]


def _unanswered(name: str, error: Unanswered) -> Line:
    mend = "Look at the network and at /etc/resolv.conf; then run this again."
    return fail(name, f"{error}.", mend)


def _late(check: Check, limit: float) -> Line:
    said = f"No answer within {limit:.0f} s."
    return fail(check.name, said, "Look whether what it asks is up; then run this again.")
