"""Whether a statement of MySQL or MariaDB stays inside of its database.

A temporary database is no sandbox there: what a statement says of another database, it does there.
The rest is an allow-list, because what is not known to stay inside may change the whole server.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise

from alembic.util import CommandError
from alembic_guardrails.guard.catalog import Catalog
from alembic_guardrails.guard.driver import watching
from alembic_guardrails.guard.journal import NOTHING
from alembic_guardrails.sandbox import Sandbox, shorten
from alembic_guardrails.statements import COMPOUNDS, Kind, Statement, Token, split
from sqlalchemy import Connection, text

DATABASES = text(
    "SELECT schema_name FROM information_schema.schemata WHERE schema_name <> database()"
)

READ_ONLY = {"information_schema", "performance_schema"}

# Behind these words a name with a dot begins with a database, and not with a table or an alias.
BEFORE_OBJECT = {
    *("CALL", "EVENT", "EXISTS", "FROM", "FUNCTION", "IGNORE", "INTO", "JOIN", "LIKE"),
    *("LOW_PRIORITY", "PROCEDURE", "QUICK", "REFERENCES", "REPLACE", "SEQUENCE", "TABLE"),
    *("TABLES", "TO", "TRIGGER", "UPDATE", "VIEW"),
}

# Behind these words stands a column, and no table or alias.
BEFORE_COLUMN = {
    *("AND", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "HAVING", "IN", "IS", "LIKE", "NOT"),
    *("ON", "OR", "SELECT", "SET", "THEN", "USING", "WHEN", "WHERE"),
}

# The rows before and after, in a trigger.
ROWS_OF_TRIGGERS = ("NEW", "OLD")

# These execute a text as SQL, now or later.
WITH_TEXTS = ("EXECUTE", "PREPARE", "SET")

# Statements that can change the tables that a view reads.
CHANGES = (Kind.ROWS, Kind.OTHER)

# What takes a number from a sequence, or sets one.
SEQUENCES = {"NEXTVAL", "SETVAL"}

# Objects of a database, and of a server.
OBJECTS = {
    *("DATABASE", "EVENT", "FUNCTION", "INDEX", "PACKAGE", "PREPARE", "PROCEDURE", "SCHEMA"),
    *("SEQUENCE", "TABLE", "TABLES", "TRIGGER", "VIEW"),
}
OBJECTS_OF_SERVER = {
    *("INSTANCE", "LOGFILE", "REFERENCE", "RESOURCE", "ROLE", "SERVER", "TABLESPACE", "USER"),
}

# Other statements that stay inside, by their first words. SELECT comes here if it has an INTO.
FIRST_WORDS = {
    *("(", "ANALYZE", "BEGIN", "CALL", "CHECK", "CHECKSUM", "DEALLOCATE", "DESC", "DESCRIBE", "DO"),
    *("EXECUTE", "EXPLAIN", "GET", "HANDLER", "HELP", "LOAD", "OPTIMIZE"),
    *("PREPARE", "REPAIR", "RESIGNAL", "SELECT", "SIGNAL", "TABLE", "UNLOCK", "VALUES", "WITH"),
    *("XA", *COMPOUNDS),
}

# And by their first two: FLUSH TABLES and LOCK INSTANCE stop all databases of the server.
FIRST_PAIRS = {("FLUSH", "PRIVILEGES"), ("LOCK", "TABLE"), ("LOCK", "TABLES")}

# Engines whose tables have their rows elsewhere.
ENGINES = {"CONNECT", "FEDERATED", "S3", "SPIDER"}

# What a program can contain that reaches further, or that no reading of it can follow.
FAR_WORDS = {
    *(
        "DUMPFILE",
        "EXECUTE",
        "GLOBAL",
        "FLUSH",
        "GRANT",
        "INSTALL",
        "KILL",
        "OUTFILE",
        "PASSWORD",
        "PERSIST",
    ),
    *("PREPARE", "REVOKE"),
}

SCOPES = {"GLOBAL", "PERSIST", "PERSIST_ONLY"}


class MySQLSandbox(Sandbox):
    """Reads which databases are named, and allows what is known to stay inside of one."""

    NOTHING = NOTHING

    def __init__(self, connection: Connection, revision: Sequence[str]) -> None:
        super().__init__(connection, revision)
        found = {str(name).casefold() for name in connection.scalars(DATABASES)}
        self.names: Collection[str] = found - READ_ONLY
        connection.commit()
        # Whether a view can read another database, so that a change of the view changes that.
        self.has_views = False

    def is_left_out(self, statement: Statement) -> bool:
        return is_about_accounts(statement)

    def watching_driver(self) -> AbstractContextManager[None]:
        return watching(self.connection, self.before_driver)

    def check(self, connection: Connection, sql: str, statements: Sequence[Statement]) -> None:
        if name := other_database(sql, self.names) or self.database_behind(connection, statements):
            raise CommandError(
                f"Revision {self.revision[-1]} names the database {name}, which it would change for"
                f" real from a temporary database: {shorten(sql)}. Leave the name out if it is the"
                f" service's own database, or name an empty database on a server without {name} in"
                " SCRATCH_DATABASE_URL."
            )
        for statement in statements:
            text = read_dynamic(connection, statement)
            is_known = text is not None and is_contained(statement)
            if not is_known or self.calls_far(connection, statement):
                raise self.refusal(sql)
            if text:
                self.check(connection, text, split(text, "mysql"))
            is_view = statement.kind is Kind.SCHEMA and "VIEW" in statement.words[:12]
            self.has_views |= is_view and any(name in sql.casefold() for name in self.names)

    def database_behind(self, connection: Connection, statements: Sequence[Statement]) -> str:
        """Return the other database that a view is about which statements change."""
        if not self.has_views or all(item.kind not in CHANGES for item in statements):
            return ""
        catalog = Catalog(connection)
        behind = [item for one in statements for item in catalog.statements_behind(one)[1:]]
        found = (
            token.identifier
            for item in behind
            for index, token in enumerate(item.tokens)
            if token.identifier.casefold() in self.names
            and word_at(item, index - 1) in ("(", "FROM", "JOIN")
            and word_at(item, index + 1) == "."
        )
        return next(found, "")

    def calls_far(self, connection: Connection, statement: Statement) -> bool:
        """Whether a statement calls a procedure that may change more than the database."""
        if statement.verb != "CALL":
            return False
        behind = Catalog(connection).statements_behind(statement)
        return len(behind) == 1 or any(reaches_far(item) for item in behind)

    def before_driver(self) -> None:
        """Refuse a connection of the driver, because nothing shows what is done there."""
        raise CommandError(
            f"Revision {self.revision[-1]} uses the driver's own connection, so nobody sees whether"
            " it would change another database for real from a temporary one. Use op.execute() or"
            " op.get_bind().execute()."
        )


def read_dynamic(connection: Connection, statement: Statement) -> str | None:
    """Return the SQL that a statement prepares, empty if it prepares none, None if unknown."""
    words = statement.words
    if words[:1] == ("PREPARE",) and words[2:3] == ("FROM",):
        tokens = statement.tokens[3:]
    elif words[:2] == ("EXECUTE", "IMMEDIATE"):
        using = words.index("USING") if "USING" in words else len(words)
        tokens = statement.tokens[2:using]
    else:
        return ""
    match tokens:
        case [Token(kind="string", text=text)]:
            return text[1:-1]
        case [Token(kind="variable", text=name)] if not name.startswith("@@"):
            cursor = connection.connection.cursor()
            cursor.execute(f"SELECT {name}")
            row = cursor.fetchone()
            cursor.close()
            return str(row[0]) if row else None
    return None


def other_database(sql: str, names: Collection[str]) -> str:
    """Return the database, one of some names in lower case, that SQL changes; empty if none."""
    folded = sql.casefold()
    if "create" not in folded and not any(name in folded for name in names):
        return ""
    for statement in split(sql, "mysql"):
        if name := named_database(statement, names):
            return name
        if statement.verb in WITH_TEXTS:
            texts = (token.text[1:-1] for token in statement.tokens if token.kind == "string")
            if name := next(filter(None, (other_database(text, names) for text in texts)), ""):
                return name
    return ""


def named_database(statement: Statement, names: Collection[str]) -> str:
    """Return the database that a statement changes; empty if it changes none."""
    if name := database_of_statement(statement, names):
        return name
    is_view = statement.verb in ("ALTER", "CREATE") and "VIEW" in statement.words[:12]
    only_reads = (statement.kind is Kind.READ and not uses_sequence(statement)) or is_view
    tables = names_of_tables(statement)
    for index, token in enumerate(statement.tokens):
        before, after = word_at(statement, index - 1), word_at(statement, index + 1)
        # A string is a name before a dot, in the mode ANSI_QUOTES.
        is_string = token.text.startswith('"')
        name = token.text[1:-1].casefold() if is_string else token.identifier.casefold()
        if after != "." or before == "." or name not in names:
            continue
        if token.word in ROWS_OF_TRIGGERS and "TRIGGER" in statement.words:
            continue
        behind = word_at(statement, index + 3)
        is_database = behind == "." or before in BEFORE_OBJECT or name not in tables
        is_changed = not only_reads or (is_view and before in ("VIEW", "EXISTS"))
        if behind == "(" or (is_database and is_changed):
            return name if is_string else token.identifier
    return ""


def uses_sequence(statement: Statement) -> bool:
    """Whether a query takes a number from a sequence of MariaDB, or sets one."""
    return bool(SEQUENCES & {*statement.words}) or ("VALUE", "FOR") in pairwise(statement.words)


def database_of_statement(statement: Statement, names: Collection[str]) -> str:
    """Return the other database that a statement such as USE or DROP DATABASE is about."""
    words = ("EXISTS", "IF", "NOT", "OR", "REPLACE")
    match [token for token in statement.tokens[:8] if token.word not in words]:
        case [Token(word="USE"), named, *_]:
            is_other = named.identifier.casefold() in names
        case [Token(word=verb), Token(word="DATABASE" | "SCHEMA"), named, *_]:
            is_known = named.identifier.casefold() in names
            is_other = verb == "CREATE" or (verb in ("ALTER", "DROP") and is_known)
        case _:
            return ""
    return named.identifier if is_other else ""


def names_of_tables(statement: Statement) -> set[str]:
    """Return the names without a dot before or behind them that can be tables or their aliases."""
    return {
        token.identifier.casefold()
        for index, token in enumerate(statement.tokens)
        if token.identifier
        and word_at(statement, index + 1) != "."
        and is_before_table(statement, index - 1)
    }


def is_before_table(statement: Statement, index: int) -> bool:
    """Whether a table or an alias can stand behind a token."""
    if index < 0:
        return False
    token = statement.tokens[index]
    is_name = bool(token.identifier) and token.word not in BEFORE_COLUMN
    return is_name or token.text in (",", ")")


def word_at(statement: Statement, index: int) -> str:
    """Return a token in capitals; empty outside of the statement, and for names in quotes."""
    return statement.words[index] if 0 <= index < len(statement.words) else ""


def is_about_accounts(statement: Statement) -> bool:
    """Whether a statement changes accounts, roles or privileges, of which no schema has any."""
    words = tuple(word for word in statement.words[:6] if word not in ("IF", "OR", "REPLACE"))
    match words:
        case ("GRANT" | "REVOKE", *_):
            return True
        case ("ALTER" | "CREATE" | "DROP" | "RENAME", "USER" | "ROLE", *_):
            return True
        case ("SET", "PASSWORD", *_) | ("SET", "DEFAULT", "ROLE", *_):
            return True
    return False


def is_contained(statement: Statement) -> bool:
    """Whether a statement is known to stay inside of the server's database."""
    words = statement.words
    if {"OUTFILE", "DUMPFILE"} & {*words}:
        return False
    if words[:2] == ("SET", "STATEMENT") and "FOR" in words:
        inner = replace(statement, tokens=statement.tokens[words.index("FOR") + 1 :])
        return inner.kind in (Kind.READ, Kind.ROWS) and is_contained(inner)
    match statement.kind:
        case Kind.READ | Kind.ROWS | Kind.TRANSACTION:
            return True
        case Kind.SESSION:
            return words[0] != "RESET" and not sets_for_all(statement)
        case Kind.SCHEMA:
            return is_contained_definition(statement)
    if statement.is_compound and reaches_far(statement, "CALL"):
        return False
    return words[0] in FIRST_WORDS or words[:2] in FIRST_PAIRS


def is_contained_definition(statement: Statement) -> bool:
    """Whether a statement that changes definitions stays inside of the server's database."""
    words = statement.words
    if words[0] == "TRUNCATE":
        return True
    kind = next((word for word in words[1:] if word in OBJECTS | OBJECTS_OF_SERVER), "")
    engines = {
        after for before, after in pairwise(w for w in words if w != "=") if before == "ENGINE"
    }
    is_far = "SONAME" in words or bool(ENGINES & engines)
    # The server runs an event by itself.
    is_far |= kind == "EVENT" and reaches_far(statement, "CALL")
    return kind in OBJECTS and not is_far


def sets_for_all(statement: Statement) -> bool:
    """Whether SET changes a variable for other sessions."""
    words = (*statement.words, "")
    return any(
        (word in SCOPES or word.removeprefix("@@").partition(".")[0] in SCOPES)
        and before in ("SET", ",")
        for before, word in pairwise(words)
    )


def reaches_far(statement: Statement, *others: str) -> bool:
    """Whether a program can do more than changes of its database, or has one of other words."""
    words = statement.words
    of_server = {"ROLE", "SERVER", "USER"}
    has_object = any(
        (before in ("ALTER", "CREATE", "DROP", "RENAME") and after in of_server)
        or (before, after) == ("LOCK", "INSTANCE")
        for before, after in pairwise(words)
    )
    variables = {word for word in words if word.startswith(("@@GLOBAL.", "@@PERSIST"))}
    far = {*FAR_WORDS, *others}
    return has_object or bool(variables or far & {*words})


SANDBOX = MySQLSandbox
