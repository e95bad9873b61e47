"""Findings in SARIF 2.1.0, which code scanning reads.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import json
from typing import Any
from urllib.parse import quote

from alembic.config import Config
from alembic_guardrails.output.finding import Finding, Report
from alembic_guardrails.output.github import describe_help, path_in_repository

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render(report: Report, config: Config) -> str:
    """Return one JSON object."""
    return json.dumps(describe(report), indent=2, ensure_ascii=False)


def describe(report: Report) -> dict[str, Any]:
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
