"""What statements do on MySQL and MariaDB: the cheapest algorithm that the server accepts.

Each change of a table is executed with the first of `ATTEMPTS` that the server takes for it.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from alembic_guardrails.plan import Effect, Size, Stops, first_statement
from alembic_guardrails.statements import Kind, Statement, split
from sqlalchemy import Connection, bindparam, event, text
from sqlalchemy.exc import DBAPIError

# What to ask for, from the cheapest on, and whom it stops.
# https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html and
# https://mariadb.com/kb/en/innodb-online-ddl-overview/; only MariaDB knows NOCOPY.
ATTEMPTS = (
    (("ALGORITHM=INSTANT",), Stops.NOBODY),
    (("ALGORITHM=NOCOPY", "LOCK=NONE"), Stops.NOBODY),
    (("ALGORITHM=INPLACE", "LOCK=NONE"), Stops.NOBODY),
    (("ALGORITHM=NOCOPY", "LOCK=SHARED"), Stops.WRITERS),
    (("ALGORITHM=INPLACE", "LOCK=SHARED"), Stops.WRITERS),
    (("ALGORITHM=COPY", "LOCK=SHARED"), Stops.WRITERS),
)
INSTANT, COPY = ATTEMPTS[0][0][0], ATTEMPTS[-1][0][0]

# What is built from all rows.
KEYS = {"INDEX", "KEY", "UNIQUE"}

# Every change of a table needs this lock for a moment, at its begin or its end.
METADATA = "metadata lock"
WITH_METADATA = {"INDEX", "TABLE", "TRIGGER"}
ROWS = "row locks"

TABLES = text("""
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = database() AND table_type = 'BASE TABLE'
        AND table_name NOT IN ('alembic_version', 'alembic_journal')
""")

# A table that is built anew has another id. MySQL and MariaDB call the view of them by different
# names; both need the privilege PROCESS.
IDS = ("innodb_tables", "innodb_sys_tables")

SIZES = text("""
    SELECT table_name, table_rows, data_length + index_length FROM information_schema.tables
    WHERE table_schema = database() AND table_name IN :names
""").bindparams(bindparam("names", expanding=True))


class Watcher:
    """Tries the algorithms of the server, and looks at the ids of its tables."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.known: set[str] = set()
        self.ids: dict[str, int] = {}
        self.accepted: tuple[tuple[str, ...], Stops] | None = None
        event.listen(connection.engine, "do_execute", self.execute)

    def begin(self) -> None:
        """Remember the tables that are there before a revision."""
        self.known = {*self.connection.scalars(TABLES)}

    def before(self, sql: str) -> None:
        """Remember the ids of the tables before a statement."""
        self.ids, self.accepted = self.read_ids(), None

    def execute(self, cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        """Execute a change of a table that is there with the first algorithm that is accepted."""
        statements = split(sql, "mysql")
        if parameters or len(statements) != 1 or not self.changed_table(statements[0]):
            return False
        for options, stops in ATTEMPTS:
            try:
                cursor.execute(with_options(statements[0], options))
            except context.dialect.loaded_dbapi.Error:
                continue
            self.accepted = options, stops
            return True
        return False

    def after(self, sql: str) -> list[Effect]:
        """Return the effect on each table that was there before the revision."""
        statement = first_statement(sql, "mysql")
        if statement is None:
            return []
        named = [t.identifier for t in statement.tokens if t.identifier in self.known]
        if statement.kind is Kind.ROWS:
            return [Effect(name, Stops.SAME_ROWS, ROWS) for name in named[:1]]
        if self.accepted:
            return [self.effect_of_change(statement, *self.accepted)]
        if statement.verb == "CREATE" and not WITH_METADATA & {*statement.words[:4]}:
            return []
        # https://dev.mysql.com/doc/refman/8.4/en/metadata-locking.html
        return [
            Effect(name, Stops.EVERYBODY, METADATA, "for a moment") for name in dict.fromkeys(named)
        ]

    def effect_of_change(
        self, statement: Statement, options: Sequence[str], stops: Stops
    ) -> Effect:
        """Return what a change of a table does with the options that the server accepted."""
        table, algorithm = self.changed_table(statement), options[0]
        words = {*statement.words}
        builds = statement.verb == "CREATE" or ("ADD" in words and bool(KEYS & words))
        rewrites = algorithm == COPY or self.is_new(table)
        reads = rewrites or (builds and algorithm != INSTANT)
        return Effect(table, stops, METADATA, algorithm, rewrites, reads)

    def changed_table(self, statement: Statement) -> str:
        """Return the table that a statement alters, of those that are there; empty if none."""
        words, names = statement.words, [token.identifier for token in statement.tokens]
        if words[:1] == ("ALTER",) and "TABLE" in words[:3]:
            place = words.index("TABLE") + 1
            place += 2 * (words[place : place + 2] == ("IF", "EXISTS"))
        elif words[:1] in (("CREATE",), ("DROP",)) and "INDEX" in words[:3] and "ON" in words:
            place = words.index("ON") + 1
        else:
            return ""
        name = names[place] if place < len(names) else ""
        return name if name in self.known else ""

    def is_new(self, table: str) -> bool:
        """Whether a table was built anew by the last statement."""
        now = self.read_ids()
        return bool(self.ids) and table in now and now[table] != self.ids.get(table)

    def read_ids(self) -> dict[str, int]:
        """Return the id of each table; nothing if the user may not see them."""
        schema = self.connection.engine.url.database
        for view in IDS:
            query = text(f"SELECT name, table_id FROM information_schema.{view}")  # noqa: S608
            with suppress(DBAPIError):
                rows = self.connection.execute(query)
                pairs = [(str(name).partition("/"), table_id) for name, table_id in rows]
                return {table: table_id for (owner, _, table), table_id in pairs if owner == schema}
        return {}


def with_options(statement: Statement, options: Sequence[str]) -> str:
    """Return a change of a table that asks for an algorithm and a lock."""
    if statement.verb == "CREATE":
        return " ".join([statement.text, *options])
    change = statement.text
    if statement.verb == "DROP":  # which takes no options on MariaDB
        place = statement.words.index("ON")
        index, table = (statement.tokens[place + offset].text for offset in (-1, 1))
        change = f"ALTER TABLE {table} DROP INDEX {index}"
    return ", ".join([change, *options])


def read_sizes(connection: Connection, tables: Collection[str]) -> dict[str, Size]:
    """Return the sizes of tables, by the statistics of the database."""
    rows = connection.execute(SIZES, {"names": [*tables]})
    return {name: Size(count, size) for name, count, size in rows}
