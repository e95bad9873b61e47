"""What autogenerate says of columns: nothing after an upgrade, and each change."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic_guardrails.autogenerate import escape_parameters, extend_reflection, reading_quietly
from column_cases import (
    changes,
    context_for,
    expected_changes,
    models,
    run_revision,
    upgrade,
    write_revision,
)
from column_defaults import defaults, differences, table_with
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from index_cases import CASES, indexed
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import TSVECTOR
from type_libraries import EVERYWHERE

pytestmark = pytest.mark.slow


def test_defaults_and_types(connection: Connection) -> None:
    dialect = connection.dialect.name
    upgrade(connection, models(dialect))

    assert not [*changes(connection, models(dialect))]
    assert {*changes(connection, models(dialect, 1))} == expected_changes(dialect)


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_a_default_of_a_text_that_was_another_text(connection: Connection) -> None:
    """PostgreSQL goes on to write the first type behind it."""
    for type_ in (sa.String(9), sa.Text(), sa.String(20)):
        models = sa.MetaData()
        sa.Table("t", models, sa.Column("a", type_, server_default="x"))
        upgrade(connection, models)
        assert not [*changes(connection, models)]


@contextmanager
def recorded(connection: Connection) -> Iterator[list[str]]:
    """Yield the statements that are sent meanwhile."""
    statements: list[str] = []

    def record(_: object, __: object, statement: str, *details: object) -> None:
        statements.append(statement)

    sa.event.listen(connection, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        sa.event.remove(connection, "before_cursor_execute", record)


def test_a_default_is_asked_for_once(connection: Connection) -> None:
    def columns(count: int) -> sa.MetaData:
        metadata = sa.MetaData()
        default = sa.text("(length('ab'  ))")  # which no database leaves as it is
        columns = [
            sa.Column(f"c{n}", sa.Integer, nullable=False, server_default=default)
            for n in range(count)
        ]
        sa.Table("t", metadata, *columns)
        return metadata

    upgrade(connection, columns(9))
    with recorded(connection) as statements:
        assert not [*changes(connection, columns(9))]
    asked = [statement for statement in statements if "CREATE TEMPORARY" in statement]

    assert len(asked) == (connection.dialect.name != "sqlite")


def chain(count: int) -> sa.MetaData:
    """Return tables that refer to each other, with an index and defaults."""
    metadata = sa.MetaData()
    for number in range(count):
        sa.Table(
            f"t{number}",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(9), server_default="a", index=True),
            sa.Column("size", sa.Integer, server_default=sa.text("(2 + 2)")),
            sa.Column("other", sa.ForeignKey(f"t{max(number - 1, 0)}.id", ondelete="CASCADE")),
        )
    return metadata


def test_tables_cost_no_more_statements_than_in_stock_alembic(connection: Connection) -> None:
    def stock(connection: Connection, metadata: sa.MetaData) -> MigrationContext:
        return MigrationContext.configure(connection)

    def count(configure: Callable[..., MigrationContext], tables: int) -> int:
        upgrade(connection, chain(tables))
        with recorded(connection) as statements:
            assert not compare_metadata(configure(connection, chain(tables)), chain(tables))
        return len(statements)

    of_ten = count(stock, 12) - count(stock, 2)
    extend_reflection(connection)

    own_of_ten = count(context_for, 32) - count(context_for, 22)
    assert own_of_ten <= (0 if connection.dialect.name == "postgresql" else of_ten)


SEQUENCES = """
CREATE SEQUENCE shared;
CREATE TABLE t (id serial, big bigserial, small smallserial, "A b" serial);
CREATE TABLE "T" (
    id serial, other int DEFAULT nextval('t_id_seq'), own int DEFAULT nextval('shared')
)
"""


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_defaults_of_serial_are_left_out_as_by_stock_alembic(connection: Connection) -> None:
    connection.exec_driver_sql(SEQUENCES)

    def defaults_read(context: MigrationContext) -> dict[str, str]:
        tables = [table for _, table in compare_metadata(context, sa.MetaData())]
        columns = [column for table in tables for column in table.columns]
        return {str(c): str(c.server_default.arg) for c in columns if c.server_default}

    found = defaults_read(MigrationContext.configure(connection))
    assert found.keys() == {"t.small", "T.other", "T.own"}
    # Where stock Alembic ends in an error.
    connection.exec_driver_sql("""CREATE TABLE quoted ("It's" serial)""")
    assert defaults_read(context_for(connection, sa.MetaData())) == found


def clear(connection: Connection) -> None:
    """Drop what the last inputs left behind."""
    connection.rollback()
    connection.exec_driver_sql("DROP TABLE IF EXISTS t")
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP TYPE IF EXISTS label")


@pytest.mark.parametrize(
    "count", [pytest.param(2, id="few"), pytest.param(60, id="many", marks=pytest.mark.sweep)]
)
def test_made_up_defaults(connection: Connection, count: int) -> None:
    dialect = connection.dialect.name

    @seed(int(os.environ.get("FUZZ_SEED", 1)))
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(defaults(dialect), defaults(dialect)))
    def check(chosen: tuple[tuple[object, ...], tuple[object, ...]]) -> None:
        before, after = (table_with(dialect, values) for values in chosen)
        clear(connection)
        upgrade(connection, before)
        assert not [*changes(connection, before)]

        found = {name for _, _, name in changes(connection, after)}
        assert found == differences(before, after)
        revision = write_revision(connection, after)
        run_revision(connection, revision, "upgrade")
        assert not [*changes(connection, after)]
        run_revision(connection, revision, "downgrade")
        assert not [*changes(connection, before)]

    check()


def test_indexes(connection: Connection) -> None:
    dialect = connection.dialect.name
    extend_reflection(connection)
    before = indexed(dialect, *(case.before for case in CASES[dialect]))
    after = indexed(dialect, *(case.after for case in CASES[dialect]))
    upgrade(connection, before)
    assert not [*changes(connection, before)]

    found = compare_metadata(context_for(connection, after), after)
    dropped = {change[1].name for change in found if change[0] == "remove_index"}
    assert dropped == {f"ix{place}" for place in range(len(CASES[dialect]))}
    revision = write_revision(connection, after)
    run_revision(connection, revision, "upgrade")
    assert not [*changes(connection, after)]
    run_revision(connection, revision, "downgrade")
    assert not [*changes(connection, before)]


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_indexes_of_tables_of_one_name(connection: Connection) -> None:
    def indexed_by(own: str, other: str) -> sa.MetaData:
        metadata = sa.MetaData()
        for schema, order in ((None, own), ("other", other)):
            columns = [sa.Column(name, sa.Integer) for name in "ab"]
            parts: list[Any] = [sa.text(f"a {order}"), columns[1]]
            sa.Table("t", metadata, *columns, sa.Index("ix", *parts), schema=schema)
        return metadata

    def compared(metadata: sa.MetaData) -> list[Any]:
        context = context_for(connection, metadata)
        context.opts["include_schemas"] = True
        return [(name, index.table.schema) for name, index in compare_metadata(context, metadata)]

    connection.exec_driver_sql("CREATE SCHEMA other")
    indexed_by("DESC", "ASC").create_all(connection)

    assert not compared(indexed_by("DESC", "ASC"))
    assert compared(indexed_by("DESC", "DESC")) == [
        ("remove_index", "other"),
        ("add_index", "other"),
    ]


@pytest.mark.parametrize("connection", ["mysql", "mariadb"], indirect=True)
def test_indexes_of_tables_that_differ_in_case(connection: Connection) -> None:
    if connection.exec_driver_sql("SELECT @@lower_case_table_names").scalar():
        pytest.skip("the server has no such tables")
    extend_reflection(connection)

    def cases(order: Callable[[sa.Column[Any]], Any]) -> sa.MetaData:
        metadata = sa.MetaData()
        for table in ("t", "T"):
            columns = [sa.Column(name, sa.Integer) for name in "ab"]
            sa.Table(table, metadata, *columns, sa.Index("ix", *map(order, columns)))
        return metadata

    cases(sa.desc).create_all(connection)

    assert not [*changes(connection, cases(sa.desc))]
    assert len([*changes(connection, cases(sa.asc))]) == 4


@pytest.mark.parametrize("connection", ["mariadb"], indirect=True)
def test_an_index_that_sqlalchemy_reads_in_part(connection: Connection) -> None:
    connection.exec_driver_sql("""
        CREATE TABLE t (
            a integer NOT NULL, b date NOT NULL, c date NOT NULL, PERIOD FOR valid (b, c),
            CONSTRAINT uq UNIQUE (a, valid WITHOUT OVERLAPS)
        )""")

    def with_unique(*names: str) -> sa.MetaData:
        metadata = sa.MetaData()
        dates = [sa.Column(name, sa.Date, nullable=False) for name in "bc"]
        number = sa.Column("a", sa.Integer, nullable=False)
        sa.Table("t", metadata, number, *dates, sa.Index("uq", *names, unique=True))
        return metadata

    with reading_quietly():
        assert not [*changes(connection, with_unique("a"))]
        assert [*changes(connection, with_unique("a", "b"))]


# Expressions, each with another one in its place, and the databases that have them.
COMPUTED: dict[tuple[str, str], tuple[Any, tuple[str, ...]]] = {
    ("a * 2", "a * 3"): (sa.Integer(), EVERYWHERE),
    ("a*2+1", "a*(2+1)"): (sa.Integer(), EVERYWHERE),
    ("a % 2", "a % 3"): (sa.Integer(), EVERYWHERE),
    ("lower(name)", "upper(name)"): (sa.String(40), EVERYWHERE),
    ("case when a > 0 then ':a' end", "case when a > 0 then ':b' end"): (sa.String(9), EVERYWHERE),
    ("a IN (1, 2)", "a IN (1, 3)"): (sa.Boolean(), EVERYWHERE),
    ("a between 1 and 3", "a between 1 and 4"): (sa.Boolean(), EVERYWHERE),
    ("concat(name, 'it''s')", "concat(name, 'its')"): (sa.String(50), ("mariadb", "mysql")),
    ("json_extract('{\"a\":1}', '$.a')", "json_extract('{\"a\":1}', '$.b')"): (
        sa.String(50),
        ("mariadb", "mysql"),
    ),
    ("name || 'x'", "name || 'y'"): (sa.Text(), ("postgresql", "sqlite")),
    ("a::text", "a::varchar"): (sa.Text(), ("postgresql",)),
    ("to_tsvector('english', name)", "to_tsvector('simple', name)"): (
        TSVECTOR(),
        ("postgresql",),
    ),
}


def computed(dialect: str, place: int) -> sa.MetaData:
    """Return a table with a column for each expression."""
    metadata = sa.MetaData()
    columns = [
        sa.Column(f"c{number}", type_, sa.Computed(escape_parameters(pair[place]), persisted=True))
        for number, (pair, (type_, databases)) in enumerate(COMPUTED.items())
        if dialect in databases
    ]
    plain: list[sa.Column[Any]] = [sa.Column("a", sa.Integer), sa.Column("name", sa.String(40))]
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), *plain, *columns)
    return metadata


def warned(connection: Connection, metadata: sa.MetaData) -> list[str]:
    """Return what a comparison warns of."""
    with warnings.catch_warnings(record=True) as found, reading_quietly():
        warnings.filterwarnings("always", "The column .* is not computed")
        assert not [*changes(connection, metadata)]
    return [str(warning.message) for warning in found]


def test_computed_columns(connection: Connection) -> None:
    dialect = connection.dialect.name
    before, after = (computed(dialect, place) for place in (0, 1))
    upgrade(connection, before)

    assert not warned(connection, before)
    assert len(warned(connection, after)) == len(before.tables["t"].columns) - 3
