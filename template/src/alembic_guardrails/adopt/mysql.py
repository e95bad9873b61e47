"""What SQLAlchemy does not tell of MySQL's and MariaDB's tables."""

from typing import Any

from alembic_guardrails.adopt import Database
from alembic_guardrails.autogenerate.mysql import read_index_parts
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Connection,
    FetchedValue,
    MetaData,
    Table,
    UnaryExpression,
    text,
)

DEFAULTS = text("""
    SELECT table_schema, table_name, column_name FROM information_schema.columns
    WHERE coalesce(column_default, 'NULL') <> 'NULL' OR extra LIKE '%on update%'
""")

# How many digits MariaDB shows of an integer, signed and unsigned, where nobody said it.
WIDTHS = {
    "TINYINT": (4, 3),
    "SMALLINT": (6, 5),
    "MEDIUMINT": (9, 8),
    "INTEGER": (11, 10),
    "BIGINT": (20, 20),
}


class MySQL(Database):
    """A MySQL or MariaDB database."""

    outside_schema = "definers, privileges, the collations of sessions that created routines"

    def complete(self, connection: Connection, metadata: MetaData) -> None:
        """Correct numbers and JSON; add the defaults that SQLAlchemy misses."""
        own_schema = connection.dialect.default_schema_name
        with_default = {(schema, *names) for schema, *names in connection.execute(DEFAULTS).all()}
        for table in metadata.tables.values():
            checks = {
                str(constraint.sqltext)
                for constraint in table.constraints
                if isinstance(constraint, CheckConstraint)
            }
            for column in table.c:
                complete_type(column, checks)
                place = (table.schema or own_schema, table.name, column.name)
                if column.server_default is None and place in with_default:
                    column.server_default = FetchedValue()
            mark_orders(table)

    def find_gaps(self, connection: Connection, metadata: MetaData) -> list[str]:
        """Find invisible indexes and comments on indexes, for which SQLAlchemy has no option."""
        gaps = []
        for table in metadata.tables.values():
            for name, [part, *_] in read_index_parts(connection, table.name).items():
                place = f"index {name} on table {table.name}"
                if part.get("is_visible") == "NO" or part.get("ignored") == "YES":
                    gaps.append(f"{place} is one that the optimizer ignores")
                if part["index_comment"]:
                    gaps.append(f"{place} has a comment")
        return gaps


def complete_type(column: Column[Any], checks: set[str]) -> None:
    """Read a number and JSON as what they are."""
    details: Any = column.type
    usual = WIDTHS.get(column.type.__visit_name__, ())
    if getattr(details, "display_width", None) in usual and not details.zerofill:
        details.display_width = None
    if column.type.__visit_name__ in ("DOUBLE", "FLOAT", "REAL"):
        details.asdecimal = False
    if f"json_valid(`{column.name}`)" in checks:
        column.type = JSON()


def mark_orders(table: Table) -> None:
    """Mark the indexes that order columns: Alembic tells columns from expressions, not in text."""
    for index in table.indexes:
        index.info["ordered_columns"] = any(
            isinstance(element, UnaryExpression) for element in index.expressions
        )


DATABASE = MySQL()
