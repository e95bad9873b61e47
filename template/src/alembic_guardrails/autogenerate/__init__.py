"""How Alembic compares models with a database, and how it writes what it finds into revisions.

This module has the filters and hooks that `env.py` gives to Alembic. The other modules are imported
when Alembic calls the hooks, which only commands do that compare a database with the models.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic_guardrails._alembic import doubles_percents
from alembic_guardrails.revisions import OWN_TABLES
from sqlalchemy import MetaData, Table, event
from sqlalchemy.sql.elements import ClauseElement

if TYPE_CHECKING:
    from alembic_guardrails.ignore import IgnoreList
from functools import cache
from typing import Literal

from alembic.autogenerate import comparators
from alembic_guardrails.dialects import module_for
from sqlalchemy import Connection

# What they cannot read or compare: options and types of columns, and what the modules of databases
# read better. Nothing is proposed for it, in models or in revisions.
MESSAGES = (
    "Computed default on .* cannot be modified",  # compare.py has the word
    "Can't validate argument 'dialect_options'",
    "Converting unknown KEY type",
    "Could not instantiate type",
    "Could not parse CHECK constraint",
    "Did not recognize type",
    "Failed to look up filter predicate",
    "Incomplete reflection of column definition",
    "Skipped unsupported reflection of expression-based index",
    "Unknown column definition",
    "Unknown schema content",
    "WARNING: SQL-parsed foreign key constraint",
)

# Of what Alembic logs, this about an index on expressions, which it compares by its columns.
LOGGED = "Generating approximate signature for index"

# What `sqlalchemy.text()` reads as a parameter, also within a literal, or as one that is escaped:
# https://docs.sqlalchemy.org/en/21/core/sqlelement.html#sqlalchemy.sql.expression.text
PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?![:\w]))|(?<=\\):(?=\w*(?![:\w]))")
ESCAPED = re.compile(r"\\(:\w*)(?![:\w])")


def calls_for_action(record: logging.LogRecord) -> bool:
    """Whether a reader of the log can do anything about a line."""
    return not str(record.msg).startswith(LOGGED)


def read_together(
    read: Callable[..., Iterable[Any]], key: str, read_all: Callable[[Connection, str | None], Any]
) -> Callable[..., Iterable[Any]]:
    """Return a method of a dialect that reads something of many tables at once, then each table.

    `read` reads each. What `read_all` reads of the schema is in the cache of the inspector
    meanwhile, under `key`.
    """

    def read_many(connection: Connection, **options: Any) -> Iterable[Any]:
        cache = options.get("info_cache")
        if cache is None or len(options.get("filter_names") or ()) == 1:
            return read(connection, **options)
        cache[key] = read_all(connection, options["schema"])
        try:
            return [*read(connection, **options)]
        finally:
            del cache[key]

    return read_many


@contextmanager
def reading_quietly() -> Iterator[None]:
    """Ignore these warnings, and no others."""
    logger = logging.getLogger("alembic.ddl.impl")
    logger.addFilter(calls_for_action)
    try:
        with warnings.catch_warnings():
            for message in MESSAGES:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        logger.removeFilter(calls_for_action)


def escape_parameters(sql: str) -> str:
    """Return SQL as text() takes it, without parameters."""
    return PARAMETER.sub(r"\\:", sql)


def unescape_parameters(sql: str) -> str:
    """Return SQL as a database takes it."""
    return ESCAPED.sub(r"\1", sql)


def escape_reflected_defaults() -> None:
    """Have SQLAlchemy read no parameters in the defaults of a database.

    It hands them to text() as they are.
    """
    if not event.contains(Table, "column_reflect", escape_default):
        event.listen(Table, "column_reflect", escape_default)


def escape_default(inspector: object, table: object, column: dict[str, Any]) -> None:
    """Escape the default of a column that is reflected."""
    if isinstance(column.get("default"), str):
        column["default"] = escape_parameters(column["default"])


def write_expressions_as_they_are(context: MigrationContext) -> None:
    """Have Alembic write SQL into revisions so that it comes out of them as it is.

    Alembic writes what a driver would get, with each % twice and without escapes.
    """
    impl: Any = context.impl
    render = impl.render_ddl_sql_expr

    def render_ddl_sql_expr(
        expression: ClauseElement, *, is_index: bool = False, **options: Any
    ) -> str:
        sql: str = render(expression, is_index=is_index, **options)
        if doubles_percents(impl.dialect):
            sql = sql.replace("%%", "%")
        # An index has literal_column(), which knows no parameters.
        return sql if is_index else escape_parameters(sql)

    impl.render_ddl_sql_expr = render_ddl_sql_expr


class Scope:
    """Which tables of a database are the service's: not those of others, nor any that it never had.

    `include_name` and `include_object` are Alembic's filters, `has_schemas` is whether it has to
    look into more schemas than the default one.
    """

    def __init__(self, config: Config, *models: MetaData) -> None:
        self.config = config
        self.schemas = {table.schema for model in models for table in model.tables.values()}
        self.schemas.add(None)
        self.has_schemas = len(self.schemas) > 1

    @cached_property
    def ignore_list(self) -> "IgnoreList":
        """Return the objects of other applications."""
        from alembic_guardrails.ignore import read_ignore_list

        return read_ignore_list(self.config)

    @cached_property
    def created(self) -> set[str]:
        """Return the tables that revisions have created."""
        from alembic_guardrails.history.source import created_tables

        revisions = ScriptDirectory.from_config(self.config).walk_revisions()
        return created_tables(Path(script.path).read_text("utf-8") for script in revisions)

    def include_name(self, name: str | None, kind: str, parents: MutableMapping[Any, Any]) -> bool:
        """Leave out the tables of Alembic and of others, and schemas that no model is in."""
        if kind == "schema":
            return name in self.schemas
        return self.include_table(name, kind, parents)

    def include_table(self, name: str | None, kind: str, parents: MutableMapping[Any, Any]) -> bool:
        """Leave out the tables of Alembic and of others."""
        if kind != "table":
            return True
        full_name = parents.get("schema_qualified_table_name") or name
        return name not in OWN_TABLES and not self.ignore_list.matches(f"table {full_name}")

    def include_object(
        self, inspected: object, name: str | None, kind: str, is_reflected: bool, model: object
    ) -> bool:
        """Leave out tables without a model that no revision has created: they are not ours."""
        is_lonely = kind == "table" and is_reflected and model is None
        return not is_lonely or str(inspected) in self.created


def extend_reflection(connection: Connection) -> None:
    """Have SQLAlchemy read what it leaves out of the tables of a kind of database."""
    module_for("autogenerate", connection.dialect.name).extend_reflection(connection)


def compare_type(*arguments: Any) -> bool | None:
    """Return whether the type of a column differs; None leaves it to Alembic."""
    from alembic_guardrails.autogenerate import compare

    return compare.compare_type(*arguments)


def compare_defaults_by_asking(context: MigrationContext) -> None:
    """Have Alembic compare defaults as `compare.compare_server_default` does.

    Alembic's own comparison has PostgreSQL compare the two values, which fails for JSON and for
    quotes, and elsewhere compares texts. The hook of `context.configure()` does not serve: it ends
    in an error where the database has a generated column.
    """

    def compare_server_default(*arguments: Any) -> bool:
        from alembic_guardrails.autogenerate import compare

        return compare.compare_server_default(context, *arguments)

    impl: Any = context.impl
    impl.compare_server_default = compare_server_default


def compare_indexes_by_asking(context: MigrationContext) -> None:
    """Have Alembic compare indexes as the `IndexComparison` of a database does."""
    impl: Any = context.impl
    connection = context.connection
    if connection is None:
        return
    compare_texts = impl.compare_indexes

    def compare_indexes(*arguments: Any) -> Any:
        own = module_for("autogenerate", context.dialect.name)
        impl.compare_indexes = own.INDEX_COMPARISON(connection, compare_texts).compare
        return impl.compare_indexes(*arguments)

    impl.compare_indexes = compare_indexes


def find_sequences_together(context: MigrationContext) -> None:
    """Have Alembic ask PostgreSQL once which sequences belong to columns."""
    if context.connection is not None and context.dialect.name == "postgresql":
        from alembic_guardrails.autogenerate import postgresql

        postgresql.find_sequences_together(context.impl)


def compare_constraints(context: MigrationContext) -> None:
    """Have Alembic find constraints of SQLite that have no name, and compare all indexes."""
    if context.connection is None:
        return
    if context.dialect.name == "sqlite":
        from alembic_guardrails.autogenerate import sqlite

        sqlite.compare_constraints(context)
    if context.dialect.name in ("mysql", "mariadb"):
        from alembic_guardrails.autogenerate import keys

        keys.compare_all_indexes(context)


@cache
def compare_computed_by_asking() -> None:
    """Have Alembic compare computed columns as `compare.compare_computed` does.

    What Alembic itself says of them is left out by `reading_quietly()`.
    """

    def compare_computed(*arguments: Any) -> None:
        from alembic_guardrails.autogenerate import compare

        compare.compare_computed(*arguments)

    comparators.dispatch_for("column")(compare_computed)


def render_item(*arguments: Any) -> str | Literal[False]:
    """Write the type that the database stores, not the model's."""
    from alembic_guardrails.autogenerate import render

    return render.render_item(*arguments)


def tidy(*arguments: Any) -> None:
    """Leave out of new revisions what is not needed, or does not work everywhere."""
    from alembic_guardrails.autogenerate import rewrite

    rewrite.tidy(*arguments)
