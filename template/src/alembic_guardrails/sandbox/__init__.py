"""Keep revisions inside of the temporary database that they run in.

What they say of anything else on its server, they would do there for real. Accounts, privileges and
settings of the server are in no schema: what is known to be about them does not run. What is not
known to stay inside of the database is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from alembic.util import CommandError
from alembic_guardrails.dialects import module_for
from alembic_guardrails.statements import Statement, changes_nothing, split
from sqlalchemy import Connection, Engine, event

# A longer statement is shown shortened.
SHOWN = 100


class Sandbox:
    """Looks at the statements of revisions before they run; a subclass knows one database.

    `revision` ends with the id of the revision that runs.
    """

    # A statement that does nothing.
    NOTHING = ""

    def __init__(self, connection: Connection, revision: Sequence[str]) -> None:
        self.connection = connection
        self.url = connection.engine.url
        self.revision = revision

    def is_left_out(self, statement: Statement) -> bool:
        """Whether a statement is about nothing that is in a schema, so that it need not run."""
        return False

    def check(self, connection: Connection, sql: str, statements: Sequence[Statement]) -> None:
        """Do nothing if a text of these statements stays inside of the database.

        Raises:
            CommandError: It may not.
        """
        raise NotImplementedError

    def watching_driver(self) -> AbstractContextManager[None]:
        """Watch the connection of the driver in the block, where that is needed."""
        return nullcontext()

    def listeners(self) -> Iterator[tuple[Any, str, Callable[..., Any], dict[str, bool]]]:
        """Yield what listens, with its target, the name of its event, and options."""
        # Revisions can make an engine of their own.
        yield Engine, "before_cursor_execute", self.before_any, {}
        for target in (self.connection, Engine):
            yield target, "before_cursor_execute", self.before_statement, {"retval": True}

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
        statements = split(sql, self.url.get_backend_name())
        if statements and all(map(self.is_left_out, statements)):
            return self.NOTHING, ()
        self.check(connection, sql, statements)
        return sql, parameters

    def refusal(self, sql: str) -> CommandError:
        """Return the error for a statement that may change more than the database."""
        return CommandError(
            f"Revision {self.revision[-1]} may change more than its database, which it would do for"
            f" real from a temporary one: {shorten(sql)}. Take the statement out of the revision,"
            " and let an administrator run it."
        )


class SandboxModule(Protocol):
    """What the module of each database in this package offers."""

    SANDBOX: type[Sandbox]


@contextmanager
def confined(connection: Connection, revision: Sequence[str]) -> Iterator[None]:
    """Keep what revisions do inside of the database of a connection.

    `revision` has the id of the revision that runs, as its last element.

    Raises:
        CommandError: A statement names another database that is on the server, or may change more
            than a database.
    """
    module: SandboxModule = module_for("sandbox", connection.dialect.name)
    sandbox = module.SANDBOX(connection, revision)
    listeners = [*sandbox.listeners()]
    for target, name, listener, options in listeners:
        event.listen(target, name, listener, **options)
    try:
        with sandbox.watching_driver():
            yield
    finally:
        for target, name, listener, _ in listeners:
            event.remove(target, name, listener)


def shorten(sql: str) -> str:
    """Return a statement in one line, without its end if it is long."""
    return " ".join(sql.split())[:SHOWN]
