"""The names of what revisions leave unnamed, and of what differs in its name only."""

import enum
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic_guardrails import snapshot
from alembic_guardrails._alembic import find_convention_names
from alembic_guardrails.autogenerate.rewrite import leave_names, tidy
from alembic_guardrails.history.read import AS_WRITTEN, HEADER, parse_ids, read_ids, write_ids
from alembic_guardrails.offline.recorder import Recorder
from alembic_guardrails.schema.compare import rename_alike
from column_cases import context_for, upgrade
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.sql.naming import conv
from sqlalchemy.types import TypeDecorator

from .conftest import Project
from .offline_revisions import offline_context, write_script

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
ENV = f"""
from alembic_guardrails import run_migrations
from sqlalchemy import MetaData

run_migrations(target_metadata=MetaData(naming_convention={CONVENTION!r}))
"""

# The history file.


def test_a_new_file_lists_nothing_that_the_convention_completes(tmp_path: Path) -> None:
    write_ids(tmp_path, ["a", "b"])

    assert read_ids(tmp_path).conventional == ()


@pytest.mark.parametrize("title", [HEADER, "# The revisions in upgrade order. After a conflict: x"])
def test_an_older_file_lists_what_the_convention_completes(tmp_path: Path, title: str) -> None:
    (tmp_path / "history.txt").write_text(f"{title}\na\nb\n", "utf-8")
    assert read_ids(tmp_path).conventional == ("a", "b")

    write_ids(tmp_path, ["a", "b", "c"])
    write_ids(tmp_path, ["a", "b", "c", "d"])

    text = (tmp_path / "history.txt").read_text("utf-8")
    assert text == "\n".join((HEADER, "a", "b", AS_WRITTEN, "c", "d", ""))


def test_a_file_without_a_header_was_written_by_hand() -> None:
    assert parse_ids("a\nb\n").conventional == ()


IDS = st.lists(st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), unique=True)


@given(older=IDS, newer=IDS)
def test_a_written_file_keeps_its_line(older: list[str], newer: list[str]) -> None:
    newer = [revision for revision in newer if revision not in older]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "history.txt").write_text("\n".join((HEADER, *older, AS_WRITTEN)), "utf-8")
        write_ids(folder, [*older, *newer])

        assert read_ids(folder)[:2] == ((*older, *newer), True)
        assert read_ids(folder).conventional == (*older,)


# Revisions while they run.

UPGRADE = """
op.create_table(
    "t",
    sa.Column("n", sa.Integer, unique=True),
    sa.Column("m", sa.Integer, index=True),
    sa.Column("kind", sa.Enum("a", name="kind", native_enum=False, create_constraint=True)),
    sa.CheckConstraint("n > 0", name="positive"),
    sa.CheckConstraint("n > 1", name=op.f("ck_t_final")),
)
"""
AS_IT_STANDS = {"positive", "kind", "ck_t_final", "ix_t_m"}
COMPLETED = {"ck_t_positive", "ck_t_kind", "ck_t_final", "uq_t_n", "ix_t_m"}


@pytest.fixture
def named(project: Project) -> Project:
    """An environment with a naming convention, and a revision that leaves names out."""
    (project.path / "migrations" / "env.py").write_text(ENV, "utf-8")
    project.revision("a", UPGRADE, "op.drop_index('ix_t_m', 't')\nop.drop_table('t')")
    return project


def names_in(project: Project) -> set[str]:
    """Return the names of constraints and indexes in the table."""
    with project.engine().connect() as connection:
        inspector = sa.inspect(connection)
        found = [
            *inspector.get_check_constraints("t"),
            *inspector.get_unique_constraints("t"),
            *inspector.get_indexes("t"),
        ]
    return {str(each["name"]) for each in found if each["name"]}


def test_a_revision_has_the_names_that_it_writes(named: Project) -> None:
    named.upgrade()

    assert names_in(named) == AS_IT_STANDS
    command.downgrade(named.config(), "base")


def test_a_revision_of_before_has_the_names_of_the_convention(named: Project) -> None:
    (named.versions / "history.txt").write_text(f"{HEADER}\na\n", "utf-8")

    named.upgrade()

    assert names_in(named) == COMPLETED


@pytest.mark.parametrize("header", ["", HEADER])
def test_names_in_offline_mode(named: Project, header: str) -> None:
    (named.versions / "history.txt").write_text(f"{header}\na\n", "utf-8")
    config = named.config(sql=True)
    assert isinstance(config.output_buffer, StringIO)

    command.upgrade(config, "head", sql=True)

    assert ("CONSTRAINT uq_t_n UNIQUE" in config.output_buffer.getvalue()) == bool(header)


def test_names_in_what_a_moved_revision_lacks(named: Project) -> None:
    """The same as in a database that has run nothing yet."""
    lacking = named.versions / "a.py"
    text = lacking.read_text("utf-8")
    lacking.unlink()
    first = named.revision("b", "pass")
    named.upgrade()
    first.unlink()
    lacking.write_text(text, "utf-8")
    second = named.revision("c", "pass", down="a")
    second.write_text(second.read_text("utf-8") + 'moved_from = {"b": None}\n', "utf-8")

    named.upgrade("a")

    assert names_in(named) == AS_IT_STANDS
    command.downgrade(named.config(), "base")


def test_the_models_keep_their_convention(named: Project) -> None:
    """A revision sees the tables of the models; afterwards they have their convention again."""
    named.revision(
        "b",
        "models = op.get_context().opts['target_metadata']\n"
        "assert models.naming_convention['ix'] == 'ix_%(column_0_label)s'",
        down="a",
    )
    env = f"{ENV}\nfrom alembic import context\n"
    env += "models = context.get_context().opts['target_metadata']\n"
    env += "assert models.naming_convention['pk'] == 'pk_%(table_name)s'\n"
    (named.path / "migrations" / "env.py").write_text(env, "utf-8")

    named.upgrade()


def test_lint_sees_the_names_that_a_revision_writes(tmp_path: Path) -> None:
    context = offline_context("sqlite")
    context.opts["target_metadata"] = sa.MetaData(naming_convention=CONVENTION)
    body = "op.create_table('t', sa.Column('n', sa.Integer, unique=True))"
    text = f"import sqlalchemy as sa\nfrom alembic import op\n\n\ndef upgrade():\n    {body}\n"

    recording = Recorder(context).record_upgrade(write_script(tmp_path, text))

    assert "UNIQUE (n)" in recording.sql
    assert "uq_t_n" not in recording.sql


# What autogenerate writes.


class Kind(enum.Enum):
    """Values of a column."""

    A = "a"
    B = "b"


class Decorated(TypeDecorator[Any]):
    """A type whose stored type has a check."""

    impl = sa.Enum(Kind, name="decorated", native_enum=False, create_constraint=True)
    cache_ok = True


def found(connection: sa.Connection, models: sa.MetaData) -> list[Any]:
    """Return what `alembic check` finds."""
    context = context_for(connection, models)
    script = produce_migrations(context, models)
    tidy(context, None, [script])
    assert script.upgrade_ops
    return [
        change
        for each in script.upgrade_ops.as_diffs()
        for change in (each if isinstance(each, list) else [each])
    ]


def random_models(random: Random, convention: dict[str, str] | None) -> sa.MetaData:
    """Return models of two tables with all kinds of constraints."""
    metadata = sa.MetaData(naming_convention=convention)
    sa.Table("p", metadata, sa.Column("id", sa.Integer, primary_key=True))
    types: dict[str, Callable[[], Any]] = {
        "integer": sa.Integer,
        "enum": lambda: sa.Enum(Kind, native_enum=False, create_constraint=True),
        "named": lambda: sa.Enum("x", "y", name="named", native_enum=False, create_constraint=True),
        "native": lambda: sa.Enum("x", name="native", create_constraint=True),
        "plain": lambda: sa.Enum("x", name="plain"),
        "boolean": lambda: sa.Boolean(create_constraint=True, name="truth"),
        "decorated": Decorated,
    }
    columns: list[sa.Column[Any]] = [
        sa.Column(
            name,
            types[name](),
            unique=random.random() < 0.3 or None,
            index=random.random() < 0.3 or None,
        )
        for name in sorted(types)
        if name == "integer" or random.random() < 0.7
    ]
    columns.append(sa.Column("p_id", sa.ForeignKey("p.id"), unique=random.random() < 0.3 or None))
    table = sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
    table.append_constraint(sa.CheckConstraint("integer > 0", name="positive"))
    table.append_constraint(sa.UniqueConstraint("integer", "p_id"))
    sa.Index(None if convention else "ix_t_p_id_id", table.c.p_id, table.c.id)
    return metadata


@pytest.mark.parametrize("seed", range(30))
def test_a_new_revision_makes_the_names_of_the_models(seed: int) -> None:
    models = random_models(Random(seed), CONVENTION)
    with sa.create_engine("sqlite://").connect() as connection:
        models.create_all(connection)
        expected = snapshot(connection)
    with sa.create_engine("sqlite://").connect() as connection:
        text = upgrade(connection, models)

        assert snapshot(connection) == expected, text


@pytest.mark.parametrize("seed", range(30))
def test_names_alone_are_no_change(seed: int) -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        random_models(Random(seed), None).create_all(connection)

        assert not found(connection, random_models(Random(seed), CONVENTION))


def test_the_check_of_a_type_that_a_column_gets(project: Project) -> None:
    models = sa.MetaData(naming_convention=CONVENTION)
    kind = sa.Enum(Kind, native_enum=False, create_constraint=True, length=20)
    sa.Table("t", models, sa.Column("kind", kind))
    with sa.create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (kind VARCHAR(9))")

        assert "name=op.f('ck_t_kind')" in upgrade(connection, models)


def with_unique(name: str | None, columns: list[str], **options: Any) -> sa.MetaData:
    """Return models of one table with a unique constraint, or with an index if options say so."""
    metadata = sa.MetaData(naming_convention=CONVENTION)
    table = sa.Table("t", metadata, *(sa.Column(column, sa.Integer) for column in "abc"))
    if options:
        sa.Index(name, *(table.c[column] for column in columns), **options)
    else:
        table.append_constraint(sa.UniqueConstraint(*columns, name=name))
    return metadata


@pytest.mark.parametrize("options", [{}, {"unique": True}, {"unique": False}])
def test_what_is_more_than_a_name_is_a_change(options: dict[str, bool]) -> None:
    def find(name: str | None, *columns: str, **changed: bool) -> list[Any]:
        with sa.create_engine("sqlite://").connect() as connection:
            upgrade(connection, with_unique("other", ["a", "b"], **options))
            after = with_unique(name, [*columns], **(options | changed))
            return found(connection, after)

    assert not find(None, "a", "b")
    assert len(find("mine", "a", "b")) == 2  # a name that the model gives
    assert len(find(None, "a", "c")) == 2
    assert len(find(None, "a")) == 2
    if options:
        assert len(find(None, "a", "b", unique=not options["unique"])) == 2


@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("options", [{}, {"unique": True}])
def test_a_downgrade_is_the_upgrade_taken_back(name: str | None, options: dict[str, bool]) -> None:
    """Nothing but a name of the convention in neither, and a name that the model gives in both."""
    with sa.create_engine("sqlite://").connect() as connection:
        upgrade(connection, with_unique("other", ["a", "b"], **options))
        models = with_unique(name, ["a", "b"], **options)
        context = context_for(connection, models)
        script = produce_migrations(context, models)
        tidy(context, None, [script])

        changes = [script.upgrade_ops, script.downgrade_ops]

    counts = [len(each.as_diffs()) for each in changes if each is not None]
    assert counts == ([2, 2] if name else [0, 0])


@pytest.mark.parametrize("name", [None, "mine"])
def test_unique_of_mysql_in_both_directions(name: str | None) -> None:
    """What the database reads as an index is a constraint in the models."""
    models = with_unique(name, ["a", "b"])
    [unique] = [each for each in models.tables["t"].constraints if each.name in ("uq_t_a_b", name)]
    create = ops.AddConstraintOp.from_constraint(unique)
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))
    read = sa.Index(conv("a"), table.c.a, table.c.b, unique=True)
    drop = ops.DropIndexOp.from_index(read)
    context = offline_context("mysql")

    for pair in ([drop, create], [create.reverse(), drop.reverse()]):
        assert leave_names(pair, context) == (pair if name else [])


def test_a_check_is_compared_by_the_name_without_the_convention() -> None:
    models = sa.MetaData(naming_convention=CONVENTION)
    sa.Table("t", models, sa.Column("n", sa.Integer), sa.CheckConstraint("n > 0", name="positive"))
    drop = ops.DropConstraintOp("positive", "t", type_="check")
    other = ops.DropConstraintOp("negative", "t", type_="check")
    [check] = [each for each in models.tables["t"].constraints if each.name == "ck_t_positive"]
    create = ops.AddConstraintOp.from_constraint(check)
    with sa.create_engine("sqlite://").connect() as connection:
        context = context_for(connection, models)

        assert leave_names([drop, create], context) == []
        assert leave_names([other, create], context) == [other, create]


# What drift says.

TABLE = "table t"


def models_for_drift() -> sa.MetaData:
    """Return models whose names are by the convention, but for one index."""
    metadata = sa.MetaData(naming_convention=CONVENTION)
    table = sa.Table(
        "t",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("n", sa.Integer, sa.ForeignKey("t.id"), unique=True),
        sa.CheckConstraint("n > 0", name="positive"),
    )
    sa.Index("mine", table.c.n)
    return metadata


BY_RULES = [
    ("postgresql", "uq_t_n", "t_n_key", "UNIQUE (n)"),
    ("postgresql", "fk_t_n_t", "t_n_fkey", "FOREIGN KEY (n) REFERENCES t(id)"),
    ("postgresql", "pk_t", "t_pkey", "PRIMARY KEY (id)"),
    ("postgresql", "ck_t_positive", "positive", "CHECK ((n > 0))"),
    ("mysql", "uq_t_n", "n", "UNIQUE KEY `{name}` (`n`)"),
    ("mysql", "uq_t_n", "n_2", "UNIQUE KEY `{name}` (`n`)"),
    (
        "mysql",
        "fk_t_n_t",
        "t_ibfk_1",
        "CONSTRAINT `{name}` FOREIGN KEY (`n`) REFERENCES `t` (`id`)",
    ),
    ("mysql", "ck_t_positive", "positive", "CONSTRAINT `{name}` CHECK (`n` > 0)"),
    ("sqlite", "uq_t_n", "unique (n)", "unique (n)"),
    ("sqlite", "pk_t", "primary key (id)", "primary key (id)"),
]
NOT_BY_RULES = [
    ("postgresql", "uq_t_n", "renamed", "UNIQUE (n)"),
    ("postgresql", "mine", "t_n_idx", "CREATE INDEX {name} ON public.t USING btree (n)"),
    ("postgresql", "other", "t_n_key", "UNIQUE (n)"),
    ("mysql", "uq_t_n", "m", "UNIQUE KEY `{name}` (`n`)"),
    ("mysql", "mine", "n", "KEY `{name}` (`n`)"),
    ("sqlite", "uq_t_n", "renamed", "unique (n)"),
]


def schema_with(name: str, definition: str) -> dict[str, str]:
    """Return a schema with one object."""
    kind = "index" if "KEY `" in definition or "INDEX" in definition else "constraint"
    return {f"{kind} {name} on {TABLE}": definition.format(name=name)}


@pytest.mark.parametrize(
    ("case", "is_same"),
    [*((case, True) for case in BY_RULES), *((case, False) for case in NOT_BY_RULES)],
)
def test_a_name_by_another_rule_is_no_drift(case: tuple[str, str, str, str], is_same: bool) -> None:
    dialect, name, plain, definition = case
    models, dialect_ = [models_for_drift()], sa.create_mock_engine(f"{dialect}://", print).dialect
    one, other = schema_with(name, definition), schema_with(plain, definition)

    assert (rename_alike(one, other, models, dialect_) == other) == is_same
    assert (rename_alike(other, one, models, dialect_) == one) == is_same
    another = {key: f"{text} and more" for key, text in one.items()}
    assert rename_alike(other, another, models, dialect_) == other


def test_names_by_the_convention_of_models() -> None:
    dialect = sa.create_engine("sqlite://").dialect

    assert {*find_convention_names(models_for_drift(), dialect)} == {
        "pk_t",
        "uq_t_n",
        "fk_t_n_t",
        "ck_t_positive",
    }
