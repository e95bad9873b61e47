"""What squawk finds in the SQL for PostgreSQL."""

import json
import shutil
import subprocess
import sysconfig
from bisect import bisect
from collections.abc import Iterator

from alembic.operations import ops
from alembic.util import CommandError
from alembic_guardrails.lint.rules import RULES
from alembic_guardrails.offline.recorder import Recorder, Step

# More of squawk's rules, in its own words. The others are matters of taste or of timeouts.
SQUAWK = set(RULES) | {
    "ban-alter-domain-with-add-constraint",
    "ban-drop-database",
    "ban-drop-function",
    "ban-drop-schema",
    "ban-set-schema",
    "renaming-object",
    "require-concurrent-partition-detach",
    "require-concurrent-reindex",
}

# Where an operation says more than its SQL: the type that was, the key that will be.
KNOWN_BETTER = {
    "adding-required-field": ops.AddColumnOp,
    "changing-column-type": ops.AlterColumnOp,
}


def dangers_in_sql(recorder: Recorder) -> Iterator[tuple[Step, str, str]]:
    """What squawk finds in the SQL for PostgreSQL: the operation, the rule and its sentence."""
    program = shutil.which("squawk", path=sysconfig.get_path("scripts"))
    if program is None:
        raise CommandError("Install squawk, a development dependency, with `uv sync`")
    result = subprocess.run(  # noqa: S603
        [program, "--reporter=json", "--assume-in-transaction"],
        input=recorder.sql.getvalue(),
        capture_output=True,
        text=True,
        check=False,
    )
    if not result.stdout:
        raise CommandError(f"squawk failed: {result.stderr.strip()}")
    starts = [step.sql_line for step in recorder.steps]
    found = [
        (recorder.steps[bisect(starts, finding["line"]) - 1], finding["rule_name"], finding)
        for finding in json.loads(result.stdout)
        if finding["rule_name"] in SQUAWK
    ]
    special = {step for step, rule, _ in found if rule != "constraint-missing-not-valid"}
    for step, rule, finding in found:
        # Of any new constraint, where most have a rule of their own.
        repeated = rule == "constraint-missing-not-valid" and step in special
        if not repeated and not isinstance(step.operation, KNOWN_BETTER.get(rule, ())):
            yield step, rule, f"{finding['message']} {finding['help'] or ''}".strip()
