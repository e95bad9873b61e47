"""Columns of the types that libraries bring, each with a value: what models really have.

Each function imports its library when it is called, because some take a second.
"""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

EVERYWHERE = ("mariadb", "mysql", "postgresql", "sqlite")
POSTGRESQL = ("postgresql",)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Case(NamedTuple):
    """A column, and a value that it gives back as it was."""

    name: str
    type_: Any
    value: Any
    databases: tuple[str, ...] = EVERYWHERE


def sqlalchemy_utils() -> Iterator[Case]:
    """Types of https://sqlalchemy-utils.readthedocs.io/en/latest/data_types.html"""
    import arrow
    import sqlalchemy_utils as utils
    from babel import Locale
    from colour import Color
    from furl import furl

    kinds = [("a", "Admin"), ("b", "Buyer")]
    yield Case("arrow", utils.ArrowType(), arrow.get(MOMENT))
    yield Case("choice", utils.ChoiceType(kinds, impl=sa.String(9)), utils.Choice("a", "Admin"))
    yield Case(
        "choice_number", utils.ChoiceType([(1, "One")], impl=sa.Integer()), utils.Choice(1, "One")
    )
    yield Case("color", utils.ColorType(), Color("#f00"))
    yield Case("country", utils.CountryType(), utils.Country("FI"))
    yield Case("currency", utils.CurrencyType(), utils.Currency("EUR"))
    yield Case("email", utils.EmailType(), "ann@example.com")
    yield Case("encrypted", utils.StringEncryptedType(sa.Unicode(), "key", length=255), "x")
    yield Case("encrypted_int", utils.EncryptedType(sa.Integer(), "key"), 42)
    yield Case("address", utils.IPAddressType(), ip_address("127.0.0.1"))
    yield Case("json", utils.JSONType(), {"a": 1})
    yield Case("locale", utils.LocaleType(), Locale("de"))
    yield Case("password", utils.PasswordType(schemes=["pbkdf2_sha512"]), "secret")
    yield Case("phone", utils.PhoneNumberType(region="FI"), utils.PhoneNumber("+358401234567"))
    yield Case("words", utils.ScalarListType(), ["a", "b"])
    yield Case("numbers", utils.ScalarListType(int), [1, 2])
    yield Case("zone", utils.TimezoneType(backend="zoneinfo"), ZoneInfo("Europe/Berlin"))
    yield Case("url", utils.URLType(), furl("https://example.com/?a=1"))
    yield Case("uuid", utils.UUIDType(), uuid.UUID(int=7))
    yield Case("uuid_text", utils.UUIDType(binary=False), uuid.UUID(int=7))
    yield Case("days", utils.WeekDaysType(), utils.WeekDays("0001111"), ("postgresql", "sqlite"))
    yield Case("integers", utils.IntRangeType(), [1, 5], POSTGRESQL)
    yield Case("search", utils.TSVectorType("email"), "'a':1", POSTGRESQL)


def sqlmodel() -> Iterator[Case]:
    """Types of https://sqlmodel.tiangolo.com/, from the fields of a model."""
    from enum import Enum

    import sqlmodel

    class Kind(Enum):
        A = "a"
        B = "b"

    class Base(sqlmodel.SQLModel):
        metadata = sa.MetaData()

    class Item(Base, table=True):
        name: str
        secret: str = sqlmodel.Field(max_length=40)
        key: uuid.UUID = sqlmodel.Field(primary_key=True)
        at: datetime
        kind: Kind

    values = {
        "name": "x",
        "secret": "it's",
        "key": uuid.UUID(int=7),
        "at": MOMENT,
        "kind": Kind.B,
    }
    for name, value in values.items():
        yield Case(name, Base.metadata.tables["item"].columns[name].type, value)


def fastapi_users() -> Iterator[Case]:
    """Types of https://fastapi-users.github.io/fastapi-users/latest/configuration/databases/sqlalchemy/"""
    from fastapi_users_db_sqlalchemy.generics import GUID, TIMESTAMPAware

    yield Case("key", GUID(), uuid.UUID(int=7))
    yield Case("at", TIMESTAMPAware(timezone=True), MOMENT)


def pgvector() -> Iterator[Case]:
    """Types of https://github.com/pgvector/pgvector-python"""
    from pgvector import SparseVector
    from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR

    yield Case("vector", VECTOR(3), [1.0, 2.0, 3.0], POSTGRESQL)
    yield Case("half", HALFVEC(2), [1.0, 2.0], POSTGRESQL)
    yield Case("sparse", SPARSEVEC(3), SparseVector([1.0, 0.0, 2.0]), POSTGRESQL)
    yield Case("bit", BIT(3), "101", POSTGRESQL)
    yield Case("any", VECTOR(), [1.0], POSTGRESQL)


LIBRARIES: dict[str, Callable[[], Iterator[Case]]] = {
    "sqlalchemy_utils": sqlalchemy_utils,
    "sqlmodel": sqlmodel,
    "fastapi_users": fastapi_users,
    "pgvector": pgvector,
}
