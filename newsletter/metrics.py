"""What this program counts and times of itself, for Prometheus (docs/MONITORING.md has the table).

The figures stand in memory that is made before any fork and has a row for each process: whoever is
asked tells what all of them did, and nothing is lost when one dies and another takes its row. Not
in files, as prometheus_client does it for several processes: where the disk is full, touching a
mapped file ends the process. Counting costs less than a microsecond, and never raises.
"""

import itertools
import mmap
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from newsletter.settings import Settings

if TYPE_CHECKING:
    from prometheus_client import Metric

PREFIX = "newsletter_"
PLACES = 64  # processes; the memory has a row for each
WORD = 8  # octets of a double

# --- how things are sorted ------------------------------------------------------------------------
OTHER = "other"
CLASSES = ("gmail", "microsoft", "yahoo", "apple", "telenet", "proximus", "own", OTHER)
NAMES = {  # under many endings
    **dict.fromkeys(("gmail", "googlemail"), "gmail"),
    **dict.fromkeys(("outlook", "hotmail", "live", "msn"), "microsoft"),
    **dict.fromkeys(("yahoo", "ymail", "rocketmail", "aol"), "yahoo"),
}
ENDINGS = {"com", "net", "be", "nl", "fr", "de", "lu", "eu", "it", "es", "ie", "at", "co.uk"}
WHOLE = {
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), "apple"),
    **dict.fromkeys(("telenet.be", "pandora.be"), "telenet"),
    **dict.fromkeys(("proximus.be", "skynet.be", "belgacom.net"), "proximus"),
}
OUTCOMES = ("accepted", "deferred", "slow down", "refused", "ours", "in doubt", "unsent")
SETBACKS = ("hard", "disabled", "soft", "ours", "complaint")
PARTS = ("site", "desk", "api", "one-click", "webhooks", "static", "watch")
ANSWERS = ("2xx", "3xx", "4xx", "5xx")
TASKS = (
    *("settle_signups", "carry_notices", "tell", "deliver", "advance_issues", "take_over"),
    *("tell_of_slots", "raise_fence"),
    *("compile_due", "share", "remind", "seal", "note_log", "tick", "count", "weigh", "fetch"),
    *("look_at_seeds", "seal_missed", "purge", "forget_old"),
)
# Upper ends in seconds.
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SLOW = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
LETTERS = (1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 21600)


def domain_class(domain: str, own: Sequence[str]) -> str:
    """To which of CLASSES a domain of readers belongs (in lower case); `own`: see `own_domains`."""
    return _class(domain, tuple(own))


@lru_cache(8192)
def _class(domain: str, own: tuple[str, ...]) -> str:
    if any(domain == one or domain.endswith(f".{one}") for one in own):
        return "own"
    name, _, ending = domain.partition(".")
    found = WHOLE.get(domain) or (NAMES.get(name) if ending in ENDINGS else None)
    return found or OTHER


def own_domains(settings: Settings) -> tuple[str, ...]:
    """The association's own domains: of the sender, of ORG_EMAIL and of ORG_WEBSITE."""
    site = settings.org_website.partition("://")[2].partition("/")[0].removeprefix("www.")
    found = (settings.mail_domain, settings.org_email.rpartition("@")[2], site)
    return tuple(sorted({one.lower() for one in found if one}))


# --- what is counted ------------------------------------------------------------------------------
class _Counted:
    """A family of series, one for each combination of its labels' values; each has some cells."""

    def __init__(self, name: str, says: str, cells: int, labels: dict[str, Sequence[str]]) -> None:
        global _length
        self.name, self.says, self.labels = PREFIX + name, says, tuple(labels)
        starts = itertools.count(_length, cells)
        self.starts = dict(zip(itertools.product(*labels.values()), starts, strict=False))
        self.cells, _length = cells, _length + cells * len(self.starts)
        FAMILIES.append(self)

    def family(self, totals: Sequence[float]) -> "Metric":
        """As prometheus_client writes it; `totals` is a row of the memory."""
        raise NotImplementedError


class Counter(_Counted):
    """How often something happened since the start."""

    def __init__(self, name: str, says: str, **labels: Sequence[str]) -> None:
        """`labels`: every value that each may have."""
        super().__init__(name, says, 1, labels)

    def add(self, *values: str, times: int = 1) -> None:
        """Count once more, or so many times; values that are not foreseen are not counted."""
        if (start := self.starts.get(values)) is not None:
            with _turn:
                _own[start] += times

    def family(self, totals: Sequence[float]) -> "Metric":
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(self.name, self.says, labels=self.labels)
        for values, start in self.starts.items():
            family.add_metric(values, totals[start])
        return family


class Histogram(_Counted):
    """How long something took, in seconds."""

    def __init__(
        self, name: str, says: str, ends: Sequence[float], **labels: Sequence[str]
    ) -> None:
        """`ends`: the upper ends of the buckets, rising; beyond them is one more."""
        super().__init__(name, says, len(ends) + 2, labels)
        self.ends = tuple(ends)

    def observe(self, seconds: float, *values: str) -> None:
        """Once more; values that are not foreseen are not counted."""
        if (start := self.starts.get(values)) is not None:
            with _turn:
                _own[start + bisect_left(self.ends, seconds)] += 1
                _own[start + self.cells - 1] += seconds

    def family(self, totals: Sequence[float]) -> "Metric":
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(self.name, self.says, labels=self.labels)
        ends = [*(f"{end:g}" for end in self.ends), "+Inf"]
        for values, start in self.starts.items():
            counts = itertools.accumulate(totals[start : start + len(ends)])
            seconds = totals[start + self.cells - 1]
            family.add_metric(values, list(zip(ends, counts, strict=True)), seconds)
        return family


_length = 0
_turn = threading.Lock()  # of the threads of one process
FAMILIES: list[_Counted] = []

MESSAGES = Counter(
    "messages",
    "Answers of the relay about messages of issues, once they are committed.",
    outcome=OUTCOMES,
    domain_class=CLASSES,
)
RELAY = Histogram(
    "relay_seconds",
    "How long the relay took: until it wanted the content (envelope), and took it (content).",
    QUICK,
    stage=("envelope", "content"),
)
COMMITS = Histogram(
    "commit_seconds",
    "How long a commit of the sender took that settled and opened rows, or also claimed some.",
    QUICK,
    kind=("settle", "claim"),
)
NOTICES = Counter("notices", "Answers of the relay about notices.", outcome=OUTCOMES)
NOTICE_LAG = Histogram(
    "notice_lag_seconds", "From when a notice was asked for until the relay took it.", LETTERS
)
SETBACKS_SEEN = Counter("setbacks", "Bounces and complaints that were new.", kind=SETBACKS)
SIGNUPS = Counter("signup_requests", "Requests of the public forms that the clock settled.")
REQUESTS = Histogram(
    "request_seconds",
    "From when a request was whole until its answer began.",
    QUICK,
    part=PARTS,
    answer=ANSWERS,
)
TASK_SECONDS = Histogram("task_seconds", "How long a task of the clock took.", SLOW, task=TASKS)
TASK_PROBLEMS = Counter(
    "task_problems",
    "Runs of a task that ended with a problem a person can mend, or failed unexpectedly.",
    task=TASKS,
    kind=("problem", "failure"),
)

_memory = memoryview(mmap.mmap(-1, PLACES * _length * WORD)).cast("d")
_own = _memory[:_length]


def join(number: int) -> None:
    """Take a row, in a process that was just forked; numbers rise by one for each. Who takes the
    row of a process that died counts on where it ended."""
    global _own
    start = number % PLACES * _length
    _own = _memory[start : start + _length]


def collect() -> Iterator["Metric"]:
    """What all processes that share the memory have counted."""
    rows = (_memory[start : start + _length] for start in range(0, PLACES * _length, _length))
    used = [list(row) for row in rows if any(row)]
    totals = [sum(cells) for cells in zip(*used, strict=True)] or [0.0] * _length
    for family in FAMILIES:
        yield family.family(totals)


def text(more: Callable[[], Iterator["Metric"]]) -> bytes:
    """Everything, and what `more` adds, in the text format of Prometheus (version 0.0.4)."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Both(Collector):
        def collect(self) -> Iterator["Metric"]:
            yield from collect()
            yield from more()

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Both())
    return generate_latest(registry)
