"""Times what the template makes against what `alembic init` makes, and rendering against Copier.

``uv run --group benchmarks python tests/benchmarks/run.py`` writes ``docs/benchmarks.md`` and
``docs/benchmarks.svg``; with ``--quick`` it prints a little of it and writes nothing.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import perf_counter

ROOT = Path(__file__).parents[2]
sys.path[1:1] = [str(ROOT / "tests"), str(ROOT / "extensions")]

from matrix import PROGRAMS, SERVED, SETUPS, Setup, options  # noqa: E402
from project import Project  # noqa: E402
from report import Result, compared, machine, plot, replace_measured, table  # noqa: E402
from services import PACKAGE, Service, Workshop  # noqa: E402
from timing import Costs, Work, in_turns, nothing  # noqa: E402

COMMAND = "uv run --group benchmarks python tests/benchmarks/run.py"
UPGRADE, CURRENT, CHECK = ("alembic upgrade head", "alembic current", "alembic check")
LINT = "lint -r :"  # all revisions, also those that are released
# Beside one set-up of each program, one on a server whose driver is async.
ASYNC = next(setup for setup in SERVED if setup.is_async)


@dataclass(frozen=True)
class Extent:
    """How much is measured: how often, where, and for one combination of answers out of so many.

    Revisions and tables go with the rounds that each number of them gets.
    """

    rounds: int
    programs: list[Setup]
    others: list[Setup]
    revisions: dict[int, int]
    tables: dict[int, int]
    every: int


FULL = Extent(
    rounds=5,
    programs=PROGRAMS,
    others=[ASYNC],
    revisions={10: 2, 100: 2, 1000: 1, 3000: 1},
    tables={10: 2, 50: 2, 200: 1, 500: 1},
    every=1,
)
# From where on nothing is done ahead of what counts: only bytecode would be, and is there.
LONG = 1000
QUICK = Extent(1, PROGRAMS[:1], [], revisions={100: 1}, tables={10: 1}, every=40)


def name_of(setup: Setup) -> str:
    """A set-up as tables name it."""
    return f"{setup.backend.title}, {setup.driver.name}"


def rendering(workshop: Workshop, rounds: int) -> dict[str, Costs]:
    """What rendering costs, and what starting Copier and Alembic's own template cost."""
    folder = workshop.folder / "rendering"
    sqlite, server = PROGRAMS[:2]

    def empty() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def run(*command: str) -> Work:
        project = Project(folder, {})
        project.use(workshop.commands(sqlite.driver, sqlite.backend), in_forks=False)
        return partial(project.run, *command)

    def copy(source: Path, setup: Setup) -> Work:
        data = (f"--data={name}={answer}" for name, answer in setup.answers().items())
        return run("copier", "copy", "--trust", "--defaults", "--quiet", *data, str(source), "copy")

    return in_turns(
        {
            "`copier --version`": run("copier", "--version"),
            f"`copier copy`, {sqlite.backend.title}": copy(workshop.template, sqlite),
            f"`copier copy`, {server.backend.title}": copy(workshop.template, server),
            "`copier copy` of a git repository": copy(ROOT, sqlite),
            "rendering in a process that runs": lambda: workshop.render(folder / "copy", sqlite),
            "`alembic init`": run("alembic", "init", "migrations"),
        },
        rounds,
        empty,
    )


def commands(workshop: Workshop, setup: Setup, rounds: int) -> Iterator[Result]:
    """What Alembic's commands cost with the example, from an empty database and at the head."""
    with workshop.service(setup) as service:

        def result(command: str, where: str, before: Work = nothing) -> Result:
            work = service.alembic(*command.split()[1:])
            costs = in_turns(work, rounds, before)
            return Result(f"{name_of(setup)}, {where}", command, costs)

        workshop.facts |= service.facts()
        yield result(UPGRADE, "empty", service.reset)
        yield from (result(command, "at head") for command in (UPGRADE, CURRENT, CHECK))


def settings(workshop: Workshop, setup: Setup, rounds: int) -> Iterator[Result]:
    """What it costs that the service's settings say where its database is."""
    imports = f"import alembic.command, {PACKAGE}.models"
    reading = f"{imports}; from {PACKAGE}.settings import DatabaseSettings; DatabaseSettings()"
    with workshop.service(setup) as service:
        texts = {"ours": reading, "stock": imports}
        work = {
            who: partial(service.project.run, "python", "-c", name) for who, name in texts.items()
        }
        yield Result("none", "start: with settings, without", in_turns(work, rounds))


def by_size(
    workshop: Workshop,
    setup: Setup,
    size: int,
    rounds: int,
    grow: Callable[[Service, int], None],
    *own: str,
) -> Iterator[Result]:
    """What Alembic's commands and the service's own cost with so many revisions or tables."""
    database = setup.backend.title
    with workshop.service(setup, include_example=False) as service:
        grow(service, size)
        for command in (UPGRADE, CHECK):
            work = service.alembic(*command.split()[1:])
            before = service.reset if command == UPGRADE else nothing
            yield Result(database, command, in_turns(work, rounds, before, size < LONG), size)
        service.commit()
        for command in own:
            work = {"ours": service.migrations(*command.split())}
            yield Result(database, command, in_turns(work, 1, warm_up=False), size)


def renders_a_minute(workshop: Workshop, every: int) -> str:
    """How many combinations of answers one process renders in a minute."""
    chosen = [*product(SETUPS, options())][::every]
    start = perf_counter()
    for setup, answers in chosen:
        path = Path(mkdtemp(dir=workshop.folder))
        workshop.render(path, setup, **answers)
        shutil.rmtree(path)
    rate = 60 * len(chosen) / (perf_counter() - start)
    return f"{len(chosen)} combinations of answers, in one process: {rate:.0f} a minute."


def main(extent: Extent, plotted: Path | None) -> str:
    """Measure everything, draw what grows if there is a path for it; return Markdown."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        workshop = Workshop(Path(folder), stack)
        renders = rendering(workshop, extent.rounds)
        matrix = renders_a_minute(workshop, extent.every)
        once = [*settings(workshop, PROGRAMS[0], extent.rounds)]
        for setup in (*extent.programs, *extent.others):
            say(setup, "the example")
            once += commands(workshop, setup, extent.rounds)
        revisions: list[Result] = []
        tables: list[Result] = []
        for setup in extent.programs:
            for size, rounds in extent.revisions.items():
                say(setup, f"{size} revisions")
                add, own = Service.add_revisions, ("verify", LINT)
                revisions += by_size(workshop, setup, size, rounds, add, *own)
            for size, rounds in extent.tables.items():
                say(setup, f"{size} tables")
                tables += by_size(workshop, setup, size, rounds, Service.add_tables, LINT)
    if plotted:
        plot(plotted, revisions=revisions, tables=tables)
    facts = {"Copier": version("copier")} | workshop.facts
    versions = ", ".join(f"{name} {number}" for name, number in facts.items())
    sections = (
        ("Measured with", f"{machine()}; {versions}.\n"),
        ("Rendering", f"{table('', '', rows=renders.items())}\n{matrix}\n"),
        ("Commands", compared("", once)),
        ("Revisions", compared("revisions", revisions)),
        ("Tables", compared("tables", tables)),
    )
    return "\n".join(f"## {title}\n\n{text}" for title, text in sections)


def say(setup: Setup, what: str) -> None:
    """Say what is measured next."""
    print(f"{name_of(setup)}: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure a little, write nothing")
    if parser.parse_args().quick:
        print(main(QUICK, None))
    else:
        text = main(FULL, ROOT / "docs" / "benchmarks.svg")
        replace_measured(ROOT / "docs" / "benchmarks.md", COMMAND, text)
