"""Operations of revisions that lock, lose data or break the previous release, before they run.

Rules are named as in squawk, which reads the SQL for PostgreSQL: https://squawkhq.com/docs/rules
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic_guardrails.lint.operations import (
    dangers,
    dangers_together,
    fits_empty_columns,
    table_of,
)
from alembic_guardrails.lint.rules import RULES
from alembic_guardrails.lint.squawk import dangers_in_sql
from alembic_guardrails.offline.recorder import Recorder

ALLOW = re.compile(r"# allow: ([a-z-]+(?:, [a-z-]+)*)")


def report(revision: Script, context: MigrationContext) -> Iterator[str]:
    """What is wrong with a revision, a line each."""
    recorder = Recorder(context, revision)
    path = os.path.relpath(revision.path)
    lines = Path(revision.path).read_text(encoding="utf-8").splitlines()
    allowed = {
        rule: number
        for number, line in enumerate(lines, 1)
        for rules in ALLOW.findall(line)
        for rule in rules.split(", ")
    }
    found = dict(findings(recorder))
    for (line, rule), sentence in sorted(found.items()):
        if rule not in allowed:
            yield f"{path}:{line}: {rule}: {sentence}"
    for rule in sorted(allowed.keys() - {rule for _, rule in found}):
        yield f"{path}:{allowed[rule]}: unused-allow: nothing here needs `# allow: {rule}`"


def findings(recorder: Recorder) -> Iterator[tuple[tuple[int, str], str]]:
    """What is unsafe in a revision: the line, the rule and a sentence on it."""
    steps, dialect = recorder.steps, recorder.impl.dialect
    if recorder.error:
        line, error = recorder.error
        yield (line, "unreadable"), f"the rest cannot be read without a database: {error}"
    new: set[object] = set()
    for step in steps:
        table = table_of(step)
        if isinstance(step.operation, ops.CreateTableOp):
            new.add(table)
        elif isinstance(step.operation, ops.AddColumnOp) and step.operation.column.nullable:
            new.add((table, step.operation.column.name))
        if table not in new and not fits_empty_columns(step, new, dialect):
            for rule in dangers(step, dialect):
                yield (step.line, rule), RULES[rule]
    if dialect.name == "postgresql":
        for step, rule in dangers_together(recorder, new):
            yield (step.line, rule), RULES[rule]
        for step, rule, sentence in dangers_in_sql(recorder):
            if table_of(step) not in new:
                yield (step.line, rule), RULES.get(rule, sentence)
