"""The schema of a database as SQL that creates it on an empty one, and SQL that drops it.

The rows are part of it where they are asked for. A raw SQL revision executes it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from alembic_guardrails.dialects import module_for
from alembic_guardrails.files import run_ruff
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.revisions import OWN_TABLES
from alembic_guardrails.schema import as_text, execute_verbatim
from sqlalchemy import Connection

ROWS_PER_INSERT = 100

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


@dataclass
class Dump:
    """Statements that create a schema, each with the name of its object, and those that drop it.

    Statements that are about no object, such as `SET`, stand with an empty name.
    """

    create: list[tuple[str, str]] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)


class Counter(NamedTuple):
    """Where a sequence or an automatic key is, and the statement that puts it there.

    The statement is empty where inserting rows, or the rest of the dump, does that.
    """

    label: str
    value: str
    statement: str


class Dumper(Protocol):
    """What the module of each database in this package offers."""

    def dump(self, connection: Connection, ignore_list: IgnoreList, /, *, with_rows: bool) -> Dump:
        """Dump what the list does not match."""

    def read_rows(
        self, connection: Connection, ignore_list: IgnoreList, /
    ) -> Iterator[tuple[str, list[str]]]:
        """Read the tables that have rows: the label of each, and each row in one notation."""

    def read_counters(
        self, connection: Connection, ignore_list: IgnoreList, /
    ) -> Iterator[Counter]:
        """Read where sequences and automatic keys are."""


@dataclass(frozen=True)
class TableRows:
    """The rows of a table as SQL: its quoted name and columns, and the values of each row.

    `label` is `rows of table <name>`.
    """

    label: str
    table: str
    columns: str
    rows: list[str]

    def inserts(self) -> Iterator[tuple[str, str]]:
        """Return the INSERT statements, as a dump has them."""
        for start in range(0, len(self.rows), ROWS_PER_INSERT):
            rows = ",\n".join(f"({row})" for row in self.rows[start : start + ROWS_PER_INSERT])
            yield self.label, f"INSERT INTO {self.table} ({self.columns}) VALUES\n{rows}"


def is_wanted(ignore_list: IgnoreList, table: str) -> bool:
    """Whether the rows of a table are dumped: not those of Alembic's, nor of ignored tables."""
    return table not in OWN_TABLES and not ignore_list.matches(f"table {table}")


def has_rows(connection: Connection, quoted_table: str) -> bool:
    """Whether a table has rows."""
    query = f"SELECT 1 FROM {quoted_table} LIMIT 1"  # noqa: S608
    return execute_verbatim(connection, query).first() is not None


def select_rows(
    connection: Connection, table: str, quoted_table: str, columns: Mapping[str, str]
) -> TableRows:
    """Read a table; `columns` has, by its quoted name, SQL that writes a column as a literal."""
    query = f"SELECT {', '.join(columns.values())} FROM {quoted_table}"  # noqa: S608
    rows = [", ".join(map(as_text, row)) for row in execute_verbatim(connection, query)]
    return TableRows(f"rows of table {table}", quoted_table, ", ".join(columns), rows)


def read_dump(connection: Connection, ignore_list: IgnoreList, *, with_rows: bool = False) -> Dump:
    """Dump a database, without Alembic's tables and without what the ignore list matches.

    With rows, the dump inserts them and sets sequences. Owners, privileges and passwords are left
    out.

    Raises:
        CommandError: pg_dump is needed and cannot be run, or rows cannot be written as SQL.
    """
    dumper: Dumper = module_for("dump", connection.dialect.name)
    return dumper.dump(connection, ignore_list, with_rows=with_rows)


def read_content(connection: Connection, ignore_list: IgnoreList) -> dict[str, list[str]]:
    """Read the rows and the sequences of a database, without those that the ignore list matches.

    Two databases with the same content give the same result: the rows of a table are sorted.

    Raises:
        CommandError: Rows cannot be written as SQL.
    """
    dumper: Dumper = module_for("dump", connection.dialect.name)
    tables = dict(dumper.read_rows(connection, ignore_list))
    counters = {label: [value] for label, value, _ in dumper.read_counters(connection, ignore_list)}
    return counters | {label: sorted(rows) for label, rows in tables.items() if rows}


def write_revision(
    path: Path,
    revision: str,
    title: str,
    dump: Dump,
    *,
    versions: str,
    more: str = "",
    was_found: bool = False,
) -> None:
    """Write a first revision, which executes a dump; `more` is Python code that it defines.

    It keeps to ruff's rules for `versions`, the folder into which it goes at last.

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
    text = path.read_text("utf-8")
    place = str(Path(versions, path.name))
    check = ("check", "--exit-zero", "--output-format=json", "--stdin-filename", place, "-")
    findings = json.loads(run_ruff(*check, code=text))
    if codes := sorted({str(finding["code"]) for finding in findings}):
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
