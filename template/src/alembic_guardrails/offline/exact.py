"""SQL of offline mode that does what the revision does with a database.

Alembic writes four spaces for a tab, also in values, and leaves out the parameters of a statement
that a revision executes on `op.get_bind()`: SQLite takes NULL for each.
"""

from functools import wraps
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails._alembic import rewrite_offline
from alembic_guardrails.statements import tokens


def write_exactly(context: MigrationContext) -> None:
    """Have the SQL of a context keep tabs in values, and refuse what would lose parameters."""

    def keep_tabs(statement: str) -> str:
        parts = tokens(statement, context.dialect.name) if "\t" in statement else ()
        is_value = any("\t" in token.text for token in parts)
        return statement if is_value else statement.replace("\t", "    ")

    rewrite_offline(context, keep_tabs)
    connection: Any = context.connection
    execute = connection.execute

    @wraps(execute)
    def checked(statement: Any, parameters: Any = None, **options: Any) -> Any:
        if parameters:
            raise CommandError(
                "What a connection executes with parameters cannot be written as SQL, because they"
                " would be lost. Write op.execute(statement.values(...)) or"
                " op.execute(text.bindparams(...)) in the revision, or run it without --sql."
            )
        return execute(statement, parameters, **options)

    connection.execute = checked
