"""The types of PostgreSQL that enums are: made before what needs them, dropped after it.

Alembic leaves them to `op.create_table()`, which makes a type that is there already once more, and
to nobody otherwise: https://github.com/sqlalchemy/alembic/issues/278
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateTableOp,
    DropTableOp,
    ExecuteSQLOp,
    MigrateOperation,
    MigrationScript,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails._alembic import copy_column, variants_of
from alembic_guardrails.autogenerate import escape_parameters
from alembic_guardrails.autogenerate.render import sql_of, stored_type
from alembic_guardrails.history.source import created_enums
from sqlalchemy import Column, Dialect, Enum, text
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.schema import DefaultClause
from sqlalchemy.types import TypeEngine

# The enums among these names, with their values, and whether anything needs them but what goes:
# tables, columns, and what depends on them alone.
PRESENT = text("""
    WITH RECURSIVE gone (classid, objid, objsubid) AS (
        SELECT CAST(CAST('pg_class' AS regclass) AS oid), CAST(to_regclass(relation) AS oid),
            CASE WHEN name = '' THEN 0 ELSE CAST(attnum AS integer) END
        FROM unnest(CAST(:tables AS text[]), CAST(:columns AS text[])) AS parts (relation, name)
        LEFT JOIN pg_attribute ON attrelid = to_regclass(relation) AND attname = name
        UNION
        SELECT d.classid, d.objid, d.objsubid FROM gone JOIN pg_depend d
        ON refclassid = gone.classid AND refobjid = gone.objid
        AND gone.objsubid IN (0, refobjsubid) AND deptype IN ('a', 'i', 'P', 'S')
    )
    SELECT name, CAST(typname AS text), ARRAY(
        SELECT CAST(enumlabel AS text) FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder
    ), EXISTS (
        SELECT FROM pg_depend d WHERE refclassid = CAST('pg_type' AS regclass)
        AND refobjid IN (t.oid, typarray) AND (classid, objid) <> (refclassid, typarray)
        AND NOT EXISTS (
            SELECT FROM gone WHERE (gone.classid, gone.objid) = (d.classid, d.objid)
            AND gone.objsubid IN (0, d.objsubid)
        )
    ) OR EXISTS (
        SELECT FROM pg_depend WHERE classid = CAST('pg_type' AS regclass) AND objid = t.oid
        AND deptype = 'e'
    )
    FROM unnest(CAST(:names AS text[])) AS given (name)
    JOIN pg_type t ON t.oid = to_regtype(name) AND typtype = 'e'
""")

# What is between types and other objects that autogenerate finds.
OF_TABLES = (CreateTableOp, DropTableOp, ModifyTableOps)

# A literal, with the type that PostgreSQL writes behind it.
LITERAL = re.compile(r"('(?:[^']|'')*')::.+", re.DOTALL)

# Types by their names in SQL, with their values.
Values = dict[str, list[str]]


class Present(NamedTuple):
    """A type that the database has."""

    name: str
    values: list[str]
    is_needed: bool
    """By anything but what the revision drops."""


class AlterToEnumOp(AlterColumnOp):
    """A change of the type of a column to an enum, which PostgreSQL makes only if told how."""

    def __init__(self, operation: AlterColumnOp, using: str) -> None:
        vars(self).update(vars(operation), kw={**operation.kw, "postgresql_using": using})


@renderers.dispatch_for(AlterToEnumOp)
def render_alter(context: AutogenContext, operation: AlterToEnumOp) -> str:
    """Write the change as Alembic does, which leaves out how values become those of the enum."""
    written = renderers.dispatch(AlterColumnOp)(context, operation)
    return f"{written[:-1]}, postgresql_using={operation.kw['postgresql_using']!r})"


def write_types(script: MigrationScript, context: MigrationContext) -> None:
    """Have a revision create the types that are missing, and drop those that nothing needs then.

    It creates none with its tables, and drops only what revisions have created. A type that
    another operation is about is left to it, one with `create_type=False` to its owner.

    Raises:
        CommandError: A new column asks for other values than those of the type that is there.
    """
    if context.dialect.name != "postgresql" or context.connection is None:
        return
    for up, down in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        left = {*names_in(up.ops)}
        added, removed = (gained(one.ops, left, context.dialect) for one in (up, down))
        present = read_present(context, {**added, **removed}, down.ops)
        missing = {name: values for name, values in added.items() if name not in present}
        unneeded = {
            name: type_.values
            for name, type_ in present.items()
            if name not in added and not type_.is_needed and type_.name in created(context)
        }
        for name, values in added.items():
            check_values(name, values, present)
        for one, creates, drops in ((up, missing, unneeded), (down, unneeded, missing)):
            one.ops = [converted(operation, left, context.dialect) for operation in one.ops]
            surround(one.ops, creates, drops)


def names_in(operations: Iterable[MigrateOperation]) -> Iterator[str]:
    """Yield the texts in operations that are not Alembic's; the name of a type is one of them."""
    for operation in operations:
        if not type(operation).__module__.startswith("alembic."):
            yield from (value for value in vars(operation).values() if isinstance(value, str))


def gained(
    operations: Iterable[MigrateOperation], left: Collection[str], dialect: Dialect
) -> Values:
    """Return the types that the columns have which operations add or change.

    Raises:
        CommandError: Two of them have one name, and other values.
    """
    found: Values = {}
    for type_ in types_of(operations):
        enum = find_enum(type_, dialect)
        if enum is not None and is_ours(type_, enum, left):
            name = name_of(enum, dialect)
            if {*found.setdefault(name, enum.enums)} != {*enum.enums}:
                raise CommandError(differ(name, found[name], enum.enums))
    return found


def types_of(operations: Iterable[MigrateOperation]) -> Iterator[TypeEngine[Any]]:
    """Yield the types of the columns that operations add or change."""
    for operation in operations:
        match operation:
            case CreateTableOp():
                yield from (part.type for part in operation.columns if isinstance(part, Column))
            case AddColumnOp():
                yield operation.column.type
            case AlterColumnOp(modify_type=TypeEngine() as type_):
                yield type_
            case ModifyTableOps():
                yield from types_of(operation.ops)


def find_enum(type_: TypeEngine[Any], dialect: Dialect) -> Enum | None:
    """Return the enum, or that of the array, for which a database has a type."""
    whole: Any = whole_type(type_, dialect)
    item: Any = stored_type(getattr(whole, "item_type", whole), dialect)
    return item if isinstance(item, Enum) and item.native_enum and item.name else None


def whole_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type that the database stores, of an array with its items."""
    variants = {name: variant for variant, name in variants_of(type_)}
    return stored_type(variants.get(dialect.name, type_), dialect)


def is_ours(type_: TypeEngine[Any], enum: Enum, left: Collection[str]) -> bool:
    """Whether revisions create and drop a type; a plugin has the revision say that it does."""
    given = getattr(type_, "item_type", type_)
    is_made = all(getattr(one, "create_type", True) for one in (given, enum))
    return is_made and "create_type=False" not in repr(given) and enum.name not in left


def name_of(enum: Enum, dialect: Dialect) -> str:
    """Return the name of a type as SQL writes it."""
    quote = dialect.identifier_preparer.quote
    return ".".join(quote(part) for part in (enum.schema, enum.name) if part)


def read_present(
    context: MigrationContext, names: Iterable[str], added: Iterable[MigrateOperation]
) -> dict[str, Present]:
    """Read the types that there are, and whether they are needed without what operations add."""
    names = [*names]
    if not names or context.connection is None:
        return {}
    parts = [*parts_of(added, context.dialect)]
    given = {
        "names": names,
        "tables": [table for table, _ in parts],
        "columns": [column for _, column in parts],
    }
    return {name: Present(*found) for name, *found in context.connection.execute(PRESENT, given)}


def parts_of(operations: Iterable[MigrateOperation], dialect: Dialect) -> Iterator[tuple[str, str]]:
    """Yield the tables and the columns that operations add or change; a table has no column."""
    quote = dialect.identifier_preparer.quote
    for operation in operations:
        match operation:
            case ModifyTableOps():
                yield from parts_of(operation.ops, dialect)
                continue
            case CreateTableOp():
                column = ""
            case AddColumnOp():
                column = operation.column.name
            case AlterColumnOp(modify_type=TypeEngine()):
                column = operation.column_name
            case _:
                continue
        names = (operation.schema, operation.table_name)
        yield ".".join(quote(name) for name in names if name), column


def check_values(name: str, values: list[str], present: Mapping[str, Present]) -> None:
    """Check that a type which is there has the values that new columns ask for.

    Raises:
        CommandError: It has others.
    """
    if name in present and {*values} != {*present[name].values}:
        raise CommandError(differ(name, present[name].values, values))


def differ(name: str, one: Iterable[str], other: Iterable[str]) -> str:
    """Say that a type would have to have different values."""
    return (
        f"The type {name} has the values {', '.join(one)}, and a new column asks for"
        f" {', '.join(other)}: change the type in a revision of its own first, or give the"
        " column's type another name."
    )


def created(context: MigrationContext) -> set[str]:
    """Return the names of the types that revisions have created."""
    if context.environment_context is None:
        return set()
    revisions = context.environment_context.script.walk_revisions()
    return created_enums(Path(script.path).read_text("utf-8") for script in revisions)


def surround(operations: list[MigrateOperation], creates: Values, drops: Values) -> None:
    """Put the creation of types before the operations about tables, and their drop after them."""
    places = [at for at, operation in enumerate(operations) if isinstance(operation, OF_TABLES)]
    after = max(places, default=-1) + 1
    operations[after:after] = [
        ExecuteSQLOp(f"DROP TYPE {escape_parameters(name)}") for name in drops
    ]
    before = min(places, default=0)
    operations[before:before] = [
        ExecuteSQLOp(escape_parameters(f"CREATE TYPE {name} AS ENUM ({listed(values)})"))
        for name, values in creates.items()
    ]


def listed(values: Iterable[str]) -> str:
    """Return values as SQL writes them."""
    return ", ".join("'{}'".format(value.replace("'", "''")) for value in values)


def converted(
    operation: MigrateOperation, left: Collection[str], dialect: Dialect
) -> MigrateOperation:
    """Return an operation whose columns create no types, and that says how values change type."""
    match operation:
        case CreateTableOp():
            operation.columns = [
                bound(part, left, dialect) if isinstance(part, Column) else part
                for part in operation.columns
            ]
        case AddColumnOp():
            operation.column = bound(operation.column, left, dialect)
        case AlterColumnOp():
            for name in ("existing_type", "modify_type"):
                if (type_ := getattr(operation, name)) is not None:
                    setattr(operation, name, bound_type(type_, left, dialect))
        case ModifyTableOps():
            operation.ops = [
                part
                for change in operation.ops
                for part in altered(converted(change, left, dialect), dialect)
            ]
    return operation


def bound(column: Column[Any], left: Collection[str], dialect: Dialect) -> Column[Any]:
    """Return a column that takes its type from the database.

    PostgreSQL's own ENUM says so; SQLAlchemy's Enum forgets it where it is copied.
    """
    type_ = bound_type(column.type, left, dialect)
    if type_ is column.type:
        return column
    copied = copy_column(column)
    copied.type = type_
    return copied


def bound_type(type_: TypeEngine[Any], left: Collection[str], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type in the place of an enum that no table creates."""
    enum = find_enum(type_, dialect)
    if enum is None or enum.name in left:
        return type_
    found = ENUM(*enum.enums, name=str(enum.name), schema=enum.schema, create_type=False)
    array: Any = copy(whole_type(type_, dialect))
    if not hasattr(array, "item_type"):
        return found
    array.item_type = found
    return array  # type: ignore[no-any-return]


def altered(change: MigrateOperation, dialect: Dialect) -> list[MigrateOperation]:
    """Return the change of a column to or from an enum as PostgreSQL can make it.

    A default goes first and comes again as a literal: PostgreSQL converts none.
    """
    if not isinstance(change, AlterColumnOp) or change.modify_type is None:
        return [change]
    old, new = change.existing_type, change.modify_type
    is_to_enum = find_enum(new, dialect) is not None
    if not is_to_enum and (old is None or find_enum(old, dialect) is None):
        return [change]
    before, after = change.existing_server_default, change.modify_server_default
    after = before if after is False else after
    parts: list[MigrateOperation] = []
    place: Any = {"schema": change.schema, "existing_nullable": change.existing_nullable}
    if isinstance(before, DefaultClause):
        change.existing_server_default = change.modify_server_default = False
        place["existing_type"] = old
        parts.append(
            AlterColumnOp(
                change.table_name, change.column_name, modify_server_default=None, **place
            )
        )
    if is_to_enum and "postgresql_using" not in change.kw:
        column = dialect.identifier_preparer.quote(change.column_name)
        change = AlterToEnumOp(change, f"{column}::text::{sql_of(new, dialect)}")
    parts.append(change)
    if isinstance(before, DefaultClause) and isinstance(after, DefaultClause):
        place["existing_type"] = new
        default = as_literal(after)
        parts.append(
            AlterColumnOp(
                change.table_name, change.column_name, modify_server_default=default, **place
            )
        )
    return parts


def as_literal(default: DefaultClause) -> DefaultClause:
    """Return a default without the type that PostgreSQL writes behind a literal."""
    literal = LITERAL.fullmatch(str(default.arg))
    return DefaultClause(text(literal[1])) if literal else default
