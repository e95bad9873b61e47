"""Types of columns for the models of a database that is older than the code."""

from typing import Any

from sqlalchemy.types import NullType


class OtherType(NullType):
    """A type under the database's own name, whose values are what the driver makes of them.

    Alembic does not compare it. A package for it, such as geoalchemy2 or pgvector, knows more.
    """

    __visit_name__ = "user_defined"
    _isnull = False  # it is one, although nobody knows what it holds
    cache_ok = True

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def get_col_spec(self, **options: Any) -> str:
        """What SQL calls the type."""
        return self.spec
