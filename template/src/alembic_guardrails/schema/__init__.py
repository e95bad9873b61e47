"""The whole schema of a database as text: what Alembic compares, and all that it does not.

Owners and privileges, the order of columns, the versions of extensions, and the tables that
migrations keep for themselves are left out.
"""

from alembic_guardrails.dialects import module_for
from alembic_guardrails.schema.base import SchemaReader
from sqlalchemy import Connection


def snapshot(connection: Connection) -> dict[str, str]:
    """Read the schema of a database: the definition of each object, by its kind and name.

    Call it in a transaction of its own, and end the transaction afterwards.
    """
    reader: SchemaReader = module_for("schema", connection.dialect.name)
    return dict(sorted(reader.read(connection)))
