"""Rows of SQLite that refer to no row of another table, and which of them are new."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from alembic_guardrails.guard.failure import logger
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

TABLES = text("SELECT name FROM sqlite_master WHERE type = 'table'")

COLUMNS = text("SELECT name, pk FROM pragma_table_xinfo(:table)")

FOREIGN_KEYS = text("""
SELECT "from", "to" FROM pragma_foreign_key_list(:table) WHERE id = :id ORDER BY seq
""")


def find_orphans(connection: Connection) -> Sequence[Any]:
    """Return what SQLite says; nothing if a foreign key refers to columns that are no key.

    Then SQLite checks none: https://www.sqlite.org/foreignkeys.html#fk_indexes
    """
    try:
        return connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    except OperationalError as error:
        logger.warning("Foreign keys cannot be checked: %s", error.orig)
        return ()


class Orphan(NamedTuple):
    """A row, by its number or its primary key, and the foreign key that refers to nothing.

    Names are in small letters, as SQLite compares them.
    """

    table: str
    row: Any
    columns: tuple[str, ...]
    parent: str


class Orphans:
    """All of them in a database. `names` has the tables, and the columns of those with orphans."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows: Counter[Orphan] = Counter()
        self.names: set[tuple[str, ...]] = set()
        rows: dict[tuple[str, str, int], list[Any]] = {}
        for table, row, parent, key in find_orphans(connection):
            rows.setdefault((table, parent, key), []).append(row)
        if rows:
            self.names = {(name.lower(),) for name in connection.scalars(TABLES)}
        for (table, parent, key), found in rows.items():
            pairs = connection.execute(FOREIGN_KEYS, {"table": table, "id": key}).all()
            columns = tuple(name.lower() for name, _ in pairs)
            self.names |= {(table.lower(), name.lower()) for name, _ in self.columns_of(table)}
            # A table WITHOUT ROWID has no numbers.
            known = self.read_keys(table, parent, pairs) if None in found else found
            self.rows.update(Orphan(table.lower(), row, columns, parent.lower()) for row in known)

    def columns_of(self, table: str) -> Sequence[Any]:
        """Return the columns of a table, each with its place in the primary key or 0."""
        return self.connection.execute(COLUMNS, {"table": table}).all()

    def primary_key(self, table: str) -> list[str]:
        """Return the columns of a primary key."""
        columns = sorted(self.columns_of(table), key=lambda column: column[1])
        return [name for name, place in columns if place]

    def read_keys(self, table: str, parent: str, pairs: Sequence[Any]) -> Iterator[Any]:
        """Yield the primary keys of the rows whose foreign key refers to nothing."""
        from alembic_guardrails.schema import execute_verbatim

        quote = self.connection.dialect.identifier_preparer.quote_identifier
        own = [f"c.{quote(name)}" for name, _ in pairs]
        # Text that is no UTF-8 cannot be read as text.
        key = [f"typeof(c.{quote(name)}), hex(c.{quote(name)})" for name in self.primary_key(table)]
        conditions = [f"{value} IS NOT NULL" for value in own]
        if (parent.lower(),) in self.names:
            referred = [name for _, name in pairs if name] or self.primary_key(parent)
            # Without an affinity of its own, a value is compared as one of the parent's.
            same = [f"p.{quote(one)} = +{value}" for one, value in zip(referred, own, strict=True)]
            found = f"SELECT 1 FROM {quote(parent)} AS p WHERE {' AND '.join(same)}"  # noqa: S608
            conditions.append(f"NOT EXISTS ({found})")
        query = f"SELECT {', '.join(key)} FROM {quote(table)} AS c"  # noqa: S608
        rows = execute_verbatim(self.connection, f"{query} WHERE {' AND '.join(conditions)}")
        yield from map(tuple, rows.all())

    def beside(self, before: "Orphans") -> Counter[str]:
        """Return how many rows of each table are orphans and were none before.

        What has another name now counts as the same: a name that was not there before, or that is
        gone, stands for any other such name.
        """
        names = self.names & before.names

        def plain(one: Orphan) -> Orphan:
            table, parent = (name if (name,) in names else "" for name in (one.table, one.parent))
            is_same = all((one.table, name) in names for name in one.columns)
            return one._replace(table=table, parent=parent, columns=one.columns if is_same else ())

        left = Counter(map(plain, before.rows.elements()))
        new: Counter[str] = Counter()
        for one in self.rows.elements():
            if left[plain(one)] > 0:
                left[plain(one)] -= 1
            else:
                new[one.table] += 1
        return new
