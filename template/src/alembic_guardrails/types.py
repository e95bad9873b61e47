"""Types of columns that SQLAlchemy does not know, for the models of an existing database."""

from typing import Any

from alembic_guardrails._alembic import NamedNullType


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
