"""Revisions that are run without a database: what they see, and what is recorded of them."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.operations.ops import AddColumnOp, CreateTableOp
from alembic.runtime.migration import MigrationContext
from alembic_guardrails.offline.recorder import Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix import SETUPS, Setup
from sqlalchemy import URL

from .offline_revisions import offline_context, upgrade_text, write_script

DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")
USERS = (
    "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True),"
    " sa.Column('email', sa.String(50), nullable=False, unique=True))",
    "op.create_table('items', sa.Column('id', sa.Integer, primary_key=True),"
    " sa.Column('owner_id', sa.Integer, sa.ForeignKey('users.id')),"
    " sa.Column('count', sa.Integer, server_default='0'),"
    " sa.CheckConstraint('count >= 0', name='positive'))",
    "op.create_index('ix_items_count', 'items', ['count'])",
)


@pytest.fixture
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Recorder:
    """A recorder after a revision that creates two tables."""
    recorder = Recorder(offline_context(request.param))
    recording = recorder.record_upgrade(write_script(tmp_path, upgrade_text(*USERS)))
    assert recording.failure is None
    return recorder


every_dialect = pytest.mark.parametrize("recorder", DIALECTS, indirect=True)


def answer(recorder: Recorder, folder: Path, *lines: str) -> Any:
    """Return what a revision puts into the global name `seen`."""
    text = "seen = []\n" + upgrade_text("bind = op.get_bind()", *lines)
    script = write_script(folder, text, f"r{len(os.listdir(folder))}.py")
    recording = recorder.record_upgrade(script)
    assert recording.failure is None, recording.failure
    return script.module.seen


@every_dialect
def test_a_revision_sees_what_those_before_it_built(recorder: Recorder, tmp_path: Path) -> None:
    seen = answer(
        recorder,
        tmp_path,
        "inspector = sa.inspect(bind)",
        "seen.append(sorted(inspector.get_table_names()))",
        "seen.append([(c['name'], c['nullable']) for c in inspector.get_columns('items')])",
        "seen.append(inspector.get_pk_constraint('items')['constrained_columns'])",
        "seen.append([key['referred_table'] for key in inspector.get_foreign_keys('items')])",
        "seen.append([index['name'] for index in inspector.get_indexes('items')])",
        "seen.append([key['column_names'] for key in inspector.get_unique_constraints('users')])",
        "seen.append([key['name'] for key in inspector.get_check_constraints('items')])",
        "seen.append([inspector.has_table(name) for name in ('users', 'nobody')])",
        "seen.append(inspector.has_index('items', 'ix_items_count'))",
        "seen.append(list(sa.Table('items', sa.MetaData(), autoload_with=bind).columns.keys()))",
    )

    assert seen == [
        ["items", "users"],
        [("id", False), ("owner_id", True), ("count", True)],
        ["id"],
        ["users"],
        ["ix_items_count"],
        [["email"]],
        ["positive"],
        [True, False],
        True,
        ["id", "owner_id", "count"],
    ]


@every_dialect
def test_what_is_missing_is_added_once(recorder: Recorder, tmp_path: Path) -> None:
    add = (
        "if 'age' not in {c['name'] for c in sa.inspect(op.get_bind()).get_columns('users')}:",
        "    op.add_column('users', sa.Column('age', sa.Integer))",
    )
    first, second = (
        recorder.record_upgrade(write_script(tmp_path, upgrade_text(*add), f"{name}.py"))
        for name in "ab"
    )

    assert [type(step.operation) for step in first.steps] == [AddColumnOp]
    assert not second.steps


@pytest.mark.parametrize(
    ("recorder", "expected"),
    [
        ("postgresql", ["items_owner_id_fkey", "items_pkey", "users_email_key"]),
        ("mysql", ["items_ibfk_1", "PRIMARY", "email"]),
        ("mariadb", ["items_ibfk_1", "PRIMARY", "email"]),
    ],
    indirect=["recorder"],
)
def test_names_that_databases_give(recorder: Recorder, tmp_path: Path, expected: list[str]) -> None:
    seen = answer(
        recorder,
        tmp_path,
        "inspector = sa.inspect(bind)",
        "[key] = inspector.get_foreign_keys('items')",
        "seen.append(key['name'])",
        "seen.append(inspector.get_pk_constraint('items')['name'])",
        "seen.append(inspector.get_unique_constraints('users')[0]['name'])",
        "op.drop_constraint(key['name'], 'items', type_='foreignkey')",
        "assert not sa.inspect(bind).get_foreign_keys('items')",
    )

    assert seen == expected


@every_dialect
@pytest.mark.parametrize(
    "read",
    [
        "execution_options(yield_per=2).execute(query)",
        "execution_options(stream_results=True, max_row_buffer=2).execute(query)",
        "execute(query).partitions(2)",
        "exec_driver_sql('SELECT id FROM users').fetchmany(2)",
    ],
)
def test_rows_that_are_read_in_parts(recorder: Recorder, tmp_path: Path, read: str) -> None:
    query = "query = sa.select(sa.table('users', sa.column('id')))"

    assert (
        answer(recorder, tmp_path, query, f"for row in bind.{read}:", "    seen.append(row)") == []
    )


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_queries_with_the_dialect_of_each_driver(setup: Setup, tmp_path: Path) -> None:
    """A driver's dialect looks at its cursor in ways of its own."""
    dialect = URL.create(f"{setup.backend.name}+{setup.driver.name}").get_dialect()()
    recorder = Recorder(MigrationContext.configure(dialect=dialect, opts={"as_sql": True}))
    query = "query = sa.text('UPDATE t SET a = :a').bindparams(a=1)"
    read = "seen.extend(bind.execute(sa.text('SELECT 1')))"

    assert answer(recorder, tmp_path, query, "bind.execute(query)", read) == []


@every_dialect
def test_a_table_that_is_not_there(recorder: Recorder, tmp_path: Path) -> None:
    script = write_script(
        tmp_path, upgrade_text("sa.inspect(op.get_bind()).get_columns('nobody')"), "b.py"
    )

    failure = recorder.record_upgrade(script).failure

    assert failure is not None
    assert (failure.span.line, failure.is_error_of_code) == (7, False)
    assert failure.reason == "NoSuchTableError: nobody"
    assert failure.place.endswith("b.py:7")


def test_tables_and_types_of_sql(tmp_path: Path) -> None:
    recorder = Recorder(offline_context("postgresql"))
    seen = answer(
        recorder,
        tmp_path,
        "op.execute('CREATE TABLE IF NOT EXISTS public.a (id int)')",
        'op.execute(\'CREATE TABLE "s"."b" (id int)\')',
        "op.execute('DROP TABLE a')",
        "sa.Table('c', sa.MetaData(), sa.Column('id', sa.Integer)).create(bind)",
        "inspector = sa.inspect(bind)",
        "seen.extend([inspector.get_table_names(), inspector.get_table_names('s')])",
        "seen.append([column['name'] for column in inspector.get_columns('c')])",
        "kind = sa.Enum('a', name='kind')",
        "kind.create(bind); kind.create(bind)",
        "kind.drop(bind); kind.drop(bind)",
        "kind.create(bind)",
    )

    assert seen == [["c"], ["b"], ["id"]]
    assert recorder.types == {"kind"}


def test_a_downgrade_sees_the_upgrade_and_leaves_it(tmp_path: Path) -> None:
    recorder = Recorder(offline_context("sqlite"))
    text = upgrade_text(USERS[0]) + (
        "\n\ndef downgrade():\n"
        "    assert sa.inspect(op.get_bind()).has_table('users')\n"
        "    op.drop_table('users')\n"
    )
    script = write_script(tmp_path, text)
    up = recorder.record_upgrade(script)

    down = recorder.record_downgrade(script)

    assert down.failure is None
    assert not down.tables
    assert recorder.tables.keys() == {(None, "users")}
    assert isinstance(up.steps[0].operation, CreateTableOp)


# The same revisions, on a database and without one.

TYPES = ("sa.Integer", "sa.String(20)", "sa.Boolean()", "sa.DateTime()")


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """Lines of a revision that change two tables at random, and can be run."""
    tables: dict[str, list[str]] = {}
    lines: list[str] = []
    for number in range(draw(st.integers(2, 10))):
        name = draw(st.sampled_from(sorted(tables))) if number > 1 else f"t{number}"
        lines += draw_change(draw, tables, name, number)
    return lines


def draw_change(
    draw: st.DrawFn, tables: dict[str, list[str]], name: str, number: int
) -> Iterator[str]:
    """Yield the lines of one change of a table."""
    if name not in tables:
        tables[name] = ["a"]
        key = "sa.PrimaryKeyConstraint('id', name='pk')"
        column = "sa.Column('a', sa.Integer, server_default='1')"
        yield f"op.create_table('{name}', sa.Column('id', sa.Integer), {column}, {key})"
        return
    columns = tables[name]
    kind = draw(st.sampled_from(["add", "drop", "index", "rename", "unique", "null", "table"]))
    chosen = draw(st.sampled_from(columns))
    batch = f"with op.batch_alter_table('{name}') as table: "
    if kind == "add" or (kind == "drop" and len(columns) == 1):
        columns.append(f"c{number}")
        type_ = draw(st.sampled_from(TYPES))
        yield f"op.add_column('{name}', sa.Column('c{number}', {type_}))"
    elif kind == "drop":
        columns.remove(chosen)
        yield f"for index in sa.inspect(op.get_bind()).get_indexes('{name}'):"
        yield f"    if '{chosen}' in index['column_names']: op.drop_index(index['name'], '{name}')"
        yield f"for key in sa.inspect(op.get_bind()).get_unique_constraints('{name}'):"
        yield f"    if '{chosen}' in key['column_names']:"
        yield f"        {batch}table.drop_constraint(key['name'], type_='unique')"
        yield f"{batch}table.drop_column('{chosen}')"
    elif kind == "index":
        yield f"op.create_index('ix_{number}', '{name}', ['{chosen}'])"
    elif kind == "rename":
        columns[columns.index(chosen)] = f"c{number}"
        yield f"{batch}table.alter_column('{chosen}', new_column_name='c{number}')"
    elif kind == "unique":
        # On a column of its own: SQLAlchemy reads one of two on the same columns of SQLite.
        columns.append(f"c{number}")
        yield f"op.add_column('{name}', sa.Column('c{number}', sa.Integer))"
        yield f"{batch}table.create_unique_constraint('uq_{number}', ['c{number}'])"
    elif kind == "null":
        yield f"{batch}table.alter_column('{chosen}', nullable=False)"
    else:
        tables[f"t{number}"] = tables.pop(name)
        yield f"op.rename_table('{name}', 't{number}')"


LOOK = """
seen = {}


def look(bind):
    inspector = sa.inspect(bind)
    for name in inspector.get_table_names():
        seen[name] = (
            [(c["name"], bool(c["nullable"]), c["default"]) for c in inspector.get_columns(name)],
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], i["column_names"]) for i in inspector.get_indexes(name)),
            sorted((u["name"], u["column_names"]) for u in inspector.get_unique_constraints(name)),
        )
"""


@settings(max_examples=20, deadline=None)
@given(histories())
def test_a_revision_sees_without_a_database_what_it_sees_on_one(lines: list[str]) -> None:
    text = upgrade_text(*lines, "look(op.get_bind())") + LOOK
    with TemporaryDirectory() as folder, sa.create_engine("sqlite://").connect() as connection:
        script = write_script(Path(folder), text)
        recording = Recorder(offline_context("sqlite")).record_upgrade(script)
        assert recording.failure is None, recording.failure
        recorded = dict(script.module.seen)
        script.module.seen.clear()
        with Operations.context(MigrationContext.configure(connection)):
            script.module.upgrade()

        assert recorded == script.module.seen
