"""What the documentation says is true."""

import re
from pathlib import Path

import pytest
from matrix import ROOT, TAGS
from packaging.version import Version

from docs import TABLES, page, updated

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", TABLES)
def test_tables_come_from_the_code(name: str) -> None:
    assert page(name).read_text(encoding="utf-8") == updated(name)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


def test_ci_runs_what_the_readme_says() -> None:
    [command] = re.findall(r"&& (uv run pytest)\n```", (ROOT / "README.md").read_text("utf-8"))

    assert f"\n{command} --require-databases\n" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_changelog_has_every_release() -> None:
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"))

    assert headings[0] == "Unreleased"
    assert headings[1:] == sorted(headings[1:], key=Version, reverse=True)
    assert {tag.removeprefix("v") for tag in TAGS} <= set(headings[1:])
