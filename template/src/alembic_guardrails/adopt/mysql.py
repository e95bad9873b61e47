"""What SQLAlchemy does not tell of MySQL's and MariaDB's tables."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from alembic_guardrails._alembic import add_index
from alembic_guardrails.adopt.base import Database
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Connection,
    FetchedValue,
    Index,
    MetaData,
    RowMapping,
    Table,
    text,
)

DEFAULTS = text("""
    SELECT table_schema, table_name, column_name FROM information_schema.columns
    WHERE coalesce(column_default, 'NULL') <> 'NULL' OR extra LIKE '%on update%'
""")

TYPES = text("""
    SELECT table_schema, table_name, column_name, column_type FROM information_schema.columns
""")

# All columns: MySQL has `expression` and `is_visible`, MariaDB `ignored`.
INDEXES = text("""
    SELECT * FROM information_schema.statistics WHERE table_schema = database()
    ORDER BY table_name, index_name, seq_in_index
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

    outside_schema = "definers, privileges"

    def read_types(self, connection: Connection) -> Iterable[Any]:
        """Read the types as the server formats them."""
        return connection.execute(TYPES).all()

    def complete(self, connection: Connection, metadata: MetaData) -> None:
        """Correct numbers and JSON; add the defaults and indexes that SQLAlchemy misses."""
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
        for table_name, name, parts in read_indexes(connection):
            if table_name in metadata.tables:
                complete_index(metadata.tables[table_name], name, parts)

    def find_gaps(self, connection: Connection, metadata: MetaData) -> list[str]:
        """Find the invisible indexes, for which SQLAlchemy has no option."""
        return [
            f"index {name} on table {table_name} is one that the optimizer ignores"
            for table_name, name, parts in read_indexes(connection)
            if table_name in metadata.tables
            and (parts[0].get("is_visible") == "NO" or parts[0].get("ignored") == "YES")
        ]


def read_indexes(connection: Connection) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Read the indexes of all tables: table, name, and the details of each part, in order."""
    rows: Iterable[RowMapping] = connection.execute(INDEXES).mappings().all()
    details = [{name.lower(): value for name, value in row.items()} for row in rows]
    for (table, index), parts in groupby(
        details, lambda part: (part["table_name"], part["index_name"])
    ):
        yield table, index, [*parts]


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


def complete_index(table: Table, name: str, parts: list[dict[str, Any]]) -> None:
    """Add the order of an index's columns, and the expressions among them."""
    has_expressions = any(part.get("expression") for part in parts)
    if not has_expressions and not any(part["collation"] == "D" for part in parts):
        return
    elements = [make_element(table, part, as_text=has_expressions) for part in parts]
    existing: dict[Any, Index] = {index.name: index for index in table.indexes}
    if (index := existing.get(name)) is None:  # all parts are expressions
        index = add_index(name, elements[0], table, unique=not parts[0]["non_unique"])
    index.expressions = elements
    if not has_expressions:
        index.info["ordered_columns"] = True


def make_element(table: Table, part: dict[str, Any], *, as_text: bool) -> Any:
    """Make a part of an index: a column, its descending order, or an expression."""
    is_descending = part["collation"] == "D"
    if not as_text or (part["column_name"] and not is_descending):
        column = table.c[part["column_name"]]
        return column.desc() if is_descending else column
    # The server escapes the quotes of what it shows.
    expression = str(part.get("expression") or "").replace("\\'", "'")
    element = f"({expression})" if expression else quote(part["column_name"])
    return text(element + " DESC" * is_descending)


def quote(name: str) -> str:
    """Quote a name as the server does."""
    return "`{}`".format(name.replace("`", "``"))


DATABASE = MySQL()
