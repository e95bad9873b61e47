"""What autogenerate says of columns: nothing after an upgrade, and each change."""

import os

import pytest
from alembic.autogenerate import compare_metadata
from alembic_guardrails.autogenerate.mysql import reflect_expressions
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


def test_indexes(connection: Connection) -> None:
    dialect = connection.dialect.name
    reflect_expressions(connection)
    before = indexed(dialect, *(case.before for case in CASES[dialect]))
    after = indexed(dialect, *(case.after for case in CASES[dialect]))
    upgrade(connection, before)
    assert not [*changes(connection, before)]

    found = compare_metadata(context_for(connection, after), after)
    dropped = {change[1].name for change in found if change[0] == "remove_index"}
    assert dropped == {index.name for index in before.tables["t"].indexes}
    revision = write_revision(connection, after)
    run_revision(connection, revision, "upgrade")
    assert not [*changes(connection, after)]
    run_revision(connection, revision, "downgrade")
    assert not [*changes(connection, before)]
