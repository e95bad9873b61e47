"""Times a history before and after `squash` has made one revision of it, on each database.

``uv run --group benchmarks python tests/benchmarks/squash.py`` prints a table for
``docs/benchmarks.md``; a number after it is that of the revisions, 1,000 if there is none.
"""

import json
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path[1:1] = [str(Path(__file__).parents[2] / name) for name in ("tests", "extensions")]

from matrix import PROGRAMS  # noqa: E402
from services import PACKAGE, Service, Workshop  # noqa: E402
from timing import Work, in_turns, nothing, short  # noqa: E402

ROUNDS = 3
UPGRADE = ("upgrade", "head")
LOOK = f"""
import json
from alembic_guardrails import run_with_connection
from alembic_guardrails import snapshot
from {PACKAGE}.settings import DatabaseSettings
print(json.dumps(run_with_connection(DatabaseSettings().database_url, snapshot)))
"""


def costs(work: Work, before: Work = nothing, rounds: int = ROUNDS) -> str:
    """What one thing costs: by the clock, and in processor time of the command."""
    result = in_turns({"": work}, rounds, before, warm_up=rounds > 1)[""]
    return f"{result}; {short(median(result.cpu))} s"


def schema(service: Service) -> dict[str, str]:
    """The whole schema of the service's database."""
    return dict(json.loads(service.project.run("python", "-c", LOOK).splitlines()[-1]))


def measure(service: Service, size: int) -> list[object]:
    """Squash a history of that many revisions up to its head; a row of the table."""
    service.add_revisions(size)
    service.commit()
    upgrade = service.alembic(*UPGRADE)["ours"]
    before = costs(upgrade, service.reset)
    old = schema(service)
    squash = costs(service.migrations("squash", "head"), rounds=1)
    after = costs(upgrade, service.reset)
    assert schema(service) == old, "the schemas differ"
    [file] = (service.project.path / "migrations" / "versions").glob("*.py")
    size_of_file = f"{file.stat().st_size / 1024:.0f} KiB"
    tables = sum(bool(re.match(r"table (?!.* of )", name)) for name in old)
    return [f"{size:,}", tables, before, squash, after, size_of_file]


def main(size: int) -> None:
    """Print a row for each database."""
    names = ("revisions", "tables", "`upgrade head`, before", "`squash head`", "after", "its file")
    print(f"| database | {' | '.join(names)} |\n|{' --- |' * (len(names) + 1)}", flush=True)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        workshop = Workshop(Path(folder), stack)
        for setup in PROGRAMS:
            with workshop.service(setup, include_example=False) as service:
                row = measure(service, size)
            print(f"| {' | '.join(map(str, (setup.backend.title, *row)))} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
