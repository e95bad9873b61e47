"""Write raw SQL revisions, which execute a dump."""

import json
from pathlib import Path

from alembic_guardrails.dump.base import Dump
from alembic_guardrails.formatting import run_ruff

REVISION = '''"""{title}

Revision ID: {revision}
Revises:
"""

from collections.abc import Sequence

from alembic_guardrails.op import {names}

revision: str = "{revision}"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
{more}
CREATE = (
{create})

DROP = (
{drop})


def upgrade() -> None:
{first}    run_sql(CREATE)


def downgrade() -> None:
{guard}    run_sql(DROP)
'''

# Stands in a baseline revision, whose objects are older than the migrations.
WAS_FOUND = """
# The tests do not ask the models for all that is in it.
was_found: bool = True
"""


def write_revision(
    path: Path,
    revision: str,
    title: str,
    dump: Dump,
    *,
    more: str = "",
    was_found: bool = False,
) -> None:
    """Write a first revision, which executes a dump; `more` is Python code that it defines.

    The objects of a baseline (`was_found`) are created only where they are missing, and dropped
    only where no table has rows.

    Raises:
        CommandError: ruff, which formats the file, fails.
    """
    checks = "require_empty_tables, require_missing_tables, " if was_found else ""
    code = REVISION.format(
        title=title,
        revision=revision,
        names=f"{checks}run_sql",
        more=more + (WAS_FOUND if was_found else ""),
        create=create_lines(dump),
        drop="".join(f"    {python_literal(statement)},\n" for statement in dump.drop),
        first="    require_missing_tables(DROP)\n" if was_found else "",
        guard="    require_empty_tables(DROP)\n" if was_found else "",
    )
    path.write_text(code, "utf-8", newline="\n")
    run_ruff("format", "--quiet", str(path))
    findings = json.loads(run_ruff("check", "--exit-zero", "--output-format=json", str(path)))
    if codes := sorted({str(finding["code"]) for finding in findings}):
        text = path.read_text("utf-8")
        path.write_text(f"# ruff: noqa: {', '.join(codes)}\n{text}", "utf-8", newline="\n")


def create_lines(dump: Dump) -> str:
    """Write the statements that create, below the name of the object that they are about."""
    lines = ""
    current = ""
    for object_name, statement in dump.create:
        if object_name and object_name != current:
            lines += f"    # {' '.join(object_name.split())}\n"
        current = object_name
        lines += f"    {python_literal(statement)},\n"
    return lines


def python_literal(statement: str) -> str:
    """Write SQL as a Python literal, over several lines where it has them and that is safe."""
    if "\n" not in statement and "\\" not in statement:
        return repr(statement)
    raw = "r" if "\\" in statement else ""
    for quotes in ('"""', "'''"):
        readable = statement.replace("\n", "").replace("\t", "").isprintable()
        if readable and quotes not in statement and statement[-1:] not in (quotes[0], "\\"):
            return f"{raw}{quotes}{statement}{quotes}"
    return repr(statement)
