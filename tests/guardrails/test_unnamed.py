"""What a model of SQLite no longer has: constraints without a name, and indexes on expressions."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import cast

import pytest
from alembic import command
from alembic.script import Script

from .conftest import SCRIPT, Project

ENV = """
from alembic_guardrails import run_migrations
from sqlalchemy import *

models = MetaData(naming_convention={{"uq": "%(table_name)s_%(column_0_N_name)s_key"}})
Table("p", models, Column("id", Integer, primary_key=True), Column("k", Text), Column("l", Text),
    UniqueConstraint("k", "l"))
Table("t", models, Column("id", Text, primary_key=True),
    Column("a", String(9)), Column("B c", Numeric(5, 2)), Column("d", Text), {constraints})
run_migrations(target_metadata=models)
"""
PARENT = "CREATE TABLE p (id INTEGER PRIMARY KEY, k TEXT, l TEXT, UNIQUE (k, l))"
TYPES = {"id": "TEXT", "a": "VARCHAR(9)", "B c": "NUMERIC(5, 2)", "d": "TEXT"}

# Constraints as the statement has them, and as a model does; some at a column, some at the table.
AT_COLUMN = {
    ("a", "UNIQUE"): "UniqueConstraint('a')",
    ("d", "unique"): "UniqueConstraint('d')",
    ("B c", "UNIQUE ON CONFLICT IGNORE"): "UniqueConstraint('B c')",
    ("a", "REFERENCES p ON DELETE CASCADE"): "ForeignKeyConstraint(['a'], ['p.id'], "
    "ondelete='CASCADE')",
}
AT_TABLE = {
    'UNIQUE (a, "B c")': "UniqueConstraint('a', 'B c')",
    "UNIQUE (d, a)": "UniqueConstraint('d', 'a')",
    "CONSTRAINT two UNIQUE (d, id)": "UniqueConstraint('d', 'id', name='two')",
    "FOREIGN KEY (d) REFERENCES p (id)": "ForeignKeyConstraint(['d'], ['p.id'])",
    "foreign key(a, d) references p(k, l) on update set null": "ForeignKeyConstraint(['a', 'd'], "
    "['p.k', 'p.l'], onupdate='SET NULL')",
}


def facts(path: Path) -> tuple[object, ...]:
    """Return what SQLite says of the constraints of the table, and its rows."""
    with closing(sqlite3.connect(path)) as connection:
        query = (
            "SELECT group_concat(i.name) FROM pragma_index_list('t') l"
            " JOIN pragma_index_info(l.name) i WHERE l.origin = 'u' GROUP BY l.name"
        )
        uniques = sorted(connection.execute(query))
        query = (
            """SELECT "table", "from", coalesce("to", 'id'), on_update, on_delete"""
            " FROM pragma_foreign_key_list('t')"
        )
        keys = sorted(map(str, connection.execute(query)))
        sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = 't'").fetchone()[0]
        rows = connection.execute("SELECT rowid, * FROM t").fetchall()
        return uniques, keys, sql.upper().count("CONSTRAINT "), rows


@pytest.mark.parametrize("seed", range(12))
def test_what_a_model_loses_goes_and_comes_back(project: Project, seed: int) -> None:
    random = Random(seed)
    at_column = {one: said for one, said in AT_COLUMN.items() if random.random() < 0.6}
    at_table = {one: said for one, said in AT_TABLE.items() if random.random() < 0.6}
    columns = [
        " ".join((f'"{name}" {type_}', *(sql for column, sql in at_column if column == name)))
        for name, type_ in TYPES.items()
    ]
    columns[0] += " NOT NULL PRIMARY KEY"
    path, env = project.path / "app.db", project.path / "migrations" / "env.py"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(PARENT)
        connection.execute("INSERT INTO p VALUES (1, '1', '2'), (2, '3', '1'), (3, '4', '5')")
        connection.execute(f"CREATE TABLE t ({', '.join((*columns, *at_table))})")
        connection.execute("INSERT INTO t VALUES ('x', '1', 1.5, '2'), ('y', '3', NULL, '1')")
    constraints = [*at_column.values(), *at_table.values()]
    (project.path / "migrations" / "script.py.mako").write_text(SCRIPT, "utf-8")
    env.write_text(ENV.format(constraints=", ".join(constraints)), "utf-8")
    command.upgrade(project.config(), "head")
    command.check(project.config())
    before = facts(path)

    kept = [said for said in constraints if random.random() < 0.5]
    env.write_text(ENV.format(constraints=", ".join(kept)), "utf-8")
    found = cast(Script, command.revision(project.config(), "less", autogenerate=True))
    command.upgrade(project.config(), "head")

    text = Path(found.path).read_text("utf-8")
    uniques, keys, names, rows = facts(path)
    command.check(project.config())
    assert len(cast(list[str], uniques)) == sum("Unique" in said for said in kept), text
    assert len({str(key) for key in cast(list[str], keys)}) == sum(
        len(said.split("],")[0].split(",")) for said in kept if "Foreign" in said
    ), text
    assert (names, rows) == (sum("name=" in said for said in kept), before[3])

    command.downgrade(project.config(), "base")
    assert facts(path) == before, text
    command.upgrade(project.config(), "head")
    assert facts(path) == (uniques, keys, names, rows)


def test_another_name_is_no_change(project: Project) -> None:
    """A name in the model, where the database has none."""
    (project.path / "migrations" / "env.py").write_text(
        ENV.format(constraints="UniqueConstraint('a', name='mine'), UniqueConstraint('d')"), "utf-8"
    )
    with closing(sqlite3.connect(project.path / "app.db")) as connection:
        connection.execute(PARENT)
        connection.execute(
            "CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, a VARCHAR(9) UNIQUE,"
            ' "B c" NUMERIC(5, 2), d TEXT UNIQUE)'
        )
    command.upgrade(project.config(), "head")

    command.check(project.config())


def test_an_index_on_expressions_goes_with_its_table_only(project: Project) -> None:
    """As with Alembic elsewhere, the model of a table may not have it."""
    env = project.path / "migrations" / "env.py"
    (project.path / "migrations" / "script.py.mako").write_text(SCRIPT, "utf-8")
    env.write_text(ENV.format(constraints=""), "utf-8")
    path = project.path / "app.db"
    command.upgrade(project.config(), "head")
    command.revision(project.config(), "all", autogenerate=True)
    command.upgrade(project.config(), "head")
    index = "CREATE INDEX lowered ON t (lower(d), a DESC)"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(index)

    command.check(project.config())
    text = env.read_text("utf-8")
    env.write_text(
        text[: text.index('Table("t"')] + text[text.index("run_migrations(t") :], "utf-8"
    )
    command.revision(project.config(), "less", autogenerate=True)
    command.upgrade(project.config(), "head")
    command.downgrade(project.config(), "-1")

    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'lowered'")
    assert found == (index,)
