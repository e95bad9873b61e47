"""Types of columns that SQLAlchemy does not know."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic_guardrails._alembic import NamedNullType
from alembic_guardrails.dialects import module_for
from sqlalchemy import Connection, Inspector, Table, event


class OtherType(NamedNullType):
    """A type of the database that is known only by its name.

    Values are what the driver returns, and autogenerate does not compare the type. A package for
    the type, such as geoalchemy2 or pgvector, can take its place. For example::

        location: Mapped[Any] = mapped_column(OtherType("point"))
    """

    __visit_name__ = "user_defined"
    cache_ok = True

    def __init__(self, spec: str) -> None:
        """Make the type of which `spec` is the name in SQL."""
        self.spec = spec

    def get_col_spec(self, **options: Any) -> str:
        """Return the name of the type in SQL."""
        return self.spec


def read_types(
    connection: Connection, table: str | None = None
) -> dict[tuple[str | None, str, str], str]:
    """Read the types that the columns of a table were declared with; without one, of all tables.

    Returns them by schema, table and column; the schema is None if it is the default one.
    """
    rows = connection.execute(
        module_for("autogenerate", connection.dialect.name).TYPES, {"table": table}
    ).all()
    default = connection.dialect.default_schema_name
    return {
        (None if schema == default else schema, name, column): str(spec)
        for schema, name, column, spec in rows
    }


def is_unknown(type_: Any) -> bool:
    """Whether SQLAlchemy does not know a type, or the one that a domain or an array is made of."""
    inner = getattr(type_, "data_type", None) or getattr(type_, "item_type", None)
    return is_unknown(inner) if inner is not None else type_.__visit_name__ == "null"


@contextmanager
def naming_other_types(connection: Connection) -> Iterator[None]:
    """Have SQLAlchemy read a type that it does not know as `OtherType`, while this lasts.

    Otherwise Alembic writes `NullType` into revisions, with which they cannot be run.
    """

    def name_type(inspector: Inspector, table: Table, column: dict[str, Any]) -> None:
        """Replace the type of a reflected column."""
        is_here = inspector.engine is connection.engine
        if is_here and is_unknown(column["type"]):
            types = read_types(connection, table.name)
            spec = types.get((table.schema, table.name, column["name"]))
            if spec is not None:  # on SQLite, a column can be without a type
                column["type"] = OtherType(spec)

    event.listen(Table, "column_reflect", name_type)
    try:
        yield
    finally:
        event.remove(Table, "column_reflect", name_type)
