"""Findings as annotations of GitHub, which shows them beside the lines of a pull request.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

import os
from pathlib import Path

from alembic.config import Config
from alembic_guardrails.output.finding import Finding, Help, Report

# A percent sign first, because the others become one.
IN_TEXT = {"%": "%25", "\r": "%0D", "\n": "%0A"}
IN_PROPERTIES = {**IN_TEXT, ":": "%3A", ",": "%2C"}


def render(report: Report, config: Config) -> str:
    """Return a workflow command for each finding, and the closing line."""
    return "\n".join([*map(annotate, report.findings), report.summary])


def annotate(finding: Finding) -> str:
    """Return the workflow command for a finding."""
    properties: dict[str, object] = {}
    span = finding.span
    if finding.path:
        properties |= {"file": path_in_repository(finding.path), "line": span.line}
        if span.end_line:
            properties["endLine"] = span.end_line
        # GitHub takes columns within one line only.
        if span.end_line == span.line:
            properties |= {"col": span.column, "endColumn": span.end_column}
    properties["title"] = finding.rule
    listed = ",".join(
        f"{name}={escape(str(value), IN_PROPERTIES)}" for name, value in properties.items()
    )
    parts = [finding.message, finding.details, describe_help(finding.help)]
    text = escape("\n\n".join(filter(None, parts)), IN_TEXT)
    return f"::{finding.severity} {listed}::{text}"


def describe_help(advice: Help | None) -> str:
    """Return what to do instead as plain text."""
    if advice is None:
        return ""
    return "\n\n".join([advice.advice, *(f"# {where}\n{text}" for where, text in advice.code)])


def escape(text: str, signs: dict[str, str]) -> str:
    """Replace what has a meaning in a workflow command."""
    for sign, replacement in signs.items():
        text = text.replace(sign, replacement)
    return text


def path_in_repository(path: str) -> str:
    """Return a path as GitHub knows it, also of a service in a folder of its repository."""
    root = os.environ.get("GITHUB_WORKSPACE") or Path.cwd()
    return Path(os.path.relpath(path, root)).as_posix()
