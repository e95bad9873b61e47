"""Whether a statement of PostgreSQL stays inside of its database.

Roles, databases and their settings belong to the whole server. What a statement says of them by
name is read before it runs; what a block or a function does to them shows in the locks that the
transaction has at its end.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from alembic_guardrails.sandbox import Sandbox
from alembic_guardrails.statements import Kind, Statement, ends_transaction
from sqlalchemy import Connection, text

ROLES = text("SELECT CAST(rolname AS text) FROM pg_roles")

# Tables of the server that this transaction has written to; nobody keeps a lock on pg_shdepend,
# which also has the owners of tables.
WRITTEN = text("""
SELECT CAST(relation AS regclass)::text FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation' AND database = 0
AND mode = 'RowExclusiveLock' AND relation IN (SELECT oid FROM pg_class WHERE relisshared
    AND relkind = 'r' AND relname <> 'pg_shdepend')
ORDER BY 1
""")
OF_DATABASES = {"pg_database", "pg_db_role_setting"}

# Objects of a database, and of a server. The first of these words in a statement says what it is
# about, but for a user mapping.
OBJECTS = {
    *("ACCESS", "AGGREGATE", "CAST", "COLLATION", "COLUMN", "CONSTRAINT", "CONVERSION", "DEFAULT"),
    *(
        "DOMAIN",
        "EVENT",
        "EXTENSION",
        "FOREIGN",
        "FUNCTION",
        "INDEX",
        "LANGUAGE",
        "LARGE",
        "MAPPING",
    ),
    *("OPERATOR", "POLICY", "PROCEDURE", "PUBLICATION", "ROUTINE", "RULE", "SCHEMA", "SEQUENCE"),
    *("SERVER", "STATISTICS", "TABLE", "TEXT", "TRANSFORM", "TRIGGER", "TYPE", "VIEW"),
}
ROLE = {"GROUP", "ROLE", "USER"}
OBJECTS_OF_SERVER = {"DATABASE", "PARAMETER", "SUBSCRIPTION", "SYSTEM", "TABLESPACE", *ROLE}

PRIVILEGES = {"GRANT", "REVOKE"}

# Other statements that stay inside, by their first words.
FIRST_WORDS = {
    *("(", "ANALYZE", "CALL", "CLOSE", "CLUSTER", "COPY", "DEALLOCATE", "DECLARE", "DISCARD", "DO"),
    *("EXECUTE", "EXPLAIN", "FETCH", "IMPORT", "LISTEN", "LOAD", "LOCK", "MOVE", "NOTIFY"),
    *("PREPARE", "REASSIGN", "REFRESH", "REINDEX", "SECURITY", "SELECT", "UNLISTEN", "VACUUM"),
    *("WITH", *PRIVILEGES),
}


class PostgreSQLSandbox(Sandbox):
    """Leaves out what is about roles and the server, and looks for what else has changed them."""

    NOTHING = "DO 'BEGIN END'"

    def __init__(self, connection: Connection, revision: Sequence[str]) -> None:
        super().__init__(connection, revision)
        self.roles = {*connection.scalars(ROLES)}
        connection.commit()
        # Roles that are not on the server, because the statement that creates them did not run.
        self.missing_roles: set[str] = set()
        # The last statement of the transaction that may have called something, and whether it has
        # asked for the name of its database.
        self.last = ""
        self.asks_for_database = False

    def listeners(self) -> Iterator[tuple[Any, str, Callable[..., Any], dict[str, bool]]]:
        yield from super().listeners()
        yield self.connection, "commit", self.before_commit, {}
        yield self.connection, "rollback", self.forget, {}

    def is_left_out(self, statement: Statement) -> bool:
        kind, verb = object_of(statement), statement.words[0]
        names = {token.identifier for token in statement.tokens}
        if verb == "CREATE" and kind in ROLE:
            self.missing_roles |= {token.identifier for token in statement.tokens[2:3]} - self.roles
        is_of_privileges = verb in PRIVILEGES or kind == "DEFAULT"  # ALTER DEFAULT PRIVILEGES
        return is_about_server(statement) or (is_of_privileges and bool(names & self.missing_roles))

    def check(self, connection: Connection, sql: str, statements: Sequence[Statement]) -> None:
        if not all(map(is_contained, statements)):
            raise self.refusal(sql)
        if connection is not self.connection:
            return
        if ends_transaction(sql, "postgresql"):
            self.before_commit(connection)
        elif any(statement.kind in (Kind.OTHER, Kind.READ) for statement in statements):
            self.last = sql
            self.asks_for_database |= "current_database" in sql.casefold()

    def before_commit(self, connection: Connection) -> None:
        """Look for changes of the server before they are committed.

        Raises:
            CommandError: There is one.
        """
        last, asks_for_database = self.last, self.asks_for_database
        if not last:
            return
        written = {*connection.scalars(WRITTEN)}
        self.forget()
        if asks_for_database:  # and so names the temporary one
            written -= OF_DATABASES
        if written:
            raise self.refusal(last)

    def forget(self, *_: object) -> None:
        """Forget what the transaction has executed: it is at its end."""
        self.last, self.asks_for_database = "", False


def object_of(statement: Statement) -> str:
    """Return the word that says what kind of object a statement is about."""
    words = statement.words
    if words[0] in PRIVILEGES:
        return words[words.index("ON") + 1] if "ON" in words[:-1] else "ROLE"
    kinds = (word for word in words[1:] if word in OBJECTS | OBJECTS_OF_SERVER)
    found = next(kinds, "")
    return next(kinds, found) if found == "USER" and "MAPPING" in words[:4] else found


def is_about_server(statement: Statement) -> bool:
    """Whether a statement is about roles, or privileges or settings of the server or a database.

    The temporary database has the settings of the real one.
    """
    kind = object_of(statement)
    match statement.words:
        case ("GRANT" | "REVOKE", *_):
            return kind in OBJECTS_OF_SERVER
        case ("COMMENT" | "SECURITY", *_):
            return kind in {"DATABASE", "TABLESPACE", *ROLE}
        case ("ALTER", "DATABASE", _, "RESET" | "SET", *_) | ("ALTER", "SYSTEM", *_):
            return True
        case ("ALTER" | "CREATE" | "DROP", *_):
            return kind in ROLE
    return False


def is_contained(statement: Statement) -> bool:
    """Whether a statement is known to stay inside of the database, but for functions in it."""
    match statement.kind:
        case Kind.READ | Kind.ROWS | Kind.TRANSACTION | Kind.SESSION:
            return True
        case Kind.SCHEMA:
            return statement.words[0] == "TRUNCATE" or object_of(statement) in OBJECTS
    if statement.words[0] == "COPY":
        return not writes_file(statement)
    return statement.words[0] in FIRST_WORDS and not is_about_server(statement)


def writes_file(statement: Statement) -> bool:
    """Whether COPY runs a program of the server, or writes a file of its."""
    if "PROGRAM" in statement.words:
        return True
    return any(
        token.word == "TO" and after.kind == "string"
        for token, after in zip(statement.tokens, statement.tokens[1:], strict=False)
    )


SANDBOX = PostgreSQLSandbox
