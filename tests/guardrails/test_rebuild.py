"""Changes of tables on SQLite keep what the revision does not name."""

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal, InvalidOperation
from io import StringIO
from itertools import count
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, cast

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script
from alembic.util import CommandError
from alembic_guardrails.commands.plan import plan
from hypothesis import HealthCheck, Phase, assume, given, settings
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from guardrails.conftest import SCRIPT, Project
from guardrails.rebuilt_tables import Change, Model, changed_models, quote

PARTS = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|'(?:[^']|'')*'|"[^"]*"|`[^`]*`|\[[^]]*\]|\w+|\S""",
    re.DOTALL,
)
NUMBERS = count()


def words(sql: str) -> list[str]:
    """Return the parts of SQL, without quotes around names and without comments."""
    found = [match[0] for match in PARTS.finditer(sql) if not match["comment"]]
    return [part if part[0] == "'" else part.strip('"`[]').lower() for part in found]


def connect(path: Path) -> sqlite3.Connection:
    """Connect to a database, whose text may be any bytes."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    return connection


def select(connection: sqlite3.Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return connection.execute(query, values).fetchall()


def rows_of(connection: sqlite3.Connection, table: str) -> dict[str, list[tuple[str, Any]]]:
    """Return the values of each column, in the order of the rows, with the numbers of the rows."""
    info = select(connection, "SELECT name FROM pragma_table_xinfo(?)", table)
    names = [row[0] for row in info]
    (without,) = select(connection, "SELECT wr FROM pragma_table_list WHERE name = ?", table)[0]
    values = {name: f'"{name}"' for name in names} | ({} if without else {"<number>": "rowid"})
    order = ", ".join(f"quote({value})" for value in values.values()) if without else "rowid"
    result: dict[str, list[tuple[str, Any]]] = {}
    for name, value in values.items():
        query = f'SELECT typeof({value}), {value} FROM "{table}" ORDER BY {order}'
        result[name] = [(kind, found) for kind, found in select(connection, query)]
    return result


def facts(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return all that SQLite says about a schema."""
    objects = select(
        connection,
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_*'"
        " AND tbl_name <> 'alembic_version'",
    )
    result: dict[str, Any] = {f"{kind} {name}": words(sql) for kind, name, sql in objects}
    for kind, name, _ in objects:
        if kind != "table":
            continue
        for pragma in ("table_xinfo", "foreign_key_list", "index_list"):
            result[f"{pragma} {name}"] = select(
                connection, f"SELECT * FROM pragma_{pragma}(?)", name
            )
        lists = result[f"index_list {name}"]
        result[f"index_list {name}"] = sorted(
            (*row[2:], select(connection, "SELECT * FROM pragma_index_xinfo(?)", row[1]))
            for row in lists
        )
        query = "SELECT type, ncol, wr, strict FROM pragma_table_list WHERE name = ?"
        result[f"table_list {name}"] = select(connection, query, name)
    return result


def everything(path: Path) -> list[object]:
    """Return a database as it is, letter for letter."""
    with closing(connect(path)) as connection:
        schema = select(
            connection,
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'",
        )
        tables = [name for kind, name, _ in schema if kind == "table"]
        return [sorted(map(str, schema)), *(rows_of(connection, name) for name in sorted(tables))]


def create(path: Path, model: Model) -> bool:
    """Create a database with the model's rows; say whether SQLite takes the model."""
    path.unlink(missing_ok=True)
    with closing(connect(path)) as connection:
        try:
            for statement in model.statements:
                connection.execute(statement)
        except sqlite3.OperationalError:
            return False
        connection.execute("INSERT INTO parent VALUES (1, 'x'), (2, '12'), (3, NULL)")
        insert(connection, model)
        if model.analyzed:
            connection.execute("ANALYZE")
    return True


def insert(connection: sqlite3.Connection, model: Model) -> None:
    """Insert the rows that the constraints allow."""
    table = quote(model.table, '""')
    names = ", ".join(f'"{name}"' for name in model.stored)
    marks = ", ".join("?" * len(model.stored))
    for row in model.rows:
        try:
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row)
        except sqlite3.Error:
            continue


def is_same_value(before: tuple[str, Any], after: tuple[str, Any], *, retyped: bool) -> bool:
    """Whether a value is the one that it was; one of another type says the same number."""
    if before == after or not retyped:
        return before == after
    return Decimal(str(before[1]).strip()) == Decimal(str(after[1]))


def check_rows(before: dict[str, Any], after: dict[str, Any], change: Change) -> None:
    """Check that the values of all columns that stay are there, and that the numbers of rows are.

    A key of another type can become the number; what is computed of another type differs.
    """
    columns = {column.name: column for column in change.after.columns}
    stay = {name: change.renamed.get(name, name) for name in before}
    kept = {
        name: new
        for name, new in stay.items()
        if new in columns and not (change.retyped and columns[new].has("generated"))
    }
    old = sorted(zip(*(before[name] for name in kept), strict=True), key=say)
    now = sorted(zip(*(after[new] for new in kept.values()), strict=True), key=say)
    assert len(old) == len(now)
    for values in zip(old, now, strict=True):
        for name, first, second in zip(kept, *values, strict=True):
            assert is_same_value(first, second, retyped=name == change.retyped)
    if change.retyped != "id":
        assert before.get("<number>") == after.get("<number>")


def say(row: tuple[tuple[str, Any], ...]) -> list[str]:
    """Return the values of a row as text that does not depend on their types."""
    texts = []
    for _, value in row:
        try:
            texts.append(str(Decimal(str(value).strip()).normalize()))
        except InvalidOperation:
            texts.append(repr(value))
    return texts


def books(connection: sqlite3.Connection, name: str) -> list[tuple[Any, ...]]:
    """Return what SQLite counted and measured."""
    tables = select(connection, "SELECT name FROM sqlite_master WHERE name = ?", name)
    return sorted(select(connection, f"SELECT * FROM {name}"), key=str) if tables else []


def check_books(path: Path, before: list[list[tuple[Any, ...]]], change: Change) -> None:
    """Check that the numbers of AUTOINCREMENT and the statistics are as before.

    In a table without numbers of rows, each index has the key in it.
    """
    with closing(connect(path)) as connection:
        sequences, statistics = (
            books(connection, name) for name in ("sqlite_sequence", "sqlite_stat1")
        )
        indexes = {row[0] for row in select(connection, "SELECT name FROM sqlite_master")}
    if any(row[0] for row in sequences):
        assert sequences == before[0]
    measured, kept = (
        [row for row in rows if row[1] in {None, *indexes} and "autoindex" not in str(row[1])]
        for rows in (statistics, before[1])
    )
    assert [row for row in measured if row not in kept] == []
    if change.kind != "drop" or "WITHOUT ROWID" not in change.after.options:
        assert measured == kept


def statements(model: Model) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield statements that the constraints allow or not."""
    table = quote(model.table, '""')
    columns = [f'"{name}"' for name in model.stored]
    listed = ", ".join(columns)
    yield f"INSERT INTO {table} DEFAULT VALUES", ()
    yield (
        f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {table} ORDER BY {listed} LIMIT 1",
        (),
    )
    yield (
        f"INSERT INTO {table} ({listed}) VALUES ({', '.join('?' * len(columns))})",
        tuple(range(70, 70 + len(columns))),
    )
    for column in columns:
        for value in (None, "bad, (or worse", "no", ",", 77, "X"):
            yield f"UPDATE {table} SET {column} = ?", (value,)
    yield "DELETE FROM parent", ()
    yield f"DELETE FROM {table} WHERE rowid % 2", ()
    yield "INSERT INTO log VALUES (1)", ()
    yield "DELETE FROM log", ()
    yield f"DELETE FROM {table}", ()
    yield f"INSERT INTO {table} DEFAULT VALUES", ()


def behaviour(connection: sqlite3.Connection, model: Model) -> Iterator[object]:
    """Yield what each statement answers, and which rows there are then."""
    connection.execute("PRAGMA foreign_keys = ON")
    for statement, values in statements(model):
        try:
            connection.execute(statement, values)
        except sqlite3.Error as error:
            yield statement, words(str(error))  # which quotes a CHECK
        yield statement, rows_of(connection, model.table), select(connection, "SELECT * FROM log")


def load(connection: sqlite3.Connection, model: Model, source: sqlite3.Connection) -> None:
    """Make a database of a model's statements, with the rows of another one."""
    for statement in model.statements:
        if re.match(r"CREATE TABLE", statement):
            connection.execute(statement)
    tables = select(source, "SELECT name FROM sqlite_master WHERE type = 'table'")
    for name in [name for (name,) in tables if name not in ("alembic_version", "sqlite_sequence")]:
        if name.startswith("sqlite_"):
            continue
        info = select(source, "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", name)
        (without,) = select(source, "SELECT wr FROM pragma_table_list WHERE name = ?", name)[0]
        columns = [f'"{row[0]}"' for row in info] + ([] if without else ["rowid"])
        listed = ", ".join(columns)
        for row in select(source, f'SELECT {listed} FROM "{name}"'):
            marks = ", ".join("?" * len(columns))
            connection.execute(f'INSERT INTO "{name}" ({listed}) VALUES ({marks})', row)
    if sequences := books(source, "sqlite_sequence"):
        connection.execute("DELETE FROM sqlite_sequence")
        connection.executemany("INSERT INTO sqlite_sequence VALUES (?, ?)", sequences)
    for statement in model.statements:
        if not re.match(r"CREATE TABLE", statement):
            connection.execute(statement)


def check_result(path: Path, change: Change) -> None:
    """Check a database against one that is made of the changed model."""
    with closing(connect(path)) as actual, closing(connect(Path(":memory:"))) as expected:
        load(expected, change.after, actual)
        found, wanted = facts(actual), facts(expected)
        for key in found.keys() | wanted.keys():
            assert found.get(key) == wanted.get(key), key
        for first, second in zip(
            behaviour(actual, change.after), behaviour(expected, change.after), strict=True
        ):
            assert first == second


def check_unchanged(path: Path, before: list[object]) -> None:
    """Check that a database is as it was."""
    assert everything(path) == before


def try_change(project: Project, model: Model, change: Change) -> str:
    """Run a change as a revision; return whether it was made, or why not."""
    path = project.path / "app.db"
    assume(create(path, model))
    # A fresh name, because Python keeps what it compiled of a file.
    for old in project.versions.glob("*.py"):
        old.unlink()
    project.revision(f"r{next(NUMBERS)}", change.body)
    before = everything(path)
    with closing(connect(path)) as connection:
        rows = rows_of(connection, model.table)
        counted = [books(connection, name) for name in ("sqlite_sequence", "sqlite_stat1")]
    try:
        project.upgrade()
    except (CommandError, IntegrityError) as error:
        if not change.may_refuse:
            raise
        check_unchanged(path, before)
        return "refused" if isinstance(error, CommandError) else "violated"
    with closing(connect(path)) as connection:
        check_rows(rows, rows_of(connection, change.after.table), change)
    if change.kind != "rename table":
        check_books(path, counted, change)
    check_result(path, change)
    return "changed"


@pytest.fixture
def outcomes() -> Iterator[Counter[tuple[str, str]]]:
    """Count what became of the changes; few may be refused."""
    counter: Counter[tuple[str, str]] = Counter()
    yield counter
    print(*sorted(counter.items()), sep="\n")
    changed = sum(number for (_, outcome), number in counter.items() if outcome == "changed")
    assert changed > counter.total() * 0.75


# What fails is not made smaller: a smaller table takes minutes to find.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.mark.slow
@given(drawn=changed_models())
@settings(
    max_examples=60, suppress_health_check=[*HealthCheck], derandomize=True, phases=PHASES[::2]
)
def test_a_change_keeps_the_rest(
    project: Project, outcomes: Counter[tuple[str, str]], drawn: tuple[Model, Change]
) -> None:
    model, change = drawn
    outcomes[change.kind, try_change(project, model, change)] += 1


@pytest.mark.sweep
@given(drawn=changed_models())
@settings(max_examples=2000, suppress_health_check=[*HealthCheck], phases=PHASES)
def test_2000_changes_keep_the_rest(
    project: Project, outcomes: Counter[tuple[str, str]], drawn: tuple[Model, Change]
) -> None:
    model, change = drawn
    outcomes[change.kind, try_change(project, model, change)] += 1


def tables_of(project: Project) -> dict[str, str]:
    """Return the statements of all objects but Alembic's own table, by their names."""
    with closing(connect(project.path / "app.db")) as connection:
        rows = select(
            connection,
            "SELECT name, sql FROM sqlite_master"
            " WHERE sql <> '' AND name NOT IN ('alembic_version', 'sqlite_sequence')",
        )
    return dict(rows)


def prepare(project: Project, *statements: str) -> None:
    """Create a database."""
    with closing(connect(project.path / "app.db")) as connection:
        for statement in statements:
            connection.execute(statement)


def change(project: Project, body: str, **arguments: str) -> dict[str, str]:
    """Upgrade with a batch on the table `t`; return what there is then."""
    options = "".join(f", {name}={value}" for name, value in arguments.items())
    lines = indent(dedent(body).strip(), "    ")
    project.revision("changed", f'with op.batch_alter_table("t"{options}) as b:\n{lines}')
    project.upgrade()
    return tables_of(project)


BLOCKS = Path(__file__).with_name("rebuild.sql").read_text(encoding="utf-8").split("-- block: ")[1:]
CASES = [
    (block.partition("\n")[2], table)
    for block in BLOCKS
    for table in re.findall(r"CREATE TABLE (\w+)(?:(?!;;).)*extra INT", block, re.DOTALL)
]


def all_rows(project: Project) -> dict[str, dict[str, list[tuple[str, Any]]]]:
    """Return the values of all tables but Alembic's."""
    with closing(connect(project.path / "app.db")) as connection:
        tables = select(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name: rows_of(connection, name) for (name,) in tables if name != "alembic_version"}


@pytest.mark.parametrize("recreate", ["auto", "always"])
@pytest.mark.parametrize("is_generated", [False, True], ids=["by hand", "autogenerated"])
@pytest.mark.parametrize(("sql", "table"), CASES)
def test_a_column_goes_and_nothing_else(
    project: Project, sql: str, table: str, is_generated: bool, recreate: str
) -> None:
    prepare(project, *(part for part in sql.split(";;") if part.strip()))
    before, rows = tables_of(project), all_rows(project)
    if is_generated:
        (project.path / "migrations" / "env.py").write_text(ENV_WITHOUT_EXTRA.format(table=table))
        (project.path / "migrations" / "script.py.mako").write_text(SCRIPT)
        found = command.revision(project.config(), "extra", autogenerate=True)
        path = Path(cast(Script, found).path)
        text = path.read_text("utf-8")
        assert text.count("batch_op.drop_column('extra')") == 1
        path.write_text(text.replace("schema=None", f"recreate={recreate!r}"), "utf-8")
    else:
        body = f"with op.batch_alter_table({table!r}, recreate={recreate!r}) as b:"
        project.revision("changed", f"{body}\n    b.drop_column('extra')")

    project.upgrade()

    after = tables_of(project)
    assert re.sub(r",\s*extra INT", "", before.pop(table)) == after.pop(table)
    assert before == after
    del rows[table]["extra"]
    assert all_rows(project) == rows


ENV_WITHOUT_EXTRA = """
from alembic_guardrails import run_migrations
from alembic_guardrails.autogenerate.sqlite import extend_reflection
from sqlalchemy import MetaData, Table, create_engine, inspect

models = MetaData()
with create_engine("sqlite:///app.db").connect() as connection:
    extend_reflection(connection)
    for table in inspect(connection).get_table_names():
        columns = [column["name"] for column in inspect(connection).get_columns(table)]
        kept = [name for name in columns if (table, name) != ("{table}", "extra")]
        Table(table, models, autoload_with=connection, include_columns=kept)
run_migrations(target_metadata=models)
"""


@pytest.mark.parametrize(
    ("before", "operation", "after"),
    [
        (
            "a INT UNIQUE -- first\n, c TEXT",
            "b.alter_column('a', nullable=False)",
            "a INT NOT NULL UNIQUE -- first\n, c TEXT",
        ),
        ("a INT CONSTRAINT n NOT NULL", "b.alter_column('a', nullable=True)", "a INT"),
        ("a INT CONSTRAINT n NOT NULL", "b.drop_constraint('n')", "a INT"),
        ("a INT NULL", "b.alter_column('a', nullable=False)", "a INT NOT NULL"),
        ("a INT DEFAULT 1", "b.alter_column('a', server_default='x')", "a INT DEFAULT 'x'"),
        ("a INT DEFAULT (1) UNIQUE", "b.alter_column('a', server_default=None)", "a INT UNIQUE"),
        ("a", "b.alter_column('a', type_=sa.Text())", "a TEXT"),
        (
            "a TEXT COLLATE RTRIM",
            "b.alter_column('a', type_=sa.String(9, collation='NOCASE'))",
            'a VARCHAR(9) COLLATE "NOCASE"',
        ),
        (
            "a INT REFERENCES p CHECK (a>0) NOT DEFERRABLE, c INT",
            "b.add_column(sa.Column('n', sa.Integer, sa.CheckConstraint('n > 1')))",
            "a INT REFERENCES p CHECK (a>0) NOT DEFERRABLE, c INT, n INTEGER CHECK (n > 1)",
        ),
        (
            "a INT CONSTRAINT fk REFERENCES p CHECK (a>0) NOT DEFERRABLE",
            "b.drop_constraint('fk', type_='foreignkey')",
            "a INT CHECK (a>0)",
        ),
        (
            "a INT, UNIQUE (a) CONSTRAINT c CHECK (a > 1) CHECK (a > 2)",
            "b.drop_constraint('c', type_='check')",
            "a INT, UNIQUE (a) CHECK (a > 2)",
        ),
        (
            "a INT, e VARCHAR(1), CONSTRAINT ck CHECK (e IN ('x'))",
            "b.alter_column('e', type_=sa.Text(),"
            " existing_type=sa.Enum('x', name='ck', create_constraint=True))",
            "a INT, e TEXT",
        ),
        (
            "a INT",
            "b.add_column(sa.Column('e', sa.Enum('x', name='ck', create_constraint=True)))",
            "a INT, e VARCHAR(1), CONSTRAINT ck CHECK (e IN ('x'))",
        ),
        (
            "a INT PRIMARY KEY, c INT NOT NULL",
            "b.create_primary_key('pk', ['c'])",
            "a INT, c INT NOT NULL, CONSTRAINT pk PRIMARY KEY (c)",
        ),
        (
            "a INT, c TEXT, UNIQUE (a, c)",
            "b.alter_column('a', new_column_name='c')\nb.alter_column('c', new_column_name='a')",
            "c INT, a TEXT, UNIQUE (c, a)",
        ),
        (
            "a INT, c TEXT",
            "b.drop_column('a')\nb.alter_column('c', new_column_name='a')",
            "a TEXT",
        ),
        (
            "a INT, c TEXT",
            "b.alter_column('a', new_column_name='z', nullable=False)\n"
            "b.create_unique_constraint('one', ['a'])\n"
            "b.create_unique_constraint('two', ['z', 'c'])",
            'z INT NOT NULL, c TEXT, CONSTRAINT one UNIQUE ("z"), CONSTRAINT two UNIQUE (z, c)',
        ),
        # A name is that of the column that had it before the batch, as in Alembic.
        (
            "a INT, c TEXT",
            "b.alter_column('a', new_column_name='z')\nb.alter_column('c', new_column_name='a')\n"
            "b.drop_column('a')",
            "a TEXT",
        ),
        (
            "a INT, c TEXT",
            "b.alter_column('a', new_column_name='c', nullable=False)\n"
            "b.alter_column('c', new_column_name='a')\nb.create_unique_constraint('one', ['a'])",
            'c INT NOT NULL, a TEXT, CONSTRAINT one UNIQUE ("c")',
        ),
        (
            "a INT, c TEXT",
            "b.alter_column('a', new_column_name='z')\n"
            "b.create_index('mixed', ['a', sa.text('lower(c)')])",
            "z INT, c TEXT",
        ),
        (
            "a INT UNIQUE, e VARCHAR(1) CHECK (e IN ('x')), CONSTRAINT ck CHECK (a > 0)",
            "b.alter_column('e', new_column_name='z', type_=sa.Text(),"
            " existing_type=sa.Enum('x', name='named', create_constraint=True))",
            "a INT UNIQUE, z TEXT, CONSTRAINT ck CHECK (a > 0)",
        ),
        (
            "a INT, e TEXT",
            "b.alter_column('e', new_column_name='z', existing_type=sa.Text(),"
            " type_=sa.Enum('x', name='ck', create_constraint=True))",
            "a INT, z VARCHAR(1), CONSTRAINT ck CHECK (\"z\" IN ('x'))",
        ),
        ("a INT CHECK (t.a > 1), c", "b.drop_column('c')", "a INT CHECK (t.a > 1)"),
        (
            "a INT, c INT, CONSTRAINT one UNIQUE (c), CONSTRAINT two CHECK (a > c)",
            "b.drop_column('c')\nb.drop_constraint('one')\nb.drop_constraint('two')",
            "a INT",
        ),
        (
            "a INT, c INT CONSTRAINT one UNIQUE, CONSTRAINT two CHECK (a > 1)",
            "b.drop_constraint('two')\nb.create_check_constraint('two', 'a > 2')",
            "a INT, c INT CONSTRAINT one UNIQUE, CONSTRAINT two CHECK (a > 2)",
        ),
        (
            "a INT, c INT, PRIMARY KEY (a, c), UNIQUE (c), CHECK (c > 1), CHECK (a > 1)",
            "b.drop_column('c')",
            "a INT, PRIMARY KEY (a), CHECK (a > 1)",
        ),
    ],
)
def test_an_operation_edits_the_definition(
    project: Project, before: str, operation: str, after: str
) -> None:
    prepare(project, "CREATE TABLE p (id INTEGER PRIMARY KEY)", f"CREATE TABLE t ({before})")

    assert change(project, operation)["t"] == f"CREATE TABLE t ({after})"


def test_columns_are_put_in_order(project: Project) -> None:
    prepare(project, "CREATE TABLE t (a INT, c TEXT, d INT)", "INSERT INTO t VALUES (1, 'x', 2)")
    body = """
    b.add_column(sa.Column("first", sa.Text), insert_before="a")
    b.add_column(sa.Column("second", sa.Text), insert_after="a")
    """

    after = change(project, body, recreate="'always'", partial_reordering="[('d', 'c')]")

    assert after["t"] == "CREATE TABLE t (first TEXT, a INT, second TEXT, d INT, c TEXT)"
    with project.engine().connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM t").all() == [(None, 1, None, 2, "x")]


BY_PLACE = [
    "CREATE TRIGGER r AFTER INSERT ON x BEGIN INSERT INTO t VALUES (1, 'x', 2); END",
    "CREATE TRIGGER r AFTER INSERT ON x BEGIN REPLACE INTO T SELECT a, a, a FROM x; END",
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO y SELECT z.* FROM t AS z; END",
    "CREATE VIEW r (one, two, three) AS SELECT * FROM t",
    "CREATE VIEW r AS SELECT a FROM x WHERE (1, 'x', 2) IN t",
    "CREATE VIEW r AS SELECT a FROM x WHERE (1, 'x', 2) IN main.t",
]
BY_NAME = [
    "CREATE TRIGGER r AFTER INSERT ON x BEGIN INSERT INTO t (a) VALUES (1); END",
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO y VALUES (new.a, new.c, 2); END",
    "CREATE VIEW r AS SELECT t.a * 2 AS n, count(*) AS k FROM t WHERE EXISTS (SELECT * FROM t)",
]
MOVES = [
    ("pass", {"partial_reordering": "[('d', 'c')]"}),
    ("b.add_column(sa.Column('n', sa.Text), insert_before='d')", {}),
    ("b.drop_column('d')\nb.add_column(sa.Column('n', sa.Text))", {}),
]


def prepare_dependent(project: Project, dependent: str) -> None:
    """Create a database with a view or a trigger that names the table `t`."""
    tables = ("t (a INT, c TEXT, d INT)", "x (a INT)", "y (a INT, c TEXT, d INT)")
    prepare(project, *(f"CREATE TABLE {table}" for table in tables), dependent)


@pytest.mark.parametrize(("body", "arguments"), MOVES)
@pytest.mark.parametrize("dependent", BY_PLACE)
def test_no_column_takes_the_place_of_another(
    project: Project, dependent: str, body: str, arguments: dict[str, str]
) -> None:
    """Something that takes columns by their place would write or read another one."""
    prepare_dependent(project, dependent)
    before = tables_of(project)

    with pytest.raises(CommandError, match=r"^Table t cannot be changed: (trigger|view) r "):
        change(project, body, recreate="'always'", **arguments)

    assert tables_of(project) == before


@pytest.mark.parametrize(("body", "arguments"), MOVES)
@pytest.mark.parametrize("dependent", BY_NAME)
def test_a_column_that_is_named_can_move(
    project: Project, dependent: str, body: str, arguments: dict[str, str]
) -> None:
    prepare_dependent(project, dependent)

    assert change(project, body, recreate="'always'", **arguments)["r"] == dependent


def test_a_column_that_goes_takes_the_place_of_none(project: Project) -> None:
    prepare_dependent(project, "CREATE VIEW r AS SELECT * FROM t")

    after = change(project, "b.drop_column('c')", recreate="'always'")

    assert after["t"] == "CREATE TABLE t (a INT, d INT)"


CONVENTION = '{"uq": "uq_%(column_0_name)s", "fk": "fk_%(column_0_name)s_%(referred_table_name)s"}'
TABLE = """sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("e", sa.Text),
    sa.UniqueConstraint("a", name="uq_a"), sa.ForeignKeyConstraint(["a"], ["p.id"], name="fk_a_p"))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        {"naming_convention": CONVENTION},
        {"copy_from": TABLE},
        {
            "reflect_args": '[sa.UniqueConstraint("a", name="uq_a"),'
            ' sa.ForeignKeyConstraint(["a"], ["p.id"], name="fk_a_p")]'
        },
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_a_batch_names_what_has_no_name(project: Project, arguments: dict[str, str]) -> None:
    prepare(
        project,
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE t (a INT UNIQUE REFERENCES p, e TEXT UNIQUE COLLATE NOCASE)",
    )
    body = """
    b.alter_column("a", new_column_name="z")
    b.drop_constraint("uq_a", type_="unique")
    b.drop_constraint("fk_a_p")
    """

    after = change(project, body, **arguments)

    assert after["t"] == "CREATE TABLE t (z INT, e TEXT UNIQUE COLLATE NOCASE)"


@pytest.mark.parametrize(("unique", "is_said"), [("UNIQUE", True), ("CONSTRAINT c UNIQUE", False)])
def test_a_name_that_only_a_convention_makes(project: Project, unique: str, is_said: bool) -> None:
    """Alembic would have written the name by an earlier batch's convention into the table."""
    prepare(project, f"CREATE TABLE t (id INTEGER PRIMARY KEY, a INT NOT NULL {unique})")

    with pytest.raises(ValueError, match="No such constraint: 'uq_a'") as caught:
        change(project, 'b.drop_constraint("uq_a", type_="unique")')

    assert ("`naming_convention`" in str(caught.value)) is is_said


def test_arguments_of_the_new_table(project: Project) -> None:
    """A CHECK that Alembic would have to be told again is not there twice."""
    prepare(project, "CREATE TABLE t (a INTEGER PRIMARY KEY, c TEXT CHECK (c > ''), extra)")

    after = change(
        project,
        "b.drop_column('extra')",
        table_args="(sa.CheckConstraint(\"c > ''\"), sa.UniqueConstraint('c', name='uq'))",
        table_kwargs='{"sqlite_autoincrement": True, "sqlite_strict": True}',
    )

    assert after["t"] == (
        "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, c TEXT CHECK (c > ''),"
        " CONSTRAINT uq UNIQUE (c)) STRICT"
    )


@pytest.mark.parametrize(
    ("statements", "body", "arguments", "reason"),
    [
        ([], "b.drop_column('none')", {}, "Table t has no column none"),
        ([], "b.alter_column('id', type_=sa.BigInteger())", {}, "64 bits"),
        ([], "b.alter_column('a', type_=sa.Integer())", {}, "the value 'word' is no number"),
        (
            [
                "DROP TABLE t",
                "CREATE TABLE t (id INT PRIMARY KEY)",
                "INSERT INTO t VALUES (NULL)",
            ],
            "b.alter_column('id', type_=sa.Integer())",
            {},
            "would number the rows and is NULL in 1 of them",
        ),
        *(
            (
                ["CREATE VIRTUAL TABLE search USING fts5(a, content='t', content_rowid='id')"],
                body,
                {},
                "the virtual table search reads column a, so drop it in the revision first",
            )
            for body in ("b.drop_column('a')", "b.alter_column('a', new_column_name='z')")
        ),
        ([], "b.alter_column('r', type_=sa.Integer())", {}, "the value 1.5 is no whole number"),
        ([], "b.alter_column('big', type_=sa.Float())", {}, "9007199254740993 would be changed"),
        ([], "b.drop_column('v')", {}, "column w is computed from it"),
        ([], "b.drop_column('r')", {}, r"CHECK \(r < big\) names other columns"),
        ([], "b.alter_column('w', server_default='1')", {}, "column w is computed"),
        ([], "b.add_column(sa.Column('A', sa.Text))", {}, "has a column A already"),
        ([], "b.alter_column('a', new_column_name='big')", {}, "has a column big already"),
        ([], "b.drop_column('a')", {"schema": "'other'"}, "only main can be changed"),
        ([], "b.drop_column('a')", {"copy_from": "sa.Table('t', sa.MetaData())"}, "have column id"),
        ([], "b.drop_column('a')", {"reflect_args": "[sa.Column('z')]"}, "column z"),
        ([], "b.drop_column('a')", {"reflect_args": "[sa.Column('id', sa.Text)]"}, "type TEXT"),
        ([], "b.drop_column('a')", {"reflect_kwargs": "{'include_columns': ['a']}"}, "include_col"),
        ([], "b.drop_column('a')", {"table_args": "[sa.Index('i', 'a')]"}, "has a Index"),
        ([], "b.drop_column('a')", {"table_args": "[sa.CheckConstraint('1')]"}, "write them all"),
        ([], "b.drop_column('a')", {"table_kwargs": "{'prefixes': ['TEMP']}"}, "prefixes"),
        (["CREATE VIEW s AS SELECT a FROM t"], "b.drop_column('a')", {}, "view s names it"),
        (
            [
                "CREATE VIEW s (i, j, k, l, m, n) AS SELECT * FROM q",
                "CREATE VIEW q AS SELECT * FROM t",
            ],
            "b.drop_column('a')",
            {},
            "view s would no longer work",
        ),
        (["CREATE INDEX i ON t (id, a)"], "b.drop_column('a')", {}, "index i needs column a"),
        (
            ["CREATE TRIGGER g AFTER UPDATE OF a ON t BEGIN SELECT 1; END"],
            "b.drop_column('a')",
            {},
            "trigger g names it",
        ),
        (
            ["CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT old.a; END"],
            "b.drop_column('a')",
            {},
            "trigger g would no longer work",
        ),
        (
            ["CREATE TRIGGER g AFTER DELETE ON o BEGIN INSERT INTO t SELECT 1,2,3,4,5; END"],
            "b.add_column(sa.Column('n', sa.Text))",
            {},
            "trigger g would no longer work",
        ),
        (
            ["CREATE UNIQUE INDEX i ON t (a)", "CREATE TABLE c (x REFERENCES t (a))"],
            "b.drop_column('a')",
            {},
            "x of table c would refer to columns of table t that are no key",
        ),
        (
            ["CREATE VIEW broken AS SELECT * FROM missing"],
            "b.alter_column('a', new_column_name='z')",
            {},
            "SQLite cannot rename column a to z, error in view broken",
        ),
        (
            ['CREATE INDEX i ON t (a) WHERE a <> "n"'],
            "b.add_column(sa.Column('n', sa.Text))",
            {},
            'index i has the string "n"',
        ),
    ],
)
def test_what_would_lose_something_is_refused(
    project: Project, statements: list[str], body: str, arguments: dict[str, str], reason: str
) -> None:
    prepare(
        project,
        "CREATE TABLE o (x)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, r REAL, big INT, v INT,"
        " w AS (v + 1), CHECK (r < big))",
        "INSERT INTO t VALUES (1, 'word', 1.5, 9007199254740993, 2)",
        *statements,
    )
    prepared = everything(project.path / "app.db")

    with pytest.raises(CommandError, match=reason):
        change(project, body, **arguments)

    check_unchanged(project.path / "app.db", prepared)


@pytest.mark.parametrize(
    "body",
    [
        """
        with op.batch_alter_table("t") as b:
            b.drop_constraint("pk", type_="primary")
        with op.batch_alter_table("t") as b:
            b.create_unique_constraint("u", ["a"])
        """,
        """
        with op.batch_alter_table("t") as b:
            b.drop_constraint("pk", type_="primary")
            b.create_index("u", ["a"], unique=True)
        """,
        """
        with op.batch_alter_table("t") as b:
            b.drop_constraint("pk", type_="primary")
        with op.batch_alter_table("c") as b:
            b.drop_constraint("fk", type_="foreignkey")
        """,
    ],
)
def test_a_key_can_be_another_one_afterwards(project: Project, body: str) -> None:
    """A foreign key does not have to refer to a key between two operations."""
    prepare(
        project,
        "CREATE TABLE t (a TEXT NOT NULL, b INT, CONSTRAINT pk PRIMARY KEY (a))",
        "CREATE TABLE c (x TEXT, CONSTRAINT fk FOREIGN KEY (x) REFERENCES t (a))",
        "INSERT INTO t VALUES ('one', 1)",
        "INSERT INTO c VALUES ('one')",
    )
    project.revision("changed", dedent(body).strip())

    project.upgrade()

    with closing(connect(project.path / "app.db")) as connection:
        assert select(connection, "PRAGMA foreign_key_check") == []
        assert select(connection, "SELECT * FROM t") == [("one", 1)]


@pytest.mark.parametrize(
    ("name", "reason"), [("t", "it is virtual"), ("t_content", "it is a part of a virtual table")]
)
def test_virtual_tables_are_refused(project: Project, name: str, reason: str) -> None:
    prepare(project, "CREATE VIRTUAL TABLE t USING fts5(a, c)")
    body = f"with op.batch_alter_table({name!r}) as b:\n    b.drop_column('c0')"
    project.revision("changed", body)

    with pytest.raises(CommandError, match=reason):
        project.upgrade()


def test_a_keyword_names_no_column(project: Project) -> None:
    prepare(
        project,
        "CREATE TABLE t (\"select\" INT, 'not' INT, a INT CHECK (a IS NOT NULL))",
        "CREATE VIEW v AS SELECT a FROM t",
    )

    after = change(project, "b.drop_column('select')\nb.drop_column('not')")

    assert after["t"] == "CREATE TABLE t (a INT CHECK (a IS NOT NULL))"


def test_a_key_that_goes_along_is_named(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    prepare(project, "CREATE TABLE t (a, c, UNIQUE (a, c))")

    change(project, "b.drop_column('c')")

    assert "Table t: UNIQUE (a, c) goes with column c" in caplog.messages


def test_numbers_of_rows_and_statistics_stay(project: Project) -> None:
    prepare(
        project,
        "CREATE TABLE t (a TEXT UNIQUE ON CONFLICT REPLACE, c)",
        "INSERT INTO t (rowid, a) VALUES (5, 'x'), (7, 'y')",
        "CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT, c)",
        "INSERT INTO n VALUES (9, 1)",
        "DELETE FROM n",
        "ANALYZE",
    )
    body = 'with op.batch_alter_table("n", recreate="always"): pass'
    project.revision("numbers", body)
    project.revision("changed", body.replace('"n"', '"t"'), down="numbers")

    project.upgrade()

    with project.engine().connect() as connection:
        assert connection.exec_driver_sql("SELECT rowid FROM t").scalars().all() == [5, 7]
        assert connection.exec_driver_sql("SELECT * FROM sqlite_sequence").all() == [("n", 9)]
        statistics = connection.exec_driver_sql("SELECT * FROM sqlite_stat1 ORDER BY tbl").all()
        assert ("t", "sqlite_autoindex_t_1", "2 1") in statistics


def test_a_batch_outside_of_a_transaction(project: Project) -> None:
    prepare(project, "CREATE TABLE t (a, c)", "INSERT INTO t VALUES (1, NULL)")
    project.revision(
        "changed",
        """
        with op.get_context().autocommit_block():
            with op.batch_alter_table("t") as b:
                b.drop_column("a")
                b.alter_column("c", nullable=False)
        """,
    )

    with pytest.raises(IntegrityError):
        project.upgrade()

    assert tables_of(project) == {"t": "CREATE TABLE t (a, c)"}


def test_an_async_driver(project: Project) -> None:
    prepare(project, "CREATE TABLE t (a UNIQUE, c)", "INSERT INTO t VALUES (x'ff', 2)")
    body = 'with op.batch_alter_table("t") as b:\n    b.alter_column("c", type_=sa.Text())'
    project.revision("changed", body)
    config = project.config()

    async def upgrade() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{project.path / 'app.db'}")
        async with engine.connect() as connection:
            await connection.run_sync(run)
        await engine.dispose()

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    asyncio.run(upgrade())

    assert tables_of(project) == {"t": "CREATE TABLE t (a UNIQUE, c TEXT)"}
    assert all_rows(project)["t"]["c"] == [("text", "2")]


def test_offline_sql_is_alembics(project: Project) -> None:
    project.revision("changed", 'with op.batch_alter_table("t") as b:\n    b.drop_column("a")')

    with pytest.raises(CommandError, match="cannot proceed in --sql mode"):
        command.upgrade(project.config(), "head", sql=True)


def test_offline_sql_with_copy_from_is_alembics(project: Project) -> None:
    copied = 'sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("c", sa.Text))'
    body = f'with op.batch_alter_table("t", copy_from={copied}) as b:\n    b.drop_column("a")'
    project.revision("changed", body)
    config = project.config()

    command.upgrade(config, "head", sql=True)

    assert "CREATE TABLE _alembic_tmp_t" in cast(StringIO, config.output_buffer).getvalue()


def test_comments_stay_with_their_columns(project: Project) -> None:
    definition = """CREATE TABLE t (
      id INTEGER, -- the number
      extra INT, -- extra, (
      a TEXT, /* 'a' */
      more INT -- more
    )"""
    prepare(project, definition)

    after = change(project, 'b.drop_column("extra")\nb.drop_column("more")')

    assert (
        after["t"]
        == """CREATE TABLE t (
      id INTEGER, -- the number
      a TEXT /* 'a' */
    )"""
    )


def test_plan_shows_only_what_changes_the_table(project: Project) -> None:
    project.revision("made", 'op.execute("CREATE TABLE t (a INT UNIQUE, c INT)")')
    project.upgrade()
    body = 'with op.batch_alter_table("t") as b:\n    b.drop_column("c")'
    project.revision("changed", body, down="made")
    config = project.config()

    plan(config)

    printed = cast(StringIO, config.stdout).getvalue()
    assert '1. ALTER TABLE "t" DROP COLUMN "c"' in printed
    assert "PRAGMA" not in printed


def test_other_contexts_of_the_process_are_left_alone(project: Project) -> None:
    """A program may use Alembic's operations itself."""
    prepare(project, "CREATE TABLE t (a INT UNIQUE, c INT)")
    change(project, "b.drop_column('c')")
    with project.engine().connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("t", recreate="always"):
            pass

        definition = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = 't'"))

    assert definition != "CREATE TABLE t (a INT UNIQUE)"
