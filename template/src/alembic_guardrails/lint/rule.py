"""What a rule of lint is."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from alembic.operations import MigrateOperation, ops
from alembic_guardrails.lint.source import Source
from alembic_guardrails.offline.recorder import Recording, Step
from alembic_guardrails.offline.tables import table_of
from alembic_guardrails.output.finding import Help, Severity, sentence
from sqlalchemy import Dialect

DATABASES = ("postgresql", "mysql", "sqlite")


@dataclass(frozen=True)
class Reading:
    """One direction of a revision, as rules read it.

    `opposite` is the other direction: the downgrade where this is the upgrade.
    """

    recording: Recording
    dialect: Dialect
    source: Source
    opposite: Recording | None = None
    is_downgrade: bool = False

    @property
    def direction(self) -> str:
        """The name of the revision's function."""
        return "downgrade" if self.is_downgrade else "upgrade"

    @property
    def steps(self) -> list[Step]:
        """The operations of the revision."""
        return self.recording.steps

    @cached_property
    def created(self) -> dict[object, int]:
        """The tables, and the nullable columns, that the revision creates, and by which step."""
        created: dict[object, int] = {}
        for step in self.steps:
            operation = step.operation
            if isinstance(operation, ops.CreateTableOp):
                created.setdefault(table_of(operation), step.number)
            elif isinstance(operation, ops.AddColumnOp) and operation.column.nullable:
                created.setdefault((table_of(operation), operation.column.name), step.number)
        return created

    def is_on_new_table(self, step: Step) -> bool:
        """Whether a step changes a table that an earlier step creates, so that it has no rows."""
        return self.is_created_before(table_of(step.operation), step)

    def is_created_before(self, created: object, step: Step) -> bool:
        """Whether a table or a column is created by this step or an earlier one."""
        return self.created.get(created, step.number + 1) <= step.number

    def has_no_rows_to_check(self, step: Step) -> bool:
        """Whether a constraint is on columns that are new and empty, so that no row breaks it."""
        match step.operation:
            case ops.CreateUniqueConstraintOp(columns=columns) | ops.CreateIndexOp(columns=columns):
                pass
            case ops.CreateForeignKeyOp(local_cols=columns) if self.dialect.name == "sqlite":
                pass
            case _:
                return False
        table = table_of(step.operation)
        return all(self.is_created_before((table, column), step) for column in columns)


def no_operation(step: Step, dialect: Dialect) -> bool:
    """Match no operation."""
    return False


def no_step(reading: Reading) -> Iterable[Step]:
    """Find nothing in a revision."""
    return ()


@dataclass(frozen=True)
class Rule:
    """A rule, all the ways in which it is found, and what to do instead.

    `why` says what happens to whom, and `{subject}` in it is what the operation is about; `instead`
    says what to do, in the imperative; `remedy` writes the code for it, with the names of the
    revision in it. `example` is the body of an `upgrade()` that breaks the rule.

    `operation` looks at one operation of Alembic's; `statement` is a pattern for the beginning of a
    statement that the revision wrote itself, and `statement_without_squawk` one for databases whose
    SQL squawk does not read; `revision` looks at all steps together. On PostgreSQL a finding of
    squawk's of the same name counts as well, but not on an operation that `known_better` lists,
    because the operation says more than its SQL: the type that was, the key that will be.
    """

    name: str
    why: str
    instead: str
    operation: Callable[[Step, Dialect], bool] = no_operation
    statement: str = ""
    statement_without_squawk: str = ""
    revision: Callable[[Reading], Iterable[Step]] = no_step
    known_better: tuple[type[MigrateOperation], ...] = ()
    is_for_previous_release: bool = False
    """Whether a downgrade can ignore it, because it is the previous release that it brings back."""
    severity: Severity = Severity.ERROR
    remedy: "Callable[[Rule, Step, Reading], Help] | None" = None
    example: str = ""
    databases: tuple[str, ...] = DATABASES
    """Where the rule can be broken; `mysql` is also MariaDB."""

    @property
    def advice(self) -> str:
        """What to do, as a sentence."""
        return sentence(self.instead)

    def message(self, subject: object) -> str:
        """Return what is wrong with a subject, as a sentence."""
        return sentence(self.why.format(subject=subject))

    def help(self, step: Step, reading: Reading) -> Help:
        """Return what to do instead of a step."""
        return self.remedy(self, step, reading) if self.remedy else Help(self.advice)

    def steps(self, reading: Reading) -> Iterator[Step]:
        """Yield the steps of a revision that break the rule; squawk's findings come on top."""
        for step in reading.steps:
            if reading.is_on_new_table(step) or reading.has_no_rows_to_check(step):
                continue
            if self.operation(step, reading.dialect) or self.matches(step, reading.dialect):
                yield step
        yield from self.revision(reading)

    def matches(self, step: Step, dialect: Dialect) -> bool:
        """Whether a statement that the revision wrote itself breaks the rule."""
        patterns = [self.statement]
        if dialect.name != "postgresql":
            patterns.append(self.statement_without_squawk)
        return any(
            re.match(pattern, statement.code, re.IGNORECASE | re.DOTALL)
            for pattern in patterns
            if pattern
            for statement in step.statements
        )
