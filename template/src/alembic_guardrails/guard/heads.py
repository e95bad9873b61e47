"""The check that a command left the database at the revision that it reported."""

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError


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
            found, wanted = (", ".join(sorted(ids)) or "base" for ids in (current, self.expected))
            raise CommandError(
                f"The database is at {found}, not at {wanted}: a revision ended the transaction, or"
                " another session wrote to alembic_version. Compare the schema with the revision,"
                " then run the command again."
            )
