"""What autogenerate needs to know of MySQL and MariaDB."""

import re
from collections.abc import Mapping
from functools import reduce
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.ddl.mysql import MySQLModifyColumn
from alembic.operations.ops import (
    AlterColumnOp,
    CreateUniqueConstraintOp,
    DropIndexOp,
    MigrateOperation,
)
from alembic_guardrails._alembic import (
    doubles_percents,
    replace_in_pattern_of_columns,
    rewrite_statements_of_tables,
)
from alembic_guardrails.autogenerate import escape_parameters, read_together
from alembic_guardrails.autogenerate.describe import NAME, Definitions, IndexComparison
from sqlalchemy import Connection, Dialect, Index, MetaData, Result, Table, text
from sqlalchemy.schema import CreateTable, DefaultClause
from sqlalchemy.types import NullType, TypeEngine

NEEDS_EXPRESSION = re.compile(r".*(BLOB|TEXT|JSON|GEOMETRY|POINT|LINESTRING|POLYGON|COLLECTION)\b")

# All columns, because MariaDB and old versions of MySQL have no `expression`.
INDEXES = """
SELECT * FROM information_schema.statistics
WHERE table_schema = coalesce(:schema, database()){condition}
ORDER BY table_name, index_name, seq_in_index
"""
INDEXES_OF_TABLE = text(INDEXES.format(condition=" AND table_name = :table"))
INDEXES_OF_SCHEMA = text(INDEXES.format(condition=""))

# The tables with an index that is more than columns in ascending order.
TABLES_OF_EXPRESSIONS = text("""
SELECT table_name FROM information_schema.statistics
WHERE table_schema = coalesce(:schema, database()) AND (column_name IS NULL OR collation = 'D')
""")

# The types that columns were declared with, as the server formats them; of one table, or of all.
TYPES = text("""
SELECT table_schema, table_name, column_name, column_type FROM information_schema.columns
WHERE table_name = coalesce(:table, table_name)
""")

# Texts and names, which are kept, and attributes of columns that SQLAlchemy does not know.
ATTRIBUTE = re.compile(
    r"""(?P<kept> '(?:[^'\\]|\\.|'')*' | `(?:[^`]|``)*` )
    | \ /\*M?!\d+\ (?:INVISIBLE|SRID\ \d+|COMPRESSED|STORAGE\ \w+|COLUMN_FORMAT\ \w+)\ ?\*/
    | \ (?:INVISIBLE|WITHOUT\ SYSTEM\ VERSIONING)\b
    | \ DEFAULT\ b'[01]*'
    | (?:(?<=\ DEFAULT\ NULL)|(?<=\ NOT\ NULL)|(?<=')|(?<=[^`(\d]\)))\ ON\ UPDATE\ [\w()]+""",
    re.DOTALL | re.VERBOSE,
)

# What SQLAlchemy takes for an expression, which ends before a space, and what is one.
EXPRESSION = r"\(.+?\)"
TEXT = r"[^()']|'(?:''|[^'])*'"
NESTED = reduce(lambda inner, _: rf"\((?:{TEXT}|{inner})*\)", range(12), rf"\((?:{TEXT})*\)")

STRING = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)

# How SHOW CREATE TABLE writes signs in a text: a backslash or another quote before them.
SIGN = re.compile(r"[\\'](.)")
SIGNS = {"n": "\n", "r": "\r", "0": "\0"}

# What `op.alter_column()` has no argument for, as SHOW CREATE TABLE writes it; some of it stands in
# comments that the server executes. A CHECK is always last.
ATTRIBUTE_TO_KEEP = re.compile(
    r"\b(?:INVISIBLE|SRID \d+|COMPRESSED|WITHOUT SYSTEM VERSIONING|STORAGE (?:DISK|MEMORY)"
    r"|COLUMN_FORMAT (?:FIXED|DYNAMIC)|CHECK \(.*\)$)"
)

# What SHOW INDEX says of a part of an index, and MySQL alone of an expression.
PART = ("non_unique", "column_name", "collation", "sub_part", "index_type", "expression")
SEPARATOR = "; "


def read_index_parts(
    connection: Connection, table: str, schema: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Read the parts of each index of a table, in order.

    A part has a `column_name` or an `expression`, which is as the server takes it.
    """
    rows = connection.execute(INDEXES_OF_TABLE, {"schema": schema, "table": table})
    return {name: parts for (_, name), parts in group_parts(rows).items()}


def group_parts(rows: Result[Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the parts of indexes by the names of their table and their own."""
    names = [*map(str.lower, rows.keys())]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        part = dict(zip(names, row, strict=True))
        if expression := part.get("expression"):
            part["expression"] = f"({unescape(expression)})"
        found.setdefault((part["table_name"], part["index_name"]), []).append(part)
    return found


def unescape(expression: Any) -> str:
    """Return an expression as the server takes it: it escapes the quotes of what it shows."""
    return re.sub(r"\\(.)", r"\1", str(expression))


class UnknownType(NullType):
    """A type that SQLAlchemy does not know, and that has arguments."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__()


class KnownTypes(dict[str, type[TypeEngine[Any]]]):
    """The types of a dialect by their names, with one for all other names."""

    def __missing__(self, name: str) -> type[TypeEngine[Any]]:
        """Return the type for a name that is not known."""
        return UnknownType


def extend_reflection(connection: Connection) -> None:
    """Have SQLAlchemy read columns and indexes as they are."""
    reflect_other_columns(connection)
    reflect_expressions(connection)


def reflect_other_columns(connection: Connection) -> None:
    """Have SQLAlchemy read columns that have a type or an attribute which it does not know.

    It ends in an error at `vector(3)`, and reads no default and no comment of an invisible column,
    and of `((1 + 2) * 3)` the first part.
    """
    dialect: Any = connection.dialect
    if "ischema_names" not in vars(dialect):
        dialect.ischema_names = KnownTypes(dialect.ischema_names)
        rewrite_statements_of_tables(dialect, without_attributes)
        replace_in_pattern_of_columns(dialect, EXPRESSION, NESTED)


def without_attributes(statement: str) -> str:
    """Return the CREATE statement of a table without what SQLAlchemy does not know of columns."""
    return ATTRIBUTE.sub(lambda match: match["kept"] or "", statement)


def reflect_expressions(connection: Connection) -> None:
    """Have SQLAlchemy read the expressions in indexes of MySQL as expressions, and the order.

    It takes columns that stand in expressions for columns of the index. MariaDB has none of these.
    """
    dialect: Any = connection.dialect
    if "get_indexes" in vars(dialect):
        return
    read = dialect.get_indexes

    def get_indexes(
        connection: Connection, table: str, schema: str | None = None, **options: Any
    ) -> Any:
        indexes = read(connection, table, schema, **options)
        known = options.get("info_cache", {}).get("tables_of_expressions")
        has_more = bool(indexes) if known is None else table.lower() in known
        parts = read_index_parts(connection, table, schema) if has_more else {}
        for index in indexes:
            found = parts.get(index["name"], [])
            if any(part.get("expression") for part in found):
                index["column_names"] = [part["column_name"] for part in found]
                index["expressions"] = [
                    word_part(part, dialect) if part["expression"] else part["column_name"]
                    for part in found
                ]
            descending = [part["column_name"] for part in found if part["collation"] == "D"]
            if descending:
                index["column_sorting"] = {name: ("desc",) for name in descending if name}
            write_lengths(index, found, dialect)
        return indexes

    def read_tables(connection: Connection, schema: str | None) -> set[str]:
        names = connection.scalars(TABLES_OF_EXPRESSIONS, {"schema": schema})
        return {name.lower() for name in names}

    dialect.get_indexes = get_indexes
    dialect.get_multi_indexes = read_together(
        dialect.get_multi_indexes, "tables_of_expressions", read_tables
    )


def write_lengths(index: Any, parts: list[dict[str, Any]], dialect: Dialect) -> None:
    """Write the lengths of parts as SQL in an index that has an order or an expression as well.

    SQLAlchemy ends in an error where it writes such an index.
    """
    lengths = f"{dialect.name}_length"
    options = index.get("dialect_options", {})
    if lengths not in options or not ("expressions" in index or "column_sorting" in index):
        return
    del options[lengths]
    index.pop("column_sorting", None)
    index["column_names"] = [None for _ in parts]
    index["expressions"] = [word_part(part, dialect) for part in parts]


def word_part(part: dict[str, Any], dialect: Dialect) -> str:
    """Return a part of an index as CREATE INDEX has it."""
    name = part.get("expression") or dialect.identifier_preparer.quote(part["column_name"])
    length = f"({part['sub_part']})" if part["sub_part"] else ""
    return f"{name}{length}{' DESC' if part['collation'] == 'D' else ''}"


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


class AlterWholeColumnOp(AlterColumnOp):
    """A change of a column, which is written as SQL with everything that the column is.

    `MODIFY` describes a column anew, and the server forgets what it does not say:
    https://dev.mysql.com/doc/refman/8.4/en/alter-table.html#alter-table-redefine-column
    """

    def __init__(self, operation: AlterColumnOp, attributes: list[str]) -> None:
        vars(self).update(vars(operation))
        self.attributes = attributes

    def statement(self, dialect: Dialect) -> str:
        """Return the SQL of the change."""
        default, nullable = self.modify_server_default, self.modify_nullable
        element = MySQLModifyColumn(
            self.table_name,
            self.column_name,
            schema=self.schema,
            type_=self.existing_type if self.modify_type is None else self.modify_type,
            nullable=self.existing_nullable if nullable is None else nullable,
            default=self.existing_server_default if default is False else default,
            autoincrement=self.kw.get("autoincrement"),
            comment=self.existing_comment if self.modify_comment is False else self.modify_comment,
        )
        sql = str(element.compile(dialect=dialect))
        if doubles_percents(dialect):
            sql = sql.replace("%%", "%")
        return " ".join((sql, *self.attributes))


@renderers.dispatch_for(AlterWholeColumnOp)
def render_statement(context: AutogenContext, operation: AlterWholeColumnOp) -> str:
    """Write the change as SQL."""
    context.imports.add("from alembic_guardrails.op import run_sql")
    return f"run_sql([{operation.statement(context.migration_context.dialect)!r}])"


def say_whole_column(connection: Connection, operation: AlterColumnOp) -> AlterColumnOp:
    """Return the change of a column with all that the server would forget of it."""
    asked = operation.modify_nullable, operation.modify_type, operation.modify_comment
    definition = "" if asked == (None, None, False) else read_definition(connection, operation)
    if not definition:
        return operation
    plain = without_texts(definition)
    default = read_value(definition, plain, " DEFAULT ")
    if default not in ("", "NULL") and not operation.existing_server_default:
        operation.existing_server_default = DefaultClause(text(escape_parameters(default)))
    comment = read_value(definition, plain, " COMMENT ")
    if comment and operation.existing_comment is None:
        plain_comment = SIGN.sub(lambda sign: SIGNS.get(sign[1], sign[1]), comment[1:-1])
        operation.existing_comment = plain_comment
    if " AUTO_INCREMENT" in plain:
        operation.kw.setdefault("autoincrement", True)
    found = [definition[match.start() : match.end()] for match in ATTRIBUTE_TO_KEEP.finditer(plain)]
    changed = read_value(definition, plain, " ON UPDATE ")
    # SQLAlchemy reads it as a part of a default such as CURRENT_TIMESTAMP.
    if changed and (default in ("", "NULL") or default.startswith(("'", "("))):
        found.insert(0, f"ON UPDATE {changed}")
    return AlterWholeColumnOp(operation, found) if found else operation


def read_definition(connection: Connection, operation: AlterColumnOp) -> str:
    """Read how the server defines a column; empty if there is no such column."""
    from alembic_guardrails.schema import execute_verbatim
    from alembic_guardrails.schema.mysql import default_mode, quote_name

    names = [name for name in (operation.schema, operation.table_name) if name]
    table = ".".join(map(quote_name, names))
    with default_mode(connection):
        statement = execute_verbatim(connection, f"SHOW CREATE TABLE {table}").one()[1]
    column = f"{quote_name(operation.column_name)} "
    lines = (line.strip().removesuffix(",") for line in str(statement).split("\n"))
    return next((line for line in lines if line.startswith(column)), "")


def without_texts(definition: str) -> str:
    """Return a definition of the same length, with nothing that means anything in its texts."""
    return STRING.sub(lambda string: "'" + "x" * (len(string[0]) - 2) + "'", definition)


def read_value(definition: str, plain: str, word: str) -> str:
    """Return what follows a word in a definition, up to the next space outside of parentheses.

    `plain` is the definition without what is in its texts.
    """
    begin = plain.find(word) + len(word)
    if begin < len(word):
        return ""
    depth, end = 0, begin
    while end < len(plain) and (depth or plain[end] not in " ,"):
        depth += {"(": 1, ")": -1}.get(plain[end], 0)
        end += 1
    return definition[begin:end]


def write_part(part: Mapping[str, Any]) -> str:
    """Return a part of an index as text."""
    # Ascending is A, or NULL for an array in a temporary table.
    order = "DESC" if part["collation"] == "D" else None
    values = ({**part, "collation": order}.get(name) for name in PART)
    return " ".join(str(value) for value in values if value is not None)


class MySQLIndexes(IndexComparison):
    """Compares indexes by what SHOW INDEX says of each of their parts."""

    def read(self, schema: str | None) -> Definitions:
        """Read the parts of the indexes of a schema, as text."""
        rows = self.connection.execute(INDEXES_OF_SCHEMA, {"schema": schema})
        return {
            place: SEPARATOR.join(map(write_part, parts))
            for place, parts in group_parts(rows).items()
        }

    def read_probe(self) -> dict[str, str]:
        """Read the same of the temporary table, by the names of its indexes."""
        found: dict[str, list[str]] = {}
        for row in self.connection.exec_driver_sql(f"SHOW INDEX FROM {NAME}").mappings():
            part = {key.lower(): value for key, value in row.items()}
            # Of temporary tables, the server escapes no quotes of what it shows.
            if part.get("expression"):
                part["expression"] = f"({part['expression']})"
            found.setdefault(part["key_name"], []).append(write_part(part))
        return {name: SEPARATOR.join(parts) for name, parts in found.items()}

    def find(self, index: Index) -> str | None:
        """Return the parts of an index, or None if SQLAlchemy has not read all of them.

        No model says `WITHOUT OVERLAPS`, which has the two columns of a period as parts.
        """
        found = super().find(index)
        has_all = found and len(found.split(SEPARATOR)) == len(index.expressions)
        return found if has_all else None

    def word_columns(self, names: list[str], is_unique: bool) -> str:
        """Return the parts of an index on columns, whose names are as they are."""
        bare = [name.strip("`").replace("``", "`") for name in names]
        return SEPARATOR.join(f"{int(not is_unique)} {name} BTREE" for name in bare)

    def word(self, index: Index, table: str) -> list[str]:
        """Return the parts of an index. No savepoint survives an index on a temporary table."""
        # LIKE would copy FULLTEXT indexes, which no temporary table has.
        copy = f"CREATE TEMPORARY TABLE {NAME} AS SELECT * FROM {table} WHERE 1 = 0"  # noqa: S608
        self.connection.exec_driver_sql(copy)
        try:
            self.create(index)
            return [self.read_probe()[str(index.name)]]
        finally:
            self.connection.exec_driver_sql(f"DROP TEMPORARY TABLE {NAME}")


INDEX_COMPARISON = MySQLIndexes
