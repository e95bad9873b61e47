"""Whether a computed column has the expression that its model asks for.

Alembic compares the texts without signs, and warns where they differ, also where the database words
the model's expression in its own way. A database is asked how it words that.
"""

import warnings
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic_guardrails._alembic import doubles_percents
from alembic_guardrails.autogenerate.describe import describe_columns
from alembic_guardrails.autogenerate.expressions import escape_parameters
from alembic_guardrails.autogenerate.sqlite import has_expression
from sqlalchemy import Column, Computed, Connection, text


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
        return has_expression(connection, inspected, sql)
    computed = Computed(text(escape_parameters(sql)), persisted=inspected.computed.persisted)
    table: Any = inspected.table
    described = describe_columns(
        connection,
        [
            Column(column.name, column.type, *([computed] if column is inspected else []))
            for column in table.columns
        ],
    )
    for column in described or ():
        if column["name"] == inspected.name and "computed" in column:
            return column["computed"]["sqltext"] == str(inspected.computed.sqltext)
    return True
