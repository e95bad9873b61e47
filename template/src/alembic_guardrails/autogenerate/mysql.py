"""What SQLAlchemy does not read of a MySQL table."""

import re
from itertools import groupby
from typing import Any

from alembic.operations.ops import (
    AlterColumnOp,
    CreateUniqueConstraintOp,
    DropIndexOp,
    MigrateOperation,
)
from alembic_guardrails._alembic import doubles_percents, rewrite_statements_of_tables
from alembic_guardrails.autogenerate.expressions import escape_parameters
from sqlalchemy import Connection, Dialect, MetaData, Table, text
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import NullType, TypeEngine

NEEDS_EXPRESSION = re.compile(r".*(BLOB|TEXT|JSON|GEOMETRY|POINT|LINESTRING|POLYGON|COLLECTION)\b")

# All columns, because MariaDB and old versions of MySQL have no `expression`.
INDEXES = text("""
SELECT * FROM information_schema.statistics
WHERE table_schema = coalesce(:schema, database()) AND table_name = :table
ORDER BY index_name, seq_in_index
""")

# The types that columns were declared with, as the server formats them; of one table, or of all.
TYPES = text("""
SELECT table_schema, table_name, column_name, column_type FROM information_schema.columns
WHERE table_name = coalesce(:table, table_name)
""")


def read_index_parts(
    connection: Connection, table: str, schema: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Read the parts of each index of a table, in order.

    A part has a `column_name` or an `expression`, which is as the server takes it.
    """
    rows = connection.execute(INDEXES, {"schema": schema, "table": table}).mappings().all()
    parts = [{name.lower(): value for name, value in row.items()} for row in rows]
    for part in parts:
        if expression := part.get("expression"):
            part["expression"] = f"({unescape(expression)})"
    return {name: [*group] for name, group in groupby(parts, lambda part: part["index_name"])}


def unescape(expression: Any) -> str:
    """Return an expression as the server takes it: it escapes the quotes of what it shows."""
    return re.sub(r"\\(.)", r"\1", str(expression))


# Texts and names, which are kept, and attributes of columns that SQLAlchemy does not know.
ATTRIBUTE = re.compile(
    r"""(?P<kept> '(?:[^'\\]|\\.|'')*' | `(?:[^`]|``)*` )
    | \ /\*M?!\d+\ (?:INVISIBLE|SRID\ \d+|COMPRESSED|STORAGE\ \w+|COLUMN_FORMAT\ \w+)\ ?\*/
    | \ (?:INVISIBLE|WITHOUT\ SYSTEM\ VERSIONING)\b
    | \ DEFAULT\ b'[01]*' | (?<=\ DEFAULT\ NULL)\ ON\ UPDATE\ [\w()]+""",
    re.DOTALL | re.VERBOSE,
)


class UnknownType(NullType):
    """A type that SQLAlchemy does not know, and that has arguments."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__()


class KnownTypes(dict[str, type[TypeEngine[Any]]]):
    """The types of a dialect by their names, with one for all other names."""

    def __missing__(self, name: str) -> type[TypeEngine[Any]]:
        """Return the type for a name that is not known."""
        return UnknownType


def reflect_other_columns(connection: Connection) -> None:
    """Have SQLAlchemy read columns that have a type or an attribute which it does not know.

    It ends in an error at `vector(3)`, and reads no default and no comment of an invisible column.
    """
    dialect: Any = connection.dialect
    if dialect.name in ("mysql", "mariadb") and "ischema_names" not in vars(dialect):
        dialect.ischema_names = KnownTypes(dialect.ischema_names)
        rewrite_statements_of_tables(dialect, without_attributes)


def without_attributes(statement: str) -> str:
    """Return the CREATE statement of a table without what SQLAlchemy does not know of columns."""
    return ATTRIBUTE.sub(lambda match: match["kept"] or "", statement)


def reflect_expressions(connection: Connection) -> None:
    """Have SQLAlchemy read the expressions in indexes of MySQL as expressions, and the order.

    It takes columns that stand in expressions for columns of the index. MariaDB has none of these.
    """
    dialect: Any = connection.dialect
    if dialect.name not in ("mariadb", "mysql") or "get_indexes" in vars(dialect):
        return
    read = dialect.get_indexes

    def get_indexes(
        connection: Connection, table: str, schema: str | None = None, **options: Any
    ) -> Any:
        indexes = read(connection, table, schema, **options)
        parts = read_index_parts(connection, table, schema) if indexes else {}
        for index in indexes:
            found = parts.get(index["name"], [])
            if any(part.get("expression") for part in found):
                index["column_names"] = [part["column_name"] for part in found]
                index["expressions"] = [part["expression"] or part["column_name"] for part in found]
            descending = [part["column_name"] for part in found if part["collation"] == "D"]
            if descending:
                index["column_sorting"] = {name: ("desc",) for name in descending if name}
        return indexes

    dialect.get_indexes = get_indexes


def needs_expression(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Whether MySQL takes nothing but expressions as the default of a column of a type.

    https://dev.mysql.com/doc/refman/9.7/en/data-type-defaults.html. MariaDB takes literals, too.
    """
    return dialect.name == "mysql" and bool(NEEDS_EXPRESSION.match(type_.compile(dialect)))


def default_of(type_: TypeEngine[Any], default: Any, dialect: Dialect) -> Any:
    """Return the argument of a default as MySQL takes it for a column of a type."""
    if not needs_expression(type_, dialect):
        return default
    compiler: Any = dialect.ddl_compiler(dialect, CreateTable(Table("t", MetaData())))
    sql = compiler.render_default_string(default)
    if doubles_percents(dialect):
        sql = sql.replace("%%", "%")
    return text(escape_parameters(sql if sql.startswith("(") else f"({sql})"))


def repeat_type(change: MigrateOperation, dialect: Dialect) -> None:
    """Have a new default come with the type where MySQL's SET DEFAULT does not take it."""
    if (
        isinstance(change, AlterColumnOp)
        and change.modify_server_default not in (None, False)
        and change.existing_type is not None
        and needs_expression(change.existing_type, dialect)
    ):
        change.modify_type = change.modify_type or change.existing_type


def makes_index_of_unique(dialect: Dialect) -> bool:
    """Whether UNIQUE is nothing but a unique index in a database."""
    return dialect.name in ("mysql", "mariadb")


def is_same_unique(drop: DropIndexOp, create: CreateUniqueConstraintOp) -> bool:
    """Whether an index that goes is the UNIQUE that comes: of the same columns, as they are."""
    index = drop.reverse().to_index()
    columns = [column.name for column in index.columns]
    is_plain = drop.kw == {"unique": True} and len(columns) == len(index.expressions)
    return is_plain and columns == [*map(str, create.columns)]
