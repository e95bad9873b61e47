"""What autogenerate says of columns: nothing after an upgrade, and each change."""

import os

import pytest
from column_cases import changes, expected_changes, models, run_revision, upgrade, write_revision
from column_defaults import defaults, differences, table_with
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

pytestmark = pytest.mark.slow


def test_defaults_and_types(connection: Connection) -> None:
    dialect = connection.dialect.name
    upgrade(connection, models(dialect))

    assert not [*changes(connection, models(dialect))]
    assert {*changes(connection, models(dialect, 1))} == expected_changes(dialect)


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
