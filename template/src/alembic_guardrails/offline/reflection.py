"""A dialect that answers questions about the schema from recorded operations."""

from collections.abc import Callable, Collection
from copy import copy
from typing import Any, cast

from alembic_guardrails.offline.tables import Entry, RecordedTable, Tables
from sqlalchemy import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import NoSuchTableError


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
