"""Indexes that databases word in their own way, each with another one in its place."""

from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

Columns = Any
Make = Callable[[Columns], tuple[list[Any], dict[str, Any]]]


class Case(NamedTuple):
    """An index before and after a change, in terms of the columns of a table."""

    name: str
    before: Make
    after: Make


def on(*parts: Callable[[Columns], Any], **options: Any) -> Make:
    """Return what makes an index on expressions, with options that are functions or values."""

    def make(columns: Columns) -> tuple[list[Any], dict[str, Any]]:
        given = {
            name: value(columns) if callable(value) else value for name, value in options.items()
        }
        return [part(columns) for part in parts], given

    return make


def sql(text: str) -> Callable[[Columns], Any]:
    """Return SQL, whatever the columns are."""
    return lambda columns: sa.text(text)


def name(c: Columns) -> Any:
    """Return a column."""
    return c.name


def number(c: Columns) -> Any:
    """Return a column of numbers."""
    return c.n


ON_POSTGRESQL = (
    Case("function", on(lambda c: sa.func.lower(c.name)), on(lambda c: sa.func.upper(c.name))),
    Case("sql", on(sql("lower(name)")), on(sql("upper(name)"))),
    Case(
        "two",
        on(number, lambda c: sa.func.lower(c.name)),
        on(lambda c: sa.func.lower(c.name), number),
    ),
    Case("cast", on(lambda c: sa.cast(c.n, sa.Text)), on(lambda c: sa.cast(c.n, sa.String(9)))),
    Case("cast in sql", on(sql("(n::text)")), on(sql("(n::bigint)"))),
    Case(
        "coalesce",
        on(lambda c: sa.func.coalesce(c.name, "")),
        on(lambda c: sa.func.coalesce(c.name, "x")),
    ),
    Case("quote", on(sql("coalesce(name, 'it''s')")), on(sql("coalesce(name, 'it''s:a')"))),
    Case("percent", on(sql("replace(name, '%', ':a')")), on(sql("replace(name, '%%', ':a')"))),
    Case("json", on(lambda c: c.data["a"].astext), on(lambda c: c.data["b"].astext)),
    Case("json in sql", on(sql("(data ->> 'a')")), on(sql("(data -> 'a' ->> 'b')"))),
    Case(
        "time zone",
        on(lambda c: sa.func.timezone("UTC", c.at)),
        on(lambda c: sa.func.timezone("CET", c.at)),
    ),
    Case("concat", on(lambda c: c.name + "x"), on(lambda c: c.name + c.email)),
    Case("arithmetic", on(lambda c: c.n * 2 + 1), on(lambda c: c.n * 2 + 2)),
    Case(
        "case",
        on(lambda c: sa.func.abs(sa.case((c.n > 0, 1), else_=0))),
        on(lambda c: sa.func.abs(sa.case((c.n > 1, 1), else_=0))),
    ),
    Case("descending", on(lambda c: c.n.desc()), on(lambda c: c.n.desc().nulls_last())),
    Case("nulls", on(lambda c: c.n.asc().nulls_first()), on(number)),
    Case(
        "nulls of function",
        on(lambda c: sa.func.abs(c.n).desc().nulls_last()),
        on(lambda c: sa.func.abs(c.n).desc()),
    ),
    Case(
        "where",
        on(number, postgresql_where=lambda c: c.name.is_not(None)),
        on(number, postgresql_where=lambda c: c.name.is_(None)),
    ),
    Case("where goes", on(number, postgresql_where=lambda c: c.n > 0), on(number)),
    Case("where comes", on(number), on(number, postgresql_where=lambda c: c.n > 0)),
    Case(
        "where in",
        on(number, postgresql_where=lambda c: c.name.in_(["a", "b"])),
        on(number, postgresql_where=lambda c: c.name.in_(["a", "c"])),
    ),
    Case(
        "where like",
        on(number, postgresql_where=lambda c: c.name.like("a%")),
        on(number, postgresql_where=lambda c: c.name.like("b%")),
    ),
    Case(
        "where sql",
        on(number, postgresql_where=sql("n > 0 AND name <> ':a'")),
        on(number, postgresql_where=sql("n > 0 OR name <> ':a'")),
    ),
    Case(
        "unique where",
        on(name, unique=True, postgresql_where=lambda c: c.n == 0),
        on(name, unique=True, postgresql_where=lambda c: c.n == 1),
    ),
    Case("operators", on(name, postgresql_ops={"name": "varchar_pattern_ops"}), on(name)),
    Case(
        "operators and order",
        on(sql("name text_pattern_ops DESC"), sql('"a b" text_pattern_ops NULLS FIRST')),
        on(sql("name text_pattern_ops"), sql('"a b" text_pattern_ops')),
    ),
    Case(
        "operators and order of function",
        on(sql('lower(name) COLLATE "C" text_pattern_ops DESC NULLS LAST')),
        on(sql('lower(name) COLLATE "C" DESC NULLS LAST')),
    ),
    Case(
        "operators of function",
        on(lambda c: sa.func.lower(c.name).label("l"), postgresql_ops={"l": "text_pattern_ops"}),
        on(lambda c: sa.func.lower(c.name).label("l")),
    ),
    Case("include", on(name, postgresql_include=["n"]), on(name, postgresql_include=["n", "at"])),
    Case("include goes", on(name, postgresql_include=["n"]), on(name)),
    Case(
        "gin",
        on(lambda c: c.data, postgresql_using="gin"),
        on(lambda c: c.data, postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"}),
    ),
    Case("hash", on(name, postgresql_using="hash"), on(name)),
    Case("array", on(lambda c: c.tags, postgresql_using="gin"), on(lambda c: c.tags)),
    Case(
        "fill factor",
        on(name, postgresql_with={"fillfactor": 50}),
        on(name, postgresql_with={"fillfactor": 60}),
    ),
    Case("collation", on(sql('name COLLATE "C"')), on(name)),
    Case("collation of model", on(name), on(lambda c: c.name.collate("POSIX"))),
    Case(
        "collation and order",
        on(sql('name COLLATE "C" DESC'), number),
        on(number, sql('name COLLATE "POSIX" DESC')),
    ),
    Case(
        "collation of odd column",
        on(lambda c: c["a b"].collate("C"), number),
        on(lambda c: c["a b"].collate("POSIX"), number),
    ),
    Case(
        "collation of function",
        on(number, sql('lower(name) COLLATE "C"')),
        on(number, sql("lower(name)")),
    ),
    Case(
        "collation in function",
        on(sql("""lower(name COLLATE "C")""")),
        on(sql("""lower(name COLLATE "C") COLLATE "POSIX\"""")),
    ),
    Case(
        "collation and operators",
        on(
            lambda c: sa.literal_column('name COLLATE "C"'),
            postgresql_ops={'name COLLATE "C"': "text_pattern_ops"},
        ),
        on(sql('name COLLATE "C"')),
    ),
    Case(
        "nulls alike",
        on(name, unique=True, postgresql_nulls_not_distinct=True),
        on(name, unique=True),
    ),
    Case(
        "search",
        on(lambda c: sa.func.to_tsvector(sa.text("'english'"), c.name), postgresql_using="gin"),
        on(lambda c: sa.func.to_tsvector(sa.text("'simple'"), c.name), postgresql_using="gin"),
    ),
)


LENGTHS = (
    Case(
        "length and order",
        on(sql("name(5) DESC"), sql("`a b`(3)"), number),
        on(sql("name(6) DESC"), sql("`a b`(3)"), number),
    ),
    Case("length beside order", on(sql("name(5)"), sql("n DESC")), on(sql("name(5)"), number)),
)
ON_MYSQL = (
    Case("quote", on(sql("(concat(name, 'it''s'))")), on(sql("(concat(name, 'its'))"))),
    Case(
        "backslash",
        on(sql(r"""(concat(name, 'a\\', "'"))""")),
        on(sql(r"""(concat(name, 'a\\', '"'))""")),
    ),
    Case(
        "array",
        on(sql("(cast(data AS unsigned array))")),
        on(sql("(cast(data AS signed array))")),
    ),
    Case("function", on(sql("(lower(name))")), on(sql("(upper(name))"))),
    Case("element", on(lambda c: sa.func.lower(c.name)), on(lambda c: sa.func.upper(c.name))),
    Case("arithmetic", on(sql("(n * 2 + 1)")), on(sql("(n * 2 + 2)"))),
    Case("descending", on(lambda c: c.n.desc()), on(number)),
    Case("length", on(name, mysql_length={"name": 5}), on(name, mysql_length={"name": 6})),
    *LENGTHS,
    Case("order of function", on(sql("(lower(name)) DESC")), on(sql("(lower(name))"))),
)
ON_MARIADB = (
    Case("descending", on(lambda c: c.n.desc()), on(number)),
    Case("length", on(name, mariadb_length={"name": 5}), on(name, mariadb_length={"name": 6})),
    *LENGTHS,
)
ON_SQLITE = (
    Case("columns", on(number), on(number, name)),
    Case("function", on(lambda c: sa.func.lower(c.name)), on(lambda c: sa.func.upper(c.name))),
    Case("sql", on(sql("lower(name)")), on(sql("upper(name)"))),
    Case(
        "two",
        on(number, lambda c: sa.func.lower(c.name)),
        on(lambda c: sa.func.lower(c.name), number),
    ),
    Case("quote", on(sql("coalesce(name, 'it''s')")), on(sql("coalesce(name, 'it''s:a')"))),
    Case("percent", on(sql("replace(name, '%', ':a')")), on(sql("replace(name, '%%', ':a')"))),
    Case(
        "case",
        on(lambda c: sa.case((c.n > 0, 1), else_=0)),
        on(lambda c: sa.case((c.n > 1, 1), else_=0)),
    ),
    Case("descending", on(lambda c: c.n.desc()), on(number)),
    Case("descending in sql", on(number, sql('"name" DESC')), on(number, sql("name"))),
    Case("collation", on(sql("name COLLATE NOCASE")), on(name)),
    Case(
        "collation and order",
        on(lambda c: c.name.collate("NOCASE").desc(), number),
        on(lambda c: c.name.collate("RTRIM").desc(), number),
    ),
    Case(
        "where",
        on(number, sqlite_where=lambda c: c.name.is_not(None)),
        on(number, sqlite_where=lambda c: c.name.is_(None)),
    ),
    Case("where goes", on(number, sqlite_where=lambda c: c.n > 0), on(number)),
    Case("where comes", on(number), on(number, sqlite_where=lambda c: c.n > 0)),
    Case(
        "where in",
        on(number, sqlite_where=lambda c: c.name.in_(["a", "b"])),
        on(number, sqlite_where=lambda c: c.name.in_(["a", "c"])),
    ),
    Case(
        "where sql",
        on(number, sqlite_where=sql("n > 0\nAND name <> '\\:a)%'")),
        on(number, sqlite_where=sql("n > 0\nAND name <> '\\:b)%'")),
    ),
    Case("unique", on(number, unique=True), on(number)),
    Case("odd names", on(lambda c: c["a b"]), on(lambda c: c["a b"].desc())),
)
CASES = {
    "mariadb": ON_MARIADB,
    "mysql": ON_MYSQL,
    "postgresql": ON_POSTGRESQL,
    "sqlite": ON_SQLITE,
}


def indexed(dialect: str, *makers: Make) -> MetaData:
    """Return a table with indexes."""
    metadata = MetaData()
    of_postgresql: list[sa.Column[Any]] = [
        sa.Column("data", JSONB),
        sa.Column("tags", ARRAY(sa.Text)),
    ]
    table = sa.Table(
        "t",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(40)),
        sa.Column("code", sa.String(9), index=True),
        sa.Column("a b", sa.String(9), unique=True, index=True),
        sa.Column("email", sa.Text),
        sa.Column("n", sa.Integer),
        sa.Column("at", sa.DateTime(timezone=True)),
        *(of_postgresql if dialect == "postgresql" else []),
        *([sa.Column("data", sa.JSON)] if dialect == "mysql" else []),
    )
    for place, make in enumerate(makers):
        parts, options = make(table.c)
        sa.Index(f"ix{place}", *parts, _table=table, **options)
    return metadata
