"""What autogenerate needs to know of SQLite."""

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
from alembic.runtime.migration import MigrationContext
from alembic.util import to_list
from alembic_guardrails.autogenerate import escape_parameters, read_together
from alembic_guardrails.autogenerate.describe import NAME, Definitions, IndexComparison
from sqlalchemy import (
    INTEGER,
    Column,
    Connection,
    ForeignKeyConstraint,
    Index,
    MetaData,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.schema import CreateIndex
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

STATEMENT = text("""
    SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table COLLATE NOCASE
""")

# The indexes that a statement has made and their parts, which have no name if they have no column;
# of one table, or of all.
INDEXES = text("""
    SELECT tbl_name, m.name, sql, part.name FROM sqlite_master m JOIN pragma_index_info(m.name) part
    WHERE m.type = 'index' AND sql <> '' AND tbl_name = coalesce(:table, tbl_name)
    ORDER BY tbl_name, m.name, seqno
""")

# The statements of the indexes of a table with the columns of their parts, by the names.
Indexes = dict[str, tuple[str, list[str | None]]]

# Arguments of SQLAlchemy's types that are no numbers. SQLite takes numbers for any type.
NO_NUMBERS = {
    "asdecimal": False,
    "collation": None,
    "create_constraint": False,
    "none_as_null": False,
    "timezone": False,
}

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


def compare_constraints(context: MigrationContext) -> None:
    """Have Alembic compare constraints without a name as if they had that of CONVENTION.

    Alembic takes no UNIQUE without a name for removed, and writes `drop_constraint(None)` for such
    a foreign key, which fails. It also leaves out indexes on expressions. They are compared here,
    but one that the model of its table does not have stays, as with Alembic.
    """
    impl: Any = context.impl
    correct_keys = impl.correct_for_autogen_foreignkeys
    metadata: list[MetaData] = to_list(context.opts["target_metadata"], [])
    tables = {name for models in metadata for name in models.tables}

    def correct_for_autogen_constraints(
        uniques: Iterable[UniqueConstraint],
        indexes: set[Index],
        _: Iterable[UniqueConstraint],
        models: Iterable[Index],
    ) -> None:
        for unique in uniques:
            if unique.name is None:
                names = [unique.table.name, *(column.name for column in unique.columns)]
                unique.name = GivenName(f"uq_{'_'.join(names)}")
        known = {index.name for index in models}
        for index in [index for index in indexes if index.name not in known]:
            is_plain = all(isinstance(part, Column) for part in index.expressions)
            if not is_plain and str(index.table) in tables:
                indexes.remove(index)

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
    """Have SQLAlchemy read columns, constraints and indexes as they are."""
    dialect: Any = connection.dialect
    if "get_columns" not in vars(dialect):
        reflect_columns(dialect)
        reflect_foreign_keys(dialect)
        reflect_uniques(dialect)
        reflect_indexes(dialect)


def reflect_columns(dialect: Any) -> None:
    """Have SQLAlchemy read the expressions of columns, and no number as another argument of a type.

    It finds an expression by a pattern that needs GENERATED ALWAYS, and ends with the line.
    """
    read = dialect.get_columns

    def get_columns(connection: Connection, table: str, *args: Any, **kwargs: Any) -> Any:
        columns = read(connection, table, *args, **kwargs)
        for column in columns:
            for name, usual in NO_NUMBERS.items():
                if type(getattr(column["type"], name, None)) is int:
                    setattr(column["type"], name, usual)
        if computed := {column["name"]: column for column in columns if "computed" in column}:
            statement = connection.execute(STATEMENT, {"table": table}).scalar_one()
            for name, expression in read_expressions(statement):
                computed[name]["computed"]["sqltext"] = expression
        return columns

    dialect.get_columns = get_columns


def reflect_foreign_keys(dialect: Any) -> None:
    """Have SQLAlchemy read ON DELETE and ON UPDATE of foreign keys that stand at a column.

    On SQLite it reads them only of foreign keys that stand at the table, so that Alembic would see
    a change where there is none.
    """
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
    dialect.get_multi_foreign_keys = read_together(
        dialect.get_multi_foreign_keys, "foreign_keys_of_tables", read_rows
    )


def reflect_uniques(dialect: Any) -> None:
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


def reflect_indexes(dialect: Any) -> None:
    """Have SQLAlchemy read expressions, collations, the order and all of WHERE in indexes.

    It leaves out an index that has an expression.
    """
    read = dialect.get_indexes

    def get_indexes(
        connection: Connection,
        table: str,
        *args: Any,
        include_auto_indexes: bool = False,
        **kwargs: Any,
    ) -> Any:
        if include_auto_indexes:
            return read(connection, table, *args, include_auto_indexes=True, **kwargs)
        known = kwargs.get("info_cache", {}).get("indexes_of_tables")
        indexes = read_statements(connection, table) if known is None else known
        return [describe_index(name, *found) for name, found in indexes.get(table, {}).items()]

    dialect.get_indexes = get_indexes
    dialect.get_multi_indexes = read_together(
        dialect.get_multi_indexes,
        "indexes_of_tables",
        lambda connection, _: read_statements(connection),
    )


def actions_of(rows: Iterable[Any]) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the actions of foreign keys, by their columns, from SQLite's list of them."""
    actions: dict[tuple[str, ...], dict[str, str]] = {}
    for _, parts in groupby(rows, lambda row: row[0]):
        columns, words = zip(*((row[3], row[5:7]) for row in parts), strict=True)
        found = zip(("onupdate", "ondelete"), words[0], strict=True)
        actions[columns] = {name: word for name, word in found if word != "NO ACTION"}
    return actions


def read_expressions(statement: str) -> Iterator[tuple[str, str]]:
    """Read the computed columns of a CREATE TABLE statement, each with its expression."""
    from alembic_guardrails.rebuild.definition import parse_table

    for column in parse_table(statement).columns:
        if clause := column.clause("AS"):
            yield column.name, statement[clause.body[0].begin : clause.body[-1].end]


def read_statements(connection: Connection, table: str | None = None) -> dict[str, Indexes]:
    """Read the indexes of a table or of all, by table."""
    found: dict[str, Indexes] = {}
    for owner, name, statement, column in connection.execute(INDEXES, {"table": table}):
        _, columns = found.setdefault(owner, {}).setdefault(name, (statement, []))
        columns.append(column)
    return found


def describe_index(name: str, statement: str, parts: Iterable[str | None]) -> dict[str, Any]:
    """Describe an index as SQLAlchemy does; `parts` are the columns that its parts are about."""
    from alembic_guardrails.rebuild.definition import read_index

    index = read_index(statement)
    elements = index.elements
    columns = [
        column if element.is_bare else None for column, element in zip(parts, elements, strict=True)
    ]
    described: dict[str, Any] = {
        "name": name,
        "unique": index.is_unique,
        "column_names": columns,
        "column_sorting": {
            column: ("desc",)
            for column, element in zip(columns, elements, strict=True)
            if column and element.is_descending
        },
        "dialect_options": {},
    }
    if None in columns:
        described["expressions"] = [
            column or escape_parameters(element.text)
            for column, element in zip(columns, elements, strict=True)
        ]
    if index.where:
        described["dialect_options"]["sqlite_where"] = text(escape_parameters(index.where))
    return described


def has_expression(column: Column[Any], sql: str) -> bool:
    """Whether a computed column of SQLite has this expression, however both are spelt."""
    from alembic_guardrails.rebuild.definition import same

    return column.computed is not None and same(str(column.computed.sqltext), sql)


class SQLiteIndexes(IndexComparison):
    """Compares indexes by their statements."""

    def read(self, schema: str | None) -> Definitions:
        """Read what the statements of all indexes say."""
        return {
            (table, name): self.normalise(statement)
            for table, indexes in read_statements(self.connection).items()
            for name, (statement, _) in indexes.items()
        }

    def word_columns(self, names: list[str], is_unique: bool) -> str:
        """Return what a statement says of an index on columns."""
        unique = "UNIQUE " * is_unique
        return self.normalise(f"CREATE {unique}INDEX {NAME} ON {NAME} ({', '.join(names)})")

    def word(self, index: Index, table: str) -> list[str]:
        """Return what the statement of an index says."""
        return [self.normalise(str(CreateIndex(index).compile(dialect=self.connection.dialect)))]

    def normalise(self, statement: str) -> str:
        """Return what a statement says, but for the names of the index and its table."""
        from alembic_guardrails.rebuild.definition import read_index

        return read_index(statement).normalised


INDEX_COMPARISON = SQLiteIndexes
