"""What a rule of lint is, what the source of a revision says, and what its steps are about."""

import ast
import re
import tokenize
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from typing import NamedTuple

from alembic.operations import MigrateOperation, ops
from alembic_guardrails.offline.recorder import Recording, Step
from alembic_guardrails.offline.tables import table_of
from alembic_guardrails.output import Help, Severity, Span, sentence, span_of_node
from alembic_guardrails.statements import Kind, Statement
from sqlalchemy import Dialect

ALLOW = re.compile(r"# allow: ([a-z-]+(?:, [a-z-]+)*)")

CHANGES_ROWS = re.compile(r"\s*(?:DELETE|INSERT|MERGE|REPLACE|UPDATE)\b", re.IGNORECASE)

STATEMENT_MAKERS = {"delete", "insert", "merge", "update"}

WRITERS = {"add", "add_all", "bulk_insert", "exec_driver_sql", "execute", "scalar", "scalars"}

LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)

DATABASES = ("postgresql", "mysql", "sqlite")

NAME = r"(?:[\w$]+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\])"
TABLE = rf"(?P<table>{NAME}(?:\.{NAME})?)"
ALTER = rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{TABLE}\s+"
COLUMN = rf"(?:COLUMN\s+)?(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<column>{NAME})"

# What statements of a revision's own are about. The first pattern that matches counts.
CONSTRAINT = re.compile(
    ALTER + rf"(?:ADD|DROP)\s+CONSTRAINT\s+(?:IF\s+EXISTS\s+)?(?P<constraint>{NAME})", re.IGNORECASE
)
KEYWORDS = r"(?:CHECK|CONSTRAINT|FOREIGN|FULLTEXT|INDEX|KEY|PARTITION|PRIMARY|SPATIAL|UNIQUE)\b"
KIND = r"(?:(?:FULLTEXT|SPATIAL|UNIQUE)\s+)?"
ALTERED = re.compile(
    ALTER + rf"(?:ADD|ALTER|CHANGE|DROP|MODIFY|RENAME)\s+(?!{KEYWORDS}|TO\b|AS\b){COLUMN}",
    re.IGNORECASE,
)
INDEX = re.compile(
    rf"CREATE\s+{KIND}INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?"
    rf"(?P<index>{NAME})\s+ON\s+(?:ONLY\s+)?{TABLE}",
    re.IGNORECASE,
)
ADDED_INDEX = re.compile(
    ALTER + rf"ADD\s+{KIND}(?:INDEX|KEY)\s+(?P<index>{NAME})\s*\(", re.IGNORECASE
)
OF_TABLE = re.compile(
    rf"{ALTER}"
    rf"|(?:DROP|TRUNCATE|RENAME|LOCK|OPTIMIZE|REINDEX)\s+TABLES?\s+(?:IF\s+EXISTS\s+)?{TABLE}"
    rf"|(?:UPDATE|DELETE\s+FROM|TRUNCATE|LOCK|VACUUM\s+FULL|CLUSTER)\s+(?:ONLY\s+)?{TABLE}".replace(
        "?P<table>", ""
    ),
    re.IGNORECASE,
)
OBJECT = re.compile(
    r"(?:ALTER|DROP)\s+(?:MATERIALIZED\s+)?(?P<kind>DATABASE|DOMAIN|FUNCTION|SCHEMA|TYPE|VIEW)\s+"
    rf"(?:IF\s+EXISTS\s+)?(?P<name>{NAME}(?:\.{NAME})?)",
    re.IGNORECASE,
)


class Allow(NamedTuple):
    """A comment that allows what a rule forbids: in these lines, or in all of the revision."""

    rule: str
    span: Span
    lines: range | None

    def covers(self, rule: str, line: int) -> bool:
        """Whether a finding is allowed."""
        return rule == self.rule and (self.lines is None or line in self.lines)


@dataclass(frozen=True)
class Source:
    """The source of a revision."""

    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def allows(self) -> list[Allow]:
        """The comments `# allow: rule`.

        One on a line of its own counts for the revision, one behind code for its statement.
        """
        found: list[Allow] = []
        for token in tokenize.generate_tokens(StringIO(self.text).readline):
            if token.type != tokenize.COMMENT:
                continue
            line, column = token.start
            is_alone = not token.line[:column].strip()
            lines = None if is_alone else self.statement_at(line)
            span = Span(line, column + 1, line, token.end[1] + 1)
            for rules in ALLOW.findall(token.string):
                found += [Allow(rule, span, lines) for rule in rules.split(", ")]
        return found

    def statement_at(self, line: int) -> range:
        """Return the lines of the statement at a line; of a block, those of its first line."""
        spans: list[range] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt):
                body = getattr(node, "body", None)
                end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
                spans.append(range(node.lineno, max(end, node.lineno) + 1))
        around = [span for span in spans if line in span]
        return max(around, key=lambda span: span.start, default=range(line, line + 1))

    def unreached_writes(self, reached: Collection[int], direction: str) -> Iterator[Span]:
        """Yield where loops write rows that no line in `reached` belongs to.

        A loop over rows has nothing to do where there are none, so that a recorder sees none of it.
        Functions that are about the other direction are left out.
        """
        opposite = {"upgrade": "downgrade", "downgrade": "upgrade"}[direction]
        for function in self.tree.body:
            if isinstance(function, ast.FunctionDef) and function.name != opposite:
                for node in ast.walk(function):
                    if isinstance(node, LOOPS) and self.writes_rows(node):
                        inside = range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
                        if not any(line in inside for line in reached):
                            yield span_of_node(node, self.text.splitlines())

    def writes_rows(self, loop: ast.AST) -> bool:
        """Whether a loop changes rows: by a statement, or by an attribute of an object."""
        targets = {
            target.id
            for target in ast.walk(getattr(loop, "target", loop))
            if isinstance(loop, ast.For) and isinstance(target, ast.Name)
        }
        for node in ast.walk(loop):
            if isinstance(node, ast.Call) and self.is_write(node):
                return True
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id in targets
            ):
                return True
        return False

    def is_write(self, call: ast.Call) -> bool:
        """Whether a call executes a statement that changes rows."""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name not in WRITERS:
            return False
        if name in {"add_all", "bulk_insert"}:
            return True
        return any(self.changes_rows(argument) for argument in call.args)

    def changes_rows(self, argument: ast.expr) -> bool:
        """Whether an argument is a statement that changes rows, also by the name of a variable."""
        names = {node.id for node in ast.walk(argument) if isinstance(node, ast.Name)}
        values = [argument]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id in names for target in node.targets
            ):
                values.append(node.value)
        return any(makes_change(node) for value in values for node in ast.walk(value))


def makes_change(node: ast.AST) -> bool:
    """Whether a node is SQL that changes rows, or a call that makes such a statement."""
    match node:
        case ast.Constant(value=str(text)):
            return bool(CHANGES_ROWS.match(text))
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in STATEMENT_MAKERS
    return False


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


class Subject(NamedTuple):
    """What a step is about; what it does not have is empty."""

    schema: str | None = None
    table: str = ""
    column: str = ""
    other: str = ""
    """Another object with its kind, such as `index ix_name`."""

    def __str__(self) -> str:
        table = f"{self.schema}.{self.table}" if self.schema else self.table
        if self.other:
            return f"{self.other} of {table}" if table else self.other
        if self.column:
            return f"column {table}.{self.column}"
        return f"table {table}" if table else "what this statement changes"


def read_subject(step: Step) -> Subject:
    """Return what a step is about."""
    schema, table = table_of(step.operation)
    match step.operation:
        case ops.ExecuteSQLOp():
            statement = main_statement(step)
            return subject_of_sql(statement.code if statement else "")
        case ops.AddColumnOp(column=column):
            return Subject(schema, table, column.name)
        case ops.DropColumnOp(column_name=name) | ops.AlterColumnOp(column_name=name):
            return Subject(schema, table, name)
        case ops.CreateIndexOp(index_name=name):
            return Subject(schema, table, other=f"index {name}")
        case ops.AddConstraintOp() | ops.DropConstraintOp():
            name = getattr(step.operation, "constraint_name", None)
            return Subject(schema, table, other=f"constraint {name}" if name else "a constraint")
    return Subject(schema, table)


def main_statement(step: Step) -> Statement | None:
    """Return the first statement of a step that does more than read, else the first of all."""
    changing = (each for each in step.statements if each.kind is not Kind.READ)
    return next(changing, next(iter(step.statements), None))


def subject_of_sql(text: str) -> Subject:
    """Return what a statement is about."""
    if match := CONSTRAINT.match(text):
        return Subject(
            *split_name(match["table"]), other=f"constraint {unquote(match['constraint'])}"
        )
    if match := ALTERED.match(text):
        return Subject(*split_name(match["table"]), unquote(match["column"]))
    if match := INDEX.match(text) or ADDED_INDEX.match(text):
        return Subject(*split_name(match["table"]), other=f"index {unquote(match['index'])}")
    if match := OBJECT.match(text):
        return Subject(other=f"{match['kind'].lower()} {unquote(match['name'])}")
    if match := OF_TABLE.match(text):
        return Subject(*split_name(next(filter(None, match.groups()))))
    return Subject()


def split_name(name: str) -> tuple[str | None, str]:
    """Return the schema and the name of a table."""
    parts = re.findall(NAME, name)
    return (unquote(parts[0]) if len(parts) > 1 else None), unquote(parts[-1])


def unquote(name: str) -> str:
    """Return a name without its quotes."""
    return name[1:-1] if name[:1] in '"`[' else name
