"""Operations of revisions that lock, lose data or break the previous release, before they run.

`rules.py` is the list of rules: each is one entry. `remedies.py` writes what to do instead.
"""

from collections.abc import Collection, Iterable, Iterator

from alembic_guardrails.lint.rule import Reading, Rule
from alembic_guardrails.lint.rules import BY_NAME, RULES
from alembic_guardrails.lint.source import Source
from alembic_guardrails.lint.squawk import find_in_sql
from alembic_guardrails.lint.subject import read_subject
from alembic_guardrails.offline.recorder import Step
from alembic_guardrails.output import Code, Finding, Help


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
