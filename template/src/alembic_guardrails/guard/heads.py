"""The check that a command left the database at the revision that it reported."""

from collections.abc import Collection

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError


def name_heads(heads: Collection[str]) -> str:
    """Return the ids of heads as messages show them."""
    return ", ".join(sorted(heads)) or "base"


class HeadsCheck:
    """Records the heads after each step, and compares them with the database at the end."""

    def __init__(self, context: MigrationContext) -> None:
        self.context = context
        self.expected: set[str] | None = None
        callbacks = context.on_version_apply_callbacks
        context.on_version_apply_callbacks = (*callbacks, self.record)

    def record(self, *, heads: set[str], **details: object) -> None:
        """Record the heads that Alembic writes with a step."""
        self.expected = heads

    def check(self) -> None:
        """Read the heads from the database in a transaction of their own, and compare them.

        Raises:
            CommandError: The database is at other revisions.
        """
        connection = self.context.connection
        if self.expected is None or connection is None:
            return
        connection.rollback()
        current = set(self.context.get_current_heads())
        connection.rollback()
        if current != self.expected:
            raise CommandError(
                f"The database is at {name_heads(current)}, not at {name_heads(self.expected)}: a"
                " revision ended the transaction, or"
                " another session wrote to alembic_version. Compare the schema with the revision,"
                " then run the command again."
            )
