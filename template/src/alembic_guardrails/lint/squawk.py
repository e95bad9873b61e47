"""What squawk finds in the SQL for PostgreSQL."""

import json
import shutil
import subprocess
import sysconfig
from bisect import bisect
from collections.abc import Iterator
from typing import Any

from alembic.util import CommandError
from alembic_guardrails.lint.rule import Rule
from alembic_guardrails.lint.rules import BY_NAME
from alembic_guardrails.offline.recorder import Recording, Step


def find_in_sql(recording: Recording) -> Iterator[tuple[Rule, Step]]:
    """Yield what squawk finds: the rule and the operation.

    Raises:
        CommandError: squawk is not installed, or fails.
    """
    found = [
        (BY_NAME[finding["rule_name"]], step_at(recording, finding["line"]))
        for finding in run_squawk(recording.sql)
        if finding["rule_name"] in BY_NAME
    ]
    special = {step for rule, step in found if rule.name != "constraint-missing-not-valid"}
    for rule, step in found:
        if isinstance(step.operation, rule.known_better):
            continue
        # It is about any new constraint, where most have a rule of their own.
        if rule.name == "constraint-missing-not-valid" and step in special:
            continue
        yield rule, step


def step_at(recording: Recording, line: int) -> Step:
    """Return the operation to which a line of the SQL belongs."""
    starts = [step.sql_line for step in recording.steps]
    return recording.steps[bisect(starts, line) - 1]


def run_squawk(sql: str) -> list[dict[str, Any]]:
    """Return the findings of squawk.

    Raises:
        CommandError: squawk is not installed, or fails.
    """
    program = shutil.which("squawk", path=sysconfig.get_path("scripts"))
    if program is None:
        raise CommandError("Install squawk, a development dependency, with `uv sync`")
    result = subprocess.run(  # noqa: S603
        [program, "--reporter=json", "--assume-in-transaction"],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    if not result.stdout:
        raise CommandError(f"squawk failed: {result.stderr.strip()}")
    findings: list[dict[str, Any]] = json.loads(result.stdout)
    return findings
