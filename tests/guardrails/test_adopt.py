"""Adopting: what is read, which models are written, and that they are what was read."""

import ast
import re
import sqlite3
import sys
import types
import warnings
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from keyword import iskeyword
from pathlib import Path
from typing import Any

import alembic_guardrails
import geoalchemy2
import pgvector.sqlalchemy
import pytest
from alembic.util import CommandError
from alembic_guardrails.adopt import Database
from alembic_guardrails.adopt import mysql as mysql_tables
from alembic_guardrails.adopt import postgresql as postgresql_tables
from alembic_guardrails.adopt.inventory import (
    Inventory,
    Selection,
    check_foreign_keys,
    read_inventory,
    report,
    report_gaps,
)
from alembic_guardrails.adopt.models import build_models
from alembic_guardrails.adopt.modules import ModuleWriter, read_tables
from alembic_guardrails.adopt.names import (
    DEVICES,
    identifier,
    inflector,
    module_name,
    plural,
    singular,
    unused,
)
from alembic_guardrails.adopt.prove import check_same
from alembic_guardrails.adopt.render import Renderer
from alembic_guardrails.commands.adopt import adopt
from alembic_guardrails.dialects import module_for
from alembic_guardrails.files import run_ruff
from alembic_guardrails.guard.mysql import IN_COLUMN
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.schema.postgresql import VIEW
from alembic_guardrails.types import OtherType
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    DefaultClause,
    Dialect,
    Enum,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    literal_column,
    make_url,
    text,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, configure_mappers
from sqlalchemy.schema import CreateIndex, CreateTable

from .conftest import Project
from .minimal import Base

PACKAGE = Path(alembic_guardrails.__file__).parent
DIALECTS: dict[str, Dialect] = {
    name: make_url(f"{name}://").get_dialect()() for name in ("mysql", "postgresql", "sqlite")
}
names = st.text(min_size=1, max_size=30)
old_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_ $-]{0,15}", fullmatch=True) | st.sampled_from(
    [
        "aux", "con", "class", "Class", "users", "user", "USERS", "Text", "text", "Mapped",
        "datetime", "date", "Decimal", "Any", "Literal", "order", "Index", "größe", "名前", "ŉ",
        "ß", "metadata", "registry", "self", "id", "int", "list", "Base", "conv", "uuid", "UUID",
    ]
)  # fmt: skip


# --- Names --------------------------------------------------------------------------------------


@given(names)
def test_identifiers_are_what_python_makes_of_them(name: str) -> None:
    written = unused(identifier(name), ())

    assert written.isidentifier()
    # Python normalizes names in a program, and not those in strings.
    assert ast.parse(written).body[0].value.id == written  # type: ignore[attr-defined]


@given(names)
def test_modules_can_be_stored_everywhere(name: str) -> None:
    stem = module_name(identifier(name))

    assert stem.isidentifier()
    assert stem.isascii()
    assert stem == stem.lower()
    assert len(stem) < 100
    assert not DEVICES.fullmatch(stem)


@given(st.lists(old_names | names, min_size=1, max_size=8, unique=True))
def test_no_two_models_are_called_the_same(tables: list[str]) -> None:
    metadata = MetaData()
    for number, name in enumerate(tables):
        Table(name, metadata, Column("id", Integer, primary_key=number % 2 == 0))
    importable = Renderer(metadata, DIALECTS["postgresql"]).importable

    models = build_models(metadata, importable)

    written = [model.name for model in models.by_key.values()]
    classes = [models.by_key[name].name for name in tables[::2]]
    assert len({*written}) == len(written)
    assert all(name.isidentifier() and not iskeyword(name) for name in written)
    assert not {*classes} & importable
    modules = [name.lower() for name in models.modules.values()]
    assert len({*modules}) == len(modules)
    assert not any(iskeyword(name) or DEVICES.fullmatch(name) for name in modules)


# --- Modules ------------------------------------------------------------------------------------


@contextmanager
def imported(metadata: MetaData, dialect: Dialect) -> Iterator[type[DeclarativeBase]]:
    """Import the modules that are written for tables, on a base class of their own.

    What SQLAlchemy warns of is an error.
    """

    class Base(DeclarativeBase):
        """The base of these models."""

    Base.__module__ = "adopted"
    package = types.ModuleType("adopted")
    vars(package)["Base"] = Base
    texts = ModuleWriter(metadata, dialect, Base, "adopted").write()
    modules = {f"adopted.{name}": types.ModuleType(f"adopted.{name}") for name in texts}
    try:
        sys.modules |= {"adopted": package, **modules}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for name, code in texts.items():
                exec(compile(code, name, "exec"), vars(modules[f"adopted.{name}"]))
            configure_mappers()
            assert_annotations_can_be_imported(texts, modules)
        yield Base
    finally:
        for name in ("adopted", *modules):
            del sys.modules[name]
        Base.registry.dispose()


def assert_annotations_can_be_imported(
    texts: dict[str, str], modules: dict[str, types.ModuleType]
) -> None:
    """Demand that what only a type checker imports is there."""
    for code in texts.values():
        for module, name in re.findall(r"    from (adopted\.\w+) import (\w+)", code):
            assert hasattr(modules[module], name)


def signature(metadata: MetaData, dialect: Dialect) -> dict[str, object]:
    """What tables are, in the words of a database."""
    return {
        table.key: (
            [
                (column.name, column.type.compile(dialect), column.nullable, column.primary_key)
                for column in table.c
            ],
            sorted(
                (
                    constraint.column_keys,
                    [element.target_fullname for element in constraint.elements],
                )
                for constraint in table.foreign_key_constraints
            ),
            sorted(
                column_names(constraint)
                for constraint in table.constraints
                if isinstance(constraint, UniqueConstraint)
            ),
        )
        for table in metadata.tables.values()
    }


def column_names(constraint: UniqueConstraint) -> list[str]:
    return [column.name for column in constraint.columns]


KINDS: list[Any] = [Integer, Text, DateTime, Numeric(5, 2), Boolean]


@st.composite
def schemas(draw: st.DrawFn) -> MetaData:
    """Tables with odd names, that refer to each other and to themselves."""
    metadata = MetaData()
    tables = draw(st.lists(old_names, min_size=1, max_size=4, unique_by=str.lower))
    for name in tables:
        columns = draw(st.lists(old_names, max_size=4, unique_by=str.lower))
        plain: list[Column[Any]] = [
            Column(column, draw(st.sampled_from(KINDS)))
            for column in columns
            if column.lower() not in ("id", "key", "link")
        ]
        has_key = draw(st.booleans()) or draw(st.booleans())
        columns_of_key = [Column("id", Integer, primary_key=has_key)]
        Table(name, metadata, *columns_of_key, *plain)
    for table in metadata.tables.values():
        for column in ("key", "link", "owner_id", "parent"):
            target = metadata.tables[draw(st.sampled_from(tables))]
            if column not in table.c and target.primary_key and draw(st.booleans()):
                is_unique = draw(st.booleans())
                key = ForeignKey(target.c.id)
                table.append_column(Column(column, Integer, key, unique=is_unique))
    return metadata


@given(schemas())
@settings(max_examples=30, deadline=None)
def test_models_are_what_was_read(metadata: MetaData) -> None:
    dialect = DIALECTS["sqlite"]

    with imported(metadata, dialect) as base:
        assert signature(base.metadata, dialect) == signature(metadata, dialect)


def relationships(metadata: MetaData) -> dict[str, str]:
    """The relationships that classes get, and what they lead to."""
    with imported(metadata, DIALECTS["sqlite"]) as base:
        return {
            f"{mapper.class_.__name__}.{name}": relation.mapper.class_.__name__
            + "*" * bool(relation.uselist)
            for mapper in base.registry.mappers
            for name, relation in mapper.relationships.items()
        }


def table(metadata: MetaData, name: str, *parts: Any) -> None:
    """Add a table with a key."""
    Table(name, metadata, Column("id", Integer, primary_key=True), *parts)


def reference(name: str, target: str, **options: Any) -> Column[int]:
    return Column(name, Integer, ForeignKey(f"{target}.id"), **options)


def test_relationships_are_called_as_a_person_would() -> None:
    metadata = MetaData()
    table(metadata, "customers")
    table(metadata, "addresses")
    table(
        metadata,
        "orders",
        reference("customer_id", "customers", nullable=False),
        reference("address_id", "addresses"),
        reference("billing_address_id", "addresses"),
    )
    table(metadata, "profiles", reference("customer", "customers", unique=True))
    table(metadata, "categories", reference("parent_id", "categories"))
    table(metadata, "employees", reference("reports_to", "employees"))

    assert relationships(metadata) == {
        "Customer.orders": "Order*",
        "Order.customer": "Customer",
        "Address.orders": "Order*",
        "Order.address": "Address",
        "Address.billing_address_orders": "Order*",
        "Order.billing_address": "Address",
        "Profile.customer": "Customer",
        "Customer.profile": "Profile",
        "Category.parent": "Category",
        "Category.children": "Category*",
        "Employee.reports_to": "Employee",
        "Employee.employees": "Employee*",
    }


def test_a_prefix_of_all_tables_is_in_no_relationship() -> None:
    metadata = MetaData()
    table(metadata, "tbl_customers")
    table(metadata, "tbl_orders", reference("customer", "tbl_customers"))
    table(metadata, "tbl_lines", reference("order_id", "tbl_orders"))

    assert relationships(metadata) == {
        "TblCustomer.orders": "TblOrder*",
        "TblOrder.customer": "TblCustomer",
        "TblOrder.lines": "TblLine*",
        "TblLine.order": "TblOrder",
    }


def test_a_key_of_several_columns_says_together_what_it_refers_to() -> None:
    metadata = MetaData()
    Table(
        "products",
        metadata,
        Column("sku", Text, primary_key=True),
        Column("variant", Integer, primary_key=True),
        Column("successor_sku", Text),
        Column("successor_variant", Integer),
        ForeignKeyConstraint(
            ["successor_sku", "successor_variant"], ["products.sku", "products.variant"]
        ),
    )
    table(
        metadata,
        "lines",
        Column("item", Text),
        Column("version", Integer),
        ForeignKeyConstraint(["item", "version"], ["products.sku", "products.variant"]),
    )

    assert relationships(metadata) == {
        "Product.successor": "Product",
        "Product.products": "Product*",
        "Line.product": "Product",
        "Product.lines": "Line*",
    }


def link(metadata: MetaData, *keys: str, **options: Any) -> None:
    """Add a table of two foreign keys, these columns of which are its key."""
    for name in ("tags", "posts"):
        table(metadata, name)
    columns = [
        reference(column, target, primary_key=column in keys, **options)
        for column, target in (("tag_id", "tags"), ("post_id", "posts"))
    ]
    Table("taggings", metadata, *columns)


@pytest.mark.parametrize("keys", [("tag_id", "post_id"), ()])
def test_a_table_of_two_foreign_keys_links_rows(keys: tuple[str, ...]) -> None:
    metadata = MetaData()
    link(metadata, *keys)

    assert relationships(metadata) == {"Tag.posts": "Post*", "Post.tags": "Tag*"}
    models = build_models(metadata, ())
    assert models.describe("taggings") == "Table tagging: it links tags and posts"


def test_two_foreign_keys_are_no_link_unless_they_are_the_key() -> None:
    metadata = MetaData()
    link(metadata, "tag_id")

    assert relationships(metadata) == {
        "Tagging.tag": "Tag",
        "Tag.tagging": "Tagging",
        "Tagging.post": "Post",
        "Post.taggings": "Tagging*",
    }
    metadata = MetaData()
    link(metadata, unique=True)
    assert build_models(metadata, ()).describe("taggings") == (
        "Table tagging: it has no primary key"
    )


def test_a_table_links_rows_of_one_table() -> None:
    metadata = MetaData()
    table(metadata, "users")
    columns = [reference(name, "users", primary_key=True) for name in ("user_id", "friend_id")]
    Table("friends", metadata, *columns)

    assert relationships(metadata) == {"User.friends": "User*", "User.users": "User*"}


def test_a_key_that_is_called_like_the_row_that_it_refers_to() -> None:
    metadata = MetaData()
    table(metadata, "books")
    columns = reference("book", "books", primary_key=True), Column("pages", Integer)
    Table("page_counts", metadata, *columns)

    assert relationships(metadata) == {"PageCount.book": "Book", "Book.page_count": "PageCount"}


def test_inflect_is_imported_in_no_time() -> None:
    """Without typeguard's checks, which it would compile for each of its functions."""
    assert not [name for name in inflector().plural_noun.__code__.co_names if "check" in name]


@pytest.mark.parametrize("word", ["artist_alias", "atlas", "bias", "canvas", "lens", "status"])
def test_words_that_end_like_a_plural(word: str) -> None:
    assert singular(word) == word
    assert plural(word) != word


def test_relationships_that_write_one_column_say_so() -> None:
    metadata = MetaData()
    table(metadata, "tenants")
    Table(
        "members",
        metadata,
        reference("tenant_id", "tenants", primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("boss_number", Integer),
        ForeignKeyConstraint(["tenant_id", "boss_number"], ["members.tenant_id", "members.number"]),
    )

    assert relationships(metadata) == {
        "Member.tenant": "Tenant",
        "Tenant.members": "Member*",
        "Member.boss": "Member",
        "Member.members": "Member*",
    }


# --- Columns, types and constraints -------------------------------------------------------------


def types_of(dialect: str) -> Iterator[Any]:
    """Every type that SQLAlchemy reads from a database, and some with all that can be said."""
    module: Any = {"mysql": mysql, "postgresql": postgresql, "sqlite": sqlite}[dialect]
    for name, kind in sorted(module.base.ischema_names.items()):
        if not kind.__module__.startswith("sqlalchemy."):
            continue  # some package has added it
        if name == "array":
            yield kind(Integer())
        elif name == "set":
            yield kind("a", "b")
        elif name == "enum":
            yield kind("a", "it's")
        elif name in ("varchar", "nvarchar", "varbinary"):
            yield kind(20)
        elif name not in ("_array", "null") and (dialect, name) != ("mysql", "uuid"):
            yield kind()
    yield from SPECIAL[dialect]


SPECIAL: dict[str, list[Any]] = {
    "postgresql": [
        postgresql.ENUM("a", "it's", name="mood"),
        postgresql.ENUM("a", name="mood", schema="audit"),
        postgresql.DOMAIN("email", Text(), schema="audit"),
        postgresql.ARRAY(postgresql.ENUM("a", name="mood"), dimensions=2),
        postgresql.TIMESTAMP(timezone=True, precision=3),
        postgresql.INTERVAL(fields="YEAR TO MONTH"),
        postgresql.BIT(3, varying=True),
        OtherType("span[]"),
    ],
    "mysql": [
        mysql.ENUM("a", "it's", collation="utf8mb4_bin"),
        mysql.BIGINT(unsigned=True),
        mysql.INTEGER(display_width=5, zerofill=True),
        mysql.VARCHAR(10, charset="latin1", collation="latin1_bin"),
        mysql.DECIMAL(10, 2, unsigned=True),
        mysql.TIMESTAMP(fsp=3),
        OtherType("point"),
    ],
    "sqlite": [
        Enum("a", "it's", native_enum=False, length=4),
        String(5, collation="NOCASE"),
        OtherType("LONG NVARCHAR(20)"),
    ],
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_type_is_written_as_what_it_is(dialect: str) -> None:
    metadata = MetaData()
    columns = [Column(f"c{number}", type_) for number, type_ in enumerate(types_of(dialect))]
    table(metadata, "kinds", *columns)

    with imported(metadata, DIALECTS[dialect]) as base:
        written = base.metadata.tables["kinds"].c
        for column in columns:
            expected = column.type.compile(DIALECTS[dialect])
            assert written[column.name].type.compile(DIALECTS[dialect]) == expected


EXTENSIONS: dict[str, Any] = {
    "VECTOR(3)": pgvector.sqlalchemy.VECTOR(3),
    "HALFVEC": pgvector.sqlalchemy.HALFVEC(),
    "geometry(POINT,4326)": geoalchemy2.Geometry("POINT", srid=4326, spatial_index=False),
    "geography(POINTZ,4326)": geoalchemy2.Geography("POINTZ", srid=4326, spatial_index=False),
    "raster": geoalchemy2.Raster(spatial_index=False),
}


def test_types_of_extensions_are_those_of_their_packages() -> None:
    """A package that is installed teaches SQLAlchemy to read them."""
    module_for("adopt", "postgresql").DATABASE.import_types()
    assert {"geometry", "vector"} <= postgresql.base.ischema_names.keys()
    metadata = MetaData()
    columns = [Column(f"c{number}", type_) for number, type_ in enumerate(EXTENSIONS.values())]
    table(metadata, "places", *columns)

    [code] = ModuleWriter(metadata, DIALECTS["postgresql"], Base, "adopted").write().values()
    assert "from pgvector.sqlalchemy import VECTOR\n" in code
    assert "from geoalchemy2 import Geometry\n" in code
    with imported(metadata, DIALECTS["postgresql"]) as base:
        places = base.metadata.tables["places"]
        written = [column.type.compile(DIALECTS["postgresql"]) for column in places.c]
        assert written[1:] == [*EXTENSIONS]
        assert not places.indexes  # they are written out like all others


def parts_of(dialect: str) -> dict[str, list[Any]]:
    """What tables have beside their key; a dictionary at the end is the table's own options."""

    def a() -> Column[str]:
        return Column("a", Text)

    one, two = a(), a()
    parts: dict[str, list[Any]] = {
        "default": [Column("a", Text, server_default=text("'it''s: 100% \\:name'"))],
        "fetched default": [Column("a", Text, server_default=FetchedValue())],
        "computed": [a(), Column("b", Text, Computed("lower(a)", persisted=True))],
        "unique": [a(), UniqueConstraint("a", "id", name="u")],
        "check": [a(), CheckConstraint("a <> '\\:x' AND a\\:\\:text = 'y'", name="c")],
        "not null": [Column("class", Text, nullable=False)],
        "index": [a(), Index("i", "a", "id", unique=True)],
        "expression": [a(), Index("i", text("(lower(a))"), "id")],
    }
    more: dict[str, dict[str, list[Any]]] = {
        "mysql": {
            "prefix": [Column("a", String(99)), Index("i", "a", mysql_length={"a": 5})],
            "full text": [a(), Index("i", "a", mysql_prefix="FULLTEXT")],
            "engine": [a(), {"mysql_engine": "Aria", "comment": "x"}],
            "order": [one, Index("i", one.desc(), info={"ordered_columns": True})],
        },
        "postgresql": {
            "identity": [Column("a", Integer, Identity(always=True, start=10, cycle=True))],
            "comment": [Column("a", Text, comment="it's: \n :x")],
            "deferred": [a(), UniqueConstraint("a", deferrable=True, initially="DEFERRED")],
            "exclusion": [
                Column("a", postgresql.INT4RANGE),
                postgresql.ExcludeConstraint(
                    (text("a"), "&&"),
                    name="x",
                    where=text("id > 0"),
                    info={"parts": [("a", "&&")]},
                ),
            ],
            "partial": [a(), Index("i", "a", postgresql_where=text("a > 'x'"))],
            "method": [two, Index("i", two.desc(), postgresql_using="gin")],
            "class": [
                a(),
                Index("i", literal_column("lower(a)"), postgresql_ops={"lower(a)": "x"}),
            ],
        },
        "sqlite": {
            "strict": [a(), {"sqlite_strict": True}],
            "partial": [a(), Index("i", "a", sqlite_where=text("a > 'x'"))],
        },
    }
    return parts | more[dialect]


def ddl(metadata: MetaData, dialect: Dialect) -> list[str]:
    """The statements that create tables and their indexes."""
    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            statements.append(str(CreateIndex(index).compile(dialect=dialect)))
    return [" ".join(statement.split()) for statement in statements]


@pytest.mark.parametrize(
    ("dialect", "part"), [(dialect, part) for dialect in DIALECTS for part in parts_of(dialect)]
)
@pytest.mark.parametrize("has_key", [True, False])
def test_each_part_of_a_table_is_written(dialect: str, part: str, has_key: bool) -> None:
    metadata = MetaData()
    *parts, last = parts_of(dialect)[part]
    options = last if isinstance(last, dict) else {}
    parts += [] if options else [last]
    Table("things", metadata, Column("id", Integer, primary_key=has_key), *parts, **options)

    with imported(metadata, DIALECTS[dialect]) as base:
        written = ddl(base.metadata, DIALECTS[dialect])
        assert written == ddl(metadata, DIALECTS[dialect])


# --- Files of SQLite ----------------------------------------------------------------------------

SHOP = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(80) NOT NULL COLLATE NOCASE,
    made DATETIME(6),
    odd MONEY(20),
    price NUMERIC(5, 2),
    percent TEXT AS (substr(name, 1)) VIRTUAL,
    numbers VARCHAR(10, 2) DEFAULT 'x',
    flag BOOLEAN(1),
    size FLOAT(7, 3),
    parent INTEGER REFERENCES customers ON DELETE CASCADE,
    UNIQUE (name, odd)
);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers);
CREATE INDEX by_name ON customers (lower(name)) WHERE name > '';
CREATE INDEX by_all ON customers (odd COLLATE NOCASE, PRICE DESC, [Made] ASC) WHERE odd > 'a:b)'
    AND price > 1;
CREATE VIRTUAL TABLE search USING fts5 (title);
CREATE VIEW named AS SELECT name FROM customers;
"""


def fill(project: Project, script: str) -> None:
    """Run a script in the project's database."""
    with closing(sqlite3.connect(project.path / "app.db")) as connection:
        connection.executescript(script)


def take_inventory(
    project: Project, *ignored: str, schemas: Collection[str] = (), tables: Collection[str] = ()
) -> Inventory:
    """Read the project's database."""
    with project.engine().connect() as connection:
        return read_inventory(connection, IgnoreList(ignored), Selection(schemas, tables))


def test_everything_is_in_the_inventory(project: Project) -> None:
    fill(project, SHOP)

    inventory = take_inventory(project)

    assert inventory.tables == [(None, "customers"), (None, "orders")]
    assert inventory.without_model[None, "search"] == "virtual table"
    assert inventory.without_model[None, "search_data"] == "shadow table"
    assert not inventory.left_out
    assert inventory.schema["view named"].startswith("create view")


def test_what_is_not_selected_is_left_out(project: Project) -> None:
    fill(project, SHOP)

    inventory = take_inventory(project, "table search*", tables=["cust*"])

    assert inventory.tables == [(None, "customers")]
    assert inventory.left_out["table orders"] == "not among --table"
    assert inventory.left_out["view named"] == "not among --table"
    assert Selection(schemas=["audit"]).skips_schema(None)
    assert not Selection(schemas=["aud*"]).skips_schema("audit")


@pytest.mark.parametrize(
    ("script", "selected", "message"),
    [
        ("", (), "There is no table to adopt"),
        (SHOP, ["nothing"], "There is no table to adopt"),
        (SHOP, ["orders"], "table orders refers to table customers, which is left out"),
        (
            "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('f')",
            (),
            "at revision f already",
        ),
    ],
)
def test_what_cannot_be_adopted(
    project: Project, script: str, selected: Collection[str], message: str
) -> None:
    fill(project, script)

    with pytest.raises(CommandError, match=message):
        take_inventory(project, tables=selected)


def test_what_an_extension_creates_may_be_referred_to(project: Project) -> None:
    fill(project, SHOP)
    with project.engine().connect() as connection:
        inspector = inspect(connection)
        check_foreign_keys(inspector, [(None, "orders")], {"table customers": "part of it"})
        with pytest.raises(CommandError, match="which is left out: adopt both, or neither"):
            check_foreign_keys(inspector, [(None, "orders")], {})


def test_the_header_of_a_file_comes_along(service: Project) -> None:
    fill(service, SHOP + "PRAGMA user_version = 7; PRAGMA application_id = 99;")

    adopt(service.config())

    revision = (service.versions / "0001_baseline.py").read_text("utf-8")
    assert "PRAGMA user_version = 7" in revision
    assert "PRAGMA application_id = 0" in revision  # on the way back
    fill(service, "PRAGMA user_version = 8; DROP TABLE alembic_version")
    config = service.config()
    with pytest.raises(CommandError, match="1 difference "):
        adopt(config)
    assert "different: setting user_version" in config.stdout.getvalue()  # type: ignore[attr-defined]


def test_names_that_differ_in_case_alone() -> None:
    with pytest.raises(CommandError, match="Tables A, a differ in case alone"):
        Database().check_names([(None, "a"), (None, "A"), (None, "b")])


def test_what_sqlalchemy_does_not_read_is_added(project: Project) -> None:
    fill(project, SHOP)
    with project.engine().connect() as connection:
        metadata, left_out = read_tables(connection, [(None, "customers")])

    assert not left_out
    customers = metadata.tables["customers"]
    assert isinstance(customers.c.odd.type, OtherType)
    assert next(iter(customers.c.parent.foreign_keys)).ondelete == "CASCADE"
    with imported(metadata, DIALECTS["sqlite"]) as base:
        for tables in (metadata, base.metadata):
            statements = " ".join(ddl(tables, DIALECTS["sqlite"]))
            assert "AUTOINCREMENT" in statements
            assert "VARCHAR(80) COLLATE nocase NOT NULL" in statements
            assert "odd MONEY(20)" in statements
            assert "price NUMERIC(5, 2)" in statements
            assert "AS (substr(name, 1)) VIRTUAL" in statements
            assert "UNIQUE (name, odd)" in statements
            assert "numbers VARCHAR(10) DEFAULT 'x'" in statements
            assert "CHECK" not in statements
            assert tables.tables["customers"].c.size.type.python_type is float
            assert "INDEX by_name ON customers (lower(name)) WHERE name > ''" in statements
            assert (
                "INDEX by_all ON customers (odd COLLATE NOCASE, price DESC, made)"
                " WHERE odd > 'a:b)' AND price > 1" in statements
            )


def test_foreign_keys_to_what_is_not_read_are_left_out(project: Project) -> None:
    fill(project, SHOP)
    with project.engine().connect() as connection:
        metadata, left_out = read_tables(connection, [(None, "orders")])

    assert left_out == {"orders": ["customers"]}
    assert not metadata.tables["orders"].foreign_keys


# --- The command --------------------------------------------------------------------------------


def test_a_report_names_everything() -> None:
    inventory = Inventory(
        {"table a": "", "column b of table a": "", "view v": "", "table gone": ""},
        without_model={(None, "part"): "a partition"},
        in_extensions={"type citext": "part of the extension citext"},
        left_out={"table gone": "not among --table"},
    )

    lines = [*report(inventory, IgnoreList(("table gone",)), {(None, "a"): "class A"}, "owners")]

    assert lines == [
        "adopted      as",
        "table a      class A",
        "view v       SQL in the baseline revision",
        "\nleft out     why",
        "table gone   not among --table",
        "type citext  part of the extension citext",
        "owners       not part of a schema",
    ]
    assert [*report_gaps([])] == []
    assert [*report_gaps(["x" * 999])][1] == "x" * 300


def test_differences_are_named(project: Project) -> None:
    config = project.config()

    with pytest.raises(CommandError, match="1 difference between the database and"):
        check_same(config, {"view v": "a"}, {"view v": "b"})

    assert "different: view v" in config.stdout.getvalue()  # type: ignore[attr-defined]
    check_same(config, {"view v": "a"}, {"view v": "a"})


MODELS = """
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass
"""


@pytest.fixture
def service(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with a package of models that is empty yet."""
    package = project.path / "shop_models"
    package.mkdir()
    (package / "__init__.py").write_text(MODELS, encoding="utf-8")
    (project.path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n", "utf-8")
    for name in ("alembic.ini", "migrations/env.py"):
        path = project.path / name
        path.write_text(
            path.read_text("utf-8").replace("guardrails.minimal", "shop_models"), "utf-8"
        )
    ini = (project.path / "alembic.ini").read_text("utf-8")
    ini = ini.replace("shop_models:DRIVER", "guardrails.minimal:DRIVER")
    (project.path / "alembic.ini").write_text(ini, "utf-8")
    monkeypatch.syspath_prepend(project.path)
    yield project
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_models"]:
        del sys.modules[name]


def test_a_database_is_adopted(service: Project) -> None:
    fill(service, SHOP)
    config = service.config()

    adopt(config, dry_run=True)
    assert "Nothing was changed" in config.stdout.getvalue()  # type: ignore[attr-defined]
    assert not [*service.versions.glob("*.py")]
    for name in [name for name in sys.modules if name.startswith("shop_models")]:
        del sys.modules[name]
    adopt(config)

    assert (service.path / "shop_models" / "customer.py").exists()
    assert "class Customer(Base):" in (service.path / "shop_models" / "customer.py").read_text()
    assert [path.name for path in service.versions.glob("*.py")] == ["0001_baseline.py"]
    with pytest.raises(CommandError, match="at revision 0001 already"):
        adopt(config)
    fill(service, "DROP TABLE alembic_version")
    adopt(config)
    assert "is what revision 0001 builds" in config.stdout.getvalue()  # type: ignore[attr-defined]
    fill(service, "DROP TABLE alembic_version; DROP VIEW named")
    with pytest.raises(CommandError, match="1 difference "):
        adopt(config)


def test_lines_that_are_marked_and_wrapped(service: Project) -> None:
    linted = "[tool.ruff]\nline-length = 100\nlint.select = ['E', 'RUF']\n"
    (service.path / "pyproject.toml").write_text(linted, "utf-8")
    fill(
        service,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name_of_what_is_sold_there INT,"
        " price_of_what_is_sold_there INT, CONSTRAINT \uff46\uff55\uff4c\uff4c_price"
        " UNIQUE (name_of_what_is_sold_there, price_of_what_is_sold_there));",
    )

    adopt(service.config())

    module = service.path / "shop_models" / "t.py"
    assert "# noqa" in module.read_text("utf-8")
    for command in (("check",), ("format", "--check")):
        assert run_ruff(*command, "--no-cache", str(module))


@pytest.mark.parametrize("missing", ["inflect", "sqlacodegen"])
def test_a_missing_development_dependency_is_named(
    service: Project, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    fill(service, SHOP)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(CommandError, match=f"needs {missing}, a development dependency"):
        adopt(service.config())


def test_nothing_else_imports_adopting() -> None:
    """It is left out of services that began with an empty database."""
    others = [
        path
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "adopt" and path.name != "adopt.py"
    ]

    assert len(others) > 30
    for path in others:
        assert "alembic_guardrails.adopt" not in path.read_text("utf-8"), path


def test_only_writing_models_takes_development_dependencies() -> None:
    """Production databases are stamped by the same command."""
    imports = {
        path.stem: re.findall(r"^(?:from|import) (\w+)", path.read_text("utf-8"), re.MULTILINE)
        for path in (PACKAGE / "adopt").glob("*.py")
    }

    for module in ("__init__", "inventory", "mysql", "postgresql", "prove", "sqlite"):
        assert not {"inflect", "sqlacodegen"} & {*imports[module]}, module


# --- What needs no server, of databases that have one -------------------------------------------


@pytest.mark.parametrize(
    ("type_", "owner", "is_key", "expected"),
    [
        (postgresql.INTEGER(), "number", True, None),  # as SERIAL
        (postgresql.INTEGER(), "number", False, FetchedValue),
        (postgresql.SMALLINT(), "number", False, DefaultClause),
        (postgresql.INTEGER(), "other", True, DefaultClause),
    ],
)
def test_defaults_from_sequences(
    type_: Any, owner: str, is_key: bool, expected: type[object] | None
) -> None:
    default = text("nextval('numbers'::regclass)")
    column = Column("number", type_, primary_key=is_key, server_default=default)
    Table("t", MetaData(), column)

    postgresql_tables.complete_default(column, {"numbers": owner})

    assert type(column.server_default) is (expected or type(None))
    if expected is DefaultClause:
        assert str(column.server_default.arg) == "nextval('numbers')"  # type: ignore[union-attr]


def test_constraints_of_postgresql() -> None:
    metadata = MetaData()
    table(metadata, "t", Column("a", Text), UniqueConstraint("a", name="u"))
    things = metadata.tables["t"]
    complete = postgresql_tables.complete_constraint
    complete(things, "u", True, True, "btree", None, [], [])
    complete(things, "x", False, False, "gist", "id > 0", ["a", "id"], ["&&", "="])

    created = ddl(metadata, DIALECTS["postgresql"])[0]
    assert "CONSTRAINT u UNIQUE (a) DEFERRABLE INITIALLY DEFERRED" in created
    assert "CONSTRAINT x EXCLUDE USING gist (a WITH &&, id WITH =) WHERE (id > 0)" in created
    with imported(metadata, DIALECTS["postgresql"]) as base:
        assert ddl(base.metadata, DIALECTS["postgresql"]) == [created]


def test_indexes_of_postgresql() -> None:
    metadata = MetaData()
    table(metadata, "t", Index("i", text("lower(a)")), Index("of_some_package", "id"))
    sorting = {"lower(a)": ("desc", "nulls_last")}
    found = {"name": "i", "expressions": ["lower(a)"], "column_sorting": sorting}

    postgresql_tables.complete_indexes(metadata.tables["t"], [found])

    assert ddl(metadata, DIALECTS["postgresql"])[1:] == [
        "CREATE INDEX i ON t (lower(a) DESC NULLS LAST)"
    ]


def test_types_of_mariadb() -> None:
    numbers = Column("n", mysql.INTEGER(display_width=11))
    zeros = Column("z", mysql.INTEGER(display_width=11, zerofill=True))
    exact = Column("f", mysql.DOUBLE())
    checked: Column[Any] = Column("j", mysql.LONGTEXT())
    for column in (numbers, zeros, exact, checked):
        mysql_tables.complete_type(column, {"json_valid(`j`)"})

    written = [column.type.compile(DIALECTS["mysql"]) for column in (numbers, zeros, checked)]
    assert written == ["INTEGER", "INTEGER(11) ZEROFILL", "JSON"]
    assert exact.type.python_type is float


@pytest.mark.parametrize(
    ("message", "column"),
    [
        ("Incorrect date value: '0000-00-00' for column `db`.`t`.`made on` at row 1", "made on"),
        ("Incorrect datetime value: '2020-00-00 00:00:00' for column 'made' at row 7", "made"),
        ("Incorrect integer value: 'x' for column `db`.`t`.`a` at row 1", None),
    ],
)
def test_which_column_has_a_forbidden_date(message: str, column: str | None) -> None:
    found = IN_COLUMN.search(message)

    assert (found and found["name"]) == column


@pytest.mark.parametrize(
    "rest", ["", " WITH {a=b}", " COMMENT 'it''s; x'", " WITH {a} COMMENT 'x'"]
)
def test_the_query_of_a_view(rest: str) -> None:
    query = " SELECT 'a; COMMENT' AS b\n FROM t;"

    found = VIEW.fullmatch(query + rest)

    assert found
    assert (found["query"], found["rest"]) == (query, rest)
