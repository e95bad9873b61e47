"""What statements do on PostgreSQL.

Looked at in the transaction itself: the locks of the session, the files of tables, and scans.
"""

from collections.abc import Collection

from alembic_guardrails.plan import Effect, Size, Stops, first_statement
from sqlalchemy import Connection, bindparam, text

# https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES, from no lock
# to the strongest.
LOCKS = {
    "": Stops.NOBODY,
    "AccessShareLock": Stops.NOBODY,
    "RowShareLock": Stops.NOBODY,
    "RowExclusiveLock": Stops.SAME_ROWS,
    "ShareUpdateExclusiveLock": Stops.NOBODY,
    "ShareLock": Stops.WRITERS,
    "ShareRowExclusiveLock": Stops.WRITERS,
    "ExclusiveLock": Stops.WRITERS,
    "AccessExclusiveLock": Stops.EVERYBODY,
}
STRENGTH = [*LOCKS]

# https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY: outside
# of a transaction nothing is left to look at.
OUTSIDE = "ShareUpdateExclusiveLock"

TABLES = text("""
    SELECT c.oid, c.oid::regclass::text AS name, c.relfilenode,
        coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) AS scans
    FROM pg_class c LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
    WHERE c.relkind IN ('r', 'p', 'm') AND c.oid >= 16384 AND c.relnamespace::regnamespace::text
        NOT LIKE 'pg\\_%' AND c.relname NOT IN ('alembic_version')
""")

HELD = text("""
    SELECT relation, mode FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND database =
        (SELECT oid FROM pg_database WHERE datname = current_database())
""")

SIZES = text("""
    SELECT c.oid::regclass::text, CASE WHEN c.reltuples < 0 THEN NULL ELSE c.reltuples::bigint END,
        pg_total_relation_size(c.oid)
    FROM pg_class c WHERE c.oid = ANY (
        SELECT to_regclass(name) FROM unnest(CAST(:names AS text[])) AS name)
""")


class Watcher:
    """Looks at the session's own locks, at the files of its tables, and at its scans."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.known: dict[int, str] = {}
        self.files: dict[int, int] = {}
        self.scans: dict[int, int] = {}
        self.held: set[tuple[int, str]] = set()

    def begin(self) -> None:
        """Remember the tables that are there before a revision."""
        self.known = {row.oid: row.name for row in self.connection.execute(TABLES)}

    def before(self, sql: str) -> None:
        """Remember what is held and stored before a statement."""
        rows = self.connection.execute(TABLES).all()
        self.files = {row.oid: row.relfilenode for row in rows}
        self.scans = {row.oid: row.scans for row in rows}
        self.held = self.read_locks()

    def after(self, sql: str) -> list[Effect]:
        """Return the effect on each table that was there before the revision."""
        rows = {row.oid: row for row in self.connection.execute(TABLES)}
        if sql.split(None, 1)[0].upper() == "TRUNCATE":  # a new file, but an empty one
            rows = {}
        held = self.read_locks()
        effects = []
        for oid, name in self.known.items():
            row = rows.get(oid)
            rewrites = bool(row and row.relfilenode != self.files.get(oid, row.relfilenode))
            reads = bool(row and row.scans > self.scans.get(oid, row.scans))
            lock, before = strongest(oid, held - self.held), strongest(oid, self.held)
            is_touched = lock or rewrites or reads or is_named(name, sql)
            lock = max(before, lock, key=STRENGTH.index) if is_touched else ""
            how = "held already" if lock and lock == before else ""
            if rewrites or STRENGTH.index(lock) > STRENGTH.index("RowShareLock"):
                effects.append(Effect(name, LOCKS[lock], lock, how, rewrites, reads))
        return effects or self.outside(sql)

    def read_locks(self) -> set[tuple[int, str]]:
        """Return the locks of tables that this session holds."""
        return {(row.relation, row.mode) for row in self.connection.execute(HELD)}

    def outside(self, sql: str) -> list[Effect]:
        """Return the effect of a statement that works concurrently, outside of a transaction."""
        statement = first_statement(sql, "postgresql")
        if statement is None or "CONCURRENTLY" not in statement.words:
            return []
        return [
            Effect(name, LOCKS[OUTSIDE], OUTSIDE, "concurrently", reads=True)
            for name in self.known.values()
            if is_named(name, sql)
        ]


def strongest(oid: int, locks: Collection[tuple[int, str]]) -> str:
    """Return the strongest of the locks on a table; empty if there is none."""
    modes = (mode for relation, mode in locks if relation == oid)
    return max(modes, key=STRENGTH.index, default="")


def is_named(table: str, sql: str) -> bool:
    """Whether a statement that changes definitions or rows names a table."""
    statement = first_statement(sql, "postgresql")
    names = {token.identifier for token in statement.tokens} if statement else ()
    return table.rpartition(".")[2].strip('"') in names


def read_sizes(connection: Connection, tables: Collection[str]) -> dict[str, Size]:
    """Return the sizes of tables, by the statistics of the database."""
    rows = connection.execute(SIZES.bindparams(bindparam("names", [*tables])))
    return {name: Size(count, size) for name, count, size in rows}
