"""Literal defaults of built-in types that are made up, with all that has to be escaped."""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

# What SQL, drivers, SQLAlchemy's text() or Python escape.
SIGNS = "aZ09 '\"`\\()[]{}%:;,.-_#?$@&|/*=<>~^!\n\r\tößλ漢😀"
WORDS = (
    "NULL",
    "now()",
    "CURRENT_TIMESTAMP",
    "'x'",
    "('x')",
    "--",
    "/*",
    ":a",
    "%s",
    "%(a)s",
    "x::int",
    "\\",
)

texts = st.one_of(st.text(SIGNS, max_size=12), st.sampled_from(WORDS), st.text(SIGNS, max_size=3))
# Some databases take spaces off the end of CHAR.
padded = texts.map(str.rstrip).filter(bool)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
).map(json.dumps)
moments = st.datetimes(*map(datetime.fromisoformat, ("1971-01-01", "2037-01-01")))
decimals = st.decimals("-9999.99", "9999.99", places=2).map(str)
integers = st.integers(-99, 99).map(str)
arrays = st.lists(st.integers(0, 9)).map(lambda numbers: f"{{{str(numbers)[1:-1]}}}")
labels = st.sampled_from(("a", "it's", "a:b", "50%", "x\\y", "größe"))

LITERALS: tuple[tuple[TypeEngine[Any], st.SearchStrategy[Any]], ...] = (
    (sa.String(80), texts),
    (sa.Unicode(80), texts),
    (sa.CHAR(60), padded),
    (sa.Text(), texts),
    (sa.UnicodeText(), texts),
    (sa.Integer(), integers),
    (sa.SmallInteger(), integers),
    (sa.BigInteger(), st.integers(-(10**15), 10**15).map(str)),
    (sa.Numeric(10, 2), decimals),
    (sa.Float(), st.integers(-999, 999).map(lambda number: str(number / 8))),
    (sa.Double(), st.integers(-999, 999).map(lambda number: str(number / 8))),
    (sa.Boolean(), st.sampled_from((sa.true(), sa.false()))),
    (sa.Date(), moments.map(lambda moment: moment.date().isoformat())),
    (sa.Time(), moments.map(lambda moment: moment.time().isoformat("seconds"))),
    (sa.DateTime(), moments.map(lambda moment: moment.isoformat(" ", "seconds"))),
    (sa.DateTime(timezone=True), moments.map(lambda moment: moment.isoformat(" ", "seconds"))),
    (sa.Enum("a", "it's", "a:b", "50%", "x\\y", "größe", name="label"), labels),
    (sa.Enum("a", "it's", "a:b", "50%", "x\\y", "größe", name="w", native_enum=False), labels),
    (sa.JSON(), documents),
    (sa.LargeBinary(), st.text("abc 019", max_size=9)),
)
OF_POSTGRESQL: tuple[tuple[TypeEngine[Any], st.SearchStrategy[Any]], ...] = (
    (postgresql.JSONB(), documents),
    (postgresql.ARRAY(sa.Integer()), arrays),
    (sa.Interval(), st.integers(0, 99).map(lambda days: f"{days} days")),
    (postgresql.INET(), st.integers(0, 255).map(lambda part: f"10.0.0.{part}")),
    (postgresql.UUID(), st.uuids().map(str)),
)

Defaults = tuple[Any, ...]


def literals(dialect: str) -> tuple[tuple[TypeEngine[Any], st.SearchStrategy[Any]], ...]:
    """Return the types of a database, each with its literals."""
    # MariaDB refuses some that are of no version, and some without hyphens.
    keys = st.uuids(version=4).map(str if dialect == "mariadb" else lambda key: key.hex)
    more = OF_POSTGRESQL if dialect == "postgresql" else ()
    return (*LITERALS, (sa.Uuid(), keys), *more)


def defaults(dialect: str) -> st.SearchStrategy[Defaults]:
    """Return a strategy for a default of each type."""
    return st.tuples(*(values for _, values in literals(dialect)))


def table_with(dialect: str, values: Defaults) -> MetaData:
    """Return a table with a column of each type, which has the default."""
    metadata = MetaData()
    columns = [
        sa.Column(f"c{number}", type_, server_default=value, nullable=bool(number % 2))
        for number, ((type_, _), value) in enumerate(zip(literals(dialect), values, strict=True))
    ]
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
    return metadata


def differences(first: MetaData, second: MetaData) -> set[str]:
    """Return the columns whose defaults differ."""
    tables = first.tables["t"], second.tables["t"]
    texts = [
        {c.name: str(c.server_default.arg) for c in table.columns if c.server_default is not None}  # type: ignore[attr-defined]
        for table in tables
    ]
    return {name for name, text in texts[0].items() if texts[1][name] != text}
