"""What statements do on SQLite: the first page of each table tells whether it was built anew."""

from collections.abc import Collection

from alembic_guardrails.plan import Effect, Size, Stops, first_statement
from alembic_guardrails.statements import Kind
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

TABLES = text("""
    SELECT name, rootpage FROM sqlite_master
    WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'alembic_version'
""")

# https://www.sqlite.org/lockingv3.html: a transaction that writes holds this one lock until its
# end; only its commit stops readers.
LOCK = "RESERVED"


class Watcher:
    """Looks at where tables begin in the file."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.known: dict[str, int] = {}

    def begin(self) -> None:
        """Remember the tables that are there before a revision."""
        self.known = self.read_tables()

    def before(self, sql: str) -> None:
        """Remember nothing: what `begin` read holds until a table is built anew."""

    def after(self, sql: str) -> list[Effect]:
        """Return the effect on each table that was there before the revision."""
        statement = first_statement(sql, "sqlite")
        now = self.read_tables()
        moved = [name for name, page in self.known.items() if now.get(name, page) != page]
        self.known |= {name: now[name] for name in moved}
        if statement is None or statement.kind not in (Kind.SCHEMA, Kind.ROWS):
            return []
        words = statement.words
        named = [t.identifier for t in statement.tokens if t.identifier in self.known]
        tables = moved or named[: words[:2] != ("CREATE", "TABLE")]
        # https://www.sqlite.org/lang_altertable.html#altertabdropcolumn writes every row.
        rewrites = bool(moved) or (words[:1] == ("ALTER",) and "DROP" in words)
        reads = rewrites or (words[:1] == ("CREATE",) and "INDEX" in words[:3])
        how = "builds the table anew" if moved else ""
        return [
            Effect(table, Stops.WRITERS, LOCK, how, rewrites, reads) for table in tables or [""]
        ]

    def read_tables(self) -> dict[str, int]:
        """Return the first page of each table."""
        return dict(self.connection.execute(TABLES).all())


def read_sizes(connection: Connection, tables: Collection[str]) -> dict[str, Size]:
    """Return the sizes of tables: rows from ANALYZE, bytes if this SQLite counts pages."""
    sizes = {}
    counted = read_pairs(connection, "SELECT tbl, max(stat) FROM sqlite_stat1 GROUP BY tbl")
    pages = read_pairs(connection, "SELECT name, sum(pgsize) FROM dbstat GROUP BY name")
    for table in tables:
        rows = str(counted.get(table, "")).partition(" ")[0]
        sizes[table] = Size(int(rows) if rows.isdigit() else None, pages.get(table))
    return sizes


def read_pairs(connection: Connection, query: str) -> dict[str, int]:
    """Return what a query on a table finds that this SQLite need not have."""
    try:
        return dict(connection.execute(text(query)).all())
    except DBAPIError:
        return {}
