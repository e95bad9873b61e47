"""Columns of every built-in type with every kind of literal default, and what compares them."""

import uuid
from collections.abc import Iterator
from textwrap import indent
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _render_cmd_body
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic_guardrails.autogenerate import (
    compare_computed_by_asking,
    compare_constraints,
    compare_defaults_by_asking,
    compare_indexes_by_asking,
    compare_type,
    escape_reflected_defaults,
    find_sequences_together,
    write_expressions_as_they_are,
)
from alembic_guardrails.autogenerate.render import render_item
from alembic_guardrails.autogenerate.rewrite import tidy
from sqlalchemy import Connection, MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

TEXTS = (
    "",
    "x",
    "it's",
    'a "quoted" word',
    "a(b)",
    "(a)",
    "[a]",
    "50%",
    "a:b",
    "a\\b",
    "NULL",
    "1",
)
NUMBERS = ("0", "1", "-1", "42")
DATES = ("2020-01-01", "1999-12-31")
TIMES = ("10:20:30", "00:00:00")
MOMENTS = ("2020-01-01 10:20:30", "1999-12-31 00:00:00")
DOCUMENTS = ("{}", "[]", '{"a": 1}', '"text"', "1", "null", '{"a": "it\'s"}')
UUIDS = tuple(uuid.UUID(int=number).hex for number in (0, 1))

# Types, and values that a default of theirs can have: as text, or as SQL.
CASES: tuple[tuple[TypeEngine[Any], tuple[Any, ...]], ...] = (
    (sa.String(40), TEXTS),
    (sa.Unicode(40), TEXTS),
    (sa.CHAR(20), ("x", "it's")),
    (sa.Text(), TEXTS),
    (sa.UnicodeText(), ("", "it's")),
    (sa.Integer(), (*NUMBERS, sa.text("7"), sa.text("(1 + 1)"))),
    (sa.SmallInteger(), NUMBERS),
    (sa.BigInteger(), NUMBERS),
    (sa.Numeric(10, 2), ("0", "1.5", "0.00", sa.text("1.50"))),
    (sa.Numeric(10, 0), NUMBERS),
    (sa.Float(), ("0", "1.5", "-2.5")),
    (sa.Double(), ("0", "1.5")),
    (sa.Boolean(), (sa.true(), sa.false(), sa.text("true"), sa.text("false"))),
    (sa.Date(), (*DATES, sa.text("(CURRENT_DATE)"))),
    (sa.Time(), TIMES),
    (sa.DateTime(), (MOMENTS[0], sa.func.now(), MOMENTS[1], sa.text("CURRENT_TIMESTAMP"))),
    (sa.DateTime(timezone=True), (*MOMENTS, sa.func.now())),
    (sa.Enum("a", "it's", name="kind"), ("a", "it's")),
    (sa.Enum("a", "b", name="word", native_enum=False, length=9), ("a", "b")),
    (sa.JSON(), DOCUMENTS),
    (sa.Uuid(), UUIDS),
    (sa.Uuid(native_uuid=False), UUIDS),
    (sa.LargeBinary(), ("x", "y")),
)


class Guid(sa.types.TypeDecorator[Any]):
    """The recipe of SQLAlchemy's documentation."""

    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        is_postgresql = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.UUID() if is_postgresql else sa.CHAR(36))


class Document(sa.types.TypeDecorator[Any]):
    """JSON, and JSONB where there is one."""

    impl = sa.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        is_postgresql = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.JSONB() if is_postgresql else sa.JSON())


# Types that databases store in their own way.
STORED: tuple[TypeEngine[Any], ...] = (
    sa.LargeBinary(16),
    sa.LargeBinary(70000),
    sa.Text(10),
    sa.Text(70000),
    sa.UnicodeText(16777216),
    sa.Interval(),
    sa.PickleType(),
    sa.Float(53),
    sa.VARBINARY(16),
    Guid(),
    Document(),
    sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
)


def models(dialect: str, shift: int = 0) -> MetaData:
    """Return a table for each type, with a column for each default; `shift` takes the next ones."""
    metadata = MetaData()
    for number, (type_, values) in enumerate(CASES):
        columns = [
            sa.Column(
                f"c{place}",
                type_,
                server_default=values[(place + shift) % len(values)],
                nullable=bool(place % 2),
            )
            for place in range(len(values))
        ]
        sa.Table(f"t{number}", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
    takes_lengths = dialect != "postgresql"
    stored = [type_ for type_ in STORED if takes_lengths or not getattr(type_, "length", 0)]
    sa.Table("stored", metadata, *(sa.Column(f"c{n}", type_) for n, type_ in enumerate(stored)))
    return metadata


def context_for(connection: Connection, metadata: MetaData) -> MigrationContext:
    """Return a context that compares and renders as a service does."""
    options = {
        "target_metadata": metadata,
        "compare_server_default": True,
        "compare_type": compare_type,
        "render_item": render_item,
        "render_as_batch": connection.dialect.name == "sqlite",
        "sqlalchemy_module_prefix": "sa.",
        "alembic_module_prefix": "op.",
        "user_module_prefix": None,
    }
    context = MigrationContext.configure(connection, opts=options)
    compare_defaults_by_asking(context)
    compare_indexes_by_asking(context)
    find_sequences_together(context)
    compare_constraints(context)
    write_expressions_as_they_are(context)
    escape_reflected_defaults()
    compare_computed_by_asking()
    return context


def write_revision(connection: Connection, metadata: MetaData) -> str:
    """Return what autogenerate writes, with the imports that go beside those of each revision."""
    context = context_for(connection, metadata)
    script = produce_migrations(context, metadata)
    tidy(context, None, [script])
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    rendering = AutogenContext(context, opts=context.opts)
    directions = {"upgrade": script.upgrade_ops, "downgrade": script.downgrade_ops}
    bodies = [
        f"def {name}():\n{indent(_render_cmd_body(found, rendering), '    ')}"
        for name, found in directions.items()
    ]
    return "\n\n".join(["\n".join(sorted(rendering.imports)), *bodies])


def run_revision(connection: Connection, source: str, direction: str) -> None:
    """Run a revision, which has the names that it imports and no others."""
    context = context_for(connection, MetaData())
    names: dict[str, Any] = {"sa": sa, "op": Operations(context)}
    exec(source, names)
    names[direction]()


def upgrade(connection: Connection, metadata: MetaData) -> str:
    """Run what autogenerate writes; return it."""
    source = write_revision(connection, metadata)
    run_revision(connection, source, "upgrade")
    return source


def changes(connection: Connection, metadata: MetaData) -> Iterator[tuple[str, ...]]:
    """Yield what autogenerate finds: what it is, and the table and the column."""
    for found in compare_metadata(context_for(connection, metadata), metadata):
        for change in found if isinstance(found, list) else [found]:
            yield tuple(str(part) for part in (change[0], *change[2:4]))


def expected_changes(dialect: str) -> set[tuple[str, ...]]:
    """Return what changes where each default takes the place of the one before it."""
    return {
        ("modify_default", table.name, column.name)
        for table in models(dialect).tables.values()
        for column in table.columns
        if column.server_default is not None
    }
