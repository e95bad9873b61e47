"""Whether a statement of SQLite stays inside of its file."""

from collections.abc import Sequence

from alembic_guardrails.sandbox import Sandbox
from alembic_guardrails.statements import Statement
from sqlalchemy import Connection


class SQLiteSandbox(Sandbox):
    """Refuses the two statements that reach another file."""

    def check(self, connection: Connection, sql: str, statements: Sequence[Statement]) -> None:
        for statement in statements:
            if statement.verb == "ATTACH" or {"VACUUM", "INTO"} <= {*statement.words}:
                raise self.refusal(sql)


SANDBOX = SQLiteSandbox
