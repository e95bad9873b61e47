"""Times what the template makes against what `alembic init` makes, and rendering against Copier.

``uv run --group benchmarks python tests/benchmarks/run.py`` writes ``docs/benchmarks.md`` and
``docs/benchmarks.svg``. With ``--only ROW`` it prints one of the tables, with ``--quick`` a little
of all of them, and writes nothing.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter

ROOT = Path(__file__).parents[2]
sys.path[1:1] = [str(ROOT / "tests"), str(ROOT / "extensions")]

import memory  # noqa: E402
from matrix import DISTINCT, SERVED, SETUPS, Setup, options  # noqa: E402
from places import temporary_files_in_memory  # noqa: E402
from project import Project  # noqa: E402
from report import Result, compared, machine, plot, replace_measured, table  # noqa: E402
from services import Service, Workshop  # noqa: E402
from timing import Work, in_turns, nothing, ratios, short  # noqa: E402

COMMAND = "uv run --group benchmarks python tests/benchmarks/run.py"
UPGRADE, CURRENT, CHECK = ("alembic upgrade head", "alembic current", "alembic check")
VERIFY, LINT = ("migrations verify", "migrations lint")
LINT_ALL = "lint -r :"  # all revisions, also those that are released
# Beside one set-up of each program, one on a server whose driver is async.
ASYNC = next(setup for setup in SERVED if setup.is_async)
# The page of customers of a sync and of an async service.
PAGES = [next(setup for setup in SETUPS if setup.is_async is kind) for kind in (False, True)]
THROUGHPUT = ROOT / "tests" / "in_service" / "throughput.py"
REQUIREMENT = "alembic-guardrails @ git+https://example.com/template@v1"


@dataclass(frozen=True)
class Extent:
    """How much is measured: how often, where, and for one combination of answers out of so many.

    Revisions and tables go with the rounds that each number of them gets. `requests` are those of a
    round, and `statements` those of the revision that is to need much memory.
    """

    rounds: int
    programs: list[Setup]
    others: list[Setup]
    revisions: dict[int, int]
    tables: dict[int, int]
    every: int
    requests: int = 200
    statements: int = memory.MANY


FULL = Extent(
    rounds=7,
    programs=DISTINCT,
    others=[ASYNC],
    revisions={10: 3, 100: 3, 1000: 7, 3000: 1},
    tables={10: 3, 50: 3, 200: 1, 500: 1},
    every=1,
)
QUICK = Extent(
    1, DISTINCT[:1], [], revisions={100: 1}, tables={10: 1}, every=40, requests=20, statements=200
)


@dataclass
class Bench:
    """What is measured with, and what has been measured of what grows."""

    workshop: Workshop
    extent: Extent
    revisions: list[Result]
    tables: list[Result]


def name_of(setup: Setup) -> str:
    """A set-up as tables name it."""
    return f"{setup.backend.title}, {setup.driver.name}"


def say(setup: Setup, what: str) -> None:
    """Say what is measured next."""
    print(f"{name_of(setup)}: {what}", file=sys.stderr, flush=True)


def copies(workshop: Workshop, memory: Path) -> tuple[dict[str, Work], Work, int]:
    """What is rendered by commands, what empties the folders for it, and how many files it has.

    Copier's clone and what it renders are in memory, where nothing else is said.
    """
    clone, counted = memory / "clone", memory / "counted"
    subprocess.run(("git", "clone", "--quiet", ROOT, clone), check=True)
    sqlite, server = DISTINCT[:2]
    files = len(Project(counted, workshop.render(counted, sqlite)).files)
    targets = [folder / "rendering" for folder in (memory, workshop.folder)]
    installed = workshop.commands(sqlite.driver, sqlite.backend)

    def empty() -> None:
        for target in targets:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()

    def run(*command: str, target: Path = targets[0]) -> Work:
        project = Project(target, {}, {"TMPDIR": str(target.parent)})
        project.use(installed, in_forks=False)
        return partial(project.run, *command)

    def copy(source: Path, target: Path = targets[0], **answers: str) -> Work:
        data = (f"--data={name}={answer}" for name, answer in answers.items())
        reference = ("--vcs-ref", "HEAD") if source == clone else ()
        quietly = ("--trust", "--defaults", "--quiet")
        command = ("copier", "copy", *quietly, *reference, *data, str(source), "copy")
        return run(*command, target=target)

    with_requirement = server.answers(guardrails=REQUIREMENT)
    work = {
        "`copier --version`": run("copier", "--version"),
        f"`copier copy` of a git clone, {sqlite.backend.title}": copy(clone, **sqlite.answers()),
        f"the same, {server.backend.title}": copy(clone, **server.answers()),
        "the same, the machinery as a requirement": copy(clone, **with_requirement),
        f"{sqlite.backend.title}, to a disk": copy(clone, targets[1], **sqlite.answers()),
        f"`copier copy` of a template of {files} empty files": copy(bare(memory, files)),
        "of a template of one": copy(bare(memory, 1)),
        "`alembic init`": run("alembic", "init", "migrations"),
    }
    return work, empty, files


def bare(folder: Path, files: int) -> Path:
    """A template of empty files and nothing else: what copying takes is Copier's own."""
    template = folder / f"bare_{files}"
    (template / "template" / "src" / "package").mkdir(parents=True)
    (template / "copier.yml").write_text("_subdirectory: template\n", encoding="utf-8")
    for number in range(files):
        (template / "template" / "src" / "package" / f"file_{number}.txt").touch()
    return template


def rendering(bench: Bench) -> str:
    """What rendering costs, and what starting Copier and Alembic's own template cost."""
    folder = Path(mkdtemp())
    work, empty, files = copies(bench.workshop, folder)
    costs = in_turns(work, bench.extent.rounds, empty)
    rate = renders_a_minute(bench.workshop, folder, bench.extent.every)
    start, *_ = costs.values()
    lines = [
        (what, cost, *(f"{ratio:.2f}" for ratio in ratios(cost, start)))
        for what, cost in costs.items()
    ]
    many, one = (median(costs[what].cpu) for what in [*costs][-3:-1])
    each = 1000 * (many - one) / max(files - 1, 1)
    own = (
        f"Copier's own share: {short(many - one)} s of CPU time for {files - 1} more files without"
        f" a character in them, {each:.1f} ms each."
    )
    columns = ("", "", "against `copier --version`", "CPU time")
    return f"{table(*columns, rows=lines)}\n{own}\n\n{rate}\n"


def renders_a_minute(workshop: Workshop, folder: Path, every: int) -> str:
    """How many combinations of answers one process renders in a minute."""
    chosen = [*product(SETUPS, options())][::every]
    start = perf_counter()
    for setup, answers in chosen:
        path = Path(mkdtemp(dir=folder))
        workshop.render(path, setup, **answers)
        shutil.rmtree(path)
    rate = 60 * len(chosen) / (perf_counter() - start)
    return f"{len(chosen)} combinations of answers, in one process: {rate:.0f} a minute."


def commands(bench: Bench) -> str:
    """What Alembic's commands cost with the example, from an empty database and at the head."""
    results: list[Result] = []
    for setup in (*bench.extent.programs, *bench.extent.others):
        say(setup, "commands")
        with bench.workshop.service(setup) as service:
            bench.workshop.facts |= service.facts()

            def result(
                command: str,
                where: str,
                before: Work = nothing,
                setup: Setup = setup,
                service: Service = service,
            ) -> Result:
                work = service.alembic(*command.split()[1:])
                costs = in_turns(work, bench.extent.rounds, before)
                return Result(f"{name_of(setup)}, {where}", command, costs)

            results.append(result(UPGRADE, "empty", service.reset))
            results += [result(command, "at head") for command in (UPGRADE, CURRENT, CHECK)]
    return compared("", results)


def history(bench: Bench) -> str:
    """What the checks of the history and of one new revision cost, against `alembic heads`."""
    results: list[Result] = []
    for setup in bench.extent.programs:
        say(setup, "verify and lint")
        with bench.workshop.service(setup) as service:
            service.add_revision()
            for command in (VERIFY, LINT):
                work = service.against_heads(*command.split()[1:])
                costs = in_turns(work, bench.extent.rounds)
                results.append(Result(name_of(setup), command, costs))
    return compared("", results, other="`alembic heads`")


def by_size(
    bench: Bench,
    setup: Setup,
    size: int,
    rounds: int,
    grow: Callable[[Service, int], None],
    *own: str,
) -> Iterator[Result]:
    """What Alembic's commands and the service's own cost with so many revisions or tables."""
    database = setup.backend.title
    with bench.workshop.service(setup, include_example=False) as service:
        grow(service, size)
        for command in (UPGRADE, CHECK):
            work = service.alembic(*command.split()[1:])
            before = service.reset if command == UPGRADE else nothing
            # What runs once is long, and compiled when it grew.
            yield Result(database, command, in_turns(work, rounds, before, rounds > 1), size)
        service.commit()
        for command in own:
            work = {"ours": service.migrations(*command.split())}
            yield Result(database, command, in_turns(work, 1, warm_up=False), size)


def revisions(bench: Bench) -> str:
    """What commands cost by the number of revisions."""
    for setup in bench.extent.programs:
        for size, rounds in bench.extent.revisions.items():
            say(setup, f"{size} revisions")
            own = ("verify", LINT_ALL)
            bench.revisions += by_size(bench, setup, size, rounds, Service.add_revisions, *own)
    return compared("revisions", bench.revisions)


def tables(bench: Bench) -> str:
    """What commands cost by the number of tables."""
    for setup in bench.extent.programs:
        for size, rounds in bench.extent.tables.items():
            say(setup, f"{size} tables")
            grown = by_size(bench, setup, size, rounds, Service.add_tables, LINT_ALL)
            bench.tables += grown
    return compared("tables", bench.tables)


def requests(bench: Bench) -> str:
    """Requests for a CPU second, of a sync and an async service, against a minimal one."""
    lines = []
    for setup in PAGES:
        say(setup, "requests")
        with bench.workshop.service(setup) as service:
            service.project.environment["LOG_LEVEL"] = "WARNING"
            service.upgrade()
            arguments = (str(bench.extent.rounds), str(bench.extent.requests))
            output = service.project.run("python", str(THROUGHPUT), *arguments)
            found = [float(ratio) for ratio in json.loads(output.splitlines()[-1])]
        spread = f"{min(found):.2f} to {max(found):.2f}"
        kind = "async" if setup.is_async else "sync"
        lines.append(
            (f"page of 50 customers, {kind}", name_of(setup), short(median(found)), spread)
        )
    return table("", "database", "requests for a CPU second: ratio", "", rows=lines)


def peaks(bench: Bench) -> str:
    """Peak memory, by what a revision does."""
    extent = bench.extent
    found = memory.measure(bench.workshop, extent.programs, extent.statements)
    return table("database", "what", "few", "many", "ratio", rows=found)


# The tables of the page, each under its title, by the name that --only takes.
ROWS: dict[str, tuple[str, Callable[[Bench], str]]] = {
    "rendering": ("Rendering", rendering),
    "commands": ("Commands", commands),
    "history": ("Verify and lint", history),
    "revisions": ("Revisions", revisions),
    "tables": ("Tables", tables),
    "requests": ("Requests", requests),
    "memory": ("Memory", peaks),
}


def main(extent: Extent, rows: list[str], plotted: Path | None) -> str:
    """Measure these rows, draw what grows if there is a path for it; return Markdown."""
    with temporary_files_in_memory() as disk, ExitStack() as stack:
        bench = Bench(Workshop(disk, stack), extent, [], [])
        sections = []
        for row in rows:
            title, measure = ROWS[row]
            begun = perf_counter()
            sections.append(f"## {title}\n\n{measure(bench)}")
            print(f"{row}: {perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    if plotted:
        plot(plotted, revisions=bench.revisions, tables=bench.tables)
    facts = {"Copier": version("copier")} | bench.workshop.facts
    versions = ", ".join(f"{name} {number}" for name, number in facts.items())
    return "\n".join([f"## Measured with\n\n{machine()}; {versions}.\n", *sections])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure a little, write nothing")
    parser.add_argument("--only", action="append", choices=[*ROWS], help="measure this, print it")
    parser.add_argument("--rounds", type=int, help="how often the commands run, 7 if not given")
    given = parser.parse_args()
    chosen = QUICK if given.quick else FULL
    if given.rounds:
        chosen = replace(chosen, rounds=given.rounds)
    if given.quick or given.only:
        print(main(chosen, given.only or [*ROWS], None))
    else:
        text = main(chosen, [*ROWS], ROOT / "docs" / "benchmarks.svg")
        replace_measured(ROOT / "docs" / "benchmarks.md", COMMAND, text)
