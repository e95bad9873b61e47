"""What autogenerate compares, sorts and writes, on SQLite files and without a database."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails._alembic import render_type
from alembic_guardrails.autogenerate import escape_parameters, unescape_parameters
from alembic_guardrails.autogenerate.compare import (
    compare_server_default,
    meaning,
    without_parentheses,
)
from alembic_guardrails.autogenerate.describe import describe_column
from alembic_guardrails.autogenerate.mysql import read_value, without_attributes, without_texts
from alembic_guardrails.autogenerate.render import render_item
from alembic_guardrails.autogenerate.rewrite import sort_tables, tidy
from alembic_guardrails.autogenerate.sqlite import extend_reflection, has_expression
from alembic_guardrails.history.source import created_enums, created_tables
from alembic_guardrails.types import OtherType
from column_cases import Document, Guid, changes, expected_changes, models, upgrade
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql, postgresql

from .conftest import Project

# Defaults.


def test_defaults_and_types_on_sqlite() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        upgrade(connection, models("sqlite"))

        assert not [*changes(connection, models("sqlite"))]
        assert {*changes(connection, models("sqlite", 1))} == expected_changes("sqlite")


def column_with(default: Any) -> sa.MetaData:
    """Return models of one column with this default."""
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("c", sa.String(9), server_default=default))
    return metadata


def test_a_default_comes_and_goes() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        upgrade(connection, column_with("x"))

        assert [*changes(connection, column_with(None))] == [("modify_default", "t", "c")]
        assert not [*changes(connection, column_with(sa.FetchedValue()))]


class Word(StrEnum):
    """Values of a column."""

    FIRST = "first"


def test_a_default_that_is_a_member_of_an_enumeration() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        assert "server_default='first'" in upgrade(connection, column_with(Word.FIRST))


def test_nothing_of_the_question_stays() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        upgrade(connection, column_with("it's"))
        assert [*changes(connection, column_with("a(b)"))]

        assert sa.inspect(connection).get_table_names() == ["t"]
        assert not sa.inspect(connection).get_temp_table_names()


def test_parentheses_around_all_of_an_expression() -> None:
    assert without_parentheses("((1 + (2)))") == "1 + (2)"
    assert without_parentheses("(1) + (2)") == "(1) + (2)"
    assert without_parentheses("(')')") == "')'"
    assert without_parentheses("'(a)'") == "'(a)'"
    assert without_parentheses("(1") == "(1"


def test_what_defaults_mean() -> None:
    number, text = sa.Numeric(), sa.VARCHAR(9)
    assert meaning("now()", None) == meaning("(CURRENT_TIMESTAMP)", None)
    assert meaning("now()", None) != meaning("now(6)", None)
    assert meaning("'0.00'", number) == meaning("0", number)
    assert meaning("'0.00'", text) != meaning("0", text)
    assert meaning("'1'", sa.INTEGER()) == meaning("1", sa.INTEGER())
    assert meaning("'1'::bigint", sa.BIGINT()) == meaning("1", sa.BIGINT())
    assert meaning("'a''b'::character varying", text) == meaning("'a''b'", text)
    assert meaning("'a'::text", text) == meaning("'a'", text)
    assert meaning("'a'::bpchar", text) != meaning("'a'", text)
    assert meaning("'a'::text || 'b'::text", sa.TEXT()) != meaning("'a' || 'b'", sa.TEXT())
    assert meaning(None, text) != meaning("NULL", text)


@given(st.text("a:\\\\' "))
def test_sql_in_revisions_has_no_parameters(sql: str) -> None:
    written = sa.text(escape_parameters(sql))

    assert not written._bindparams
    assert str(written.compile()) == sql
    assert unescape_parameters(escape_parameters(sql)) == sql


@pytest.mark.parametrize(
    ("sql", "escaped"),
    [("x::int", "x::int"), ("'10:20'", "'10:20'"), ("':a'", r"'\:a'"), ('{"a":1}', r'{"a"\:1}')],
)
def test_what_is_escaped(sql: str, escaped: str) -> None:
    assert escape_parameters(sql) == escaped


def test_defaults_of_mysql_are_written_as_expressions() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("c", sa.JSON, server_default='{"a":"5%"}'))
    context = MigrationContext.configure(
        dialect_name="mysql", opts={"sqlalchemy_module_prefix": "sa."}
    )
    autogenerate = AutogenContext(context, opts=context.opts)

    written = render_item("server_default", table.c.c.server_default, autogenerate)

    assert written == """sa.text('(\\'{"a":"5%"}\\')')"""


def test_computed_columns_of_sqlite() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        extend_reflection(connection)
        connection.exec_driver_sql(
            'CREATE TABLE t (id INTEGER PRIMARY KEY, "C" INT AS ("id"*2), d TEXT'
            " GENERATED ALWAYS AS ('(' || \"id\") STORED, CHECK (id > 0))"
        )
        columns = sa.Table("t", sa.MetaData(), autoload_with=connection).c

    assert has_expression(columns["C"], "id * 2")
    assert not has_expression(columns["C"], "id * 3")
    assert columns.d.computed is not None
    assert str(columns.d.computed.sqltext) == "'(' || \"id\""


# Order.

NAMES = st.integers(1, 8)


@st.composite
def tables(draw: st.DrawFn) -> sa.MetaData:
    """Tables that refer to earlier ones and to themselves, in any order."""
    count = draw(NAMES)
    metadata = sa.MetaData()
    references = [draw(st.sets(st.integers(0, number))) for number in range(count)]
    for number in draw(st.permutations(range(count))):
        foreign: list[sa.Column[Any]] = [
            sa.Column(f"c{target}", sa.ForeignKey(f"t{target}.id"))
            for target in sorted(references[number])
        ]
        id_column = sa.Column("id", sa.Integer, primary_key=True)
        sa.Table(f"t{number}", metadata, id_column, *foreign)
    return metadata


class Marker(ops.MigrateOperation):
    """An operation of a plugin."""


def targets(operation: Any) -> set[str]:
    """The tables that a creation or a drop refers to, without itself."""
    keys = operation.to_table().foreign_keys
    return {key.target_fullname.partition(".")[0] for key in keys} - {operation.table_name}


@settings(deadline=None)
@given(tables(), st.data())
def test_tables_are_sorted_within_their_places(metadata: sa.MetaData, data: st.DataObject) -> None:
    creates = [ops.CreateTableOp.from_table(table) for table in metadata.tables.values()]
    drops = [ops.DropTableOp.from_table(table) for table in metadata.tables.values()]
    for group in (creates, drops):
        operations: list[ops.MigrateOperation] = []
        for operation in group:
            operations += [Marker() for _ in range(data.draw(st.integers(0, 2)))]
            operations.append(operation)

        result = sort_tables(operations)

        def kinds(sequence: Sequence[object]) -> list[type]:
            return [type(operation) for operation in sequence]

        assert kinds(result) == kinds(operations)
        assert [op for op in result if isinstance(op, Marker)] == [
            op for op in operations if isinstance(op, Marker)
        ]
        names = [op.table_name for op in result if not isinstance(op, Marker)]  # type: ignore[attr-defined]
        assert sorted(names) == sorted(metadata.tables)
        for operation in group:
            others = [names.index(name) for name in targets(operation)]
            place = names.index(operation.table_name)
            if group is creates:
                assert all(other < place for other in others)
            else:
                assert all(other > place for other in others)


@settings(deadline=None)
@given(tables())
def test_what_is_in_order_stays(metadata: sa.MetaData) -> None:
    creates: list[ops.MigrateOperation] = [
        ops.CreateTableOp.from_table(table) for table in metadata.tables.values()
    ]
    ordered = sort_tables(creates)

    assert sort_tables(ordered) == ordered


def test_tables_in_a_circle_stay() -> None:
    metadata = sa.MetaData()
    for name, target in (("a", "b"), ("b", "a")):
        sa.Table(name, metadata, sa.Column("id", sa.ForeignKey(f"{target}.id"), primary_key=True))
    operations = [ops.CreateTableOp.from_table(table) for table in metadata.tables.values()]

    assert sort_tables([*operations]) == operations


def change(table: str, *operations: ops.MigrateOperation) -> ops.ModifyTableOps:
    """Return the changes of a table."""
    return ops.ModifyTableOps(table, operations)


def table(name: str, target: str | None = None) -> sa.Table:
    """Return a table that can refer to another."""
    keys = [sa.ForeignKey(f"{target}.id")] if target else []
    return sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer, *keys, primary_key=True))


def test_indexes_go_with_their_table() -> None:
    first, second = (ops.CreateTableOp.from_table(table(*names)) for names in (("a", "b"), ("b",)))
    index = change("a", ops.CreateIndexOp("ix", "a", ["id"]))

    assert sort_tables([first, index, second]) == [second, first, index]


def test_a_foreign_key_goes_before_the_table_that_it_refers_to() -> None:
    key = ops.CreateForeignKeyOp("fk", "a", "b", ["id"], ["id"])
    drop, create = (kind.from_table(table("b")) for kind in (ops.DropTableOp, ops.CreateTableOp))
    column = ops.AddColumnOp("a", sa.Column("n", sa.Integer))
    key_drop = key.reverse()
    marker = Marker()

    [first, second, third, fourth] = sort_tables([marker, drop, change("a", column, key_drop)])
    assert (first, third) == (marker, drop)
    assert cast(Any, second).ops == [key_drop]
    assert cast(Any, fourth).ops == [column]

    [first, second, third] = sort_tables([change("a", key, column), create])
    assert cast(Any, first).ops == [column]
    assert second is create
    assert cast(Any, third).ops == [key]


# What is left out.


def test_what_sqlite_has_already() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)")
        metadata = sa.MetaData()
        sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("c"))
        context = MigrationContext.configure(connection, opts={"target_metadata": [metadata]})
        needed = ops.CreateUniqueConstraintOp("uq", "t", ["c"])
        script = ops.MigrationScript(
            "x",
            ops.UpgradeOps(
                [
                    change(
                        "t",
                        needed,
                        ops.AlterColumnOp(
                            "t", "id", modify_nullable=False, existing_type=sa.INTEGER()
                        ),
                    ),
                    change("t", ops.CreateIndexOp("ix", "t", ["c"])),
                    change("t", ops.CreateForeignKeyOp("fk", "t", "partition", ["c"], ["c"])),
                ]
            ),
            ops.DowngradeOps([]),
        )

        tidy(context, None, [script])

    [changed, index] = cast(Any, script).upgrade_ops.ops
    assert changed.ops == [needed]
    assert isinstance(index, ops.CreateIndexOp)


def reflected(connection: sa.Connection) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of the foreign keys of two tables of SQLite."""
    connection.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.exec_driver_sql(
        "CREATE TABLE at_column (p INTEGER REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL)"
    )
    connection.exec_driver_sql("CREATE TABLE without (p INTEGER REFERENCES parent)")
    keys = [sa.inspect(connection).get_foreign_keys(name)[0] for name in ("at_column", "without")]
    return keys[0]["options"], keys[1]["options"]


def test_actions_of_foreign_keys_at_a_column_are_read() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        extend_reflection(connection)
        extend_reflection(connection)

        assert reflected(connection) == ({"ondelete": "CASCADE", "onupdate": "SET NULL"}, {})

        inspector = sa.inspect(connection)
        many = inspector.get_multi_foreign_keys(filter_names=["at_column", "without"])
        assert many == {
            (None, name): inspector.get_foreign_keys(name) for name in ("at_column", "without")
        }
        connection.exec_driver_sql(
            "CREATE TABLE new (p INTEGER REFERENCES parent ON DELETE SET NULL)"
        )
        assert inspector.get_foreign_keys("new")[0]["options"] == {"ondelete": "SET NULL"}


def test_defaults_that_databases_keep_to_themselves() -> None:
    """A column that is counted has a default of the database's; one without a model's has none."""
    with sa.create_engine("sqlite://").connect() as connection:
        upgrade(connection, column_with("x"))
        context = MigrationContext.configure(connection)
        counted = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True)).c.id
        column = sa.Table("t", sa.MetaData(), sa.Column("c", sa.Integer)).c.c

        assert not compare_server_default(context, counted, counted, None, "nextval('s')")
        assert not compare_server_default(context, column, column, None, None)
        assert compare_server_default(context, column, column, None, "1")
        assert describe_column(context, sa.types.NullType(), nullable=True) is None
        assert sa.inspect(connection).get_table_names() == ["t"]


# Types.


class Email(sa.types.TypeDecorator[Any]):
    """A text, which leaves the rest to SQLAlchemy."""

    impl = sa.String(99).with_variant(sa.Text(), "sqlite")
    cache_ok = True


class Wrapped(sa.types.TypeDecorator[Any]):
    """A decorator of a decorator."""

    impl = Guid
    cache_ok = True


class Point(sa.types.UserDefinedType[Any]):
    """A type that has no name in SQL."""

    def __repr__(self) -> str:
        return "Point()"


class Circle(sa.types.UserDefinedType[Any]):
    """A type with a name of its own in SQL."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "circle"


class Code(sa.String):
    """A class for what SQLAlchemy has."""


class Long(sa.types.TypeDecorator[str]):
    """A type of a dialect that has another's."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        return dialect.type_descriptor(mysql.LONGTEXT())


@pytest.mark.parametrize(
    ("type_", "dialect", "expected"),
    [
        (Guid(), "postgresql", "sa.UUID()"),
        (Guid(), "sqlite", "sa.CHAR(length=36)"),
        (Guid(), "mysql", "sa.CHAR(length=36)"),
        (Document(), "postgresql", "postgresql.JSONB(astext_type=sa.Text())"),
        (Document(), "mysql", "mysql.JSON()"),
        (Email(), "mysql", "sa.String(length=99).with_variant(sa.Text(), 'sqlite')"),
        (Wrapped(), "postgresql", "sa.UUID()"),
        (
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            "sqlite",
            "sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql')",
        ),
        (
            postgresql.ARRAY(sa.Integer()).with_variant(sa.JSON(), "mysql"),
            "mysql",
            "postgresql.ARRAY(sa.Integer()).with_variant(sa.JSON(), 'mysql')",
        ),
        (sa.Interval(), "postgresql", "sa.Interval()"),
        (sa.PickleType(), "sqlite", "sa.LargeBinary()"),
        (sa.ARRAY(Guid()), "postgresql", "sa.ARRAY(sa.UUID())"),
        (Point(), "postgresql", "guardrails.test_autogenerate.Point()"),
        (Circle(), "postgresql", "OtherType('circle')"),
        (sa.ARRAY(Circle()), "postgresql", "sa.ARRAY(OtherType('circle'))"),
        (Code(9), "sqlite", "sa.String(length=9)"),
        (Code(), "mysql", "sa.String()"),
        (Long(), "mariadb", "mysql.LONGTEXT()"),
        (Guid().with_variant(sa.String(9), "sqlite"), "sqlite", "sa.String(length=9)"),
        (Guid().with_variant(sa.String(9), "sqlite"), "postgresql", "sa.UUID()"),
        (OtherType("point"), "mysql", "OtherType('point')"),
        (
            sa.Enum("a", "b", name="e", native_enum=False),
            "mysql",
            "sa.Enum('a', 'b', name='e', native_enum=False)",
        ),
    ],
    ids=str,
)
def test_types_that_databases_store(type_: Any, dialect: str, expected: str) -> None:
    written, _ = write_type(type_, dialect)

    assert written == expected


def write_type(type_: Any, dialect: str) -> tuple[str, set[str]]:
    """Return how a revision has a type, and what it imports."""
    context = MigrationContext.configure(
        dialect_name=dialect,
        opts={
            "sqlalchemy_module_prefix": "sa.",
            "alembic_module_prefix": "op.",
            "user_module_prefix": None,
            "render_item": render_item,
        },
    )
    autogenerate = AutogenContext(context, opts=context.opts)
    return render_type(type_, autogenerate), autogenerate.imports


def test_types_of_others_are_imported() -> None:
    from geoalchemy2 import Geometry

    written, imports = write_type(Geometry("POINT"), "postgresql")

    assert written.startswith("geoalchemy2.types.Geometry(geometry_type='POINT'")
    assert imports == {"import geoalchemy2.types"}
    assert write_type(Point(), "sqlite")[1] == {"import guardrails.test_autogenerate"}
    assert write_type(Circle(), "sqlite")[1] == {"from alembic_guardrails import OtherType"}
    assert write_type(Document(), "postgresql")[1] == {"from sqlalchemy.dialects import postgresql"}
    assert write_type(Code(9), "postgresql")[1] == set()


# Filters.

ATTACH = "ALTER TABLE a ATTACH PARTITION p DEFAULT"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("op.create_table('a', schema='s')", {"s.a"}),
        ("op.create_table('a', schema=None)", {"a"}),
        ("sa.Table('a', metadata)", {"a"}),
        ("op.rename_table('a', 'b')", {"b"}),
        ("for name in ('a', 'b'): op.create_table(name)", {"a", "b"}),
        ("op.execute('CREATE TABLE IF NOT EXISTS a (id int)')", {"a"}),
        ("op.execute('create unlogged table \"a\" (id int)')", {"a"}),
        ("op.execute('CREATE TABLE public.a (id int)')", {"a"}),
        ("op.execute('CREATE TABLE `s`.`a` (id int)')", {"s.a"}),
        ("op.execute('CREATE TABLE p PARTITION OF a DEFAULT')", set()),
        (f"op.execute('CREATE TABLE p (i int); {ATTACH}')", set()),
        ("op.drop_table('a')", set()),
    ],
)
def test_tables_that_revisions_create(source: str, expected: set[str]) -> None:
    assert created_tables([source]) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("op.create_table('t', sa.Column('a', sa.Enum('x', name='e')))", {"e"}),
        ("op.create_table('t', sa.Column('a', ENUM('x', name='e', create_type=False)))", set()),
        ("op.add_column('t', sa.Column('a', sa.Enum('x', name='e')))", set()),
        ("e = ENUM('x', name='e', create_type=False)\ne.create(op.get_bind())", {"e"}),
        ("e = ENUM('x', name='e')", set()),
        ("op.execute('CREATE TYPE e AS ENUM ()')", {"e"}),
        ('op.execute(\'create type "s"."E f"  as enum ()\')', {"E f"}),
        ("op.execute('CREATE TYPE e AS (a int)')", set()),
        ("op.execute('DROP TYPE e')", set()),
    ],
)
def test_enums_that_revisions_create(source: str, expected: set[str]) -> None:
    assert created_enums([source]) == expected


ENV = """
from alembic_guardrails import run_migrations
from sqlalchemy import Column, Integer, MetaData, Table

metadata = MetaData()
Table("a", metadata, Column("id", Integer, primary_key=True))
Table("mine", metadata, Column("id", Integer, primary_key=True))
run_migrations(
    metadata,
    include_object=lambda item, name, kind, reflected, model: name != "mine",
    include_name=lambda name, kind, parents: name != "hidden",
)
"""
CREATE = "op.create_table('{}', sa.Column('id', sa.Integer, primary_key=True))"


def check(project: Project) -> str:
    """Return what `alembic check` finds; nothing if it is quiet."""
    try:
        command.check(project.config())
    except CommandError as error:
        return str(error)
    return ""


def test_filters_add_to_those_of_the_owner(project: Project, tmp_path: Path) -> None:
    (project.path / "migrations" / "env.py").write_text(ENV, encoding="utf-8")
    (project.path / "migrations" / "ignore.txt").write_text("table queue_*\n", encoding="utf-8")
    tables = ("a", "hidden", "queue_jobs", "dropped")
    project.revision("a", "\n".join(CREATE.format(name) for name in tables))
    project.upgrade()
    with project.engine().begin() as connection:
        connection.exec_driver_sql("CREATE TABLE foreign_one (id INTEGER PRIMARY KEY)")

    found = check(project)

    assert "dropped" in found
    assert not [name for name in ("hidden", "queue", "mine", "foreign_one") if name in found]


# What MySQL says of columns.

CREATED = """CREATE TABLE `t` (
  `a INVISIBLE b` int DEFAULT '5' COMMENT 'it''s INVISIBLE \\\\',
  `c` int /*!80023 INVISIBLE */ DEFAULT '1' COMMENT 'c',
  `d` point NOT NULL /*!80003 SRID 4326 */,
  `e` varchar(9) /*M!100301 COMPRESSED*/ INVISIBLE DEFAULT 'x',
  `f` bit(3) DEFAULT b'101' COMMENT 'f',
  `g` datetime DEFAULT NULL ON UPDATE current_timestamp() COMMENT 'g',
  `h` timestamp NOT NULL DEFAULT '2001-02-03 04:05:06' ON UPDATE CURRENT_TIMESTAMP COMMENT 'h',
  `i` datetime DEFAULT ((now() + interval 1 day)) ON UPDATE CURRENT_TIMESTAMP COMMENT 'i',
  `j` datetime DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES `t` (`a`) ON UPDATE CASCADE
)"""


def test_what_sqlalchemy_can_read_of_columns() -> None:
    assert without_attributes(CREATED).splitlines()[1:-1] == [
        "  `a INVISIBLE b` int DEFAULT '5' COMMENT 'it''s INVISIBLE \\\\',",
        "  `c` int DEFAULT '1' COMMENT 'c',",
        "  `d` point NOT NULL,",
        "  `e` varchar(9) DEFAULT 'x',",
        "  `f` bit(3) COMMENT 'f',",
        "  `g` datetime DEFAULT NULL COMMENT 'g',",
        "  `h` timestamp NOT NULL DEFAULT '2001-02-03 04:05:06' COMMENT 'h',",
        "  `i` datetime DEFAULT ((now() + interval 1 day)) COMMENT 'i',",
        "  `j` datetime DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),",
        "  CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES `t` (`a`) ON UPDATE CASCADE",
    ]


@pytest.mark.parametrize(
    ("definition", "default"),
    [
        ("`a` int DEFAULT 5 COMMENT 'x'", "5"),
        ("`a` varchar(9) DEFAULT 'x y''z' COMMENT 'DEFAULT 3'", "'x y''z'"),
        (
            "`a` json DEFAULT (json_object(_utf8mb4'a b',1)) INVISIBLE",
            "(json_object(_utf8mb4'a b',1))",
        ),
        ("`a` bit(3) NOT NULL DEFAULT b'101'", "b'101'"),
        ("`a` int NOT NULL COMMENT ' DEFAULT 3'", ""),
    ],
)
def test_the_default_in_a_definition(definition: str, default: str) -> None:
    assert read_value(definition, without_texts(definition), " DEFAULT ") == default
