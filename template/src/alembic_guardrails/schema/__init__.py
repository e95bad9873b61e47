"""The whole schema of a database as text: what Alembic compares, and all that it does not.

Left out are owners and privileges, the order of columns, the versions of extensions, and what
migrations keep for themselves.
"""

from alembic_guardrails.dialects import module_for
from sqlalchemy import Connection


def snapshot(connection: Connection) -> dict[str, str]:
    """Read everything in a database's schema: its name in words, and its definition as text.

    Call it in a transaction of its own, and end that afterwards.
    """
    return dict(sorted(module_for("schema", connection.dialect.name).read(connection)))
