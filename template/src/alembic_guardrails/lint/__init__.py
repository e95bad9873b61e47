"""Operations of revisions that lock, lose data or break the previous release, before they run.

`rules.py` is the list of rules: each is one entry. `remedies.py` writes what to do instead. squawk
finds more in the SQL for PostgreSQL.
"""

import json
import shutil
import subprocess
import sysconfig
import tomllib
from bisect import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.lint.rule import Reading, Rule, Source, read_subject
from alembic_guardrails.lint.rules import BY_NAME, RULES
from alembic_guardrails.offline.recorder import Recording, Step
from alembic_guardrails.output import Code, Finding, Help

SECTION = "tool.alembic-guardrails.lint"


def lint_revision(reading: Reading) -> list[Finding]:
    """Return what is unsafe in one direction of a revision, whatever its comments allow."""
    found = {}
    if reading.recording.failure:
        finding = describe_stop(reading)
        found[finding.order] = finding
    for rule, step in find_breaks(reading):
        if not (reading.is_downgrade and rule.is_for_previous_release):
            finding = describe_break(rule, step, reading)
            found.setdefault(finding.order, finding)
    return [*found.values()]


def find_breaks(reading: Reading) -> Iterator[tuple[Rule, Step]]:
    """Yield all that breaks a rule."""
    for rule in RULES:
        for step in rule.steps(reading):
            yield rule, step
    if reading.dialect.name == "postgresql":
        for rule, step in find_in_sql(reading.recording):
            if not reading.is_on_new_table(step):
                yield rule, step


def describe_break(rule: Rule, step: Step, reading: Reading) -> Finding:
    """Return the finding for a step that breaks a rule."""
    return Finding(
        rule.name,
        rule.message(read_subject(step)),
        rule.severity,
        reading.recording.path,
        step.span,
        rule.help(step, reading),
    )


def describe_stop(reading: Reading) -> Finding:
    """Return the finding for a revision that stops."""
    from alembic_guardrails.lint.write import copy_statement

    failure = reading.recording.failure
    assert failure is not None  # noqa: S101
    rule = BY_NAME["error-in-code" if failure.is_error_of_code else "unreadable"]
    code: tuple[Code, ...] = ()
    if not failure.is_error_of_code:
        comment = f"  # allow: {rule.name} (reviewed by hand)"
        code = (Code("this revision", copy_statement(failure.span, reading, comment)),)
    return Finding(
        rule.name,
        rule.message(failure.reason),
        rule.severity,
        reading.recording.path,
        failure.span,
        Help(f"Write `{failure.suggestion}`." if failure.suggestion else rule.advice, code),
    )


def apply_comments(
    findings: Iterable[Finding], source: Source, path: str = "", ignored: Collection[str] = ()
) -> list[Finding]:
    """Return the findings that no comment allows, and the comments that allow nothing.

    Rules that are ignored have no findings, and their comments are no finding either.
    """
    found = [*findings]
    kept = [
        finding
        for finding in found
        if not any(allow.covers(finding.rule, finding.line) for allow in source.allows)
    ]
    rule = BY_NAME["unused-allow"]
    for allow in source.allows:
        if not any(allow.covers(finding.rule, finding.line) for finding in found):
            message = rule.message(f"`# allow: {allow.rule}`")
            advice = Help(rule.advice)
            kept.append(Finding(rule.name, message, rule.severity, path, allow.span, advice))
    return sorted(
        (finding for finding in kept if finding.rule not in ignored),
        key=lambda finding: finding.order,
    )


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


def read_ignored(config: Config) -> frozenset[str]:
    """Return the rules that `ignore` lists in the pyproject.toml beside alembic.ini.

    Raises:
        CommandError: The file is no TOML, or the section has anything but a list of known rules.
    """
    file = Path(config.config_file_name or "").resolve().parent / "pyproject.toml"
    if not file.is_file():
        return frozenset()
    try:
        section: Any = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"pyproject.toml cannot be read: {error}.") from error
    for name in SECTION.split("."):
        section = section.get(name, {}) if isinstance(section, Mapping) else section
    return frozenset(check_section(section))


def check_section(section: Any) -> list[str]:
    """Return the list of ignored rules.

    Raises:
        CommandError: It is not a list of known rules.
    """
    if not isinstance(section, Mapping):
        raise CommandError(f"[{SECTION}] in pyproject.toml has to be a table.")
    for name in section.keys() - {"ignore"}:
        raise CommandError(
            f"[{SECTION}] in pyproject.toml has the unknown key {name}: `ignore` is the only one."
        )
    ignored = section.get("ignore", [])
    if not isinstance(ignored, list) or not all(isinstance(name, str) for name in ignored):
        raise CommandError(f"`ignore` of [{SECTION}] in pyproject.toml has to be a list of rules.")
    for name in ignored:
        if name not in BY_NAME:
            raise CommandError(
                f"`ignore` of [{SECTION}] in pyproject.toml has {name}, which is no rule:"
                " `migrations explain` lists all."
            )
    return ignored
