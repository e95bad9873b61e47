"""What squawk finds in the SQL for PostgreSQL."""

import json
import shutil
import subprocess
import sysconfig
from bisect import bisect
from collections.abc import Iterator
from typing import Any

from alembic.util import CommandError
from alembic_guardrails.lint.rules import BY_NAME, RULES_OF_SQUAWK
from alembic_guardrails.offline.recorder import Recording, Step


def find_in_sql(recording: Recording) -> Iterator[tuple[Step, str, str]]:
    """Yield what squawk finds: the operation, the rule and what it says.

    Raises:
        CommandError: squawk is not installed, or fails.
    """
    found = [
        (step_at(recording, finding["line"]), finding["rule_name"], finding)
        for finding in run_squawk(recording.sql)
        if finding["rule_name"] in BY_NAME.keys() | RULES_OF_SQUAWK
    ]
    special = {step for step, rule, _ in found if rule != "constraint-missing-not-valid"}
    for step, name, finding in found:
        rule = BY_NAME.get(name)
        if rule and isinstance(step.operation, rule.known_better):
            continue
        # It is about any new constraint, where most have a rule of their own.
        if name == "constraint-missing-not-valid" and step in special:
            continue
        own_words = f"{finding['message']} {finding['help'] or ''}".strip()
        yield step, name, rule.sentence if rule else own_words


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
