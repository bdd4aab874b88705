"""The plots beside `bench.md`: SVG by matplotlib, light, to be read on white.

Law: pure; the same report and floors give the same plots with the same matplotlib. Each plot has its figures in a table
of the page, too.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import capacity
import matplotlib as mpl
from floors import Floors
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from measure import Result
from report import Report

OVERVIEW = "overview"

# What the plot of each section shows.
SECTIONS = {
    "read": "Exchanges a second that each reader makes",
    "report": "Peak memory, and seconds, by the number of exchanges",
    "replay": "Requests a second of each client",
    "cluster": "What a chunk costs beside its work, by the number of workers",
}

_GOOD, _BAD, _BLUE, _GREY, _LINE, _TEXT = "#2a7d4f", "#c0392b", "#2f6fb0", "#9aa5b1", "#dde3ea", "#22303c"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "qqlab",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9.5,
    "text.color": _TEXT,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.7,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "text.parse_math": False,
}
_WIDTH = 8.2  # inches


def plots(report: Report, wanted: Floors) -> dict[str, str]:
    """All plots that this report has figures for, by name."""
    with mpl.rc_context(_STYLE):
        made = {OVERVIEW: _overview(report, wanted)}
        for section in report.sections:
            draw = _DRAWN.get(section.name)
            if draw is not None and section.results:
                made[section.name] = draw({one.key: one for one in section.results})
        if (model := capacity.model(report)) is not None:
            made["capacity"] = _capacity(model)
    return made


def _svg(figure: Figure) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _axes(height: float, columns: int = 1) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    made = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(made)


def _plain(value: float, _: object = None) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _logarithmic(axis: Axis, ticks: Sequence[float] = ()) -> None:
    """Plain numbers along an axis of a log scale: at these places, or at 1, 2 and 5 of each power of ten."""
    axis.set_major_locator(FixedLocator(list(ticks)) if ticks else LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_formatter(NullFormatter())


def _overview(report: Report, wanted: Floors) -> str:
    """Each ratio as many times what is wanted of it; what is to be small the other way round."""
    rows = []
    for section in report.sections:
        for one in section.results:
            floor = wanted.get(section.name, {}).get(one.key)
            if floor is not None and min(one.values) > 0:
                parts = [value / floor.wanted for value in (one.median, one.least, one.greatest)]
                if floor.sense == "at most":
                    parts = [1 / part for part in parts]
                rows.append((f"{section.name}.{one.key}", parts, floor.is_kept(one.median)))
    figure, (axes,) = _axes(0.9 + 0.2 * max(1, len(rows)))
    for place, (_, (middle, *ends), kept) in enumerate(rows):
        colour = _GOOD if middle >= 1 else _GREY if kept else _BAD
        axes.plot(ends, [place, place], color=colour, linewidth=3, alpha=0.35, solid_capstyle="round")
        axes.plot([middle], [place], "o", color=colour, markersize=5)
    axes.axvline(1, color=_TEXT, linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    _logarithmic(axes.xaxis)
    axes.set_xlabel("times what is wanted (log scale): median, and least to greatest of the rounds")
    return _svg(figure)


def _ranked(results: Mapping[str, Result], unit: str, keys: Callable[[str], bool]) -> str:
    """Each variant's figure in that unit, the largest first."""
    figures: dict[str, float] = {}
    for key, one in results.items():
        if one.unit == unit and keys(key):
            figures |= one.figures
    names = sorted(figures, key=lambda name: -figures[name])
    figure, (axes,) = _axes(0.8 + 0.3 * len(names))
    colours = [_BLUE if "qqlab" in name else _GREY for name in names]
    least = min(figures.values(), default=1) / 2
    for place, (name, colour) in enumerate(zip(names, colours, strict=True)):
        axes.plot([least, figures[name]], [place, place], color=colour, linewidth=1.4)
        axes.plot([figures[name]], [place], "o", color=colour, markersize=7)
        axes.annotate(
            f"{figures[name]:,.0f}", (figures[name], place), xytext=(8, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(left=least)
    axes.grid(axis="y", visible=False)
    _logarithmic(axes.xaxis)
    axes.margins(x=0.12)
    axes.set_xlabel(f"{unit} (log scale)")
    return _svg(figure)


def _read(results: Mapping[str, Result]) -> str:
    return _ranked(results, "exchanges/s", lambda key: True)


def _replay(results: Mapping[str, Result]) -> str:
    return _ranked(results, "requests/s", lambda key: key.endswith("-kept"))


def _report(results: Mapping[str, Result]) -> str:
    """Memory and seconds, by exchanges: keys are `mb-NAME-NUMBER` and `s-NAME-NUMBER`."""
    figure, axes = _axes(3.2, 2)
    for ax, kind, label in zip(axes, ("mb", "s"), ("peak resident memory, MB", "seconds"), strict=True):
        lines: dict[str, list[tuple[int, float]]] = {}
        for key, one in results.items():
            if key.startswith(f"{kind}-"):
                name, number = one.what.rpartition(", ")[0], int(key.rpartition("-")[2])
                lines.setdefault(name, []).append((number, one.median))
        for name, points in sorted(lines.items(), key=lambda line: "qqlab" not in line[0]):
            points.sort()
            colour = _GREY if "qqlab" not in name else _GOOD if name.endswith("2") else _BLUE
            ax.plot(*zip(*points, strict=True), "o-", color=colour, label=name, markersize=4)
        ax.set_xscale("log")
        ax.set_yscale("log")
        _logarithmic(ax.xaxis, sorted({number for points in lines.values() for number, _ in points}))
        _logarithmic(ax.yaxis)
        ax.set_xlabel("exchanges (log scale)")
        ax.set_ylabel(f"{label} (log scale)")
    if axes[0].get_legend_handles_labels()[0]:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return _svg(figure)


def _cluster(results: Mapping[str, Result]) -> str:
    """Milliseconds a chunk, by workers: keys are `empty-WORKERS` and `real-WORKERS`."""
    figure, (axes,) = _axes(3)
    for kind, label, colour in (("empty", "an empty chunk", _BLUE), ("real", "a real one, beside its work", _GOOD)):
        found = sorted((int(key.rpartition("-")[2]), one) for key, one in results.items() if key.startswith(f"{kind}-"))
        if found:
            workers, values = [number for number, _ in found], [one.median for _, one in found]
            axes.plot(workers, values, "o-", color=colour, label=label, markersize=4)
            axes.fill_between(
                workers, [one.least for _, one in found], [one.greatest for _, one in found], color=colour, alpha=0.15
            )
    axes.set_xlabel("workers")
    axes.set_ylabel("ms a chunk")
    axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    return _svg(figure)


_DRAWN: dict[str, Callable[[Mapping[str, Result]], str]] = {
    "read": _read,
    "report": _report,
    "replay": _replay,
    "cluster": _cluster,
}


def _capacity(model: capacity.Model) -> str:
    """How long it takes by the number of workers, and what bounds it."""
    workers = capacity.WORKERS
    figure, (axes,) = _axes(3.4)
    for name, colour in (("work", _BLUE), ("coordinating", _GOOD), ("reading", _BAD)):
        lines = [capacity.bounds(model, number) for number in workers]
        axes.plot(workers, [line[name] / 60 for line in lines], color=colour, label=name)
    axes.axvline(capacity.CORES, color=_TEXT, linewidth=0.8, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    _logarithmic(axes.xaxis, workers[::2])
    _logarithmic(axes.yaxis)
    axes.set_xlabel("cores")
    axes.set_ylabel("minutes for 1 TB, bound by each (log scale)")
    axes.legend(frameon=False)
    return _svg(figure)
