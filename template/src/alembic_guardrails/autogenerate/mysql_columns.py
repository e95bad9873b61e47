"""Changes of columns on MySQL and MariaDB that leave the rest of the column as it is.

`MODIFY` describes a column anew, and the server forgets what it does not say:
https://dev.mysql.com/doc/refman/8.4/en/alter-table.html#alter-table-redefine-column
"""

import re

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.ddl.mysql import MySQLModifyColumn
from alembic.operations.ops import AlterColumnOp
from alembic_guardrails._alembic import doubles_percents
from alembic_guardrails.autogenerate.expressions import escape_parameters
from alembic_guardrails.schema.base import execute_verbatim
from alembic_guardrails.schema.mysql import default_mode, quote_name
from sqlalchemy import Connection, Dialect, text
from sqlalchemy.schema import DefaultClause

STRING = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)

# How SHOW CREATE TABLE writes signs in a text: a backslash or another quote before them.
ESCAPED = re.compile(r"[\\'](.)")
SIGNS = {"n": "\n", "r": "\r", "0": "\0"}

# What `op.alter_column()` has no argument for, as SHOW CREATE TABLE writes it; some of it stands in
# comments that the server executes. A CHECK is always last.
ATTRIBUTE = re.compile(
    r"\b(?:INVISIBLE|SRID \d+|COMPRESSED|WITHOUT SYSTEM VERSIONING|STORAGE (?:DISK|MEMORY)"
    r"|COLUMN_FORMAT (?:FIXED|DYNAMIC)|CHECK \(.*\)$)"
)


class AlterWholeColumnOp(AlterColumnOp):
    """A change of a column, which is written as SQL with everything that the column is."""

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
        plain_comment = ESCAPED.sub(lambda sign: SIGNS.get(sign[1], sign[1]), comment[1:-1])
        operation.existing_comment = plain_comment
    if " AUTO_INCREMENT" in plain:
        operation.kw.setdefault("autoincrement", True)
    found = [definition[match.start() : match.end()] for match in ATTRIBUTE.finditer(plain)]
    changed = read_value(definition, plain, " ON UPDATE ")
    if changed and default in ("", "NULL"):  # SQLAlchemy reads it as a part of another default
        found.insert(0, f"ON UPDATE {changed}")
    return AlterWholeColumnOp(operation, found) if found else operation


def read_definition(connection: Connection, operation: AlterColumnOp) -> str:
    """Read how the server defines a column; empty if there is no such column."""
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
