"""Findings for programs: JSON, annotations of GitHub, and SARIF.

docs/output.md has the schema of the JSON. GitHub shows annotations beside the lines of a pull
request, and code scanning reads SARIF 2.1.0:
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands and
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alembic.config import Config
from alembic_guardrails.output import Finding, Help, Report, relative

# Counts up when a name goes or changes its meaning; new names can come at any time.
VERSION = 1

# A percent sign first, because the others become one.
IN_TEXT = {"%": "%25", "\r": "%0D", "\n": "%0A"}
IN_PROPERTIES = {**IN_TEXT, ":": "%3A", ",": "%2C"}

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render_json(report: Report, config: Config) -> str:
    """Return one JSON object."""
    return json.dumps(describe_report(report), indent=2, ensure_ascii=False)


def describe_report(report: Report) -> dict[str, Any]:
    """Return a report as a dictionary."""
    return {
        "version": VERSION,
        "command": report.command,
        "errors": report.errors,
        "warnings": report.warnings,
        "summary": report.summary,
        "facts": dict(report.facts),
        "findings": [describe_finding(finding) for finding in report.findings],
    }


def describe_place(finding: Finding) -> dict[str, Any]:
    """Return the place of a finding as a dictionary."""
    span = finding.span
    return {
        "path": relative(finding.path),
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line or None,
        "end_column": span.end_column or None,
    }


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as a dictionary."""
    advice = finding.help
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "place": describe_place(finding) if finding.path else None,
        "details": finding.details,
        "help": advice
        and {
            "advice": advice.advice,
            "code": [{"where": code.where, "text": code.text} for code in advice.code],
        },
    }


def render_github(report: Report, config: Config) -> str:
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


def render_sarif(report: Report, config: Config) -> str:
    """Return one JSON object."""
    return json.dumps(describe_log(report), indent=2, ensure_ascii=False)


def describe_log(report: Report) -> dict[str, Any]:
    """Return a report as a log with one run."""
    names = sorted({finding.rule for finding in report.findings})
    driver = {
        "name": "alembic-guardrails",
        "rules": [
            {"id": name, "shortDescription": {"text": report.rules.get(name, name)}}
            for name in names
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [describe_result(finding, names) for finding in report.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def describe_result(finding: Finding, names: list[str]) -> dict[str, Any]:
    """Return a finding as a result."""
    parts = [finding.message, finding.details, describe_help(finding.help)]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": names.index(finding.rule),
        "level": finding.severity.value,
        "message": {"text": "\n\n".join(filter(None, parts))},
    }
    if finding.path:
        span = finding.span
        region = {"startLine": span.line, "startColumn": span.column}
        if span.end_line:
            region |= {"endLine": span.end_line, "endColumn": span.end_column}
        file = {"uri": quote(path_in_repository(finding.path)), "uriBaseId": "%SRCROOT%"}
        result["locations"] = [{"physicalLocation": {"artifactLocation": file, "region": region}}]
    return result
