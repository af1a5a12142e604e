"""Which plots docs/BENCHMARKS.md shows, of which figures."""

from collections.abc import Mapping
from typing import Any

from tests.bench import figures, plots
from tests.bench.roads import rates, worker

Figures = Mapping[str, Any]


def draw(found: Figures) -> None:
    """All of them, into docs/benchmarks/."""
    if workers := found.get("workers"):
        _workers(workers)
    if large := found.get("large"):
        _roads(large)


def _workers(part: Figures) -> None:
    counts = [row["workers"] for row in part["slow"]]
    reached = [row["rate"] for row in part["slow"]]
    lines = [(f"newsletter {part['command']}", counts, reached)]
    if all("times smtp-source" in row for row in part["slow"]):
        source = [row["rate"] / row["times smtp-source"] for row in part["slow"]]
        lines.append(("smtp-source", counts, source))
    ideal = ("so many times one", counts, [reached[0] / counts[0] * count for count in counts])
    axes = ("workers", "messages a second")
    plots.draw(figures.DOCS / "workers.svg", axes, lines, ideal=ideal)


def _roads(part: Figures) -> None:
    rows = part["rows"]
    sizes = [row["subscribers"] for row in rows]
    times = [
        (name, sizes, [row[step]["seconds"] for row in rows])
        for name, step in (("deliver", "deliver"), ("import", "import"), ("plan", "plan"))
    ]
    plots.draw(figures.DOCS / "growth.svg", ("subscribers", "seconds"), times, both_log=True)
    memory = [
        ("a worker", sizes, [worker(row) for row in rows]),
        ("import", sizes, [row["import"]["peak_mb"] for row in rows]),
        ("plan", sizes, [row["plan"]["peak_mb"] for row in rows]),
    ]
    ends = ("subscribers", "MB at the peak")
    plots.draw(figures.DOCS / "memory.svg", ends, memory, log_x=True)
    seconds, reached = rates(rows[-1])
    line = [("both workers", seconds, reached)]
    plots.draw(figures.DOCS / "rate.svg", ("seconds", "messages a second"), line)
