"""What a step of a revision is about: the table, the column and the other names in it."""

import re
from typing import NamedTuple

from alembic.operations import ops
from alembic_guardrails.offline.recorder import Step
from alembic_guardrails.offline.tables import table_of
from alembic_guardrails.statements import Kind, Statement

NAME = r"(?:[\w$]+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\])"
TABLE = rf"(?P<table>{NAME}(?:\.{NAME})?)"
ALTER = rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{TABLE}\s+"
COLUMN = rf"(?:COLUMN\s+)?(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<column>{NAME})"

# What statements of a revision's own are about. The first pattern that matches counts.
CONSTRAINT = re.compile(
    ALTER + rf"(?:ADD|DROP)\s+CONSTRAINT\s+(?:IF\s+EXISTS\s+)?(?P<constraint>{NAME})", re.IGNORECASE
)
KEYWORDS = r"(?:CHECK|CONSTRAINT|FOREIGN|INDEX|KEY|PARTITION|PRIMARY|UNIQUE)\b"
ALTERED = re.compile(
    ALTER + rf"(?:ADD|ALTER|CHANGE|DROP|MODIFY|RENAME)\s+(?!{KEYWORDS}|TO\b|AS\b){COLUMN}",
    re.IGNORECASE,
)
INDEX = re.compile(
    r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?"
    rf"(?P<index>{NAME})\s+ON\s+(?:ONLY\s+)?{TABLE}",
    re.IGNORECASE,
)
OF_TABLE = re.compile(
    rf"{ALTER}"
    rf"|(?:DROP|TRUNCATE|RENAME|LOCK|OPTIMIZE|REINDEX)\s+TABLES?\s+(?:IF\s+EXISTS\s+)?{TABLE}"
    rf"|(?:UPDATE|DELETE\s+FROM|TRUNCATE|LOCK|VACUUM\s+FULL|CLUSTER)\s+(?:ONLY\s+)?{TABLE}".replace(
        "?P<table>", ""
    ),
    re.IGNORECASE,
)
OBJECT = re.compile(
    r"(?:ALTER|DROP)\s+(?:MATERIALIZED\s+)?(?P<kind>DATABASE|DOMAIN|FUNCTION|SCHEMA|TYPE|VIEW)\s+"
    rf"(?:IF\s+EXISTS\s+)?(?P<name>{NAME}(?:\.{NAME})?)",
    re.IGNORECASE,
)


class Subject(NamedTuple):
    """What a step is about; what it does not have is empty."""

    schema: str | None = None
    table: str = ""
    column: str = ""
    other: str = ""
    """Another object with its kind, such as `index ix_name`."""

    def __str__(self) -> str:
        table = f"{self.schema}.{self.table}" if self.schema else self.table
        if self.other:
            return f"{self.other} of {table}" if table else self.other
        if self.column:
            return f"column {table}.{self.column}"
        return f"table {table}" if table else "what this statement changes"


def read_subject(step: Step) -> Subject:
    """Return what a step is about."""
    schema, table = table_of(step.operation)
    match step.operation:
        case ops.ExecuteSQLOp():
            statement = main_statement(step)
            return subject_of_sql(statement.code if statement else "")
        case ops.AddColumnOp(column=column):
            return Subject(schema, table, column.name)
        case ops.DropColumnOp(column_name=name) | ops.AlterColumnOp(column_name=name):
            return Subject(schema, table, name)
        case ops.CreateIndexOp(index_name=name):
            return Subject(schema, table, other=f"index {name}")
        case ops.AddConstraintOp() | ops.DropConstraintOp():
            name = getattr(step.operation, "constraint_name", None)
            return Subject(schema, table, other=f"constraint {name}" if name else "a constraint")
    return Subject(schema, table)


def main_statement(step: Step) -> Statement | None:
    """Return the first statement of a step that does more than read, else the first of all."""
    changing = (each for each in step.statements if each.kind is not Kind.READ)
    return next(changing, next(iter(step.statements), None))


def subject_of_sql(text: str) -> Subject:
    """Return what a statement is about."""
    if match := CONSTRAINT.match(text):
        return Subject(
            *split_name(match["table"]), other=f"constraint {unquote(match['constraint'])}"
        )
    if match := ALTERED.match(text):
        return Subject(*split_name(match["table"]), unquote(match["column"]))
    if match := INDEX.match(text):
        return Subject(*split_name(match["table"]), other=f"index {unquote(match['index'])}")
    if match := OBJECT.match(text):
        return Subject(other=f"{match['kind'].lower()} {unquote(match['name'])}")
    if match := OF_TABLE.match(text):
        return Subject(*split_name(next(filter(None, match.groups()))))
    return Subject()


def split_name(name: str) -> tuple[str | None, str]:
    """Return the schema and the name of a table."""
    parts = re.findall(NAME, name)
    return (unquote(parts[0]) if len(parts) > 1 else None), unquote(parts[-1])


def unquote(name: str) -> str:
    """Return a name without its quotes."""
    return name[1:-1] if name[:1] in '"`[' else name
