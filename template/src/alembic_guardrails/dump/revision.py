"""Raw SQL revisions: how they are written."""

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

# At the head of a revision with things that are older than the migrations.
WAS_FOUND = """
# The tests do not ask the models for all that is in it.
was_found: bool = True
"""


def write_revision(
    path: Path,
    revision: str,
    title: str,
    definition: Dump,
    *,
    more: str = "",
    was_found: bool = False,
) -> None:
    """Write a first revision, which builds a schema and drops it; `more` is Python for its head.

    What was found by the migrations is built only where it is not, and dropped only without rows.
    """
    create = ""
    about = None
    for thing, statement in definition.create:
        if thing and thing != about:
            create += f"    # {' '.join(thing.split())}\n"
        about = thing
        create += f"    {sql_literal(statement)},\n"
    written = REVISION.format(
        title=title,
        revision=revision,
        names="require_empty_tables, require_missing_tables, run_sql" if was_found else "run_sql",
        more=more + WAS_FOUND * was_found,
        create=create,
        drop="".join(f"    {sql_literal(statement)},\n" for statement in definition.drop),
        first="    require_missing_tables(DROP)\n" if was_found else "",
        guard="    require_empty_tables(DROP)\n" if was_found else "",
    )
    path.write_text(written, "utf-8", newline="\n")
    run_ruff("format", "--quiet", str(path))
    found = json.loads(run_ruff("check", "--exit-zero", "--output-format=json", str(path)))
    if codes := sorted({str(it["code"]) for it in found}):
        text = path.read_text("utf-8")
        path.write_text(f"# ruff: noqa: {', '.join(codes)}\n{text}", "utf-8", newline="\n")


def sql_literal(statement: str) -> str:
    """Write SQL as a Python literal that shows it as it is, where Python can."""
    if "\n" not in statement and "\\" not in statement:
        return repr(statement)
    raw = "r" if "\\" in statement else ""
    for quotes in ('"""', "'''"):
        readable = statement.replace("\n", "").replace("\t", "").isprintable()
        if readable and quotes not in statement and statement[-1:] not in (quotes[0], "\\"):
            return f"{raw}{quotes}{statement}{quotes}"
    return repr(statement)
