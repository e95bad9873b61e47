"""What SQLAlchemy does not read of a PostgreSQL table."""

from sqlalchemy import text

# The types that columns were declared with, as PostgreSQL formats them; of one table, or of all.
TYPES = text("""
    SELECT nspname, relname, attname, format_type(atttypid, atttypmod) FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
    WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'f')
    AND relname = coalesce(CAST(:table AS text), relname)
""")
