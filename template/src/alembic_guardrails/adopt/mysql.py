"""What SQLAlchemy does not tell of MySQL's and MariaDB's tables."""

from typing import Any

from sqlalchemy import JSON, CheckConstraint, Connection, FetchedValue, MetaData, text

DEFAULTS = text("""
    SELECT table_schema, table_name, column_name FROM information_schema.columns
    WHERE coalesce(column_default, 'NULL') <> 'NULL' OR extra LIKE '%on update%'
""")

# How many digits MariaDB shows of an integer, signed and unsigned, where nobody said it.
WIDTHS = {
    "TINYINT": (4, 3),
    "SMALLINT": (6, 5),
    "MEDIUMINT": (9, 8),
    "INTEGER": (11, 10),
    "BIGINT": (20, 20),
}


def complete(connection: Connection, metadata: MetaData) -> None:
    """Read numbers and JSON as what they are; find the defaults that SQLAlchemy's patterns miss."""
    own = connection.dialect.default_schema_name
    filled = {(schema, *names) for schema, *names in connection.execute(DEFAULTS).all()}
    for table in metadata.tables.values():
        checks = {str(it.sqltext) for it in table.constraints if isinstance(it, CheckConstraint)}
        for column in table.c:
            details: Any = column.type
            usual = WIDTHS.get(column.type.__visit_name__, ())
            if getattr(details, "display_width", None) in usual and not details.zerofill:
                details.display_width = None
            if column.type.__visit_name__ in ("DOUBLE", "FLOAT", "REAL"):
                details.asdecimal = False
            if f"json_valid(`{column.name}`)" in checks:
                column.type = JSON()
            place = (table.schema or own, table.name, column.name)
            if column.server_default is None and place in filled:
                column.server_default = FetchedValue()
