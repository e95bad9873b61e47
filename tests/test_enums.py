"""Enums of PostgreSQL in revisions of autogenerate: their types come and go with the tables."""

from typing import Any

import pytest
import sqlalchemy as sa
from column_cases import changes, run_revision, write_revision
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

pytestmark = pytest.mark.slow

TYPES = sa.text("SELECT typname FROM pg_type WHERE typtype = 'e' ORDER BY typname")


class Decorated(sa.types.TypeDecorator[Any]):
    """An enum in a decorator."""

    impl = sa.Enum("x", name="decorated")
    cache_ok = True


def columns() -> list[sa.Column[Any]]:
    """Columns of enums in all the ways that make a type, and in two that make none."""
    return [
        sa.Column("plain", sa.Enum("a", "it's", name="Odd kind")),
        sa.Column("again", sa.Enum("a", "it's", name="Odd kind")),
        sa.Column("many", postgresql.ARRAY(sa.Enum("a", name="many"))),
        sa.Column("decorated", Decorated),
        sa.Column("found", postgresql.ENUM("a", name="found", create_type=False)),
        sa.Column("words", sa.Enum("a", name="words", native_enum=False)),
    ]


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_types_come_and_go_with_tables(connection: Connection) -> None:
    connection.execute(sa.text("CREATE TYPE found AS ENUM ('a')"))
    connection.execute(sa.text("CREATE SCHEMA apart"))
    models = sa.MetaData()
    sa.Table("t", models, sa.Column("id", sa.Integer, primary_key=True), *columns())
    sa.Table("u", models, sa.Column("kind", sa.Enum("a", name="kind", schema="apart")))
    made = ["Odd kind", "decorated", "found", "kind", "many"]

    source = write_revision(connection, models)
    for direction, types in (("upgrade", made), ("downgrade", ["found"]), ("upgrade", made)):
        run_revision(connection, source, direction)
        assert [*connection.scalars(TYPES)] == types, source
    assert not [*changes(connection, models)]


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_a_type_that_is_there_stays(connection: Connection) -> None:
    """The upgrade that would make it fails, until its owner says create_type=False."""
    connection.execute(sa.text("CREATE TYPE kind AS ENUM ('a')"))
    models = sa.MetaData()
    sa.Table("t", models, sa.Column("kind", sa.Enum("a", name="kind")))
    sa.Table("u", models, sa.Column("other", sa.Enum("a", name="other")))

    source = write_revision(connection, models)

    assert source.count("DROP TYPE") == source.count("DROP TYPE other") == 1
