"""What autogenerate needs to know of PostgreSQL."""

import re
from collections.abc import Callable
from itertools import chain
from typing import Any, cast

from alembic_guardrails.autogenerate import escape_parameters
from alembic_guardrails.autogenerate.describe import NAME, Definitions, IndexComparison
from sqlalchemy import BIGINT, INTEGER, Column, Connection, Index, Inspector, Table, text
from sqlalchemy.types import NullType

# The types that columns were declared with, as PostgreSQL formats them; of one table, or of all.
TYPES = text("""
    SELECT nspname, relname, attname, format_type(atttypid, atttypmod) FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
    WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'f')
    AND relname = coalesce(CAST(:table AS text), relname)
""")

# The parts of indexes that have a collation of their own. An expression can have its column's.
COLLATIONS = text("""
    SELECT relname, name, CAST(place AS integer) - 1, part FROM (
        SELECT c.relname, i.relname AS name, place, indexrelid, attcollation, own,
            concat(
                pg_get_indexdef(indexrelid, CAST(place AS integer), true), ' COLLATE ',
                CASE WHEN NOT pg_collation_is_visible(o.oid) THEN quote_ident(s.nspname) || '.' END,
                quote_ident(collname)
            ) AS part
        FROM pg_index JOIN pg_class c ON c.oid = indrelid JOIN pg_class i ON i.oid = indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN unnest(CAST(indkey AS int2[]), CAST(indcollation AS oid[])) WITH ORDINALITY
            AS k (attnum, own, place)
        JOIN pg_collation o ON o.oid = own JOIN pg_namespace s ON s.oid = collnamespace
        LEFT JOIN pg_attribute a ON attrelid = indrelid AND a.attnum = k.attnum
        WHERE n.nspname = :schema
    ) parts
    WHERE own <> attcollation
    OR attcollation IS NULL AND strpos(pg_get_indexdef(indexrelid, 0, true), part) > 0
""")

# The indexes of a schema; without one, those of all tables whose names need no schema.
DEFINITIONS = text("""
    SELECT c.relname, i.relname, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class c ON c.oid = indrelid JOIN pg_class i ON i.oid = indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE nspname = coalesce(CAST(:schema AS text), nspname) AND nspname <> 'pg_catalog'
    AND (CAST(:schema AS text) IS NOT NULL OR pg_table_is_visible(c.oid))
""")

# The same of the temporary table.
PROBED = text("""
    SELECT relname, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = to_regclass(:table)
""")

# The sequences that belong to a column, named as in the default of the column.
SEQUENCES = text("""
    SELECT CAST(CAST(c.oid AS regclass) AS text), attname
    FROM pg_class c JOIN pg_depend ON objid = c.oid
    JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
    WHERE relkind = 'S' AND classid = CAST('pg_class' AS regclass) AND refclassid = classid
""")

NEXTVAL = re.compile(r"nextval\('(.+?)'::regclass\)")

# All that comes before how an index is made: its name, and that of its table.
HEAD = re.compile(r"CREATE (UNIQUE )?INDEX .*? ON .*? USING ", re.DOTALL)
UNIQUE = re.compile("^(UNIQUE )?")

TABLE = f"pg_temp.{NAME}"


def extend_reflection(connection: Connection) -> None:
    """Have SQLAlchemy read some parts of indexes of PostgreSQL as expressions.

    These are the parts with COLLATE, and those with an operator class and an order.
    """
    dialect: Any = connection.dialect
    if "get_multi_indexes" in vars(dialect):
        return
    read = dialect.get_multi_indexes

    def get_multi_indexes(connection: Connection, **options: Any) -> Any:
        tables = {name: indexes for (_, name), indexes in read(connection, **options)}
        own_schema = connection.dialect.default_schema_name
        schema = options["schema"] or own_schema
        cache = options.get("info_cache", {})
        place = ("collations of indexes", schema)
        if any(tables.values()) and place not in cache:
            cache[place] = connection.execute(COLLATIONS, {"schema": schema}).all()
        for table, name, number, part in cache.get(place, ()):
            for index in tables.get(table, ()):
                if index["name"] == name:
                    replace_part(index, number, part)
        for index in chain.from_iterable(tables.values()):
            write_operators(index, dialect.identifier_preparer.quote)
        return [((options["schema"], name), indexes) for name, indexes in tables.items()]

    dialect.get_multi_indexes = get_multi_indexes


def find_sequences_together(impl: Any) -> None:
    """Have Alembic leave out the defaults of SERIAL without a question about each of them."""
    ask = impl.autogen_column_reflect

    def autogen_column_reflect(inspector: Inspector, table: Table, column: dict[str, Any]) -> None:
        default = NEXTVAL.match(str(column.get("default")))
        if default and isinstance(column["type"], INTEGER | BIGINT):
            if "owned_sequences" not in inspector.info_cache:
                rows = cast(Connection, inspector.bind).execute(SEQUENCES)
                inspector.info_cache["owned_sequences"] = {(name, owner) for name, owner in rows}
            sequence = default[1].replace("''", "'")
            if (sequence, column["name"]) in inspector.info_cache["owned_sequences"]:
                del column["default"]
        ask(inspector, table, column)

    impl.autogen_column_reflect = autogen_column_reflect


def replace_part(index: Any, number: int, part: str) -> None:
    """Have a part of a reflected index be an expression."""
    expressions = [*index.get("expressions", index["column_names"])]
    columns = [*index["column_names"]]
    before, expressions[number], columns[number] = expressions[number], part, None
    index.update(column_names=columns, expressions=expressions)
    operators = index.get("dialect_options", {}).get("postgresql_ops", {})
    for options in (index.get("column_sorting", {}), operators):
        if before in options:
            options[part] = options.pop(before)


def write_operators(index: Any, quote: Callable[[str], str]) -> None:
    """Write operator classes of a reflected index into the parts that have an order as well.

    SQLAlchemy writes only operator classes of parts without an order.
    """
    operators = index.get("dialect_options", {}).get("postgresql_ops", {})
    orders = index.get("column_sorting", {})
    for number, part in enumerate([*index.get("expressions", index["column_names"])]):
        if part in operators and part in orders:
            sql = quote(part) if index["column_names"][number] else part
            order = [word.replace("_", " ").upper() for word in orders.pop(part)]
            replace_part(index, number, " ".join((sql, operators.pop(part), *order)))


def without_names(definition: str) -> str:
    """Return the definition of an index without its name and that of its table."""
    return HEAD.sub(lambda match: match[1] or "", definition, count=1)


class PostgreSQLIndexes(IndexComparison):
    """Compares indexes by `pg_get_indexdef()`."""

    def read(self, schema: str | None) -> Definitions:
        """Read how the indexes of a schema are made, without their names."""
        rows = self.connection.execute(DEFINITIONS, {"schema": schema})
        return {(table, name): without_names(definition) for table, name, definition in rows}

    def read_probe(self) -> dict[str, str]:
        """Read the same of the temporary table, by the names of its indexes."""
        rows = self.connection.execute(PROBED, {"table": TABLE})
        return {name: without_names(definition) for name, definition in rows}

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
            [first] = self.read_probe().values()
            again = UNIQUE.sub(rf"CREATE \1INDEX {NAME}_again ON {TABLE} USING ", first, count=1)
            self.connection.execute(text(escape_parameters(again)))
            return [first, self.read_probe()[f"{NAME}_again"]]
        finally:
            if savepoint.is_active:
                savepoint.rollback()


INDEX_COMPARISON = PostgreSQLIndexes
