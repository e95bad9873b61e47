"""What autogenerate says of columns: nothing after an upgrade, and each change."""

import pytest
from column_cases import changes, expected_changes, models, upgrade
from sqlalchemy import Connection

pytestmark = pytest.mark.slow


def test_defaults_and_types(connection: Connection) -> None:
    dialect = connection.dialect.name
    upgrade(connection, models(dialect))

    assert not [*changes(connection, models(dialect))]
    assert {*changes(connection, models(dialect, 1))} == expected_changes(dialect)
