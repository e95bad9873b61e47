"""The tables that operations of revisions build, in the form in which SQLAlchemy reflects them.

A dialect answers questions about the schema from them.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, cast

from alembic.operations import MigrateOperation, ops
from alembic.operations.schemaobj import SchemaObjects
from alembic_guardrails.history.source import CREATE_TABLE as CREATED
from alembic_guardrails.offline.definitions import Key, NotUnderstoodError, read_operations
from alembic_guardrails.statements import Statement
from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    DefaultClause,
    Dialect,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError

Entry = dict[str, Any]

# The names that databases give to what has none, which later revisions drop by that name.
POSTGRESQL_NAMES = {
    PrimaryKeyConstraint: "{table}_pkey",
    UniqueConstraint: "{table}_{columns}_key",
    ForeignKeyConstraint: "{table}_{columns}_fkey",
    CheckConstraint: "{table}_check",
}
MYSQL_NAMES = {
    PrimaryKeyConstraint: "PRIMARY",
    UniqueConstraint: "{column}",
    ForeignKeyConstraint: "{table}_ibfk_{number}",
    CheckConstraint: "CONSTRAINT_{number}",
}
NAMES: Mapping[str, Mapping[type[Constraint], str]] = {
    "postgresql": POSTGRESQL_NAMES,
    "mysql": MYSQL_NAMES,
    "mariadb": MYSQL_NAMES,
}

LISTS: Mapping[type[Constraint], str] = {
    UniqueConstraint: "unique_constraints",
    ForeignKeyConstraint: "foreign_keys",
    CheckConstraint: "check_constraints",
}


@dataclass
class RecordedTable:
    """What SQLAlchemy's inspector says of a table: a dictionary for each thing.

    It is not known where SQL that is not understood has created or changed the table.
    """

    columns: dict[str, Entry] = field(default_factory=dict)
    primary_key: Entry = field(default_factory=lambda: {"constrained_columns": [], "name": None})
    unique_constraints: list[Entry] = field(default_factory=list)
    foreign_keys: list[Entry] = field(default_factory=list)
    check_constraints: list[Entry] = field(default_factory=list)
    indexes: list[Entry] = field(default_factory=list)
    is_known: bool = True

    def copy(self) -> "RecordedTable":
        """Return a table that can be changed by itself."""
        copied = replace(self, columns=dict(self.columns), primary_key=dict(self.primary_key))
        for name in (*LISTS.values(), "indexes"):
            setattr(copied, name, list(getattr(self, name)))
        return copied


Tables = dict[Key, RecordedTable]


class TableBuilder:
    """Applies operations, and SQL of the revision's own, to tables."""

    def __init__(self, tables: Mapping[Key, RecordedTable], dialect: Dialect) -> None:
        self.tables = dict(tables)
        self.dialect = dialect
        self.schema_objects = SchemaObjects()

    def apply(self, operation: MigrateOperation) -> None:
        """Change the tables as an operation does, if it is about tables."""
        if isinstance(operation, ops.CreateTableOp):
            self.tables[operation.schema, operation.table_name] = self.build(operation.to_table())
            return
        key = table_of(operation)
        if isinstance(operation, ops.DropTableOp):
            self.tables.pop(key, None)
        elif isinstance(operation, ops.DropIndexOp) and not operation.table_name:
            for owner, table in self.tables.items():
                self.tables[owner] = table = table.copy()
                self.change(table, operation)
        elif key in self.tables and isinstance(operation, ops.RenameTableOp):
            self.tables[operation.schema, operation.new_table_name] = self.tables.pop(key)
        elif key in self.tables:
            table = self.tables[key] = self.tables[key].copy()
            self.change(table, operation)

    def apply_statement(self, statement: Statement) -> None:
        """Change the tables as a statement does; what it may do otherwise is not known."""
        try:
            operations = read_operations(statement, self.dialect)
        except (NotUnderstoodError, SQLAlchemyError):
            self.forget(statement)
            return
        for operation in operations:
            key = table_of(operation)
            if not (isinstance(operation, ops.CreateTableOp) and key in self.tables):
                self.apply(operation)

    def forget(self, statement: Statement) -> None:
        """Know no more of the tables that a statement names than that they are there."""
        names = set(re.findall(r"[\w$]+", statement.text.lower()))
        for (schema, name), table in self.tables.items():
            if set(re.findall(r"[\w$]+", name.lower())) <= names:
                self.tables[schema, name] = replace(table, is_known=False)
        for name in CREATED.findall(statement.text):
            schema, _, bare = re.sub(r'[`"\[\]]', "", name).rpartition(".")
            key = (None if schema in ("", "public") else schema, bare)
            self.tables.setdefault(key, RecordedTable(is_known=False))

    def build(self, source: Table) -> RecordedTable:
        """Return what a database would say of a table."""
        table = RecordedTable()
        for column in source.columns:
            table.columns[column.name] = self.column(column)
        for constraint in sorted(source.constraints, key=lambda constraint: str(constraint.name)):
            self.constrain(table, source.name, constraint)
        for index in source.indexes:
            table.indexes.append(index_entry(index))
        return table

    def column(self, column: Column[Any]) -> Entry:
        """Return what a database would say of a column."""
        default = None
        if isinstance(column.server_default, DefaultClause):
            default = render_default(column.server_default, self.dialect)
        return {
            "name": column.name,
            "type": column.type,
            "nullable": bool(column.nullable),
            "default": default,
            "autoincrement": column.autoincrement,
            "comment": column.comment,
        }

    def constrain(self, table: RecordedTable, name: str, constraint: Constraint) -> None:
        """Add a constraint to a table of this name."""
        kind = type(constraint)
        columns = [column.name for column in getattr(constraint, "columns", ())]
        entry: Entry = {"name": constraint.name and str(constraint.name)}
        if isinstance(constraint, PrimaryKeyConstraint):
            if columns:
                entry["constrained_columns"] = columns
                table.primary_key = self.named(entry, kind, name, columns, [])
            return
        if isinstance(constraint, ForeignKeyConstraint):
            target = constraint.elements[0].target_tokens
            entry |= {
                "constrained_columns": columns,
                "referred_schema": target[0],
                "referred_table": target[1],
                "referred_columns": [element.target_tokens[2] for element in constraint.elements],
                "options": {},
            }
        elif isinstance(constraint, CheckConstraint):
            entry["sqltext"] = str(constraint.sqltext)
        elif isinstance(constraint, UniqueConstraint):
            entry["column_names"] = columns
        present: list[Entry] = getattr(table, LISTS.get(kind, "check_constraints"))
        present.append(self.named(entry, kind, name, columns, present))

    def named(
        self, entry: Entry, kind: type, table: str, columns: list[str], present: list[Entry]
    ) -> Entry:
        """Return a constraint with the name that the database gives it if it has none."""
        if not entry["name"] and (pattern := NAMES.get(self.dialect.name, {}).get(kind)):
            entry["name"] = pattern.format(
                table=table,
                columns="_".join(columns),
                column=next(iter(columns), ""),
                number=len(present) + 1,
            )
        return entry

    def change(self, table: RecordedTable, operation: MigrateOperation) -> None:
        """Change a table as an operation does."""
        match operation:
            case ops.AddColumnOp(table_name=name, column=column, schema=schema):
                added = self.build(self.schema_objects.table(name, column, schema=schema))
                if added.primary_key["constrained_columns"]:
                    table.primary_key = added.primary_key
                table.columns |= added.columns
                for kind in (*LISTS.values(), "indexes"):
                    getattr(table, kind).extend(getattr(added, kind))
            case ops.DropColumnOp(column_name=column):
                table.columns.pop(column, None)
                keep_entries(table, lambda entry: column not in columns_of(entry))
            case ops.AlterColumnOp():
                self.alter_column(table, operation)
            case ops.CreateIndexOp():
                table.indexes.append(index_entry(operation.to_index()))
            case ops.DropIndexOp(index_name=name) | ops.DropConstraintOp(constraint_name=name):
                keep_entries(table, lambda entry: entry["name"] != name)
            case ops.AddConstraintOp():
                name = str(getattr(operation, "table_name", None) or table_of(operation)[1])
                self.constrain(table, name, operation.to_constraint())

    def alter_column(self, table: RecordedTable, operation: ops.AlterColumnOp) -> None:
        """Change a column, and its name where keys and indexes have it."""
        old = operation.column_name
        if old not in table.columns:
            return
        entry = dict(table.columns[old])
        if operation.modify_type is not None:
            entry["type"] = operation.modify_type
        if operation.modify_nullable is not None:
            entry["nullable"] = operation.modify_nullable
        if operation.modify_server_default is not False:
            default = operation.modify_server_default
            entry["default"] = None if default is None else render_default(default, self.dialect)
        name = entry["name"] = str(operation.modify_name or old)
        table.columns = {
            (name if column == old else column): (entry if column == old else present)
            for column, present in table.columns.items()
        }
        if name != old:
            rename_in_entries(table, old, name)


def table_of(operation: Any) -> Key:
    """Return the schema and the name of the table that an operation changes."""
    if isinstance(operation, ops.CreateForeignKeyOp):
        return operation.kw.get("source_schema"), operation.source_table
    return getattr(operation, "schema", None), getattr(operation, "table_name", None) or ""


def render_default(default: Any, dialect: Dialect) -> str:
    """Write a default as a database has it: text in quotes, all else as it is."""
    value = getattr(default, "arg", default)
    if isinstance(value, str):
        return "'{}'".format(value.replace("'", "''"))
    return str(value.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def index_entry(index: Index) -> Entry:
    """Return what a database would say of an index."""
    names = [getattr(expression, "name", None) for expression in index.expressions]
    return {
        "name": str(index.name),
        "column_names": names,
        "unique": bool(index.unique),
        "include_columns": [],
        "dialect_options": {},
    }


def columns_of(entry: Entry) -> Iterable[str]:
    """Return the columns of a key, a constraint or an index."""
    return entry.get("constrained_columns") or entry.get("column_names") or ()


def keep_entries(table: RecordedTable, is_kept: Callable[[Entry], bool]) -> None:
    """Remove the keys, constraints and indexes that are not kept."""
    for name in (*LISTS.values(), "indexes"):
        setattr(table, name, [entry for entry in getattr(table, name) if is_kept(entry)])
    if not is_kept(table.primary_key):
        table.primary_key = RecordedTable().primary_key


def rename_in_entries(table: RecordedTable, old: str, new: str) -> None:
    """Give a column its new name in keys, constraints and indexes."""
    table.primary_key = deepcopy(table.primary_key)
    for kind in (*LISTS.values(), "indexes"):
        setattr(table, kind, deepcopy(getattr(table, kind)))
    entries = [table.primary_key, *table.unique_constraints, *table.foreign_keys, *table.indexes]
    for entry in entries:
        for name in entry.keys() & {"constrained_columns", "column_names"}:
            entry[name] = [new if column == old else column for column in entry[name]]


class UnknownTableError(Exception):
    """A revision asks for something that is not known of a table; the message is a sentence."""


class RecordedReflection(DefaultDialect):
    """The methods that SQLAlchemy's inspector and `checkfirst` call.

    Those of the dialect would ask the database; what they are called is SQLAlchemy's interface:
    https://docs.sqlalchemy.org/en/20/core/internals.html#sqlalchemy.engine.Dialect
    """

    read_tables: Callable[[], Tables]
    read_types: Callable[[], Collection[str]]

    # Of the default dialect, which ask for one table after the other.
    get_multi_columns = DefaultDialect.get_multi_columns
    get_multi_pk_constraint = DefaultDialect.get_multi_pk_constraint
    get_multi_foreign_keys = DefaultDialect.get_multi_foreign_keys
    get_multi_indexes = DefaultDialect.get_multi_indexes
    get_multi_unique_constraints = DefaultDialect.get_multi_unique_constraints
    get_multi_check_constraints = DefaultDialect.get_multi_check_constraints
    get_multi_table_options = DefaultDialect.get_multi_table_options
    get_multi_table_comment = DefaultDialect.get_multi_table_comment
    has_multi_table = DefaultDialect.has_multi_table

    def recorded(self, name: str, schema: str | None) -> RecordedTable:
        """Return a table, or raise the error that SQLAlchemy has for one that is not there."""
        tables = self.read_tables()
        if (table := tables.get((schema, name))) is not None:
            return table
        if schema == self.default_schema_name and (None, name) in tables:
            return tables[None, name]
        raise NoSuchTableError(name)

    def known(self, name: str, schema: str | None) -> RecordedTable:
        """Return a table of which all is known.

        Raises:
            UnknownTableError: SQL that is not understood has created or changed it.
        """
        table = self.recorded(name, schema)
        if not table.is_known:
            raise UnknownTableError(
                f"SQL creates or changes {name} in a way that is not understood without a database;"
                " write it with operations of Alembic, so that revisions can inspect the table"
            )
        return table

    def has_table(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        try:
            self.recorded(table_name, schema)
        except NoSuchTableError:
            return False
        return True

    def has_index(
        self,
        connection: Any,
        table_name: str,
        index_name: str,
        schema: str | None = None,
        **kw: Any,
    ) -> bool:
        return self.has_table(connection, table_name, schema) and any(
            index["name"] == index_name
            for index in self.get_indexes(connection, table_name, schema)
        )

    def has_sequence(
        self, connection: Any, sequence_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        return False

    def has_type(self, connection: Any, type_name: str, schema: Any = None, **kw: Any) -> bool:
        return type_name in self.read_types()

    def has_schema(self, connection: Any, schema_name: str, **kw: Any) -> bool:
        return True

    def get_schema_names(self, connection: Any, **kw: Any) -> list[str]:
        names = {schema or self.default_schema_name for schema, _ in self.read_tables()}
        return sorted({str(name) for name in names if name})

    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        wanted = None if schema == self.default_schema_name else schema
        return [name for table_schema, name in self.read_tables() if table_schema == wanted]

    def get_no_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        """Return the names of views and the like: none, because operations do not make them."""
        return []

    get_view_names = get_materialized_view_names = get_sequence_names = get_no_names
    get_temp_table_names = get_temp_view_names = get_no_names

    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        return [dict(entry) for entry in self.known(table_name, schema).columns.values()]

    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        return dict(self.known(table_name, schema).primary_key)

    def get_foreign_keys(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        return copies(self.known(table_name, schema).foreign_keys)

    def get_indexes(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        table = self.known(table_name, schema)
        # These keep a unique constraint by an index of its name.
        kept = table.unique_constraints if self.name != "sqlite" else []
        return copies(table.indexes) + [
            {**index_of(key), "duplicates_constraint": key["name"]} for key in kept
        ]

    def get_unique_constraints(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        table = self.known(table_name, schema)
        # MySQL and MariaDB tell no unique index from a unique constraint.
        is_both = self.name in ("mariadb", "mysql")
        unique = [index for index in table.indexes if index["unique"] and is_both]
        return copies(table.unique_constraints) + [
            {
                "name": index["name"],
                "column_names": index["column_names"],
                "duplicates_index": index["name"],
            }
            for index in unique
        ]

    def get_check_constraints(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        return copies(self.known(table_name, schema).check_constraints)

    def get_table_options(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        return {}

    def get_table_comment(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        return {"text": None}


def index_of(key: Entry) -> Entry:
    """Return what a database says of the index of a unique constraint."""
    return {
        "name": key["name"],
        "column_names": key["column_names"],
        "unique": True,
        "include_columns": [],
        "dialect_options": {},
    }


def copies(entries: list[Entry]) -> list[Entry]:
    """Return dictionaries that a revision may change."""
    return [dict(entry) for entry in entries]


def reflect_recorded(
    dialect: Dialect,
    read_tables: Callable[[], Tables],
    read_types: Callable[[], Collection[str]],
) -> Dialect:
    """Return a dialect like this one, to which the schema is what these functions return."""
    recorded: Any = copy(dialect)
    recorded.__class__ = type(
        "Recorded", (RecordedReflection, type(dialect)), {"supports_statement_cache": True}
    )
    recorded.read_tables = read_tables
    recorded.read_types = read_types
    if recorded.default_schema_name is None and dialect.name == "postgresql":
        recorded.default_schema_name = "public"
    return cast(Dialect, recorded)
