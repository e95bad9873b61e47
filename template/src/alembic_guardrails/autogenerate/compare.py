"""Whether a column has the type, the default and the expression that its model asks for.

A database words them in its own way: `'{}'::jsonb`, `('a(b)')`, `current_timestamp()`. Where the
wording differs, it is asked how it words those of the model.
"""

import re
import warnings
from decimal import Decimal
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import AlterColumnOp, MigrateOperation
from alembic.runtime.migration import MigrationContext
from alembic_guardrails._alembic import doubles_percents
from alembic_guardrails.autogenerate import escape_parameters, unescape_parameters
from alembic_guardrails.autogenerate.describe import describe_column, describe_columns, probe
from alembic_guardrails.autogenerate.mysql import default_of
from alembic_guardrails.autogenerate.sqlite import has_expression
from sqlalchemy import Column, Computed, Connection, Integer, Numeric, text
from sqlalchemy.schema import DefaultClause
from sqlalchemy.types import TypeEngine

# MariaDB writes a default with all the digits of its column.
NUMBER = re.compile(r"'?([-+]?\d+(?:\.\d*)?)'?")

# PostgreSQL writes the type of its column behind a literal.
TYPED = re.compile(r"('(?:[^']|'')*')::([a-z ]+)")
POSTGRESQL_NAMES = {"CHAR": "bpchar", "VARCHAR": "character varying"}

# Of these, the literal keeps that of the type which the column had before.
TEXTS = {"character varying", "text"}

# What MySQL and drivers escape in a literal.
ESCAPED = re.compile(r"[\\%]")

NOW = re.compile(r"(?:now|current_timestamp)(?:\((\d*)\))?", re.IGNORECASE)


def compare_type(
    context: MigrationContext,
    inspected_column: Column[Any],
    model_column: Column[Any],
    inspected_type: TypeEngine[Any],
    model_type: TypeEngine[Any],
) -> bool | None:
    """Return whether the type of a column differs; None leaves it to Alembic.

    This is a hook of `context.configure()`. MySQL makes TINYBLOB of BLOB(16), which Alembic calls a
    change for ever.
    """
    if context.connection is None:
        return None
    if not context.impl.compare_type(inspected_column, model_column):
        return False  # Alembic would ask the same again
    described = describe_column(context, model_type, nullable=True)
    if described is None:
        return None
    dialect = context.dialect
    texts = [type_.compile(dialect) for type_ in (described["type"], inspected_type)]
    return None if texts[0] != texts[1] else False


def compare_server_default(
    context: MigrationContext,
    inspected_column: Column[Any],
    model_column: Column[Any],
    rendered_default: str | None,
    inspected_default: str | None,
) -> bool:
    """Return whether the default of a column differs."""
    default = model_column.server_default
    if default is None and inspected_default is None:
        return False
    if default is not None and not isinstance(default, DefaultClause):
        return False  # a trigger or the like, of which the database says nothing
    if default is None and is_autoincrement(model_column):
        return False
    if inspected_default is not None:
        inspected_default = unescape_parameters(inspected_default)
    type_ = inspected_column.type
    before = meaning(inspected_default, type_)
    if before == meaning(as_sql(default, rendered_default), type_):
        return False
    if context.connection is None:
        return True
    worded = word_default(context, inspected_column, model_column)
    return before != meaning(worded, type_)


def has_same_default(operation: MigrateOperation) -> bool:
    """Whether a column would get nothing but the default that it has, in other words."""
    if not isinstance(operation, AlterColumnOp):
        return False
    before, after = operation.existing_server_default, operation.modify_server_default
    if not (isinstance(before, DefaultClause) and isinstance(after, DefaultClause)):
        return False
    type_ = operation.existing_type
    old, new = (meaning(as_sql(default, str(default.arg)), type_) for default in (before, after))
    return old == new and len(operation.to_diff_tuple()) == 1


def is_autoincrement(column: Column[Any]) -> bool:
    """Whether the database counts a column, by a default of its own."""
    table: Any = column.table
    return column.primary_key and column is table.autoincrement_column


def word_default(
    context: MigrationContext, inspected_column: Column[Any], model_column: Column[Any]
) -> str | None:
    """Return how the database words the default of a model's column.

    The type is the one that the column has, or else the model's, where SQLAlchemy does not know the
    first one.
    """
    default: Any = model_column.server_default
    for type_ in (inspected_column.type, model_column.type):
        value = default and default_of(type_, default.arg, context.dialect)
        described = describe_column(
            context, type_, nullable=bool(inspected_column.nullable), server_default=value
        )
        if described:
            return described["default"]
    return as_sql(default, str(default.arg)) if default is not None else None


def as_sql(default: DefaultClause | None, rendered: str | None) -> str | None:
    """Return a default as SQL: a text of Python is a literal, and SQL stays what it is.

    A literal with what databases and drivers escape in ways of their own is not closed, so that it
    is like nothing that a database says.
    """
    if default is None or not isinstance(default.arg, str):
        return rendered
    quoted = default.arg.replace("'", "''")
    return f"'{quoted}" if ESCAPED.search(quoted) else f"'{quoted}'"


def meaning(default: str | None, type_: TypeEngine[Any] | None) -> object:
    """Return what the default of a type says, where databases and people write it differently."""
    if default is None:
        return None
    default = without_parentheses(default)
    if now := NOW.fullmatch(default):
        return ("now", now[1] or "")
    if typed := TYPED.fullmatch(default):
        name = postgresql_name(type_)
        if typed[2] in (TEXTS if name in TEXTS else {name}):
            default = typed[1]
    if isinstance(type_, Integer | Numeric) and (number := NUMBER.fullmatch(default)):
        return Decimal(number[1])
    return default


def postgresql_name(type_: TypeEngine[Any] | None) -> str:
    """Return the name of a type as PostgreSQL writes it behind a literal, if it has that name."""
    name = "" if type_ is None else type_.__visit_name__
    return POSTGRESQL_NAMES.get(name, name.lower())


def without_parentheses(text: str) -> str:
    """Return an expression without the parentheses around all of it."""
    while text.startswith("(") and end_of_parentheses(text) == len(text):
        text = text[1:-1].strip()
    return text


def end_of_parentheses(text: str) -> int:
    """Return the place after the parentheses with which a text begins, whatever is in strings."""
    depth = 0
    for part in re.finditer(r"'(?:[^']|'')*'|[()]", text):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if depth == 0:
            return part.end()
    return -1


def compare_computed(
    context: AutogenContext,
    operation: object,
    schema: str | None,
    table: str,
    name: str,
    inspected: Column[Any],
    model: Column[Any],
) -> None:
    """Warn of a column that is computed in another way than its model says.

    Alembic has no operation that changes the expression of a column.
    """
    connection = context.connection
    if connection is None or not (inspected.computed or model.computed):
        return
    if not has_same_expression(connection, inspected, model):
        place = ".".join(part for part in (schema, table, name) if part)
        warnings.warn(
            f"The column {place} is not computed as its model says, which autogenerate cannot"
            " change: drop the column and add it again, or correct the model",
            stacklevel=2,
        )


def has_same_expression(connection: Connection, inspected: Column[Any], model: Column[Any]) -> bool:
    """Whether two columns are computed by the same expression, as far as a database can tell."""
    if inspected.computed is None or model.computed is None:
        return False
    sql = str(
        model.computed.sqltext.compile(
            dialect=connection.dialect,
            compile_kwargs={"literal_binds": True, "include_table": False},
        )
    )
    if doubles_percents(connection.dialect):
        sql = sql.replace("%%", "%")
    if connection.dialect.name == "sqlite":
        return has_expression(inspected, sql)
    computed = Computed(text(escape_parameters(sql)), persisted=inspected.computed.persisted)
    table: Any = inspected.table
    columns = [
        Column(column.name, column.type, *([computed] if column is inspected else []))
        for column in table.columns
    ]
    for column in describe_columns(connection, probe(*columns)) or ():
        if column["name"] == inspected.name and "computed" in column:
            return column["computed"]["sqltext"] == str(inspected.computed.sqltext)
    return True
