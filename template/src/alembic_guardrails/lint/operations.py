"""What is unsafe in the operations of a revision."""

import re
from bisect import bisect
from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from alembic_guardrails.offline.recorder import ROWS, Recorder, Step
from sqlalchemy import Column, DefaultClause, Dialect
from sqlalchemy.types import to_instance

# What gives statements away that a revision wrote itself, from their beginning; squawk's are its.
ALTER = r"ALTER\s+TABLE\b.*\b"

STATEMENTS = {
    "adding-field-with-default": ALTER + r"ADD\b.*\b(?:small|big)?serial\b",
    "ban-lock-table": r"LOCK\s+TABLES?\b",
    "ban-truncate": r"TRUNCATE\b",
    "changing-every-row": r"(?:UPDATE|DELETE)\b(?!.*\bWHERE\b)",
    "rewriting-table": r"VACUUM\s*(?:$|INTO\b|\(?\s*FULL\b)|CLUSTER\b|OPTIMIZE\b|" + ALTER + r"(?:"
    r"ENGINE\b|FORCE\b|CONVERT\s+TO\b|SET\s+(?:LOGGED|UNLOGGED|TABLESPACE)\b)",
}

STATEMENTS_WITHOUT_SQUAWK = STATEMENTS | {
    "adding-foreign-key-constraint": ALTER + r"ADD\b.*\bREFERENCES\b",
    "adding-required-field": ALTER + r"ADD\b(?!.*\b(?:DEFAULT|CHECK)\b).*\bNOT\s+NULL\b",
    "adding-serial-primary-key-field": ALTER + r"(?:ADD|DROP)\b.*\bPRIMARY\s+KEY\b",
    "ban-drop-column": ALTER + r"DROP\s+(?!CHECK|CONSTRAINT|DEFAULT|FOREIGN|INDEX|KEY|PRIMARY)",
    "ban-drop-default": ALTER + r"DROP\s+DEFAULT\b",
    "ban-drop-table": r"DROP\s+TABLE\b",
    "ban-drop-view": r"DROP\s+VIEW\b",
    "changing-column-type": ALTER + r"MODIFY\b",
    "constraint-missing-not-valid": ALTER + r"ADD\b.*\bCHECK\b",
    "disallowed-unique-constraint": r"CREATE\s+UNIQUE\b|" + ALTER + r"ADD\b.*\bUNIQUE\b",
    "renaming-column": ALTER + r"(?:CHANGE\b|RENAME\s+(?!AS\b|CONSTRAINT\b|INDEX\b|KEY\b|TO\b))",
    "renaming-table": r"RENAME\s+TABLE\b|" + ALTER + r"RENAME\s+(?:AS|TO)\b",
}

READ = re.compile(r"\s*(?:SELECT|SET|SHOW)\b", re.IGNORECASE)

# Comments and literals, where any word may be.
SILENT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$\$.*?\$\$", re.DOTALL)

ROUTINE = re.compile(r"\s*(?:CREATE\b.*\b(?:FUNCTION|PROCEDURE|TRIGGER)|DO)\b", re.IGNORECASE)

TYPE = re.compile(r"(\w+)(?:\((\d+)(?:, (\d+))?\))?")

DDL = re.compile(r"\s*(?:ALTER|DROP|LOCK)\s+TABLE", re.IGNORECASE)

CONCURRENTLY = re.compile(r".*\bCONCURRENTLY\b", re.IGNORECASE | re.DOTALL)

CONSTANT = re.compile(r"\(*(?:'[^']*'|[-+.\d]+|NULL|TRUE|FALSE)\)*", re.IGNORECASE)

NO_TABLE = (None, None)

NOW = re.compile(r"\(*(?:CURRENT_TIMESTAMP|now)\b.*", re.IGNORECASE)


def table_of(step: Step) -> object:
    """The schema and the name of the table that an operation changes."""
    named: Any = step.operation
    if isinstance(named, ops.CreateForeignKeyOp):
        return named.kw.get("source_schema"), named.source_table
    return getattr(named, "schema", None), getattr(named, "table_name", None)


def fits_empty_columns(step: Step, new: set[object], dialect: Dialect) -> bool:
    """Whether a constraint is on columns that are new and empty, so that no row can break it."""
    match step.operation:
        case ops.CreateUniqueConstraintOp(columns=columns) | ops.CreateIndexOp(columns=columns):
            pass
        case ops.CreateForeignKeyOp(local_cols=columns) if dialect.name == "sqlite":
            pass
        case _:
            return False
    return all((table_of(step), column) in new for column in columns)


def dangers(step: Step, dialect: Dialect) -> Iterator[str]:
    """The rules that an operation breaks by itself."""
    postgresql = dialect.name == "postgresql"
    match step.operation:
        case ops.DropTableOp():
            yield "ban-drop-table"
        case ops.DropColumnOp():
            yield "ban-drop-column"
        case ops.RenameTableOp():
            yield "renaming-table"
        case ops.AddColumnOp(column=column):
            yield from dangers_of_column(column, step, dialect)
        case ops.AlterColumnOp() as alter:
            if alter.modify_name:
                yield "renaming-column"
            # On PostgreSQL squawk knows whether a check was validated before.
            fills = alter.modify_nullable is False and alter.existing_nullable is not False
            if fills and not postgresql:
                yield "adding-not-nullable-field"
            if alter.modify_server_default is None:
                yield "ban-drop-default"
            if alter.modify_type and not widens(alter.existing_type, alter.modify_type, dialect):
                yield "changing-column-type"
        case ops.CreatePrimaryKeyOp() | ops.DropConstraintOp(constraint_type="primary"):
            yield "adding-serial-primary-key-field"
        case ops.CreateUniqueConstraintOp():
            yield "disallowed-unique-constraint"
        case ops.CreateIndexOp(unique=True) if not postgresql:
            yield "disallowed-unique-constraint"
        case ops.CreateForeignKeyOp(kw=options) if not options.get("postgresql_not_valid"):
            yield "adding-foreign-key-constraint"
        case ops.CreateCheckConstraintOp(kw=options) if not options.get("postgresql_not_valid"):
            yield "constraint-missing-not-valid"
    patterns = STATEMENTS if postgresql else STATEMENTS_WITHOUT_SQUAWK
    for statement in statements(step.statement):
        for rule, pattern in patterns.items():
            if re.match(pattern, statement, re.IGNORECASE | re.DOTALL):
                yield rule


def dangers_of_column(column: Column[Any], step: Step, dialect: Dialect) -> Iterator[str]:
    """The rules that adding a column breaks."""
    filled = column.server_default is not None or column.computed or column.identity
    if column.primary_key:
        yield "adding-serial-primary-key-field"
    elif not column.nullable and not filled:
        yield "adding-required-field"
    if column.foreign_keys and dialect.name != "sqlite":
        yield "adding-foreign-key-constraint"
    if getattr(column.type, "create_constraint", False):
        yield "constraint-missing-not-valid"
    if dialect.name == "postgresql" or step.rebuilds:  # squawk reads it, or nothing can go wrong
        return
    if column.computed and column.computed.persisted:
        yield "adding-field-with-default"
    if isinstance(column.server_default, DefaultClause):
        default = str(column.server_default.arg)
        constant = isinstance(column.server_default.arg, str) or CONSTANT.fullmatch(default)
        if not constant and not (NOW.fullmatch(default) and dialect.name != "sqlite"):
            yield "adding-field-with-default"


def widens(before: Any, after: Any, dialect: Dialect) -> bool:
    """Whether a column of one type takes another one without being rewritten or losing values.

    For PostgreSQL: https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    For MySQL, whose texts grow in place up to 255 bytes, or from 256 (of four a character):
    https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html
    """
    if before is None:
        return False
    old, new = (to_instance(type_).compile(dialect) for type_ in (before, after))
    in_place = dialect.name not in {"mysql", "mariadb"}
    if old == new or (old.startswith("ENUM(") and new.startswith(f"{old[:-1]},")):
        return True
    sizes = [TYPE.fullmatch(text) for text in (old, new)]
    match [match.groups() for match in sizes if match]:
        case [("VARCHAR", str(short), None), ("VARCHAR", str(long), None)]:
            return int(short) <= int(long) and (in_place or (int(short) > 63) == (int(long) > 63))
        case [("VARCHAR", _, None), ("TEXT", None, None) | ("VARCHAR", None, None)]:
            return in_place
        case [("NUMERIC", str(short), scale), ("NUMERIC", str(long), other)]:
            return in_place and int(short) <= int(long) and scale == other
    return False


def statements(text: str) -> list[str]:
    """Take text apart into statements, without literals; a routine's definition stays whole."""
    text = SILENT.sub(" ", text)
    parts = [text] if ROUTINE.match(text) else text.split(";")
    return [part.strip() for part in parts]


def dangers_together(recorder: Recorder, new: set[object]) -> Iterator[tuple[Step, str]]:
    """The rules that the operations of a revision break together, on PostgreSQL."""
    writes = [step for step in recorder.steps if not READ.match(step.statement)]
    lines = enumerate(recorder.sql.getvalue().splitlines())
    marks = [(number, line) for number, line in lines if line in {"BEGIN;", "COMMIT;"}]
    concurrent = [step for step in writes if is_concurrent(step) or commits(step, marks)]
    if len(concurrent) < len(writes):
        yield from ((step, "ban-concurrent-index-creation-in-transaction") for step in concurrent)
    locked = False
    for step in writes:
        if ROWS.match(step.statement):
            if locked:
                yield step, "mixing-data-and-schema"
        elif not (table_of(step) in new or table_of(step) == NO_TABLE) or DDL.match(step.statement):
            locked = True


def commits(step: Step, marks: list[tuple[int, str]]) -> bool:
    """Whether an operation is in an autocommit block, which commits what came before.

    `marks` are where transactions begin and end in the SQL: line and statement.
    """
    place = bisect(marks, (step.sql_line,))
    return place > 0 and marks[place - 1][1] == "COMMIT;"


def is_concurrent(step: Step) -> bool:
    """Whether an operation cannot be part of a transaction on PostgreSQL."""
    options = getattr(step.operation, "kw", {})
    return bool(options.get("postgresql_concurrently") or CONCURRENTLY.match(step.statement))
