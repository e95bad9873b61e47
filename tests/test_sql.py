"""What `sql` prints for those who review a revision."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render
from matrix import PROGRAMS, Setup
from project import Project

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
"""


def revise(project: Project, revision: str, before: str, up: str, down: str = "pass") -> Path:
    """Write a revision's file."""
    path = project.path / "migrations" / "versions" / f"{revision}.py"
    text = REVISION.format(revision=revision, before=before, up=up, down=down)
    path.write_text(text, encoding="utf-8")
    return path


def statements(output: str) -> list[str]:
    """The lines of SQL, without those of the log."""
    return [line for line in output.splitlines() if line and not line.startswith("INFO ")]


@pytest.mark.slow
@pytest.mark.parametrize("setup", PROGRAMS[:2], ids=str)
def test_the_sql_of_new_revisions(
    render: Render, environment: Callable[[Setup], Path], setup: Setup
) -> None:
    project = render(**setup.answers())
    project.use(environment(setup))
    project.git("init", "--quiet")
    project.commit()
    (project.path / ".env").unlink()
    print_sql = ("migrations", "sql")

    nothing = project.run(*print_sql)

    assert nothing == "-- No new revisions; released: 1\n"

    column = 'op.add_column("customers", sa.Column("age", sa.Integer()))'
    revise(project, "0002", "0001", column, 'op.drop_column("customers", "age")')
    fill = "UPDATE customers SET name = '100%' WHERE age IS NULL"
    revise(project, "0003", "0002", f'op.execute("{fill}")')
    alembics = project.alembic("upgrade 0001:0003 --sql", "downgrade 0003:0001 --sql")

    printed = statements(project.run(*print_sql))

    assert f"{fill};" in printed
    run = [line for line in printed if not line.startswith("--") or " Running upgrade" in line]
    commented = [line[3:] for line in printed if line not in run and line != "--"]
    assert [*run, *commented[1:]] == statements(alembics)
    assert "ALTER TABLE customers DROP COLUMN age;" in commented

    revise(project, "0004", "0003", 'op.get_bind().execute(sa.text("SELECT 2")).one()')
    printed = statements(project.run(*print_sql, "-r", "0004:"))

    assert not [line for line in printed if "Running upgrade 0002" in line]
    [left_out] = [line for line in printed if "left out" in line]
    assert left_out.startswith("-- migrations/versions/0004.py:10: the rest is left out: ")
    assert printed.index(left_out) < printed.index(
        "UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003';"
    )
