"""Peak memory of migrations: whether it grows with what a revision does."""

from collections.abc import Iterator
from typing import Any

from matrix import Setup
from services import Service, Workshop

FEW, MANY = 100, 10_000  # statements of a revision
BATCH, ROWS = 1_000, 1_000_000  # rows of a backfill, whose batches are of 1,000
# The kernel's own figure, in KiB, of the process that runs Alembic, and of no other.
PEAK = """
import sys
from alembic.config import main
main(sys.argv[1:])
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print("peak", peak)
"""
HEAD = '''"""Revision {revision}."""

import os

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{down}"
branch_labels = None
depends_on = None


def downgrade() -> None:
    """Undo nothing."""


def upgrade() -> None:
'''
STATEMENTS = """
    op.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body VARCHAR(200))")
    for number in range(int(os.environ["SIZE"])):
        op.execute(f"INSERT INTO notes (id, body) VALUES ({number}, '{'note ' * 20}{number}')")
"""
FILL = """
    op.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, done INTEGER)")
    op.execute(
        "INSERT INTO numbers (id, done) WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1"
        f" FROM n WHERE id < {os.environ['SIZE']}) SELECT id, 0 FROM n"
    )
"""
BACKFILL = """
    from alembic_guardrails.op import backfill

    numbers = sa.table("numbers", sa.column("id"), sa.column("done"))
    undone = sa.update(numbers).where(numbers.c.done == 0)
    backfill(undone.values(done=1), numbers.c.id)
"""


def write(service: Service, **bodies: str) -> None:
    """Write revisions that follow each other."""
    down = "0001"
    for name, body in bodies.items():
        text = HEAD.format(revision=name, down=down) + body
        path = service.project.path / "migrations" / "versions" / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        down = name


def peak(service: Service, size: int, first: str, last: str, *options: str) -> float:
    """The peak memory of an upgrade from one revision to another, in MiB; it hardly differs."""
    service.project.environment["SIZE"] = str(size)
    service.reset()
    service.project.run("alembic", *options, "upgrade", first)
    output = service.project.run("python", "-c", PEAK, *options, "upgrade", last)
    return int(output.rpartition("peak ")[2]) / 1024


def rows(workshop: Workshop, setup: Setup, many: int) -> Iterator[list[Any]]:
    """The rows of the table for a database: few and many, and how much more many take."""
    with workshop.service(setup, include_example=False) as service:
        write(service, statements=STATEMENTS)
        for who, options in (("ours", ()), ("stock", ("-c", "stock.ini"))):
            between = ("0001", "statements", *options)
            sizes = [peak(service, size, *between) for size in (FEW, many)]
            what = f"revision of {FEW} and of {many:,} statements, {who}"
            yield [setup.backend.title, what, *written(*sizes)]
    # Recursion over more rows than 1,000 has to be allowed elsewhere.
    if setup.backend.name in ("sqlite", "postgresql"):
        count = many * ROWS // MANY
        with workshop.service(setup, include_example=False) as service:
            write(service, fill=FILL, fill_on=BACKFILL)
            sizes = [peak(service, size, "fill", "fill_on") for size in (BATCH, count)]
            what = f"`backfill` of {BATCH:,} and of {count:,} rows"
            yield [setup.backend.title, what, *written(*sizes)]


def written(few: float, many: float) -> tuple[str, str, str]:
    """Two peaks, and their ratio, as the table has them."""
    return f"{few:.1f} MiB", f"{many:.1f} MiB", f"{many / few:.2f}"


def measure(workshop: Workshop, setups: list[Setup], many: int = MANY) -> list[list[Any]]:
    """The rows of the table of memory; `many` is how many statements a long revision has."""
    return [row for setup in setups for row in rows(workshop, setup, many)]
