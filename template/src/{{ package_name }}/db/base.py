"""The base of all models, and the types of their columns."""

import enum
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, Dialect, Enum, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A timestamp with a time zone: any on the way to the database, UTC on the way back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time zone is missing: write datetime.now(UTC), not datetime.now()")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        # A column without a time zone holds UTC.
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def list_values(members: type[enum.Enum]) -> list[str]:
    """Return the texts that a column of an enum stores: the values of its members."""
    return [str(member.value) for member in members]


class Base(DeclarativeBase):
    """The base of every model."""

    # A migration can drop only what has a name, and databases name constraints differently:
    # https://alembic.sqlalchemy.org/en/latest/naming.html
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        # Every enum is text: the values of its members. There is no type in the database, which on
        # PostgreSQL would outlive its table, and no check, so a new value needs no revision.
        enum.Enum: Enum(enum.Enum, native_enum=False, length=20, values_callable=list_values),
    }
