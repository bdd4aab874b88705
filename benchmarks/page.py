"""`bench.md`: what a run says, as a page to read, with its plots beside it.

Law: everything on it is computed from the report and the floors; the same two give the same page.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path

import capacity
import drawing
from floors import Floor, Floors
from measure import Result
from report import Report, Section

_FOLDER = "bench"  # of the plots, beside the page


def write(into: Path, report: Report, wanted: Floors) -> None:
    """Write `bench.md` and its plots into that folder."""
    folder = into / _FOLDER
    folder.mkdir(exist_ok=True)
    plots = drawing.plots(report, wanted)
    for name, svg in plots.items():
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    for old in folder.glob("*.svg"):
        if old.stem not in plots:
            old.unlink()
    (into / "bench.md").write_text(text(report, wanted), encoding="utf-8")


def text(report: Report, wanted: Floors) -> str:
    """The page."""
    parts = [_head(report, wanted), *(_section(one, report, wanted.get(one.name, {})) for one in report.sections)]
    model = capacity.text(report)
    return "\n".join([*parts, *([model] if model else [])])


def _head(report: Report, wanted: Floors) -> str:
    machine = report.machine
    held = [
        (f"{section.name}.{one.key}", one, wanted[section.name][one.key])
        for section in report.sections
        for one in section.results
        if one.key in wanted.get(section.name, {})
    ]
    met = sum(floor.is_met(one.median) for _, one, floor in held)
    below = sum(not floor.is_kept(one.median) for _, one, floor in held)
    broken = [section.name for section in report.sections if section.error]
    loads = [load for section in report.sections for load in section.load]
    facts = [
        ("when", f"{report.began.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {report.seconds / 60:.0f} minutes"),
        ("machine", f"{machine.processors} × {machine.processor}, {machine.memory / 1e9:.0f} GB, {machine.system}"),
        ("load", f"between {min(loads):.1f} and {max(loads):.1f}, before and after each benchmark" if loads else "-"),
        ("scale", f"{report.scale:g}" + (", long" if report.long else "")),
        ("measured", _listed(report.versions)),
        ("peers", _listed(report.peers) or "none is installed"),
    ]
    plot = drawing.OVERVIEW
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench`; [how it measures](../benchmarks/README.md). `make bench-check` holds it against",
            "[the floors](../benchmarks/floors.toml). Ratios count: figures depend on the machine, and stand beside as",
            "context.",
            "",
            f"**{met} of {len(held)} are as wanted, {below} below their floor**"
            + (f"; broken: {', '.join(broken)}." if broken else "."),
            "",
            *_missed(held),
            "| | |",
            "|---|---|",
            *(f"| {name} | {_safe(value)} |" for name, value in facts),
            "",
            *([f"![How many times what is wanted each ratio is]({_FOLDER}/{plot}.svg)", ""] if held else []),
        ]
    )


def _missed(held: Sequence[tuple[str, Result, Floor]]) -> list[str]:
    """Those that are not as wanted."""
    lines = [
        f"- `{name}`: {number(one.median)}, wanted {floor.sense} {floor.wanted:,g}"
        + ("" if floor.is_kept(one.median) else f"; **below its floor of {floor.floor:,g}**")
        for name, one, floor in held
        if not floor.is_met(one.median)
    ]
    return [*lines, ""] if lines else []


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _section(section: Section, report: Report, floors: Mapping[str, Floor]) -> str:
    lines = [f"## {section.name}", "", section.about, ""]
    if section.error:
        lines += [f"**Broken:** {_safe(section.error)}", ""]
    if section.results:
        lines += ["| what | median | least … greatest | rounds | wanted | | medians |", "|---|--:|--:|--:|---|---|---|"]
        lines += [_line(one, floors.get(one.key)) for one in section.results] + [""]
    lines += [f"- `{one.key}` was skipped: {_safe(one.why)}" for one in section.skipped]
    lines += [
        f"- `{one.key}`: its floor is {floors[one.key].floor:,g}: {floors[one.key].reason}"
        for one in section.results
        if one.key in floors and floors[one.key].reason
    ]
    if section.skipped or lines[-1]:
        lines.append("")
    if section.name in drawing.SECTIONS and section.results:
        lines += [f"![{drawing.SECTIONS[section.name]}]({_FOLDER}/{section.name}.svg)", ""]
    dated = "" if abs((section.began - report.began).total_seconds()) < 86400 else f"{section.began:%Y-%m-%d}, "
    scaled = "" if section.scale == report.scale else f"scale {section.scale:g}, "
    before, after = section.load
    lines += [f"*{dated}{scaled}{section.seconds:.0f} s, load {before:.1f} before and {after:.1f} after*", ""]
    return "\n".join(lines)


def _line(result: Result, floor: Floor | None) -> str:
    what, median, spread, wanted, verdict, medians = row(result, floor)
    cells = [what, f"**{median}**", spread, str(len(result.values)), wanted, verdict, medians]
    return f"| {' | '.join(map(_safe, cells))} |"


def row(result: Result, floor: Floor | None) -> Sequence[str]:
    """A result as cells: what, median, spread, wanted, whether it is, and the medians it is made of."""
    unit = f" {result.value_unit}" if result.value_unit else ""
    wanted, verdict = "", ""
    if floor is not None:
        wanted = f"{floor.sense} {floor.wanted:,g}"
        verdict = "met" if floor.is_met(result.median) else "missed" if floor.is_kept(result.median) else "BELOW"
    figures = ", ".join(f"{name} {number(value)}" for name, value in result.figures.items())
    shown = "" if result.value_unit and len(result.figures) < 2 else f"{figures} {result.unit}"
    spread = f"{number(result.least)} … {number(result.greatest)}" if len(result.values) > 1 else ""
    return result.what, number(result.median) + unit, spread, wanted, verdict, shown


def number(value: float) -> str:
    """A figure with as many digits as mean something."""
    digits = next((places for limit, places in ((100, 0), (10, 1), (1, 2), (0.1, 3)) if abs(value) >= limit), 4)
    return f"{value:,.{digits}f}"


def _safe(text: str) -> str:
    """Text in a table of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;")
