"""Build a schema from revisions, in an empty database.

On MySQL and MariaDB a temporary database is no sandbox: what a statement says of another database,
it does there. Such a statement is refused.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails._alembic import upgrade_steps
from alembic_guardrails.guard.catalog import Catalog
from alembic_guardrails.guard.driver import watching
from alembic_guardrails.guard.journal import NOTHING
from alembic_guardrails.progress import Progress
from alembic_guardrails.schema import snapshot
from alembic_guardrails.statements import Kind, Statement, Token, changes_nothing, split
from alembic_guardrails.temporary.contained import is_about_accounts, is_contained, reaches_far
from alembic_guardrails.trial import trial_config
from sqlalchemy import Connection, Engine, event, text

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

# A longer statement is shown shortened.
SHOWN = 100


def build_schema(
    config: Config,
    connection: Connection,
    revision: str,
    before_step: Callable[[RevisionStep], None] = lambda step: None,
) -> dict[str, str]:
    """Upgrade the database of `connection` to a revision, and return its schema.

    This is what `alembic upgrade` does, with its progress shown. `before_step` is called before
    each revision runs.

    Raises:
        CommandError: Alembic or the guard refuses a revision, or it changes another database.
        DBAPIError: The database refuses a statement.
    """
    trial = trial_config(config, connection)
    script = ScriptDirectory.from_config(trial)
    started: list[str] = []

    def steps(current: Any, context: object) -> Iterable[RevisionStep]:
        todo = upgrade_steps(script, revision, current)
        progress = Progress("Building a database to compare with", "revisions", len(todo))
        for step in progress.track(todo):
            started.append(step.revision.revision)
            before_step(step)
            yield step

    with (
        refusing_other_databases(connection, started),
        EnvironmentContext(trial, script, fn=steps, destination_rev=revision),
    ):
        script.run_env()
    schema = snapshot(connection)
    connection.commit()
    return schema


@contextmanager
def refusing_other_databases(connection: Connection, revision: Sequence[str]) -> Iterator[None]:
    """Refuse statements that change anything else, on all connections of this process.

    `revision` has the id of the revision that runs, as its last element. Accounts and privileges
    are in no schema, so what changes them does not run.

    Raises:
        CommandError: A statement names another database that is on the server, or may change more
            than a database.
    """
    boundary = Boundary(connection, revision)
    # Revisions can make an engine of their own.
    listeners: list[tuple[Any, str, Callable[..., Any], dict[str, bool]]] = [
        (Engine, "before_cursor_execute", boundary.before_any, {}),
    ]
    if boundary.is_needed:
        listeners += [
            (connection, "before_cursor_execute", boundary.before_statement, {"retval": True}),
            (Engine, "before_cursor_execute", boundary.before_statement, {"retval": True}),
        ]
    for target, name, listener, options in listeners:
        event.listen(target, name, listener, **options)
    try:
        with watching(connection, boundary.before_driver) if boundary.is_needed else nullcontext():
            yield
    finally:
        for target, name, listener, _ in listeners:
            event.remove(target, name, listener)


class Boundary:
    """Refuses statements that change more than the database of a connection.

    `revision` ends with the id of the revision that runs.
    """

    def __init__(self, connection: Connection, revision: Sequence[str]) -> None:
        self.url = connection.engine.url
        self.revision = revision
        # On the other servers a connection reaches one database.
        self.is_needed = connection.dialect.name in ("mysql", "mariadb")
        self.names: Collection[str] = set()
        if self.is_needed:
            found = {str(name).casefold() for name in connection.scalars(DATABASES)}
            self.names = found - READ_ONLY
            connection.commit()
        # Whether a view can read another database, so that a change of the view changes that.
        self.has_views = False

    def before_any(self, connection: Connection, _: object, sql: str, *more: object) -> None:
        """Refuse a change of another database over a connection of a revision's own.

        Raises:
            CommandError: It is one.
        """
        url = connection.engine.url
        places = {(one.host, one.port, one.database) for one in (url, self.url)}
        if len(places) > 1 and not changes_nothing(sql, connection.dialect.name):
            raise CommandError(
                f"Revision {self.revision[-1]} writes over a connection of its own, which it would"
                f" do for real from a temporary database: {shorten(sql)}. Use op.execute() or"
                " op.get_bind().execute()."
            )

    def before_statement(
        self, connection: Connection, _: object, sql: str, parameters: Any, *more: object
    ) -> tuple[str, Any]:
        """Return what is to run in the place of a statement."""
        statements = split(sql, "mysql")
        if statements and all(map(is_about_accounts, statements)):
            return NOTHING, ()
        self.check(connection, sql, statements)
        return sql, parameters

    def check(self, connection: Connection, sql: str, statements: Sequence[Statement]) -> None:
        """Do nothing if a text of these statements stays inside.

        Raises:
            CommandError: It does not.
        """
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
                raise CommandError(
                    f"Revision {self.revision[-1]} may change more than its database, which it"
                    f" would do for real from a temporary one: {shorten(sql)}. Take the statement"
                    " out of the revision, and let an administrator run it."
                )
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


def shorten(sql: str) -> str:
    """Return a statement in one line, without its end if it is long."""
    return " ".join(sql.split())[:SHOWN]


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
