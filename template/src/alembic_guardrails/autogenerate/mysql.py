"""What SQLAlchemy does not read of a MySQL table."""

import re
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

# All columns, because MariaDB and old versions of MySQL have no `expression`.
INDEXES = text("""
SELECT * FROM information_schema.statistics
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table
ORDER BY index_name, seq_in_index
""")


def read_index_parts(
    connection: Connection, table: str, schema: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Read the parts of each index of a table, in order.

    A part has a `column_name` or an `expression`, which is as the server takes it.
    """
    rows = connection.execute(INDEXES, {"schema": schema, "table": table}).mappings().all()
    parts = [{name.lower(): value for name, value in row.items()} for row in rows]
    for part in parts:
        if expression := part.get("expression"):
            # The server escapes the quotes of what it shows.
            part["expression"] = "(" + re.sub(r"\\(.)", r"\1", str(expression)) + ")"
    return {name: [*group] for name, group in groupby(parts, lambda part: part["index_name"])}


def reflect_expressions(connection: Connection) -> None:
    """Have SQLAlchemy read the expressions in indexes of MySQL as expressions.

    It takes columns that stand in them for columns of the index. MariaDB has no such indexes.
    """
    dialect: Any = connection.dialect
    if dialect.name != "mysql" or dialect.is_mariadb or "get_indexes" in vars(dialect):
        return
    read = dialect.get_indexes

    def get_indexes(
        connection: Connection, table: str, schema: str | None = None, **options: Any
    ) -> Any:
        indexes = read(connection, table, schema, **options)
        parts = read_index_parts(connection, table, schema) if indexes else {}
        for index in indexes:
            found = parts.get(index["name"], [])
            if any(part.get("expression") for part in found):
                index["column_names"] = [part["column_name"] for part in found]
                index["expressions"] = [part["expression"] or part["column_name"] for part in found]
        return indexes

    dialect.get_indexes = get_indexes
