"""Types that models take from recipes and libraries: what revisions write for them.

Each is created, filled, read back and compared on each database that has it.
"""

import ast
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from column_cases import changes, run_revision, upgrade, write_revision
from sqlalchemy import Connection
from type_libraries import EVERYWHERE, LIBRARIES, Case
from type_recipes import cases

# Of the libraries' own.
WARNINGS = pytest.mark.filterwarnings("ignore::DeprecationWarning")
pytestmark = [pytest.mark.slow, WARNINGS]

SOURCES: dict[str, Callable[[], Iterator[Case]]] = {"recipes": cases, **LIBRARIES}
PAIRS = [
    (source, database)
    for source in SOURCES
    for database in EVERYWHERE
    if source != "pgvector" or database == "postgresql"
]

# What a revision may import: a library whose type the database stores, never a module of models.
IMPORTS = {"alembic_guardrails", "geoalchemy2", "pgvector", "sqlalchemy"}


def imported(source: str) -> set[str]:
    """Return the packages that a revision imports."""
    nodes = [*ast.walk(ast.parse(source))]
    modules = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    modules += [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    return {str(module).partition(".")[0] for module in modules}


@pytest.mark.parametrize(("source", "connection"), PAIRS, indirect=["connection"])
def test_types_of_models(source: str, connection: Connection) -> None:
    dialect = connection.dialect.name
    used = [case for case in SOURCES[source]() if dialect in case.databases]
    metadata = sa.MetaData()
    columns = [sa.Column(case.name, case.type_) for case in used]
    table = sa.Table("t", metadata, sa.Column("number", sa.Integer, primary_key=True), *columns)

    if source == "pgvector":
        connection.execute(sa.text("CREATE EXTENSION vector"))

    revision = upgrade(connection, metadata)
    connection.execute(sa.insert(table).values({case.name: case.value for case in used}))
    row = connection.execute(sa.select(*columns)).one()

    assert imported(revision) <= IMPORTS
    assert dict(row._mapping) == {case.name: case.value for case in used}
    assert not [*changes(connection, metadata)]
    assert "op." not in write_revision(connection, metadata)

    run_revision(connection, revision, "downgrade")
    if dialect == "postgresql":  # Alembic leaves enums behind
        connection.execute(sa.text("DROP TYPE IF EXISTS choice, colour, kind, mood"))
    assert "t" not in sa.inspect(connection).get_table_names()
    run_revision(connection, revision, "upgrade")
    assert not [*changes(connection, metadata)]
