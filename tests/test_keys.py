"""Indexes that foreign keys of MySQL and MariaDB need, in what autogenerate writes."""

import os
from random import Random

import pytest
import sqlalchemy as sa
from alembic_guardrails.autogenerate import extend_reflection
from column_cases import run_revision, upgrade, write_revision
from key_cases import CONVENTION, describe, tables
from sqlalchemy import Connection, MetaData

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("connection", ["mysql", "mariadb"], indirect=True),
]


def clear(connection: Connection) -> None:
    """Drop all tables."""
    connection.exec_driver_sql("SET foreign_key_checks = 0")
    for name in connection.exec_driver_sql("SHOW TABLES").scalars().all():
        connection.exec_driver_sql(f"DROP TABLE `{name}`")
    connection.exec_driver_sql("SET foreign_key_checks = 1")


def change_and_back(connection: Connection, before: MetaData, after: MetaData) -> str:
    """Change the models, go up, down and up again; return the revision."""
    extend_reflection(connection)
    clear(connection)
    upgrade(connection, before)
    assert "op." not in write_revision(connection, before)
    there = describe(connection)

    revision = write_revision(connection, after)
    run_revision(connection, revision, "upgrade")
    assert "op." not in write_revision(connection, after)
    done = describe(connection)
    run_revision(connection, revision, "downgrade")
    assert "op." not in write_revision(connection, before)
    assert describe(connection) == there
    run_revision(connection, revision, "upgrade")
    assert describe(connection) == done
    return revision


def referring(*indexes: tuple[str, ...], has_key: bool = True) -> MetaData:
    """Return a table whose column `a` refers to another one, with indexes: their names and columns.

    One that is called `unique` is a UNIQUE.
    """
    metadata = MetaData(naming_convention=CONVENTION)
    sa.Table("other", metadata, sa.Column("id", sa.Integer, primary_key=True))
    table = sa.Table("t", metadata, *(sa.Column(name, sa.Integer) for name in "abc"))
    if has_key:
        table.append_constraint(sa.ForeignKeyConstraint(["a"], ["other.id"]))
    for name, *columns in indexes:
        parts = [table.columns[column] for column in columns]
        if name == "unique":
            table.append_constraint(sa.UniqueConstraint(*parts))
        else:
            sa.Index(name, *parts)
    return metadata


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("one", "a"), ("two", "a", "b")),
        (("one", "a"), ("two", "a")),
        (("one", "a"), ("unique", "a")),
        (("unique", "a"), ("two", "a")),
        (("one", "a"), ("one", "a", "b")),
        (("one", "a", "c"), ("one", "a", "b")),
    ],
)
def test_one_index_in_place_of_another(
    connection: Connection, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    revision = change_and_back(connection, referring(before), referring(after))

    assert "foreignkey" not in revision


@pytest.mark.parametrize("index", [("one", "a"), ("one", "a", "b"), ("unique", "a")])
def test_an_index_goes_that_a_foreign_key_needs(
    connection: Connection, index: tuple[str, ...]
) -> None:
    revision = change_and_back(connection, referring(index), referring())

    assert "op.create_index('fk_t_a_other', 't', ['a'], unique=False)" in revision
    # The index has the name that the server gives to one of its own.
    clear(connection)
    referring().create_all(connection)
    made = describe(connection)
    clear(connection)
    referring(index).create_all(connection)
    run_revision(connection, revision, "upgrade")
    assert describe(connection) == made


def test_an_index_comes_in_place_of_that_of_the_server(connection: Connection) -> None:
    change_and_back(connection, referring(), referring(("one", "a")))


def test_the_index_of_the_server_goes_with_its_foreign_key(connection: Connection) -> None:
    change_and_back(connection, referring(), referring(has_key=False))
    change_and_back(connection, referring(has_key=False), referring())


def test_indexes_with_the_name_of_a_column_are_compared(connection: Connection) -> None:
    revision = change_and_back(connection, referring(("b", "b")), referring(("b", "b", "c")))
    assert "op.create_index('b', 't', ['b', 'c'], unique=False)" in revision

    revision = change_and_back(connection, referring(("b", "b")), referring())
    assert "op.drop_index(op.f('b'), table_name='t')" in revision


def test_an_unnamed_foreign_key_has_the_index_of_the_server(connection: Connection) -> None:
    extend_reflection(connection)
    metadata = MetaData()
    sa.Table("other", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("t", metadata, sa.Column("a", sa.ForeignKey("other.id")))
    metadata.create_all(connection)

    assert "op." not in write_revision(connection, metadata)


def test_a_foreign_key_goes_before_the_key_that_it_refers_to(connection: Connection) -> None:
    def models(*, refers: bool) -> MetaData:
        metadata = MetaData(naming_convention=CONVENTION)
        parent = sa.Table("a", metadata, sa.Column("code", sa.Integer))
        child = sa.Table("b", metadata, sa.Column("code", sa.Integer))
        if refers:
            parent.append_constraint(sa.UniqueConstraint("code"))
            child.append_constraint(sa.ForeignKeyConstraint(["code"], ["a.code"]))
        return metadata

    change_and_back(connection, models(refers=True), models(refers=False))
    change_and_back(connection, models(refers=False), models(refers=True))


@pytest.mark.parametrize(
    "count", [pytest.param(12, id="few"), pytest.param(300, id="many", marks=pytest.mark.sweep)]
)
def test_made_up_changes(connection: Connection, count: int) -> None:
    first = int(os.environ.get("FUZZ_SEED", 0)) * 1000
    for number in range(first, first + count):
        random = Random(number)
        change_and_back(connection, tables(random), tables(random))
