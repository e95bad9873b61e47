"""What autogenerate needs to know of SQLite."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    AlterColumnOp,
    CreateForeignKeyOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    MigrateOperation,
    ModifyTableOps,
)
from alembic_guardrails.autogenerate import read_together
from sqlalchemy import (
    INTEGER,
    Column,
    Connection,
    ForeignKeyConstraint,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.sql.naming import conv

# The types that columns were declared with, as the statements spell them; of one table, or of all.
TYPES = text("""
    SELECT NULL, m.name, c.name, c.type
    FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
    WHERE m.type = 'table' AND m.name = coalesce(:table, m.name)
""")

# What PRAGMA foreign_key_list says of each table.
FOREIGN_KEYS = text("""
    SELECT m.name, k.* FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) k
    WHERE m.type = 'table'
""")

# In the definition of a column as `schema/sqlite.py` writes it.
COMPUTED = re.compile(r"\bas \((.*)\)")

# SQLAlchemy reads nothing of SQLite's indexes but columns, so that there is nothing to compare.
INDEX_COMPARISON = None

# What a batch calls constraints that have no name in the database, so that it can drop them:
# https://alembic.sqlalchemy.org/en/latest/batch.html#dropping-unnamed-or-named-constraints
CONVENTION = {
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
}
# The kinds of constraints, as Alembic and as a convention calls them.
KINDS = {"foreignkey": "fk", "unique": "uq"}


class GivenName(conv):
    """The name that CONVENTION gives to a constraint that has none in the database."""

    __slots__ = ()


class NamingBatch(ModifyTableOps):
    """Changes of a table that drop constraints which CONVENTION names."""


@renderers.dispatch_for(NamingBatch)
def render_batch(context: AutogenContext, batch: NamingBatch) -> list[str]:
    """Write the changes as Alembic does, in a batch that has the convention."""
    table = ModifyTableOps(batch.table_name, batch.ops, schema=batch.schema)
    first, *others = renderers.dispatch(table)(context, table)
    dropped = [change for change in batch.ops if isinstance(change, DropConstraintOp)]
    kinds = {KINDS[str(change.constraint_type)] for change in dropped if is_given(change)}
    names = {kind: CONVENTION[kind] for kind in sorted(kinds)}
    return [first.replace(") as ", f", naming_convention={names!r}) as "), *others]


def name_unnamed(impl: Any) -> None:
    """Have Alembic compare constraints without a name as if they had that of CONVENTION.

    Alembic takes no UNIQUE without a name for removed, and writes `drop_constraint(None)` for such
    a foreign key, which fails.
    """
    correct_uniques = impl.correct_for_autogen_constraints
    correct_keys = impl.correct_for_autogen_foreignkeys

    def correct_for_autogen_constraints(uniques: Iterable[UniqueConstraint], *others: Any) -> None:
        for unique in uniques:
            if unique.name is None:
                names = [unique.table.name, *(column.name for column in unique.columns)]
                unique.name = GivenName(f"uq_{'_'.join(names)}")
        correct_uniques(uniques, *others)

    def correct_for_autogen_foreignkeys(
        keys: Iterable[ForeignKeyConstraint], models: Iterable[ForeignKeyConstraint]
    ) -> None:
        for key in keys:
            if key.name is None:
                referred = key.elements[0].target_fullname.rpartition(".")[0]
                names = [key.parent.name, *key.column_keys, referred]
                key.name = GivenName(f"fk_{'_'.join(names)}")
        correct_keys(keys, models)

    impl.correct_for_autogen_constraints = correct_for_autogen_constraints
    impl.correct_for_autogen_foreignkeys = correct_for_autogen_foreignkeys


def is_given(change: MigrateOperation) -> bool:
    """Whether a change is about a constraint that has no name in the database."""
    match change:
        case (
            DropConstraintOp(constraint_name=name)
            | CreateUniqueConstraintOp(constraint_name=name)
            | CreateForeignKeyOp(constraint_name=name)
        ):
            return isinstance(name, GivenName)
    return False


def as_named(table: ModifyTableOps) -> ModifyTableOps:
    """Return changes of a table that can run: what is dropped is named, what comes back is not."""
    given = [change for change in table.ops if is_given(change)]
    for change in given:
        if isinstance(change, CreateUniqueConstraintOp | CreateForeignKeyOp):
            change.constraint_name = None
    if any(isinstance(change, DropConstraintOp) for change in given):
        return NamingBatch(table.table_name, table.ops, schema=table.schema)
    return table


def is_row_number(connection: Connection, table: str, operation: AlterColumnOp) -> bool:
    """Whether a column is the number of the row in SQLite, which is never NULL."""
    return (
        connection.dialect.name == "sqlite"
        and isinstance(operation.existing_type, INTEGER)
        and inspect(connection).get_pk_constraint(table)["constrained_columns"]
        == [operation.column_name]
    )


def extend_reflection(connection: Connection) -> None:
    """Have SQLAlchemy read ON DELETE and ON UPDATE of foreign keys that stand at a column.

    On SQLite it reads them only of foreign keys that stand at the table, so that Alembic would see
    a change where there is none. It is the same with a UNIQUE.
    """
    dialect: Any = connection.dialect
    if "get_foreign_keys" in vars(dialect):
        return
    read = dialect.get_foreign_keys

    def get_foreign_keys(connection: Connection, table: str, *args: Any, **kwargs: Any) -> Any:
        keys = read(connection, table, *args, **kwargs)
        rows = kwargs.get("info_cache", {}).get("foreign_keys_of_tables", {}).get(table)
        if keys and rows is None:
            quoted = dialect.identifier_preparer.quote_identifier(table)
            rows = connection.exec_driver_sql(f"PRAGMA foreign_key_list({quoted})").all()
        actions = actions_of(rows or ())
        for key in keys:
            for name, action in actions.get(tuple(key["constrained_columns"]), {}).items():
                key["options"].setdefault(name, action)
        return keys

    def read_rows(connection: Connection, _: object) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for table, *row in connection.execute(FOREIGN_KEYS):
            found.setdefault(table, []).append(row)
        return found

    dialect.get_foreign_keys = get_foreign_keys
    read_all_uniques(dialect)
    dialect.get_multi_foreign_keys = read_together(
        dialect.get_multi_foreign_keys, "foreign_keys_of_tables", read_rows
    )


def read_all_uniques(dialect: Any) -> None:
    """Have SQLAlchemy read each UNIQUE of a table: it leaves out `name varchar(20) UNIQUE`."""
    read = dialect.get_unique_constraints

    def get_unique_constraints(*args: Any, **kwargs: Any) -> Any:
        return [*(found := read(*args, **kwargs)), *unread(found, *args, **kwargs)]

    def unread(found: Any, *args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
        known = [unique["column_names"] for unique in found]
        for index in dialect.get_indexes(*args, include_auto_indexes=True, **kwargs):
            columns = index["column_names"]
            if columns in known or not index["name"].startswith("sqlite_autoindex_"):
                continue
            if columns != dialect.get_pk_constraint(*args, **kwargs)["constrained_columns"]:
                yield {"name": None, "column_names": columns}

    dialect.get_unique_constraints = get_unique_constraints


def actions_of(rows: Iterable[Any]) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the actions of foreign keys, by their columns, from SQLite's list of them."""
    actions: dict[tuple[str, ...], dict[str, str]] = {}
    for _, parts in groupby(rows, lambda row: row[0]):
        columns, words = zip(*((row[3], row[5:7]) for row in parts), strict=True)
        found = zip(("onupdate", "ondelete"), words[0], strict=True)
        actions[columns] = {name: word for name, word in found if word != "NO ACTION"}
    return actions


def has_expression(connection: Connection, column: Column[Any], sql: str) -> bool:
    """Whether a computed column of SQLite has this expression, however both are spelt.

    SQLAlchemy reads none where GENERATED ALWAYS is left out, so that the statement is read.
    """
    from alembic_guardrails.schema import sqlite as schema

    place = f"column {column.name.lower()} of table {column.table.name}"
    computed = COMPUTED.search(dict(schema.read(connection)).get(place, ""))
    return computed is None or computed[1] == schema.render(schema.parse(sql))
