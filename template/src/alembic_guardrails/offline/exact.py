"""SQL of offline mode that does what the revision does with a database.

Alembic writes four spaces for a tab, also in values, and leaves out the parameters of a statement
that a revision executes on `op.get_bind()`: SQLite takes NULL for each. SQLAlchemy writes bytes as
a text, and NULL for what JSON calls null, for a default in Python and for what has no value. Of a
line end of Windows, the programs `sqlite3`, `mariadb` and `mysql` read half.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from traceback import walk_tb
from typing import Any, NoReturn

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails._alembic import rewrite_offline
from alembic_guardrails.statements import tokens
from sqlalchemy import BINARY, VARBINARY, BindParameter, Dialect, Interval, LargeBinary
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Compiled
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.exc import NoInspectionAvailable

ADVICE = "or run it without --sql."

ASKS = f"The revision asks the database, which --sql does without. Do so without a query, {ADVICE}"


def write_exactly(context: MigrationContext) -> None:
    """Have the SQL of a context keep values as they are, and refuse what would lose some."""

    def rewrite(compiled: Compiled) -> str:
        refuse_defaults(compiled)
        text, dialect = str(compiled).strip(), context.dialect.name
        return end_comment(keep_line_ends(keep_tabs(text, dialect), dialect), dialect)

    rewrite_offline(context, rewrite)
    write_values_exactly(context.dialect)
    connection: Any = context.connection
    execute = connection.execute

    @wraps(execute)
    def checked(statement: Any, parameters: Any = None, **options: Any) -> Any:
        if parameters:
            raise CommandError(
                "What a connection executes with parameters cannot be written as SQL, because they"
                " would be lost. Write op.execute(statement.values(...)) or"
                f" op.execute(text.bindparams(...)) in the revision, {ADVICE}"
            )
        execute(statement, parameters, **options)
        return NoResult()

    connection.execute = checked
    connection.scalar = connection.scalars = connection.exec_driver_sql = refuse
    connection.__class__ = OfflineConnection


def refuse(*arguments: Any, **options: Any) -> NoReturn:
    """Refuse to ask the database.

    Raises:
        CommandError: Always.
    """
    raise CommandError(ASKS)


def asks_for_schema(error: Exception) -> bool:
    """Return whether a revision fails because it asks what the schema of the database is.

    Without a database, a dialect fails on the way to the query in one of several ways.
    """
    return isinstance(error, NoInspectionAvailable) or any(
        frame.f_code.co_name.startswith(("get_", "has_"))
        and isinstance(frame.f_locals.get("self"), Dialect)
        for frame, _ in walk_tb(error.__traceback__)
    )


class MissingInOfflineModeError(CommandError, AttributeError):
    """A revision uses what only a connection to a database has; `hasattr()` is still False."""


class OfflineConnection(MockConnection):
    """What `op.get_bind()` returns in offline mode, and its engine."""

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse an attribute that only a connection to a database has.

        Raises:
            MissingInOfflineModeError: Always.
        """
        raise MissingInOfflineModeError(
            f"The revision uses {name} of a connection or an engine, which --sql does not have."
            f" Write op.execute(...) in the revision, {ADVICE}"
        )


class NoResult:
    """What a statement returns that is only written: false, as None, which Alembic returns."""

    __iter__ = __getattr__ = refuse

    def __bool__(self) -> bool:
        """Return that there is no result, so that a revision can do without."""
        return False


def refuse_defaults(compiled: Any) -> None:
    """Refuse a statement for which SQLAlchemy computes values when it runs.

    Raises:
        CommandError: It is one.
    """
    computed = [
        column.name
        for column in getattr(compiled, "prefetch", ())
        if column.default is not None or column.onupdate is not None
    ]
    if computed:
        raise CommandError(
            f"{compiled.statement.table.name}.{computed[0]} has a default in Python, which would"
            f" not be written as SQL. Give the value in the revision, {ADVICE}"
        )


def end_comment(statement: str, dialect: str) -> str:
    """Put what comes after a statement on a line of its own, if the statement ends in a comment."""
    if "--" not in statement and "#" not in statement:
        return statement
    end = max((token.end for token in tokens(statement, dialect)), default=0)
    return f"{statement}\n" if "--" in statement[end:] or "#" in statement[end:] else statement


def keep_tabs(statement: str, dialect: str) -> str:
    """Write spaces for tabs, as Alembic does, but where a value has one."""
    parts = tokens(statement, dialect) if "\t" in statement else ()
    is_value = any("\t" in token.text for token in parts)
    return statement if is_value else statement.replace("\t", "    ")


def keep_line_ends(statement: str, dialect: str) -> str:
    """Write the line ends of Windows in values so that programs read them whole.

    Raises:
        CommandError: SQLite has no way to write one.
    """
    if dialect == "postgresql" or "\r\n" not in statement:
        return statement
    for token in [*tokens(statement, dialect)][::-1]:
        if token.kind != "string" or "\r\n" not in token.text:
            continue
        if dialect == "sqlite":
            raise CommandError(
                r"A value with the line end \r\n cannot be written as SQL: the program sqlite3"
                r" would read \n. Write char(13) for \r in an expression of SQL in the revision,"
                f" {ADVICE}"
            )
        escaped = token.text.replace("\r\n", "\\r\n")
        statement = statement[: token.begin] + escaped + statement[token.end :]
    return statement


class ExactBinary(LargeBinary):
    """Writes bytes as the literal that the database has for them."""

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Return what writes bytes as SQL."""
        form = r"'\x{}'" if dialect.name == "postgresql" else "x'{}'"
        return lambda value: form.format(memoryview(value).hex())


class ExactInterval(postgresql.INTERVAL):
    """Writes the days of an interval as days, as drivers do; SQLAlchemy makes hours of them."""

    @classmethod
    def adapt_emulated_to_native(  # type: ignore[override]
        cls, interval: Interval, **options: Any
    ) -> "ExactInterval":
        """Return the type for SQLAlchemy's own one."""
        return cls(precision=interval.second_precision)

    def literal_processor(self, dialect: Dialect) -> Callable[[timedelta], str]:
        """Return what writes an interval as SQL."""
        form = "make_interval(days => {0.days}, secs => {0.seconds}.{0.microseconds:06})"
        return form.format


def write_values_exactly(dialect: Any) -> None:
    """Have a dialect write bytes and intervals as they are, and refuse what JSON calls null."""
    exact: dict[Any, Any] = dict.fromkeys((LargeBinary, BINARY, VARBINARY), ExactBinary)
    if dialect.name == "postgresql":
        exact |= dict.fromkeys((Interval, postgresql.INTERVAL), ExactInterval)
    dialect.colspecs = {**dialect.colspecs, **exact}

    class ExactCompiler(dialect.statement_compiler):  # type: ignore[misc]
        """Compiles for a dialect."""

        def render_literal_bindparam(self, parameter: BindParameter[Any], **options: Any) -> str:
            """Write the value of a parameter."""
            if parameter.value is None and parameter.required:
                raise CommandError(
                    f"The value of the parameter {parameter.key} is not known in --sql. Give it by"
                    " text.bindparams(...) or statement.values(...) in the revision."
                )
            if parameter.value is None and parameter.type.should_evaluate_none:
                raise CommandError(
                    "None is the null of JSON for a column of that type, which cannot be written"
                    " as SQL. In the revision, write op.execute(table.insert().values(...)) with"
                    f" sa.null() for NULL or sa.text(\"'null'\") for the null of JSON, {ADVICE}"
                )
            return str(super().render_literal_bindparam(parameter, **options))

    dialect.statement_compiler = ExactCompiler
