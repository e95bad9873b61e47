"""Linters, for our own files and for those that are rendered."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml
from editorconfig import get_properties
from matrix import ROOT

EVERYWHERE = {
    "charset": "utf-8",
    "end_of_line": "lf",
    "indent_style": "space",
    "insert_final_newline": "true",
    "trim_trailing_whitespace": "true",
}


def lint(*command: str) -> None:
    """Run a linter; show what it says unless it is content."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def lint_yaml(folder: Path) -> None:
    """Read the YAML in a folder: as YAML, and as what a workflow or an update of it could do."""
    files = [str(path) for path in folder.rglob("*.y*ml") if ".venv" not in path.parts]
    config = str(ROOT / ".github" / "zizmor.yml")
    lint("yamllint", "--strict", "--config-file", str(ROOT / ".yamllint.yaml"), *files)
    lint("zizmor", "--offline", "--quiet", "--persona", "pedantic", "--config", config, str(folder))


def check_rights(workflow: Path) -> None:
    """Demand that a workflow runs the code it names, and that a job has what it asks for alone."""
    text = workflow.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    uses = re.findall(r"uses: *(.*)", text)
    assert uses
    for used in uses:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used
    assert content["permissions"] == {}
    for name, job in content["jobs"].items():
        needed = {"pull-requests": "write"} if name == "comment" else {"contents": "read"}
        assert job["permissions"] in ({}, needed), name


@cache
def rules_for(name: str) -> Mapping[str, str]:
    """What the services' .editorconfig, which is the same in all, says of files with this name."""
    rules = get_properties(str(ROOT / "template" / name))
    assert rules.items() >= EVERYWHERE.items()
    return rules


def check_style(folder: Path) -> None:
    """Demand that Ruff has nothing to say about the Python of the projects in a folder."""
    for command in ("check", "format --check"):
        lint("ruff", *command.split(), "--no-cache", "--quiet", str(folder))


def against_editorconfig(name: str, text: str) -> Iterator[str]:
    """What in a text file is against the .editorconfig of services."""
    path = Path(name)
    rules = rules_for(path.name)
    if "\r" in text:
        yield "a carriage return"
    if text and not text.endswith("\n"):
        yield "no newline at the end"
    if re.search(r"[ \t]$", text, re.MULTILINE):
        yield "blanks at the end of a line"
    if re.search(r"^ *\t", text, re.MULTILINE):
        yield "a tab"
    if rules["max_line_length"] != "off":
        limit = int(rules["max_line_length"])
        # Ruff does not count what is said to it, either.
        lines = re.sub(r"(?m)  # noqa: .*$", "", text).splitlines()
        yield from (f"a long line: {line}" for line in lines if len(line) > limit)
    indents = [len(match) for match in re.findall(r"^ +(?=[^ \n])", text, re.MULTILINE)]
    # Ruff knows Python's; in its strings and in prose, blanks may be anything.
    if path.suffix not in {".md", ".py"} and indents and min(indents) != int(rules["indent_size"]):
        yield f"indented by {min(indents)}"
