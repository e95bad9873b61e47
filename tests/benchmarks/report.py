"""The results as Markdown and as a plot."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib import pyplot
from timing import Costs, ratios

START, END = "<!-- Measured: {} -->\n", "<!-- end -->"
STYLES = {"alembic upgrade head": "-", "alembic check": "--"}
COLORS = {"ours": "tab:blue", "stock": "tab:gray"}


@dataclass(frozen=True)
class Result:
    """What a command costs for each contender, on a database, with so many revisions or tables."""

    database: str
    command: str
    costs: dict[str, Costs]
    size: int = 0


def table(*columns: str, rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def compared(size: str, results: list[Result], other: str = "stock") -> str:
    """A table of ours against stock or another command, where there is one."""

    def row(result: Result) -> Sequence[object]:
        ours, stock = result.costs["ours"], result.costs.get("stock")
        ratio = map("{:.2f}".format, ratios(ours, stock)) if stock else ("", "")
        sizes = [f"{result.size:,}"] * bool(size)
        return result.database, *sizes, f"`{result.command}`", ours, stock or "", *ratio

    columns = ("database", *([size] * bool(size)), "command", "ours", other)
    return table(*columns, "ratio", "ratio of CPU time", rows=map(row, results))


def plot(path: Path, **groups: list[Result]) -> None:
    """Draw how long commands take by size, a row for each group, a column for each database."""
    databases = list(
        dict.fromkeys(result.database for group in groups.values() for result in group)
    )
    matplotlib.rcParams |= {"svg.hashsalt": "", "svg.fonttype": "none", "font.size": 9}
    figure, grid = pyplot.subplots(
        len(groups), len(databases), figsize=(10, 6), sharey=True, squeeze=False, layout="tight"
    )
    for row, (what, results) in zip(grid, groups.items(), strict=True):
        for axes, database in zip(row, databases, strict=True):
            for command, style in STYLES.items():
                here = [
                    result
                    for result in results
                    if (result.database, result.command) == (database, command)
                ]
                for name, color in COLORS.items():
                    sizes = [result.size for result in here]
                    seconds = [result.costs[name].seconds for result in here]
                    label = f"{name}: {command}"
                    axes.plot(sizes, seconds, style, color=color, marker=".", label=label)
            axes.set(xscale="log", yscale="log", xlabel=what, title=database)
            axes.grid(alpha=0.3)
        row[0].set_ylabel("seconds")
    grid[0][0].legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})
    # Matplotlib leaves spaces at the ends of lines.
    text = path.read_text(encoding="utf-8")
    path.write_text("".join(f"{line.rstrip()}\n" for line in text.splitlines()), encoding="utf-8")


def machine() -> str:
    """The processor, and how many there are."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{next(iter(models), platform.processor())}, {os.cpu_count()} cores"


def replace_measured(page: Path, command: str, text: str) -> None:
    """Put what was measured into a page, between its marks."""
    start = START.format(command)
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{start}\n{text.strip()}\n\n{END}{after}", encoding="utf-8")
