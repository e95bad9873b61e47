"""The forms in which commands print what they find."""

import json
import logging
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails import __main__ as command_line
from alembic_guardrails.commands.drift import drift
from alembic_guardrails.commands.explain import explain
from alembic_guardrails.commands.lint import lint
from alembic_guardrails.commands.plan import plan
from alembic_guardrails.commands.verify import verify
from alembic_guardrails.lint.rules import RULES
from alembic_guardrails.output import Code, Finding, Help, Report, Severity, Span, count, publish
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from .conftest import Project

ROOT = Path(__file__).parents[2]

CREATE = "op.create_table('t', sa.Column('id', sa.Integer, primary_key=True))"


class File(StringIO):
    """A file in UTF-8."""

    encoding = "utf-8"


class Screen(File):
    """A terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


@pytest.fixture(autouse=True)
def _no_settings_of_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_WORKSPACE", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def unsafe(project: Project) -> Project:
    """An environment with an unsafe revision, which has wide characters before the place."""
    project.revision("a", CREATE)
    text = "x = 'äöü'; op.drop_table(\n    't',  # all of it\n)"
    project.revision("b", text, CREATE, down="a")
    return project


def printed(project: Project, command: Any, form: str, code: int) -> str:
    """Return what a command prints in a form, and check the exit code."""
    config = project.config()
    config.stdout = File()
    assert (command(config, form=form) or 0) == code
    return config.stdout.getvalue()


def test_several_lines_are_marked(unsafe: Project) -> None:
    said = printed(unsafe, lint, "text", 1)

    assert said.splitlines()[1:10] == [
        "  --> migrations/versions/b.py:17:16",
        "   |",
        "17 |     x = 'äöü'; op.drop_table(",
        "   |                ^^^^^^^^^^^^^^",
        "18 |         't',  # all of it",
        "   |         ^^^^^^^^^^^^^^^^^",
        "19 |     )",
        "   |     ^",
        "   |",
    ]


def test_long_excerpts_have_their_ends(project: Project) -> None:
    project.revision("a", CREATE)
    columns = "".join(f"        {number},\n" for number in range(10))
    project.revision("b", f"op.drop_table(\n    't' or [\n{columns}    ],\n)", CREATE, down="a")

    said = printed(project, lint, "text", 1)

    assert re.findall(r"(?m)^(\d+|\.\.\.)", said) == ["17", "18", "19", "...", "28", "29", "30"]


def json_schema(command: str = "") -> Any:
    """Return the schema that the documentation has: that of findings, or that of a plan."""
    text = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
    findings, plan = map(json.loads, re.findall(r"(?s)```json\n(.+?)\n```", text))
    plan["$defs"] = {"finding": findings["properties"]["findings"]["items"]}
    return plan if command == "plan" else findings


def test_json_is_as_documented(unsafe: Project) -> None:
    said = json.loads(printed(unsafe, lint, "json", 1))

    Draft202012Validator(json_schema()).validate(said)
    [finding] = said.pop("findings")
    assert said == {
        "version": 1,
        "command": "lint",
        "errors": 1,
        "warnings": 0,
        "summary": "Found 1 error in 2 revisions; `migrations explain ban-drop-table` says more.",
        "facts": {"revisions": ["a", "b"], "released": 0, "ignored": []},
    }
    assert (finding["rule"], finding["severity"]) == ("ban-drop-table", "error")
    assert finding["place"] == {
        "path": "migrations/versions/b.py",
        "line": 17,
        "column": 16,
        "end_line": 19,
        "end_column": 6,
    }


def test_json_of_the_other_commands(project: Project) -> None:
    validator = Draft202012Validator(json_schema())
    project.revision("a", CREATE)
    said = json.loads(printed(project, verify, "json", 1))
    validator.validate(said)
    assert said["findings"][0]["rule"] == "history-file"
    (project.versions / "history.txt").write_text("a\n", encoding="utf-8")
    said = json.loads(printed(project, verify, "json", 0))
    validator.validate(said)
    assert said["facts"]["revisions"] == ["a"]

    project.upgrade()
    with project.engine().begin() as connection:
        connection.exec_driver_sql("CREATE TABLE more (id INTEGER)")
        connection.exec_driver_sql("DROP TABLE t")
        connection.exec_driver_sql("CREATE TABLE t (id TEXT)")
    said = json.loads(printed(project, drift, "json", 1))
    validator.validate(said)
    assert {finding["rule"] for finding in said["findings"]} >= {"only-in-database", "different"}
    assert {finding["place"] for finding in said["findings"]} == {None}
    assert said["facts"] == {"revision": "a"}


@pytest.fixture
def slow(project: Project) -> Project:
    """An environment whose second revision is pending, and copies a table."""
    project.revision("a", CREATE.replace(")", "), sa.Column('n', sa.Integer)", 1))
    project.upgrade()
    change = "batch.alter_column('n', type_=sa.String(9), existing_type=sa.Integer())"
    project.revision("b", f"with op.batch_alter_table('t') as batch:\n    {change}", down="a")
    return project


def test_json_of_a_plan(slow: Project) -> None:
    said = json.loads(printed(slow, plan, "json", 0))

    Draft202012Validator(json_schema("plan")).validate(said)
    [revision] = said["revisions"]
    assert [finding["rule"] for finding in revision["findings"]] == ["changing-column-type"]
    assert {statement["line"] for statement in revision["statements"]} == {17}


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_plan_fits_the_terminal(
    slow: Project, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    for command in (plan, lint):
        config = slow.config()
        config.stdout = Screen()

        command(config)

        said = config.stdout.getvalue()
        prose = [line for line in said.splitlines() if not re.match(r"    \S| *\d* \|", line)]
        assert max(map(len, prose)) <= min(width, 100)


def test_annotations_of_a_plan(slow: Project) -> None:
    """What is measured, where a batch begins that changes the table, and what lint finds in it."""
    *annotations, summary = printed(slow, plan, "github", 0).splitlines()

    found = [re.findall(r"::(\w+) .*,line=(\d+),.*title=([\w-]+)::", text) for text in annotations]
    assert found == [
        [("warning", "17", "table-rewrite")],
        [("error", "18", "changing-column-type")],
    ]
    assert "::This statement stops writers of t, and writes all rows anew.%0A%0A" in annotations[0]
    assert summary == "1 revision is pending; the database is at a."


def test_annotations_of_github(unsafe: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(unsafe.path.parent))

    annotation, summary = printed(unsafe, lint, "github", 1).splitlines()

    folder = unsafe.path.name
    assert annotation == (
        f"::error file={folder}/migrations/versions/b.py,line=17,endLine=19,title=ban-drop-table"
        "::The previous release may still use table t.%0A%0A"
        "Stop using it in this release, and drop it in the next.%0A%0A"
        "# a revision of the next release%0A"
        "x = 'äöü'; op.drop_table(%0A    't',  # all of it%0A"
        ")  # allow: ban-drop-table (no release uses it any more)"
    )
    assert summary.startswith("Found 1 error")


# What is used of https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html, by its sections.
MESSAGE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
}
POSITION = {"type": "integer", "minimum": 1}
REGION = {  # 3.30
    "type": "object",
    "additionalProperties": False,
    "required": ["startLine"],
    "properties": dict.fromkeys(["startLine", "startColumn", "endLine", "endColumn"], POSITION),
}
LOCATION = {  # 3.28, 3.29, 3.4
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "physicalLocation": {
            "type": "object",
            "additionalProperties": False,
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "uri": {"type": "string", "pattern": r"^[\w%./-]+$"},
                        "uriBaseId": {"type": "string"},
                    },
                },
                "region": REGION,
            },
        }
    },
}
RESULT = {  # 3.27
    "type": "object",
    "additionalProperties": False,
    "required": ["message"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": MESSAGE,
        "locations": {"type": "array", "items": LOCATION},
    },
}
DRIVER = {  # 3.19, 3.49
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "rules": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["id"],
                "properties": {"id": {"type": "string"}, "shortDescription": MESSAGE},
            },
        },
    },
}
SARIF = {  # 3.13, 3.14
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"enum": ["2.1.0"]},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["tool"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["driver"],
                        "properties": {"driver": DRIVER},
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
}


def test_sarif_of_a_plan_is_valid(slow: Project) -> None:
    said = json.loads(printed(slow, plan, "sarif", 0))

    Draft202012Validator(SARIF).validate(said)
    [run] = said["runs"]
    assert [result["level"] for result in run["results"]] == ["warning", "error"]


@pytest.mark.parametrize("command", [lint, verify])
def test_sarif_is_valid(unsafe: Project, command: Any) -> None:
    said = json.loads(printed(unsafe, command, "sarif", 1))

    Draft202012Validator(SARIF).validate(said)
    [run] = said["runs"]
    [result] = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
    if command is lint:
        [location] = result["locations"]
        assert location["physicalLocation"] == {
            "artifactLocation": {"uri": "migrations/versions/b.py", "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 17, "startColumn": 16, "endLine": 19, "endColumn": 6},
        }


FINDINGS = st.builds(
    Finding,
    st.sampled_from(["a-rule", "another"]),
    st.text(min_size=1),
    st.sampled_from(Severity),
    st.sampled_from(["", "a b/ü.py", "50%.py", "a:b,c.py"]),
    st.sampled_from([Span(1), Span(2, 3, 2, 9), Span(2, 3, 4, 1)]),
    st.none() | st.builds(Help, st.text(), st.tuples(st.builds(Code, st.text(), st.text()))),
    st.text(),
)


@given(st.lists(FINDINGS, max_size=4))
def test_any_finding_is_printed_in_each_form(findings: list[Finding]) -> None:
    report = Report("lint", findings, "Done.", {}, {"a-rule": "What it is about."})
    errors = any(finding.severity is Severity.ERROR for finding in findings)
    said = {}
    for form in ("text", "json", "github", "sarif"):
        config = Config(stdout=File())
        assert publish(config, report, form) == errors
        said[form] = config.stdout.getvalue()  # type: ignore[attr-defined]

    Draft202012Validator(json_schema()).validate(json.loads(said["json"]))
    Draft202012Validator(SARIF).validate(json.loads(said["sarif"]))
    # A line of the log each, whatever is in the text.
    assert len(re.findall(r"(?m)^::", said["github"])) == len(findings)
    assert said["text"].endswith("Done.\n")


@pytest.mark.parametrize(
    ("stream", "variables", "has_colors"),
    [
        (File, {}, False),
        (Screen, {}, True),
        (Screen, {"NO_COLOR": "1"}, False),
        (Screen, {"NO_COLOR": ""}, True),
        (Screen, {"TERM": "dumb"}, False),
        (File, {"FORCE_COLOR": "1"}, True),
        (File, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colors_are_for_terminals(
    unsafe: Project,
    monkeypatch: pytest.MonkeyPatch,
    stream: type[StringIO],
    variables: dict[str, str],
    has_colors: bool,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    plain = printed(unsafe, lint, "text", 1) if not has_colors else ""
    config = unsafe.config()
    config.stdout = stream()

    lint(config)

    said = config.stdout.getvalue()
    assert ("\x1b[" in said) == has_colors
    if not has_colors:
        assert said == plain
    assert "error[ban-drop-table]" in said


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql", "mariadb"])
def test_each_rule_is_explained(project: Project, rule: Any, dialect: str) -> None:
    """By the example in it, for the database of the service if the rule is about it."""
    from alembic_guardrails.commands.explain import explain_rule

    text = "\n".join(explain_rule(rule, dialect))

    assert text.startswith(f"{rule.name} ({rule.severity}; ")
    assert "\nWhy: " in text
    assert "\nInstead: " in text
    assert rule.example.splitlines()[0] in text
    assert "what this statement changes" not in text


def test_rules_are_listed(project: Project) -> None:
    config = project.config()

    explain(config)

    said = config.stdout.getvalue()  # type: ignore[attr-defined]
    assert [line.split()[0] for line in said.splitlines()[:-2]] == sorted(
        rule.name for rule in RULES
    )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("ban-drop-colum", "There is no rule ban-drop-colum: try ban-drop-column, or `migrations"),
        ("x", "There is no rule x: try `migrations explain`, which lists all."),
    ],
)
def test_a_rule_that_is_not_there(project: Project, rule: str, message: str) -> None:
    with pytest.raises(CommandError, match=re.escape(message)):
        explain(project.config(), rule)


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_nouns_are_counted(number: int, text: str) -> None:
    assert count(number, "row") == text


@pytest.mark.parametrize("verbose", [True, False])
def test_the_log_of_alembic_is_for_those_who_ask(
    unsafe: Project, capfd: pytest.CaptureFixture[str], verbose: bool
) -> None:
    root, alembic = logging.getLogger(), logging.getLogger("alembic")
    before = root.handlers[:], alembic.level
    root.handlers.clear()
    try:
        with pytest.raises(SystemExit) as end:
            command_line.main(["lint", *(["--verbose"] if verbose else [])])
    finally:
        root.handlers[:] = before[0]
        alembic.setLevel(before[1])

    assert end.value.code == 1
    assert ("INFO" in capfd.readouterr().err) == verbose
