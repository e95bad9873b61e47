"""Type decorators of SQLAlchemy's documentation, as people copy them into their models.

https://docs.sqlalchemy.org/en/21/core/custom_types.html
"""

import enum
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.types import TypeDecorator
from type_libraries import Case


class GUID(TypeDecorator[uuid.UUID]):
    """Backend-agnostic GUID: a UUID on PostgreSQL, text with hyphens elsewhere."""

    impl = sa.CHAR
    cache_ok = True
    _default_type = sa.CHAR(32)
    _uuid_as_str = uuid.UUID.hex.fget  # type: ignore[attr-defined]

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.UUID())
        return dialect.type_descriptor(self._default_type)

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return type(self)._uuid_as_str(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(value)


class GUIDHyphens(GUID):
    """The same with hyphens."""

    cache_ok = True
    _default_type = sa.CHAR(36)
    _uuid_as_str = str


class JSONEncodedDict(TypeDecorator[Any]):
    """Represents an immutable structure as a JSON-encoded string."""

    impl = sa.VARCHAR
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


class TZDateTime(TypeDecorator[datetime]):
    """Store timezone-aware timestamps as naive timestamps in UTC."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return value.replace(tzinfo=UTC)


class CoerceUTF8(TypeDecorator[str]):
    """Safely coerce Python bytestrings to Unicode before passing off to the database."""

    impl = sa.Unicode
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value.decode("utf-8") if isinstance(value, bytes) else value


class SafeNumeric(TypeDecorator[Decimal]):
    """Adds quantization to Numeric."""

    impl = sa.Numeric
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value.quantize(Decimal("0.01"))


class LowerCaseString(TypeDecorator[str]):
    """Coerce what is bound to lower case."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value.lower()

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self


class StringAsInt(TypeDecorator[int]):
    """Store integers as text."""

    impl = sa.String(20)
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return sa.cast(bindparam, sa.String(20))

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return str(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return int(value)


class IntervalAsSeconds(TypeDecorator[timedelta]):
    """Store a duration as a number of seconds."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return int(value.total_seconds())

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return timedelta(seconds=value)


class EpochDate(TypeDecorator[date]):
    """Store a date as the number of its day."""

    impl = sa.Integer
    epoch = date(1970, 1, 1)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return (value - self.epoch).days

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return self.epoch + timedelta(days=value)


class Colour(enum.IntEnum):
    """A number with a name."""

    RED = 1
    GREEN = 2


class IntEnum(TypeDecorator[Colour]):
    """Store an enum of numbers as its number."""

    impl = sa.Integer
    cache_ok = True

    def __init__(self, enumtype: type[Colour]) -> None:
        super().__init__()
        self._enumtype = enumtype

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return int(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return self._enumtype(value)


class BooleanAsChar(TypeDecorator[bool]):
    """Store a boolean as Y or N, as old schemas do."""

    impl = sa.CHAR(1)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return "Y" if value else "N"

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return value == "Y"


class SpaceSeparated(TypeDecorator[list[str]]):
    """An array on PostgreSQL, text elsewhere."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(sa.Text()))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if dialect.name == "postgresql" else " ".join(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if dialect.name == "postgresql" else value.split()


class ArrayOfEnum(TypeDecorator[Any]):
    """https://docs.sqlalchemy.org/en/14/dialects/postgresql.html#using-enum-with-array"""

    impl = postgresql.ARRAY
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return sa.cast(bindparam, self)

    def result_processor(self, dialect: sa.Dialect, coltype: Any) -> Any:
        process = super().result_processor(dialect, coltype)

        def read(value: Any) -> Any:
            if isinstance(value, str):
                value = [part for part in value.strip("{}").split(",") if part]
            return process(value) if process else value

        return read


class LongText(TypeDecorator[str]):
    """A text that is long on MySQL as well."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.LONGTEXT())
        return dialect.type_descriptor(sa.Text())


class Upper(sa.types.UserDefinedType[str]):
    """A type with SQL around what is bound and read."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "VARCHAR(30)"

    def bind_expression(self, bindvalue: Any) -> Any:
        return sa.func.upper(bindvalue, type_=self)

    def column_expression(self, colexpr: Any) -> Any:
        return sa.func.lower(colexpr, type_=self)


def document() -> Any:
    """JSON, in the way of the documentation: JSONB on PostgreSQL."""
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def cases() -> Iterator[Case]:
    """Yield each recipe with a value."""
    some = {"a": [1, "it's"]}
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    yield Case("guid", GUID(), uuid.UUID(int=7))
    yield Case("hyphens", GUIDHyphens(), uuid.UUID(int=7))
    yield Case("encoded", JSONEncodedDict(255), some)
    yield Case("mutable", MutableDict.as_mutable(JSONEncodedDict(255)), some)
    yield Case("mutable_json", MutableDict.as_mutable(document()), some)
    yield Case("mutable_list", MutableList.as_mutable(sa.JSON()), [1, 2])
    yield Case("mutable_pickle", MutableList.as_mutable(sa.PickleType()), [1, 2])
    yield Case("tz", TZDateTime(), moment)
    yield Case("utf8", CoerceUTF8(40), "größe")
    yield Case("numeric", SafeNumeric(10, 2), Decimal("1.50"))
    yield Case("lower", LowerCaseString(40), "abc")
    yield Case("string_int", StringAsInt(), 42)
    yield Case("seconds", IntervalAsSeconds(), timedelta(hours=1))
    yield Case("epoch", EpochDate(), date(2020, 2, 29))
    yield Case("int_enum", IntEnum(Colour), Colour.GREEN)
    yield Case("yes", BooleanAsChar(), True)
    yield Case("words", SpaceSeparated(), ["a", "b"])
    yield Case("long", LongText(), "x" * 99)
    yield Case("interval", sa.Interval(), timedelta(days=1, seconds=2))
    yield Case("document", document(), some)
    yield Case("enum", sa.Enum(Colour, name="colour"), Colour.RED)
    yield Case("choice", sa.Enum("a", "b", native_enum=False, length=9, name="choice"), "b")
    yield Case("upper", Upper(), "abc")
    mood = sa.Enum("sad", "glad", name="mood")
    yield Case("moods", ArrayOfEnum(mood), ["glad"], ("postgresql",))
    yield Case("array", postgresql.ARRAY(GUID()), [uuid.UUID(int=1)], ("postgresql",))
    yield Case("binary_json", MutableDict.as_mutable(postgresql.JSONB()), some, ("postgresql",))
