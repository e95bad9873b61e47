"""What autogenerate says of columns on database servers: nothing after an upgrade, and each change.

SQLite has its turn in tests/guardrails/test_autogenerate.py.
"""

from collections.abc import Callable, Iterator

import pytest
from column_cases import changes, expected_changes, models, upgrade
from servers import Server
from sqlalchemy import Connection, create_engine

pytestmark = pytest.mark.slow

# Drivers without async, which are in this repository's environment.
DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


@pytest.fixture(params=DRIVERS)
def connection(
    request: pytest.FixtureRequest, server: Callable[[str], Server]
) -> Iterator[Connection]:
    """A connection to an empty database."""
    with server(request.param).scratch_database() as url:
        engine = create_engine(url.set(drivername=DRIVERS[request.param]))
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def test_defaults_and_types(connection: Connection) -> None:
    dialect = connection.dialect.name
    upgrade(connection, models(dialect))

    assert not [*changes(connection, models(dialect))]
    assert {*changes(connection, models(dialect, 1))} == expected_changes(dialect)
