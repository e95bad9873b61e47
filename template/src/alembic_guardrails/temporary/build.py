"""Build a schema from revisions, in an empty database.

On MySQL and MariaDB a temporary database is no sandbox: what a statement says of another database,
it does there. Such a statement is refused.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails._alembic import upgrade_steps
from alembic_guardrails.progress import Progress
from alembic_guardrails.schema import snapshot
from alembic_guardrails.statements import Kind, Statement, Token, split
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
    """Refuse statements that change another database, on all connections of this process.

    `revision` has the id of the revision that runs, as its last element.

    Raises:
        CommandError: A statement names another database that is on the server.
    """
    if connection.dialect.name not in ("mysql", "mariadb"):
        yield
        return
    names = {str(name).casefold() for name in connection.scalars(DATABASES)} - READ_ONLY
    connection.commit()

    def check(_: object, __: object, statement: str, *more: Any) -> None:
        if name := other_database(statement, names):
            shown = " ".join(statement.split())
            raise CommandError(
                f"Revision {revision[-1]} names the database {name}, which it would change for"
                f" real from a temporary database: {shown[:SHOWN]}. Leave the name out if it is the"
                f" service's own database, or name an empty database on a server without {name} in"
                " SCRATCH_DATABASE_URL."
            )

    # Revisions can make an engine of their own.
    for target in (connection, Engine):
        event.listen(target, "before_cursor_execute", check)
    try:
        yield
    finally:
        for target in (connection, Engine):
            event.remove(target, "before_cursor_execute", check)


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
    only_reads = statement.kind is Kind.READ or is_view
    tables = names_of_tables(statement)
    for index, token in enumerate(statement.tokens):
        before, after = word_at(statement, index - 1), word_at(statement, index + 1)
        name = token.identifier.casefold()
        if after != "." or before == "." or name not in names:
            continue
        if token.word in ROWS_OF_TRIGGERS and "TRIGGER" in statement.words:
            continue
        behind = word_at(statement, index + 3)
        is_database = behind == "." or before in BEFORE_OBJECT or name not in tables
        is_changed = not only_reads or (is_view and before in ("VIEW", "EXISTS"))
        if behind == "(" or (is_database and is_changed):
            return token.identifier
    return ""


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
