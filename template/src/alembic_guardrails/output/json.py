"""Findings for programs, as JSON: docs/output.md has the schema."""

import json
from typing import Any

from alembic.config import Config
from alembic_guardrails.output import relative
from alembic_guardrails.output.finding import Finding, Report

# Counts up when a name goes or changes its meaning; new names can come at any time.
VERSION = 1


def render(report: Report, config: Config) -> str:
    """Return one JSON object."""
    return json.dumps(describe(report), indent=2, ensure_ascii=False)


def describe(report: Report) -> dict[str, Any]:
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
