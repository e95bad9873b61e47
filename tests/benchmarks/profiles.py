"""Says what the processor time of a long history goes into, ours beside stock.

``uv run --group benchmarks python tests/benchmarks/profiles.py mariadb`` prints a table for
``docs/benchmarks.md``; `postgresql` and `sqlite` do the same on their databases.
"""

import json
import sys
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path[1:1] = [str(Path(__file__).parents[2] / name) for name in ("tests", "extensions")]

from matrix import PROGRAMS  # noqa: E402
from report import table  # noqa: E402
from sampler import INTERVAL  # noqa: E402
from services import Service, Workshop  # noqa: E402
from timing import Work  # noqa: E402

SAMPLER = Path(__file__).with_name("sampler.py")
REVISIONS = 1000
ROUNDS = 5
GUARD = "alembic_guardrails.guard."
# What a stack is counted for: the first of these that is anywhere in it ...
FUNCTIONS = {
    "looking up definitions before they change": f"{GUARD}catalog:read_definition",
    "writing the journal": f"{GUARD}journal:write",
    "understanding the statements": f"{GUARD}effects:",
    "writing Alembic's version table": "alembic.runtime.migration:update_to_step",
    "sending the statements of the revisions": "sqlalchemy.engine.default:do_execute",
}
# ... or else the first that its innermost functions belong to.
PACKAGES = {
    "the rest of the guard": GUARD,
    "the names that revisions leave out": "alembic_guardrails.history.naming:",
    "making statements of operations": "alembic.operations.",
    "reading the files of the revisions": "alembic.script.",
}
REST = "starting: imports, models, the connection"


def part_of(stack: list[str]) -> str:
    """The part that a stack is counted for."""
    places = [(part, prefix, [function]) for function in stack for part, prefix in PACKAGES.items()]
    for part, prefix, functions in [
        *((part, prefix, stack) for part, prefix in FUNCTIONS.items()),
        *places,
    ]:
        if any(function.startswith(prefix) for function in functions):
            return part
    return REST


def read(path: Path) -> Counter[str]:
    """Count the samples of each part."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return Counter(part_of(json.loads(line)) for line in lines)


def profile(service: Service, commands: Path, folder: Path) -> dict[str, Counter[str]]:
    """Sample `upgrade head` on an empty database, ours and stock, in turns."""
    counted: dict[str, Counter[str]] = {}
    for kind, options in {"ours": (), "stock": ("-c", "stock.ini")}.items():
        arguments = (commands / "alembic", *options, "upgrade", "head")
        run = partial(service.project.run, "python")
        warm_up: Work = partial(run, *map(str, arguments))
        service.reset()
        warm_up()
        for _ in range(ROUNDS):
            service.reset()
            run(str(SAMPLER), str(folder / kind), *map(str, arguments))
        counted[kind] = read(folder / kind)
    return counted


def main(name: str) -> None:
    """Print the table of a database."""
    setup = next(setup for setup in PROGRAMS if setup.backend.name == name)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        workshop = Workshop(Path(folder), stack)
        with workshop.service(setup, include_example=False) as service:
            service.add_revisions(REVISIONS)
            commands = workshop.commands(setup.driver, setup.backend)
            counted = profile(service, commands, Path(folder))
    seconds = INTERVAL / ROUNDS
    rows = [
        (part, *(f"{counted[kind][part] * seconds:.2f} s" for kind in counted))
        for part in (*FUNCTIONS, *PACKAGES, REST)
        if any(counted[kind][part] for kind in counted)
    ]
    total = (f"{counted[kind].total() * seconds:.2f} s" for kind in counted)
    print(table("CPU time", "ours", "stock", rows=[*rows, ("all", *total)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
