"""What the documentation says is true."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
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
    """Also those that the site does not have, and on GitHub."""
    for link in re.findall(r"\]\(([^):]+)\)", path.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        page = path.parent / name if name else path
        assert page.exists(), link
        assert not anchor or anchor in anchors(page), link


def anchors(page: Path) -> Iterator[str]:
    """The anchors that GitHub gives to the headings of a page."""
    for title in re.findall(r"(?m)^#+ (.+)", page.read_text(encoding="utf-8")):
        yield re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_other_sites_are_encrypted_and_not_of_examples(path: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```|`[^`]+`", "", path.read_text(encoding="utf-8"))

    for address in re.findall(r"\w+://[^\s)>]*", text):
        assert re.fullmatch(r"https://(?!.*example)[\w.-]+\.\w+(/\S*)?", address), address


PACKAGE = ROOT / "template" / "src" / "alembic_guardrails"

# What a function raises for people, and programs do not catch.
RAISED = {"CommandError", "HistoryError", "IrreversibleError", "UnreadableError", "UrlError"}


def messages() -> Iterator[list[str]]:
    """The sentences of each message of the package, without what differs."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in RAISED and node.args:
                texts = [
                    part.value
                    for part in ast.walk(node.args[0])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                yield [piece.strip() for text in texts for piece in re.split(r"[.:;] ", text)]


def test_each_message_is_explained() -> None:
    page = " ".join((ROOT / "docs" / "messages.md").read_text(encoding="utf-8").split())
    long = [[piece for piece in pieces if len(piece) > 8] for pieces in messages()]
    found = [pieces for pieces in long if pieces]

    assert len(found) > 100
    assert [each for each in found if not any(piece in page for piece in each)] == []


def build_site(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build what a folder has as CI builds the documentation."""
    command = ("zensical", "build", "--strict")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the documentation."""
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


@pytest.mark.slow
def test_the_site_builds_strictly(site: Path) -> None:
    """And asks no other server for anything."""
    result = build_site(site)

    assert result.returncode == 0, result.stdout + result.stderr
    for path in (site / "build" / "site").rglob("*.html"):
        fetched = re.search(r"<(?:img|link|script)[^>]+//[^>]+", path.read_text(encoding="utf-8"))
        assert not fetched, f"{path.name}: {fetched}"


@pytest.mark.slow
def test_a_broken_link_breaks_the_site(site: Path) -> None:
    with (site / "docs" / "faq.md").open("a", encoding="utf-8") as page:
        page.write("\n[page](nowhere.md) [anchor](updating.md#nowhere)\n")

    result = build_site(site)

    assert result.returncode != 0
    for found in ("page does not exist", "anchor does not exist"):
        assert found in result.stdout + result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_fences_name_a_language_alone(page: Path) -> None:
    """Zensical takes a fence with more behind it for text."""
    assert re.findall(r"(?m)^ *```\w+ .+$", page.read_text(encoding="utf-8")) == []


def test_the_site_has_every_page() -> None:
    """Zensical builds what the navigation lacks, and overlooks what is not there."""
    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    shown = set(re.findall(r"'([\w/]+\.md)'", str(settings["project"]["nav"])))
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "docs" / "decisions" / "README.md"]

    assert shown == {path.relative_to(ROOT / "docs").as_posix() for path in pages}


def test_ci_runs_what_the_readme_says() -> None:
    [command] = re.findall(r"&& (uv run pytest)\n```", (ROOT / "README.md").read_text("utf-8"))

    assert f"\n{command} --require-databases\n" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_changelog_has_every_release() -> None:
    headings = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"))

    assert headings[0] == "Unreleased"
    assert headings[1:] == sorted(headings[1:], key=Version, reverse=True)
    assert {tag.removeprefix("v") for tag in TAGS} <= set(headings[1:])


def test_the_package_has_the_version_of_the_newest_release() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    _, *releases = re.findall(r"(?m)^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"))

    # Before the first release it is the first one's.
    assert settings["project"]["version"] == next(iter(releases), "0.1.0")
