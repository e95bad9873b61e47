"""How PostgreSQL words an index."""

import re
from typing import Any

from alembic_guardrails.autogenerate.describe import NAME
from alembic_guardrails.autogenerate.expressions import escape_parameters
from alembic_guardrails.autogenerate.indexes import IndexComparison
from sqlalchemy import Column, Index, text
from sqlalchemy.types import NullType

DEFINITIONS = text("""
SELECT relname, pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = to_regclass(:table)
""")

# All that comes before how an index is made: its name, and that of its table.
HEAD = re.compile(r"CREATE (UNIQUE )?INDEX .*? ON .*? USING ", re.DOTALL)
UNIQUE = re.compile("^(UNIQUE )?")

TABLE = f"pg_temp.{NAME}"


class PostgreSQLIndexes(IndexComparison):
    """Compares indexes by `pg_get_indexdef()`."""

    def definitions(self, table: str) -> dict[str, str]:
        """Return how the indexes of a table are made, without their names."""
        rows = self.connection.execute(DEFINITIONS, {"table": table})
        return {
            name: HEAD.sub(lambda match: match[1] or "", definition, count=1)
            for name, definition in rows
        }

    def word_columns(self, names: list[str], is_unique: bool) -> str:
        """Return the definition of an index on columns."""
        return f"{'UNIQUE ' * is_unique}btree ({', '.join(names)})"

    def word(self, index: Index, table: str) -> list[str]:
        """Return the definition, and that of an index made from it: `IN` is worded twice."""
        options = index.dialect_options["postgresql"]
        options["concurrently"] = False
        owner: Any = index.table
        for name in options["include"] or ():
            if isinstance(name, str) and name not in owner.c:  # in an operation it need not be
                owner.append_column(Column(name, NullType()))
        savepoint = self.connection.begin_nested()
        try:
            self.connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {NAME} (LIKE {table})")
            self.create(index)
            [first] = self.definitions(TABLE).values()
            again = UNIQUE.sub(rf"CREATE \1INDEX {NAME}_again ON {TABLE} USING ", first, count=1)
            self.connection.execute(text(escape_parameters(again)))
            return [first, self.definitions(TABLE)[f"{NAME}_again"]]
        finally:
            if savepoint.is_active:
                savepoint.rollback()


INDEX_COMPARISON = PostgreSQLIndexes
