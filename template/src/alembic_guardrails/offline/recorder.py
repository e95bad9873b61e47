"""Running a revision without a database, to see what it does."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from traceback import walk_stack
from typing import Any, NamedTuple

from alembic.operations import BatchOperations, MigrateOperation, Operations
from alembic.operations.ops import BulkInsertOp, CreateTableOp, ExecuteSQLOp
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic_guardrails._alembic import become_op, count_result_columns
from alembic_guardrails.history.naming import naming_as_written
from alembic_guardrails.offline import Failure, describe_failure
from alembic_guardrails.offline.definitions import Key
from alembic_guardrails.offline.tables import RecordedTable, TableBuilder, Tables, reflect_recorded
from alembic_guardrails.output import Span, span_of_frame
from alembic_guardrails.statements import Kind, Statement, split
from sqlalchemy import URL, Connection, Engine, Index, NullPool, event
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import ClauseElement

# What can stand between CREATE and the kind of the object.
MODIFIERS = {
    "FOREIGN",
    "GLOBAL",
    "LOCAL",
    "OR",
    "REPLACE",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "VIRTUAL",
}

EXISTENCE = {"IF", "NOT", "EXISTS"}


def find_object(statement: Statement, kind: str) -> tuple[str | None, str] | None:
    """Return the schema and the name of the object that a statement creates or drops.

    `kind` is the word for what the object is, such as TABLE; None if the statement does neither, or
    is about something else. The schema `public` goes without saying.
    """
    words = statement.words
    if statement.verb not in ("CREATE", "DROP") or kind not in words:
        return None
    place = words.index(kind)
    if not MODIFIERS.issuperset(words[1:place]):
        return None
    names: list[str] = []
    for token in statement.tokens[place + 1 :]:
        if token.word in EXISTENCE:
            continue
        # Names and the dots between them take turns.
        if not (token.text == "." if len(names) % 2 else token.identifier):
            break
        names.append(token.identifier)
    if not names:
        return None
    schema = names[-3] if len(names) > 2 else None
    return (None if schema == "public" else schema), names[-1]


def find_types(sql: str, dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the types that SQL creates or drops, each after the verb."""
    for statement in split(sql, dialect):
        if found := find_object(statement, "TYPE"):
            yield statement.verb, found[1]


class Step(NamedTuple):
    """An operation, where the revision calls for it, and where its SQL begins in all of it.

    `number` counts the steps of a revision; `statements` are what the revision wrote itself,
    `rebuilds` whether SQLite copies the table, `commits` whether it is in an autocommit block.
    """

    operation: MigrateOperation
    span: Span
    sql_line: int
    statements: tuple[Statement, ...] = ()
    rebuilds: bool = False
    commits: bool = False
    number: int = 0

    @property
    def line(self) -> int:
        """The line of the revision that calls for the operation."""
        return self.span.line

    @property
    def changes_rows(self) -> bool:
        """Whether the step inserts, changes or deletes rows, a table made of a query included."""
        return isinstance(self.operation, BulkInsertOp) or any(
            statement.kind is Kind.ROWS or is_select_into(statement)
            for statement in self.statements
        )

    @property
    def only_reads(self) -> bool:
        """Whether the step changes neither rows nor definitions."""
        kinds = {statement.kind for statement in self.statements}
        return bool(kinds) and kinds <= {Kind.READ, Kind.SESSION}

    @property
    def selects(self) -> bool:
        """Whether the step reads rows, and changes nothing."""
        return self.only_reads and any(statement.kind is Kind.READ for statement in self.statements)


@dataclass(frozen=True)
class Recording:
    """What one direction of a revision does: its operations, and their SQL where it has any.

    `failure` says why the revision stopped, if it did; `tables` and `types` are what the schema has
    afterwards, `before` the tables that it had.
    """

    path: str
    steps: list[Step]
    sql: str
    failure: Failure | None
    tables: Tables
    types: frozenset[str]
    before: Tables = field(default_factory=dict)


@dataclass
class Recorder:
    """Runs revisions one after the other: each sees the schema that those before it have built."""

    context: MigrationContext
    tables: Tables = field(default_factory=dict)
    types: frozenset[str] = frozenset()

    def record_upgrade(self, script: Script) -> Recording:
        """Run a revision's upgrade(); the next revision sees its schema."""
        recording = self.record(script, "upgrade")
        self.tables, self.types = recording.tables, recording.types
        return recording

    def record_downgrade(self, script: Script) -> Recording:
        """Run the downgrade() of the revision that was upgraded last."""
        return self.record(script, "downgrade")

    def record(self, script: Script, direction: str) -> Recording:
        """Run one direction of a revision."""
        operations = RecordedOperations(self.context, script.path, self.tables, self.types)
        failure = None
        try:
            with naming_as_written(self.context, script):
                getattr(script.module, direction)()
        except Exception as error:
            failure = describe_failure(error, script.path)
        return Recording(
            script.path,
            operations.steps,
            operations.sql.getvalue(),
            failure,
            operations.builder.tables,
            operations.read_types(),
            self.tables,
        )


class NoRows:
    """A driver's connection and cursor in one: takes every statement, finds nothing."""

    rowcount = lastrowid = 0

    def fetchone(self) -> None:
        """Return no row."""

    def fetchall(self) -> list[Any]:
        """Return no rows."""
        return []

    def fetchmany(self, size: int = 1) -> list[Any]:
        """Return no rows."""
        return []

    def __getattr__(self, name: str) -> "NoRows":
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> "NoRows":
        return self


def keep_table(operation: CreateTableOp, context: MigrationContext) -> None:
    """Have an operation make its table once, if an index in it can belong to one table only."""
    if any(isinstance(part, Index) for part in operation.columns):
        table = operation.to_table(context)
        operation.to_table = lambda *_: table  # type: ignore[method-assign]


class RecordedOperations(Operations):
    """What `alembic.op` is while a revision runs."""

    def __init__(
        self,
        context: MigrationContext,
        path: str,
        tables: Mapping[Key, RecordedTable],
        types: Collection[str],
    ) -> None:
        """Take the place of `alembic.op` for the revision in the file `path`."""
        super().__init__(context)
        self.path = path
        self.steps: list[Step] = []
        self.sql = context.impl.output_buffer = StringIO()
        self.sql_line = self.sql_read = 0
        self.commits = False
        self.builder = TableBuilder(tables, context.dialect)
        self.types = frozenset(types)
        connect: Any = NoRows
        dialect = reflect_recorded(context.dialect, lambda: self.builder.tables, self.read_types)
        engine = Engine(NullPool(connect), dialect, URL.create(dialect.name))
        event.listen(engine, "before_cursor_execute", self.execute_on_bind)
        self.bind = engine.connect()
        become_op(self)

    def read_types(self) -> frozenset[str]:
        """Return the names of the types that are there after what has run so far."""
        types = set(self.types)
        for verb, name in find_types(self.sql.getvalue(), self.impl.dialect.name):
            change = types.add if verb == "CREATE" else types.discard
            change(name)
        return frozenset(types)

    def is_revision(self, frame: Any) -> bool:
        """Whether a frame runs a line of the revision's own file."""
        return bool(frame.f_code.co_filename == self.path)

    def read_sql(self) -> None:
        """Read the SQL that has been written since the last operation."""
        self.sql.seek(self.sql_read)
        lines = self.sql.read().splitlines()
        self.sql_line += len(lines)
        self.sql_read = self.sql.tell()
        marks = [line for line in lines if line in {"BEGIN;", "COMMIT;"}]
        if marks:
            self.commits = marks[-1] == "COMMIT;"

    def record(
        self, operation: MigrateOperation, text: str = "", *, rebuilds: bool = False
    ) -> None:
        """Record an operation, or the SQL that the revision wrote itself."""
        frames = (frame for frame, _ in walk_stack(None) if self.is_revision(frame))
        span = next((span_of_frame(frame) for frame in frames), Span(1))
        self.read_sql()
        statements = tuple(split(text, self.impl.dialect.name))
        number = len(self.steps)
        step = Step(operation, span, self.sql_line, statements, rebuilds, self.commits, number)
        self.steps.append(step)
        self.builder.apply(operation)
        for statement in statements:
            self.builder.apply_statement(statement)
            # Others have parameters, which not every value can stand for.
            if statement.kind not in (Kind.READ, Kind.ROWS) and not is_select_into(statement):
                self.migration_context.impl.static_output(f"{statement.text};")

    def get_bind(self) -> Connection:
        """Return a connection to no database: what it executes is recorded, and selects no rows."""
        return self.bind

    def execute_on_bind(self, bind: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        """Record a statement, and say how many columns the rows would have that are not there."""
        columns = count_result_columns(rest[1].compiled) or 1
        cursor.description = [("?", *(None,) * 6)] * columns
        self.record(ExecuteSQLOp(statement), statement)
        if isinstance(element := getattr(rest[1].compiled, "statement", None), CreateTable):
            self.builder.apply(CreateTableOp.from_table(element.element))

    def invoke(self, operation: MigrateOperation) -> Any:
        """Record an operation and render its SQL."""
        if isinstance(operation, ExecuteSQLOp):
            text = operation.sqltext
            if isinstance(text, ClauseElement):
                text = str(text.compile(dialect=self.impl.dialect))
            return self.record(operation, str(text))
        if isinstance(operation, CreateTableOp):
            keep_table(operation, self.migration_context)
        self.record(operation)
        return None if isinstance(operation, BulkInsertOp) else super().invoke(operation)

    @contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *args: Any, **kwargs: Any
    ) -> Iterator[BatchOperations]:
        """Record the operations of a batch one by one; SQLite would have to read the table."""
        with super().batch_alter_table(table_name, schema, recreate="never") as batch:
            rebuilds = self.impl.dialect.name == "sqlite"
            note = partial(self.record, rebuilds=True) if rebuilds else self.invoke
            batch.invoke = note  # type: ignore[assignment,method-assign]
            yield batch


def is_select_into(statement: Statement) -> bool:
    """Whether a statement makes a table or a file of the rows of a query."""
    return statement.kind is Kind.OTHER and statement.verb == "SELECT"
