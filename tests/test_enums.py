"""Enums of PostgreSQL in revisions of autogenerate: types come and go with what needs them."""

import io
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.operations.ops import ExecuteSQLOp, MigrateOperation
from alembic.util import CommandError
from alembic_guardrails import Driver
from alembic_guardrails.autogenerate.enums import write_types
from column_cases import changes, context_for, run_revision, write_revision
from legacy import dump
from servers import Server
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


# --- Revisions of random models, one after the other ---------------------------------------------

SCRIPT = """
import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = depends_on = None

def upgrade():
    ${upgrades if upgrades else "pass"}

def downgrade():
    ${downgrades if downgrades else "pass"}
"""
ENV = """
from alembic import context
from alembic_guardrails import run_migrations
run_migrations(context.config.attributes["models"])
"""
DRIVER = Driver("postgresql+psycopg", ("postgresql",))
INI = f"""
[alembic]
script_location = %(here)s/migrations
sqlalchemy.url = postgresql+psycopg://postgres@localhost/app
[guardrails]
driver = {__name__}:DRIVER
models = guardrails.minimal:Base
"""

# The enums: name, schema, values, and whether revisions create them.
ENUMS: dict[str, tuple[str | None, tuple[str, ...], bool]] = {
    "kind": (None, ("a", "b"), True),
    "Odd kind": (None, ("it's", "a", ":x", "50%"), True),
    "mood": ("apart", ("a",), True),
    "found": (None, ("a", "z"), False),
}


class History:
    """An environment of Alembic, its revisions, and a database that they are for."""

    def __init__(self, folder: Path, connection: Connection) -> None:
        self.folder, self.connection = folder, connection
        self.models = sa.MetaData()
        (folder / "migrations" / "versions").mkdir(parents=True)
        for name, text in (("env.py", ENV), ("script.py.mako", SCRIPT)):
            (folder / "migrations" / name).write_text(text, encoding="utf-8")
        (folder / "alembic.ini").write_text(INI, encoding="utf-8")

    def config(self, *, is_online: bool = True) -> Config:
        """Return Alembic's settings; SQL goes into `output_buffer`."""
        attributes: dict[str, Any] = {"configure_logger": False, "models": self.models}
        if is_online:
            attributes["connection"] = self.connection
        return Config(
            str(self.folder / "alembic.ini"),
            stdout=io.StringIO(),
            output_buffer=io.StringIO(),
            cmd_opts=Namespace(x=None),
            attributes=attributes,
        )

    def write(self) -> str:
        """Write the revision of what is new in the models; return it."""
        script: Any = command.revision(self.config(), autogenerate=True)
        return Path(script.path).read_text("utf-8")

    def dump(self) -> list[str]:
        """Return what pg_dump writes, without the order of columns."""
        self.connection.commit()
        lines = dump(self.connection.engine.url).splitlines()
        return sorted(line.rstrip(",") for line in lines if not line.startswith("COPY "))

    def types(self) -> set[str]:
        """Return the names of the enums in the database."""
        return {*self.connection.scalars(TYPES)}


@pytest.fixture
def history(tmp_path: Path, connection: Connection) -> History:
    """A history without revisions, beside a type and a schema that are there already."""
    connection.execute(sa.text("CREATE SCHEMA apart"))
    connection.execute(sa.text("CREATE TYPE found AS ENUM ('a', 'z')"))
    connection.commit()
    return History(tmp_path, connection)


def random_type(random: Random, is_many: bool) -> sa.types.TypeEngine[Any]:
    """Return the type of a column: an enum written in one of many ways, or text."""
    name = random.choice([*ENUMS, ""])
    if not name:
        return postgresql.ARRAY(sa.Text) if is_many else random.choice([sa.Text(), sa.String(9)])
    schema, values, is_made = ENUMS[name]
    enum: Any = postgresql.ENUM(*values, name=name, schema=schema, create_type=is_made)
    if random.random() < 0.5:
        enum = sa.Enum(*values, name=name, schema=schema, create_type=is_made)
    if is_many:
        enum = random.choice([sa.ARRAY, postgresql.ARRAY])(enum)
    elif random.random() < 0.2:
        enum = sa.Text().with_variant(enum, "postgresql")
    return enum  # type: ignore[no-any-return]


def random_models(random: Random, before: sa.MetaData) -> sa.MetaData:
    """Return models in which much is as before, and something is new."""
    models = sa.MetaData()
    # Autogenerate looks only into schemas that models are in.
    sa.Table("anchor", models, sa.Column("id", sa.Integer, primary_key=True), schema="apart")
    for schema, name in ((None, "t"), (None, "Odd u"), ("apart", "v")):
        old = before.tables.get(f"{schema}.{name}" if schema else name)
        if random.random() < (0.3 if old is not None else 0.4):
            continue
        columns = [sa.Column("id", sa.Integer, primary_key=True)]
        for column in ("s1", "s 2", "m1", "m2"):
            is_many = column.startswith("m")
            kept = old.columns.get(column) if old is not None else None
            if random.random() < 0.3:
                continue
            type_, default = random_type(random, is_many), random.choice([None, "a"])
            if kept is not None and random.random() < 0.6:
                type_, default = kept.type.copy(), getattr(kept.server_default, "arg", None)
                default = default and "a"
                if not getattr(kept.type, "create_type", True):
                    type_ = kept.type  # SQLAlchemy's copy forgets it
            if default and is_many:
                default = "{a}"
            columns.append(sa.Column(column, type_, server_default=default))
        sa.Table(name, models, *columns, schema=schema)
    return models


def types_of(models: sa.MetaData) -> set[str]:
    """Return the names of the enums of models."""
    found: set[str] = set()
    for table in models.tables.values():
        for column in table.columns:
            type_: Any = column.type
            type_ = type_._variant_mapping.get("postgresql", type_)
            found.add(getattr(getattr(type_, "item_type", type_), "name", ""))
    return found - {""}


def fill(connection: Connection, models: sa.MetaData) -> None:
    """Insert a row into each table, so that a change of type has something to change."""
    for table in models.tables.values():
        columns = [column for column in table.columns if column.name != "id"]
        names = ", ".join(["id", *(f'"{column.name}"' for column in columns)])
        values = ["1", *("'{a}'" if column.name.startswith("m") else "'a'" for column in columns)]
        full_name = f'"{table.schema or "public"}"."{table.name}"'
        connection.exec_driver_sql(
            f"DELETE FROM {full_name}; INSERT INTO {full_name} ({names})"
            f" VALUES ({', '.join(values)})"
        )
    connection.commit()


def empty(connection: Connection, models: sa.MetaData) -> None:
    """Delete the rows, which a dump would have."""
    for table in models.tables.values():
        connection.execute(table.delete())
    connection.commit()


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=() if n < 3 else pytest.mark.sweep) for n in range(60)]
)
@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_random_models(history: History, server: Callable[[str], Server], number: int) -> None:
    random = Random(number)
    first = history.dump()
    for _ in range(6):
        before, models = history.dump(), history.models
        fill(history.connection, models)
        history.models = random_models(random, models)
        source = history.write()
        command.upgrade(history.config(), "head")
        command.check(history.config())
        assert history.types() == types_of(history.models) | {"found"}, source
        empty(history.connection, history.models)
        after = history.dump()
        fill(history.connection, history.models)
        command.downgrade(history.config(), "-1")
        empty(history.connection, models)
        assert history.dump() == before, source
        command.upgrade(history.config(), "head")
        empty(history.connection, history.models)
        assert history.dump() == after, source
    offline = history.config(is_online=False)
    command.upgrade(offline, "head", sql=True)
    command.downgrade(history.config(), "base")
    assert history.dump() == first
    command.upgrade(history.config(), "head")
    assert history.dump() == after
    with another(server, history) as other:
        assert isinstance(offline.output_buffer, io.StringIO)
        other.connection.connection.cursor().execute(offline.output_buffer.getvalue())
        assert other.dump() == after


@contextmanager
def another(server: Callable[[str], Server], history: History) -> Iterator[History]:
    """Yield the history with another database that is as the first one was."""
    with server("postgresql").scratch_database() as url:
        engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            connection.execute(sa.text("CREATE SCHEMA apart"))
            connection.execute(sa.text("CREATE TYPE found AS ENUM ('a', 'z')"))
            connection.commit()
            other = History.__new__(History)
            other.connection, other.models = connection, history.models
            yield other
        engine.dispose()


# --- What a revision leaves alone, or refuses ----------------------------------------------------


def models_with(**types: Any) -> sa.MetaData:
    """Return models of a table for each type, and of one beside them."""
    models = sa.MetaData()
    sa.Table("anchor", models, sa.Column("id", sa.Integer, primary_key=True))
    for name, type_ in types.items():
        columns = sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", type_)
        sa.Table(f"t_{name}", models, *columns)
    return models


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_other_values_are_refused(history: History) -> None:
    """Autogenerate cannot give one type two sets of values."""
    history.models = models_with(t=sa.Enum("a", "b", name="kind"))
    history.write()
    command.upgrade(history.config(), "head")
    history.models = models_with(t=sa.Enum("a", "b", name="kind"), u=sa.Enum("b", "a", name="kind"))
    assert "CREATE TYPE" not in history.write()  # an order is no other set
    command.upgrade(history.config(), "head")

    history.models = models_with(v=sa.Enum("a", "c", name="kind"))
    with pytest.raises(CommandError, match=r"kind has the values a, b, and .* asks for a, c: "):
        history.write()
    history.models = models_with(
        v=sa.Enum("a", name="fresh"), w=postgresql.ARRAY(sa.Enum("b", name="fresh"))
    )
    with pytest.raises(CommandError, match=r"fresh has the values a, and .* asks for b: "):
        history.write()


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_what_is_needed_stays(history: History) -> None:
    """A type goes with its table only if nothing else has it, and a revision has created it."""
    enums = {name: sa.Enum("a", name=name) for name in ("d", "f", "c", "k", "gone")}
    history.models = models_with(**enums, found=sa.Enum("a", "z", name="found"))
    history.write()
    command.upgrade(history.config(), "head")
    for statement in (
        "CREATE DOMAIN narrow AS d",
        "CREATE FUNCTION same(f) RETURNS f LANGUAGE SQL AS 'SELECT $1'",
        "CREATE TYPE pair AS (one c, other c[])",
        "ALTER TABLE anchor ADD CONSTRAINT k CHECK (id > 0 OR CAST('a' AS k) = 'a')",
        # What goes with the column does not hold the type.
        "CREATE INDEX ON t_gone (id) WHERE value = 'a'",
        "ALTER TABLE t_gone ADD CHECK (value = 'a')",
        "ALTER TABLE t_gone ALTER value SET DEFAULT 'a'",
    ):
        history.connection.execute(sa.text(statement))
    before = history.dump()

    history.models = models_with()
    source = history.write()
    command.upgrade(history.config(), "head")
    assert history.types() == {"c", "d", "f", "found", "k"}, source
    command.downgrade(history.config(), "-1")
    assert history.dump() == before


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_a_value_that_does_not_fit_stops_the_upgrade(history: History) -> None:
    history.models = models_with(t=sa.Text())
    history.write()
    command.upgrade(history.config(), "head")
    history.connection.execute(sa.text("INSERT INTO t_t VALUES (1, 'x')"))
    history.connection.commit()
    history.models = models_with(t=sa.Enum("a", name="kind"))
    history.write()

    with pytest.raises(sa.exc.DBAPIError, match='invalid input value for enum kind: "x"'):
        command.upgrade(history.config(), "head")
    history.connection.rollback()
    assert history.types() == {"found"}


@pytest.mark.parametrize("connection", ["postgresql"], indirect=True)
def test_operations_of_a_plugin(connection: Connection) -> None:
    """A type that a plugin's operation is about is left to it."""

    class CreateEnumOp(MigrateOperation):
        def __init__(self) -> None:
            self.name = "theirs"

    types = {"t": sa.Enum("a", name="theirs"), "u": sa.Enum("a", name="ours")}
    script = produce_migrations(context_for(connection, models_with(**types)), models_with(**types))
    assert script.upgrade_ops is not None
    script.upgrade_ops.ops.insert(0, CreateEnumOp())
    write_types(script, context_for(connection, models_with(**types)))

    made = [op.sqltext for op in script.upgrade_ops.ops if isinstance(op, ExecuteSQLOp)]
    assert made == ["CREATE TYPE ours AS ENUM ('a')"]
