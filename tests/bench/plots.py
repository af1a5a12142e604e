"""The plots of docs/BENCHMARKS.md: small SVG files, the same each time for the same figures.

Text stays text, in the reader's own sans; the ground is white, so that they read by night as well.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FIRST, SECOND, QUIET = "#1f2933", "#0b6e99", "#b4451f", "#8a94a0"
STYLE: Any = {
    "svg.hashsalt": "fiabel",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": "#e3e7eb",
}
WIDTH, HEIGHT = 7.0, 3.4  # inches, at 72 dots

Series = tuple[str, Sequence[float], Sequence[float]]  # its name, x, y


def draw(
    file: Path,
    axes: tuple[str, str],
    lines: Sequence[Series],
    *,
    log_x: bool = False,
    both_log: bool = False,
    ideal: Series | None = None,
) -> None:
    """Lines over x; `axes`: what x and y are, with their unit; `ideal`: a dashed line beside."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        plot = figure.subplots()
        if ideal:
            plot.plot(ideal[1], ideal[2], "--", color=QUIET, label=ideal[0])
        for (name, x, y), colour, mark in zip(lines, (FIRST, SECOND, INK), "os^", strict=False):
            marker = mark if len(x) < 10 else None
            plot.plot(x, y, color=colour, marker=marker, label=name, linewidth=2)
        _scale(plot, lines, log_x=log_x or both_log, log_y=both_log)
        plot.set_xlabel(axes[0])
        plot.set_ylabel(axes[1])
        plot.legend(frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")


def _scale(plot: Axes, lines: Sequence[Series], *, log_x: bool, log_y: bool) -> None:
    ticks: Any = sorted({one for _name, x, _y in lines for one in x})
    if log_x:
        plot.set_xscale("log")
    if log_y:
        plot.set_yscale("log")
    else:
        plot.set_ylim(bottom=0)
    if len(ticks) < 10:
        plot.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        plot.minorticks_off()
    plot.yaxis.set_major_formatter("{x:,.10g}")
