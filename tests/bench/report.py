"""docs/BENCHMARKS.md, made from docs/benchmarks/figures.json: `python -m tests.bench --publish`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.bench import roads
from tests.bench.tables import number, table
from tests.bench.world import ROOT

PAPER = ROOT / "docs" / "BENCHMARKS.md"
HEAD = """\
# Benchmarks

`make bench-large` wrote this page, from [figures.json](benchmarks/figures.json); `make bench`
prints the same tables for smaller sizes. What the figures mean for a far larger list stands in
[SCALING.md](SCALING.md).

Measured on {machine} ({versions}). Everything ran on this one machine: the program, the database,
the relay and the load took their time from the same {cores} cores. So read the ratios first: each
figure stands beside a **peer**, the least that could be done instead, run in the same session
against the same relay or database. PostgreSQL waits for its disk at each commit, as it does for
real.

| part | measured on | load before |
|---|---|---|
{parts}

A load above 1 means that other work ran on the machine: rates are then too low, ratios still hold.
"""
SENDING = """\

## Sending, beside peers

An issue of {octets} octets as sent, 8 connections, the relay {relay}; medians of three interleaved
rounds. The loop is what Flask-Mail's manual shows, over one kept connection; `smtp-source` is
Postfix's load generator in C, which keeps no ledger.

{compare}

The same issue to more readers, on SQLite:

{growth}

A DKIM signature costs {rsa} µs of the processor with RSA-2048, and {both} µs with Ed25519 beside
it. The last thousand messages of an issue for 100,000 take {late} s, an issue for a thousand
{early} s.
"""
WORKERS = """\

## Workers

`newsletter {command}` on one PostgreSQL, {connections} SMTP connections each, and a relay that
takes {answer_ms:.0f} ms for each of its four answers to a message. So the relay's time is what
bounds them, as it is with a real one, and not the {cores} cores that all of them share here:
{most:.0f} messages a second of {all} workers take {busy} of them, with the database. *Share* is
what each worker brings, of what one does alone (target: 0.9).

{rows}

![Messages a second with one, two and four workers: {alt}.](benchmarks/workers.svg)

With a relay that answers at once, one worker is bound by the processor: {rate} messages a second
here, where database and relay share the cores. Of each message's cost, {worker} µs are the
worker's ({core} messages for each second of a core) and {database} µs the database's, with {wal}
octets of its log and {commits} commits.
"""
PLANNING = """\

## Planning

{readers} readers in 4 languages, with 40 sets of topics and 4 cursors, and an issue of 30 items
(target: 20 s).

{rows}
"""
IMPORTING = """\

## Taking in a list

A CSV file of {rows} people, checked line by line, with their consent.

{table}
"""
DESK = """\

## The desk

The slowest pages (95th percentile, target 200 ms), with {subscribers} subscribers and {deliveries}
deliveries, while an issue of all of them is on its way.

{table}
"""
WEB = """\

## The forms

Requests a second over {connections} connections, and how much of what the same server does on an
empty route.

{table}
"""

Figures = Mapping[str, Any]


def write(found: Figures) -> None:
    """The page; `drawing` makes its plots."""
    PAPER.write_text(text(found), "utf-8")


def text(found: Figures) -> str:
    """The page."""
    parts: dict[str, Callable[[Figures], str]] = {
        "sending": _sending,
        "workers": _workers,
        "large": roads.text,
        "planning": _planning,
        "importing": _importing,
        "desk": _desk,
        "web": _web,
    }
    there = [name for name in parts if found.get(name)]
    return _head(found, there) + "".join(parts[name](found[name]) for name in there)


def _head(found: Figures, there: Sequence[str]) -> str:
    newest = max((found[name] for name in there), key=lambda part: str(part["at"]))
    versions = ", ".join(f"{name} {one}" for name, one in newest["versions"].items())
    rows = [f"| {name} | {found[name]['at']} | {found[name]['load_before']} |" for name in there]
    return HEAD.format(
        machine=f"{newest['cores']} cores, {newest['memory_gb']} GB, {newest['system']}",
        cores=newest["cores"],
        versions=versions,
        parts="\n".join(rows),
    )


def _sending(part: Figures) -> str:
    ratios = ("flask-mail loop", "smtp-source")
    more = ("peak_mb", *(f"times {peer}" for peer in ratios))
    heads = ("", "messages/s", "µs of the processor each", "MB at the peak")
    compare = [
        (name, *(row.get(one, "–") for one in ("messages_per_s", "cpu_us_per_message", *more)))
        for name, row in part["compare"].items()
    ]
    grown = [
        tuple(
            row[name]
            for name in ("readers", "plan_s", "messages_per_s", "us_per_message", "peak_mb")
        )
        for row in part["growth"]
    ]
    return SENDING.format(
        octets=number(part["octets"]),
        relay=part["relay"],
        compare=table((*heads, *(f"× {peer}" for peer in ratios)), compare),
        growth=table(("readers", "planned in s", "messages/s", "µs each", "MB"), grown),
        rsa=number(part["dkim"]["RSA-2048"]),
        both=number(part["dkim"]["RSA-2048 and Ed25519"]),
        late=part["resuming"]["of_a_hundred_thousand_s"],
        early=part["resuming"]["of_a_thousand_s"],
    )


def _workers(part: Figures) -> str:
    heads = (
        *("workers", "messages/s", "share", "× smtp-source", "µs of a worker each"),
        *("µs of the database each", "commits each", "MB of a worker"),
    )
    names = ("workers", "rate", "share", "times smtp-source", "worker_cpu_us", "database_cpu_us")
    rows = [
        tuple(row.get(name, "–") for name in (*names, "commits", "peak_mb")) for row in part["slow"]
    ]
    one, last = part["unbound"], part["slow"][-1]
    cores = last["rate"] * (last["worker_cpu_us"] + last["database_cpu_us"]) / 1e6
    return WORKERS.format(
        **{name: part[name] for name in ("command", "connections", "answer_ms", "cores")},
        most=last["rate"],
        all=last["workers"],
        busy=number(round(cores, 1)),
        rows=table(heads, rows),
        alt=", ".join(f"{row['workers']} send {number(row['rate'])}" for row in part["slow"]),
        rate=number(one["rate"]),
        worker=number(one["worker_cpu_us"]),
        core=number(1e6 / one["worker_cpu_us"]),
        database=number(one["database_cpu_us"]),
        wal=number(one["wal_bytes"]),
        commits=one["commits"],
    )


def _planning(part: Figures) -> str:
    rows = [
        (
            *(row[name] for name in ("database", "editions", "render_s", "write_s")),
            *(round(row["render_s"] + row["write_s"], 1), row["more_mb"]),
        )
        for row in part["rows"]
    ]
    heads = (
        "database",
        "editions",
        "editions made in s",
        "rows written in s",
        "whole s",
        "MB more",
    )
    return PLANNING.format(readers=number(part["rows"][0]["readers"]), rows=table(heads, rows))


def _importing(part: Figures) -> str:
    names = ("database", "run", "added", "refused", "seconds", "cpu_s", "peak_mb")
    heads = ("database", "run", "added", "refused", "s", "s of the processor", "MB at the peak")
    rows = [tuple(row[name] for name in names) for row in part["rows"]]
    whole = max(row["added"] + row["refused"] for row in part["rows"])
    return IMPORTING.format(rows=number(whole), table=table(heads, rows))


def _desk(part: Figures) -> str:
    rows = []
    for row in part["rows"]:
        slowest = sorted(row["p95_ms"].items(), key=lambda item: -item[1])[:5]
        rows += [(row["database"], f"`{path}`", ms) for path, ms in slowest]
    sizes = {name: number(part["rows"][0][name]) for name in ("subscribers", "deliveries")}
    return DESK.format(table=table(("database", "page", "ms"), rows), **sizes)


def _web(part: Figures) -> str:
    rows = [
        (name, kind, row["requests_per_s"], row["share_of_empty"], row["p99_ms"])
        for name, whens in part["rates"].items()
        for kind, row in whens["alone"].items()
        if kind != "empty"
    ]
    heads = ("database", "request", "a second", "share of empty", "99th percentile, ms")
    return WEB.format(connections=32, table=table(heads, rows))
