"""The whole road on paper: its part of docs/BENCHMARKS.md."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.bench.tables import number, table

TEXT = """\

## The whole road, to {most} subscribers

On PostgreSQL with {workers} `newsletter {command}` processes of {connections} connections each, a
relay of the bench that takes everything at once: a CSV file is taken in, an issue of four items
compiled in four languages, planned and delivered. At the end the relay's own list is compared with
the ledger: every one of {most} recipients is on it once.

{steps}

The peers do the least that could be done: of the import, `COPY` of the same lines into one table
with one unique index, nothing checked; of the plan, the same rows written by one statement into a
table without keys or indexes; of the delivery, a loop over Flask-Mail and `smtp-source` to the
same relay.

### Does it grow in a line?

Microseconds for each subscriber, without the time a command takes to start (the last size beside
the one before it: {growth}):

{each}

![Seconds to take in, plan and deliver by number of subscribers, on two logarithmic scales:
{alt_time}.](benchmarks/growth.svg)

### Is memory flat?

MB at the peak of each process:

{memory}

![MB at the peak of each process by number of subscribers: {alt_memory}.](benchmarks/memory.svg)

### Is the rate even?

![Messages a second while {most} messages go out: {alt_rate}.](benchmarks/rate.svg)

### What it costs the database

{costs}

### Archive and desk, on what has grown

Pages of the archive a second, with their share of what an empty route does; the slowest page of
the desk (95th percentile) beside one that shows nothing but the editor's own account.

{pages}
"""
STEPS = ("import", "compile", "plan", "deliver")
Rows = Sequence[Mapping[str, Any]]


def text(part: Mapping[str, Any]) -> str:
    """The section."""
    rows: Rows = part["rows"]
    last = rows[-1]
    return TEXT.format(
        **{name: part[name] for name in ("workers", "command", "connections")},
        most=number(last["subscribers"]),
        steps=_steps(rows),
        each=_each(rows),
        growth=_growth(rows),
        memory=_memory(rows),
        costs=_costs(rows),
        pages=_pages(rows),
        alt_time=", ".join(
            f"{number(row['subscribers'])} are delivered in {number(row['deliver']['seconds'])} s"
            for row in rows
        ),
        alt_memory=f"a worker has {worker(rows[0])} MB at {number(rows[0]['subscribers'])}"
        f" subscribers and {worker(last)} at {number(last['subscribers'])}",
        alt_rate=_spread(last),
    )


def _steps(rows: Rows) -> str:
    cells = []
    for row in rows:
        size, sent = row["subscribers"], row["deliver"]
        for step in ("import", "plan"):
            one = row[step]
            ratio = f"{number(round(one['seconds'] / one['peer_s'], 1))} × the bare rows"
            cells.append((size, step, one["seconds"], number(size / one["seconds"]), ratio))
        cells.insert(-1, (size, "compile", row["compile"]["seconds"], "–", "–"))
        ratios = [
            f"{number(sent[name])} × {name.removeprefix('times ')}'s rate"
            for name in ("times flask-mail loop", "times smtp-source")
            if name in sent
        ]
        cells.append((size, "deliver", sent["seconds"], sent["messages_per_s"], "; ".join(ratios)))
    return table(("subscribers", "step", "s", "a second", "beside its peer"), cells)


def _each(rows: Rows) -> str:
    cells = [
        (row["subscribers"], *(round(_us(row, step), 1) for step in ("import", "plan", "deliver")))
        for row in rows
    ]
    return table(("subscribers", "import", "plan", "deliver"), cells)


def _us(row: Mapping[str, Any], step: str) -> float:
    if step == "deliver":
        return float(1e6 / row[step]["messages_per_s"])
    seconds = row[step]["seconds"] - row["start"]["seconds"]
    return float(seconds / row["subscribers"] * 1e6)


def _growth(rows: Rows) -> str:
    """How many times as long the last size takes each, as the one before it."""
    if len(rows) < 2:
        return "one size only"
    before, last = rows[-2:]
    return ", ".join(
        f"{step} × {number(round(_us(last, step) / _us(before, step), 2))}"
        for step in ("import", "plan", "deliver")
    )


def _memory(rows: Rows) -> str:
    cells = [
        (
            row["subscribers"],
            *(row[step]["peak_mb"] for step in STEPS[:3]),
            *row["deliver"]["peak_mb"],
        )
        for row in rows
    ]
    workers = [f"worker {place + 1}" for place in range(len(rows[0]["deliver"]["peak_mb"]))]
    return table(("subscribers", *STEPS[:3], *workers), cells)


def worker(row: Mapping[str, Any]) -> int:
    """MB of the largest worker at its peak."""
    return int(max(row["deliver"]["peak_mb"]))


def rates(row: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Messages a second between looks, and when."""
    curve = row["deliver"]["curve"]
    points = list(pairwise(zip(curve["seconds"], curve["messages"], strict=True)))
    seconds = [end for (_start, _had), (end, _has) in points]
    return seconds, [(has - had) / (end - start) for (start, had), (end, has) in points]


def _spread(row: Mapping[str, Any]) -> str:
    ranked = sorted(rates(row)[1])
    low, high = ranked[len(ranked) // 10], ranked[-1 - len(ranked) // 10]
    return f"between {number(low)} and {number(high)} for eight tenths of the time"


def _costs(rows: Rows) -> str:
    names = ("worker_cpu_us", "database_cpu_us", "wal_bytes", "commits", "table_bytes")
    heads = (
        *("subscribers", "µs of the workers each", "µs of the database each"),
        *("octets of log each", "commits each", "octets of table each", "of indexes"),
    )
    cells = [
        (row["subscribers"], *(row["deliver"][name] for name in (*names, "index_bytes")))
        for row in rows
    ]
    return table(heads, cells)


def _pages(rows: Rows) -> str:
    heads = ("subscribers", "pages of items", "of an issue", "searches", "slowest of the desk, ms")
    cells = [
        (
            row["subscribers"],
            *(
                f"{number(row['archive'][f'{name}_per_s'])} ({row['archive'][f'{name}_of_empty']})"
                for name in ("items", "issue", "search")
            ),
            f"{number(row['desk']['slowest_ms'])} (`{row['desk']['slowest']}`;"
            f" account: {number(row['desk']['account_ms'])})",
        )
        for row in rows
    ]
    return table(heads, cells)
