"""Operations of revisions that lock, lose data or break the previous release, before they run.

`rules.py` is the list of rules: each is one entry.
"""

from collections.abc import Iterator

from alembic_guardrails.lint.rule import Finding, Reading
from alembic_guardrails.lint.rules import BY_NAME, RULES
from alembic_guardrails.lint.source import Source
from alembic_guardrails.lint.squawk import find_in_sql
from alembic_guardrails.offline.failure import Failure


def lint_revision(reading: Reading) -> set[Finding]:
    """Return what is unsafe in one direction of a revision, whatever its comments allow."""
    failure = reading.recording.failure
    findings = {describe_stop(failure)} if failure else set()
    for step_line, name, sentence in find_breaks(reading):
        rule = BY_NAME.get(name)
        if not (reading.is_downgrade and rule and rule.is_for_previous_release):
            findings.add(Finding(step_line, name, sentence))
    return findings


def find_breaks(reading: Reading) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the rule and the sentence of all that breaks a rule."""
    for rule in RULES:
        for step in rule.steps(reading):
            yield step.line, rule.name, rule.sentence
    if reading.dialect.name == "postgresql":
        for step, name, sentence in find_in_sql(reading.recording):
            if not reading.is_on_new_table(step):
                yield step.line, name, sentence


def describe_stop(failure: Failure) -> Finding:
    """Return the finding for a revision that stops."""
    if failure.is_error_of_code:
        sentence = f"the revision fails on every database: {failure.reason}"
        return Finding(failure.line, "error-in-code", sentence)
    sentence = f"the rest cannot be read without a database: {failure.reason}"
    return Finding(failure.line, "unreadable", sentence)


def apply_comments(findings: set[Finding], source: Source) -> list[Finding]:
    """Return the findings that no comment allows, and the comments that allow nothing."""
    kept = [
        finding
        for finding in findings
        if not any(allow.covers(finding.rule, finding.line) for allow in source.allows)
    ]
    unused = [
        Finding(allow.line, "unused-allow", f"nothing here needs `# allow: {allow.rule}`")
        for allow in source.allows
        if not any(allow.covers(finding.rule, finding.line) for finding in findings)
    ]
    return sorted([*kept, *unused])
