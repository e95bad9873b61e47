"""Linters, for our own files and for those that are rendered."""

import re
import subprocess
from pathlib import Path

import yaml
from matrix import ROOT


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
        assert job["permissions"] in ({}, {"contents": "read"}), name
