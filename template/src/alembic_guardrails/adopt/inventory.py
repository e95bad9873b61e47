"""What is in a database, what of it is adopted, why the rest is not, and the report of both."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from alembic.util import CommandError
from alembic_guardrails.adopt import Database, TableName, database_for, describe
from alembic_guardrails.ignore import FILE, PARENT, IgnoreList
from alembic_guardrails.revisions import CURRENT, OWN_TABLES
from alembic_guardrails.schema import snapshot
from sqlalchemy import Connection, Inspector, inspect

# Reasons to leave something out, by what it is named as in the report.
Reasons = dict[str, str]

LONGEST_GAP = 300


@dataclass(frozen=True)
class Selection:
    """Patterns for the schemas and tables to adopt; without patterns it is all of them."""

    schemas: Collection[str] = ()
    tables: Collection[str] = ()

    def skips_schema(self, schema: str | None) -> bool:
        """Whether a schema is not selected; None is the default one."""
        return bool(self.schemas) and not matches(schema or "public", self.schemas)

    def skips_table(self, table: TableName) -> bool:
        """Whether a table or a view of a selected schema is not selected itself."""
        name = ".".join(part for part in table if part)
        return bool(self.tables) and not matches(name, self.tables)


@dataclass
class Inventory:
    """What a database holds, and what becomes of it."""

    schema: dict[str, str]
    """Everything in it, as `snapshot` returns it."""
    tables: list[TableName] = field(default_factory=list)
    """The tables that get models."""
    without_model: dict[TableName, str] = field(default_factory=dict)
    """Tables that are part of the baseline revision only, and what they are."""
    in_extensions: Reasons = field(default_factory=dict)
    """What extensions create, so that no revision has to."""
    left_out: Reasons = field(default_factory=dict)
    """What is not selected, or needs something that is not selected."""


def read_inventory(
    connection: Connection, ignore_list: IgnoreList, selection: Selection
) -> Inventory:
    """Read what a database holds, and decide what of it is adopted.

    Raises:
        CommandError: The database has a revision, no table to adopt, or tables that cannot be
            adopted as they are selected.
    """
    check_no_revision(connection)
    database = database_for(connection)
    database.check_connection(connection)
    without_model = database.find_without_model(connection)
    in_extensions = database.find_in_extensions(connection)
    connection.commit()
    schema = snapshot(connection)
    connection.commit()

    inspector = inspect(connection)
    left_out = find_unselected(inspector, database, selection)
    tables = [
        table
        for kind, table in list_relations(inspector, database)
        if kind == "table"
        and not is_skipped(table, selection)
        and not ignore_list.matches(describe(table))
        and describe(table) not in in_extensions
    ]
    check_tables(inspector, database, tables, in_extensions, bool(left_out or ignore_list.patterns))
    if left_out:
        left_out |= database.find_dependents(connection, left_out)
    with_model = [table for table in tables if table not in without_model]
    return Inventory(schema, with_model, without_model, in_extensions, left_out)


def check_no_revision(connection: Connection) -> None:
    """Check that Alembic does not know the database yet.

    Raises:
        CommandError: The database has a revision.
    """
    is_known = inspect(connection).has_table("alembic_version")
    revisions = connection.scalars(CURRENT).all() if is_known else ()
    connection.commit()
    if revisions:
        raise CommandError(
            f"The database is at revision {', '.join(revisions)} already, so there is nothing"
            " to adopt: run `alembic upgrade head`."
        )


def find_unselected(inspector: Inspector, database: Database, selection: Selection) -> Reasons:
    """Find the schemas, tables and views that the options leave out, and say which option does."""
    left_out = {
        f"schema {schema}": "not among --schema"
        for schema in database.list_schemas(inspector)
        if schema and selection.skips_schema(schema)
    }
    for kind, table in list_relations(inspector, database):
        schema, _ = table
        if f"schema {schema}" in left_out:
            continue
        if selection.skips_schema(schema):
            left_out[describe(table, kind)] = "not among --schema"
        elif selection.skips_table(table):
            left_out[describe(table, kind)] = "not among --table"
    return left_out


def is_skipped(table: TableName, selection: Selection) -> bool:
    """Whether the options leave a table out."""
    return selection.skips_schema(table[0]) or selection.skips_table(table)


def list_relations(inspector: Inspector, database: Database) -> Iterator[tuple[str, TableName]]:
    """List the tables and the views with their kind, without Alembic's own."""
    for schema in database.list_schemas(inspector):
        for name in inspector.get_table_names(schema):
            if name not in OWN_TABLES:
                yield "table", (schema, name)
        for name in inspector.get_view_names(schema):
            yield "view", (schema, name)
        with suppress(NotImplementedError):
            for name in inspector.get_materialized_view_names(schema):
                yield "materialized view", (schema, name)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of some patterns fits a name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def check_tables(
    inspector: Inspector,
    database: Database,
    tables: list[TableName],
    in_extensions: Collection[str],
    is_part: bool,
) -> None:
    """Check that the tables can be adopted; `is_part` says that the database holds more of them.

    Raises:
        CommandError: There is none, two cannot be told apart, or one needs a table that is missing.
    """
    if not tables:
        raise CommandError(
            "There is no table to adopt: begin a new schema with a model and `alembic revision"
            " --autogenerate`."
        )
    database.check_names(tables)
    if is_part:
        check_foreign_keys(inspector, tables, in_extensions)


def check_foreign_keys(
    inspector: Inspector, tables: list[TableName], in_extensions: Collection[str]
) -> None:
    """Check that no table refers to one that is left out.

    Raises:
        CommandError: A table does.
    """
    for schema in dict.fromkeys(schema for schema, _ in tables):
        for (_, name), keys in inspector.get_multi_foreign_keys(schema).items():
            for key in keys if (schema, name) in tables else ():
                target = (key["referred_schema"], key["referred_table"])
                if target not in tables and describe(target) not in in_extensions:
                    raise CommandError(
                        f"{describe((schema, name))} refers to {describe(target)}, which is left"
                        " out: adopt both, or neither."
                    )


def report(
    inventory: Inventory,
    ignore_list: IgnoreList,
    models: Mapping[TableName, str],
    outside_schema: str,
) -> Iterator[str]:
    """Write two tables, a line at a time: what is adopted and as what; what is not, and why."""
    became = {describe(table): words for table, words in models.items()}
    became |= {
        describe(table): f"{kind}, no model" for table, kind in inventory.without_model.items()
    }
    adopted: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for item in inventory.schema:
        plain = item.replace('"', "")
        if PARENT.search(plain):
            continue
        if ignore_list.matches(item):
            left_out[plain] = inventory.left_out.get(plain, f"migrations/{FILE} lists it")
        else:
            adopted[plain] = became.get(plain, "SQL in the baseline revision")
    left_out |= inventory.in_extensions
    if outside_schema:
        left_out[outside_schema] = "not part of a schema"
    width = max(map(len, ("adopted", *adopted, *left_out)))
    yield f"{'adopted':{width}}  as"
    yield from (f"{name:{width}}  {words}" for name, words in adopted.items())
    if left_out:
        yield f"\n{'left out':{width}}  why"
        yield from (f"{name:{width}}  {words}" for name, words in left_out.items())


def report_gaps(gaps: list[str]) -> Iterator[str]:
    """Write what the models do not say as it is, a line at a time."""
    if gaps:
        yield "\nThe models do not say this as it is in the database; complete them by hand:"
        yield from (gap[:LONGEST_GAP] for gap in gaps)
