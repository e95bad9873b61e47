"""SQL that autogenerate reads and writes, as `sqlalchemy.text()` takes it.

`text()` reads `:name` as a parameter, also within a literal, unless a backslash is before it:
https://docs.sqlalchemy.org/en/21/core/sqlelement.html#sqlalchemy.sql.expression.text
"""

import re
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic_guardrails._alembic import doubles_percents
from sqlalchemy import Table, event
from sqlalchemy.sql.elements import ClauseElement

# What text() reads as a parameter, or as one that is escaped.
PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?![:\w]))|(?<=\\):(?=\w*(?![:\w]))")
ESCAPED = re.compile(r"\\(:\w*)(?![:\w])")


def escape_parameters(sql: str) -> str:
    """Return SQL as text() takes it, without parameters."""
    return PARAMETER.sub(r"\\:", sql)


def unescape_parameters(sql: str) -> str:
    """Return SQL as a database takes it."""
    return ESCAPED.sub(r"\1", sql)


def escape_reflected_defaults() -> None:
    """Have SQLAlchemy read no parameters in the defaults of a database.

    It hands them to text() as they are.
    """
    if not event.contains(Table, "column_reflect", escape_default):
        event.listen(Table, "column_reflect", escape_default)


def escape_default(inspector: object, table: object, column: dict[str, Any]) -> None:
    """Escape the default of a column that is reflected."""
    if isinstance(column.get("default"), str):
        column["default"] = escape_parameters(column["default"])


def write_expressions_as_they_are(context: MigrationContext) -> None:
    """Have Alembic write SQL into revisions so that it comes out of them as it is.

    Alembic writes what a driver would get, with each % twice and without escapes.
    """
    impl: Any = context.impl
    render = impl.render_ddl_sql_expr

    def render_ddl_sql_expr(
        expression: ClauseElement, *, is_index: bool = False, **options: Any
    ) -> str:
        sql: str = render(expression, is_index=is_index, **options)
        if doubles_percents(impl.dialect):
            sql = sql.replace("%%", "%")
        # An index has literal_column(), which knows no parameters.
        return sql if is_index else escape_parameters(sql)

    impl.render_ddl_sql_expr = render_ddl_sql_expr
