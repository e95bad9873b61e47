"""What SQLAlchemy does not read of a PostgreSQL table."""

from typing import Any

from sqlalchemy import Connection, text

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


def reflect_collations(connection: Connection) -> None:
    """Have SQLAlchemy read COLLATE in indexes of PostgreSQL, as expressions."""
    dialect: Any = connection.dialect
    if dialect.name != "postgresql" or "get_multi_indexes" in vars(dialect):
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
        return [((options["schema"], name), indexes) for name, indexes in tables.items()]

    dialect.get_multi_indexes = get_multi_indexes


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
