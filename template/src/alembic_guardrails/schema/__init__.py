"""The whole schema of a database as text: what Alembic compares, and all that it does not.

Owners and privileges, the order of columns, the versions of extensions, and the tables that
migrations keep for themselves are left out.
"""

import re

from alembic_guardrails.dialects import module_for
from alembic_guardrails.schema.base import SchemaReader
from sqlalchemy import Connection

KIND_OF_VIEW = re.compile(r"(?:materialized )?view ")


def snapshot(connection: Connection) -> dict[str, str]:
    """Read the schema of a database: the definition of each object, by its kind and name.

    Call it in a transaction of its own, and end the transaction afterwards.
    """
    reader: SchemaReader = module_for("schema", connection.dialect.name)
    return dict(sorted(reader.read(connection)))


def reword_views(
    connection: Connection, schema: dict[str, str], built: dict[str, str]
) -> dict[str, str]:
    """Return a schema with its views as they read after they were restored to `connection`.

    `built` is the schema of `connection`; views that read alike in both stay as they are.
    """
    reader: SchemaReader = module_for("schema", connection.dialect.name)
    return {
        name: reader.reword_view(connection, definition)
        if KIND_OF_VIEW.match(name) and built.get(name, definition) != definition
        else definition
        for name, definition in schema.items()
    }
