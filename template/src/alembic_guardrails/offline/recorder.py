"""Running a revision without a database, to see what it does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import StringIO
from traceback import walk_stack, walk_tb
from typing import Any, NamedTuple

from alembic.operations import BatchOperations, MigrateOperation, Operations
from alembic.operations.ops import BulkInsertOp, ExecuteSQLOp
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic_guardrails._alembic import become_op, count_result_columns
from sqlalchemy import URL, Connection, Engine, NullPool, event
from sqlalchemy.sql.elements import ClauseElement

ROWS = re.compile(r"\s*(?:DELETE|INSERT|MERGE|REPLACE|SELECT|UPDATE|WITH)\b", re.IGNORECASE)


class Step(NamedTuple):
    """An operation, where the revision calls for it, and where its SQL begins in all of it.

    `statement` is what the revision wrote itself, `rebuilds` whether SQLite copies the table.
    """

    operation: MigrateOperation
    line: int
    sql_line: int
    statement: str = ""
    rebuilds: bool = False


class NoRows:
    """A driver's connection and cursor in one: takes every statement, finds nothing."""

    rowcount = lastrowid = 0

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return []

    def __getattr__(self, name: str) -> "NoRows":
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> "NoRows":
        return self


def failure(error: Exception, path: str) -> tuple[int, str]:
    """The line where a revision stopped, and why."""
    frames = walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == path]
    return lines[-1] if lines else 1, f"{type(error).__name__}: {error}".splitlines()[0]


class Recorder(Operations):
    """What `alembic.op` is while a revision runs: the operations, and their SQL where it has any.

    `error` says why the revision stopped, if it did.
    """

    def __init__(self, context: MigrationContext, script: Script) -> None:
        super().__init__(context)
        self.path = script.path
        self.steps: list[Step] = []
        self.sql = context.impl.output_buffer = StringIO()
        self.sql_line = self.sql_read = 0
        self.error: tuple[int, str] | None = None
        dialect = context.dialect
        connect: Any = NoRows
        engine = Engine(NullPool(connect), dialect, URL.create(dialect.name))
        event.listen(engine, "before_cursor_execute", self.execute_on_bind)
        self.bind = engine.connect()
        become_op(self)
        try:
            script.module.upgrade()
        except Exception as error:
            self.error = failure(error, script.path)

    def is_revision(self, frame: Any) -> bool:
        """Whether a frame runs a line of the revision's own file."""
        return bool(frame.f_code.co_filename == self.path)

    def record(self, operation: MigrateOperation, statement: str = "", **how: bool) -> None:
        """Note an operation."""
        line = next((line for at, line in walk_stack(None) if self.is_revision(at)), 1)
        self.sql.seek(self.sql_read)
        self.sql_line += self.sql.read().count("\n")
        self.sql_read = self.sql.tell()
        self.steps.append(Step(operation, line, self.sql_line, statement, **how))
        # Statements that change or read rows have parameters, which not every value can stand for.
        if statement and not ROWS.match(statement):
            self.migration_context.impl.static_output(f"{statement};")

    def get_bind(self) -> Connection:
        """A connection to no database: what it executes is noted, what it selects is empty."""
        return self.bind

    def execute_on_bind(self, bind: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        """Note a statement, and say how many columns the rows would have that are not there."""
        columns = count_result_columns(rest[1].compiled) or 1
        cursor.description = [("?", *(None,) * 6)] * columns
        self.record(ExecuteSQLOp(statement), statement)

    def invoke(self, operation: MigrateOperation) -> Any:
        """Note an operation and render its SQL."""
        if isinstance(operation, ExecuteSQLOp):
            text = operation.sqltext
            if isinstance(text, ClauseElement):
                text = str(text.compile(dialect=self.impl.dialect))
            return self.record(operation, str(text))
        self.record(operation)
        return None if isinstance(operation, BulkInsertOp) else super().invoke(operation)

    @contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *args: Any, **kwargs: Any
    ) -> Iterator[BatchOperations]:
        """Note the operations of a batch one by one; SQLite would have to read the table."""
        with super().batch_alter_table(table_name, schema, recreate="never") as batch:
            rebuilds = self.impl.dialect.name == "sqlite"
            note = partial(self.record, rebuilds=True) if rebuilds else self.invoke
            batch.invoke = note  # type: ignore[assignment,method-assign]
            yield batch
