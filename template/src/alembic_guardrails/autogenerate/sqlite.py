"""What SQLAlchemy does not read of a SQLite table."""

from itertools import groupby
from typing import Any

from sqlalchemy import Connection


def reflect_actions(connection: Connection) -> None:
    """Have SQLAlchemy see what becomes of rows whose parents go: on SQLite it reads that only of
    keys of the table, and not of those that stand at a column.

    Alembic would lose it with each rebuild of a table.
    """
    dialect: Any = connection.dialect
    if dialect.name != "sqlite" or "get_foreign_keys" in vars(dialect):
        return
    read = dialect.get_foreign_keys
    quote = dialect.identifier_preparer.quote_identifier

    def get_foreign_keys(connection: Connection, table: str, *args: Any, **kwargs: Any) -> Any:
        keys = read(connection, table, *args, **kwargs)
        actions: dict[tuple[str, ...], dict[str, str]] = {}
        rows = connection.exec_driver_sql(f"PRAGMA foreign_key_list({quote(table)})").all()
        for _, parts in groupby(rows, lambda row: row[0]):
            columns, words = zip(*((row[3], row[5:7]) for row in parts), strict=True)
            found = zip(("onupdate", "ondelete"), words[0], strict=True)
            actions[columns] = {name: it for name, it in found if it != "NO ACTION"}
        for key in keys:
            for name, action in actions.get(tuple(key["constrained_columns"]), {}).items():
                key["options"].setdefault(name, action)
        return keys

    dialect.get_foreign_keys = get_foreign_keys
