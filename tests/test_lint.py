"""What `lint` says of revisions: every danger by its name, and nothing of what is safe."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from conftest import Render
from lint_seeds import SAFE, UNSAFE, revision_text, seeds
from matrix import FIRST, Setup, setups
from project import CommandFailed, Project

pytestmark = pytest.mark.slow

Finding = tuple[str, str]


def write(project: Project, bodies: Iterable[str]) -> None:
    """Make a revision of each body, one after the other: seed0, seed1, ..."""
    before = "0001"
    for number, body in enumerate(bodies):
        revision = f"seed{number}"
        path = project.path / "migrations" / "versions" / f"{revision}.py"
        path.write_text(revision_text(revision, before, body), encoding="utf-8")
        before = revision


def lint(project: Project, *options: str) -> list[Finding]:
    """The revisions and the rules of what is found; the exit code says whether anything is."""
    command = ("migrations", *options)
    try:
        project.log = project.run(*command)
    except CommandFailed as error:
        project.log = str(error)
        assert "\nFound " in project.log, project.log
    else:
        assert "FAILED" not in project.log
    found = re.findall(
        r"(?m)^(?:error|warning)\[([a-z-]+)\]: .*\n +--> migrations/versions/(\w+)\.py:\d+:\d+$",
        project.log,
    )
    return [(revision, rule) for rule, revision in found]


@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_dangers_have_names(
    render: Render, environment: Callable[[Setup], Path], setup: Setup
) -> None:
    project = render(**setup.answers(include_example=True))
    project.use(environment(setup))
    chosen = seeds(UNSAFE, setup.backend.name)
    write(project, [body for body, _ in chosen])

    found = lint(project, "lint")

    for number, (body, rules) in enumerate(chosen):
        assert {rule for revision, rule in found if revision == f"seed{number}"} == rules, body
    assert not {revision for revision, _ in found if not revision.startswith("seed")}


@pytest.mark.parametrize("setup", setups(others=pytest.mark.sweep))
def test_what_is_safe_has_none(
    render: Render, environment: Callable[[Setup], Path], setup: Setup
) -> None:
    """With each driver's dialect, which needs no driver."""
    project = render(**setup.answers(include_example=False))
    project.use(environment(next(first for first in FIRST if first.backend is setup.backend)))
    write(project, [body for body, _ in seeds(SAFE, setup.backend.name)])

    assert not lint(project, "lint"), project.log


def test_what_is_looked_at_and_allowed(
    render: Render, environment: Callable[[Setup], Path]
) -> None:
    project = render(**FIRST[0].answers())
    project.use(environment(FIRST[0]))
    write(
        project,
        [
            "    # allow: ban-drop-table, ban-drop-column (nobody reads them since 1.4)\n"
            "    op.drop_table('invoices')\n",
            "    op.drop_table('customers')  # allow: ban-drop-table\n    1 / 0",
            "    op.rename_table('a', 'b')",
        ],
    )

    assert lint(project, "lint") == [
        ("seed0", "unused-allow"),
        ("seed1", "unreadable"),
        ("seed2", "renaming-table"),
    ]
    assert "Nothing here needs `# allow: ban-drop-column`." in project.log
    assert "seed0.py:11:9\n" in project.log
    assert "seed1.py:12:9\n" in project.log
    assert "ZeroDivisionError" in project.log
    assert lint(project, "lint", "-r", "seed2:") == [("seed2", "renaming-table")]
    project.run("migrations", "repair")
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("Released")
    assert not lint(project, "lint")
    assert "Nothing unsafe: 0 revisions read, 4 released" in project.log


def test_a_linter_that_is_not_installed(
    render: Render, environment: Callable[[Setup], Path]
) -> None:
    [setup] = (setup for setup in FIRST if setup.backend.linters)
    project = render(**setup.answers())
    project.use(environment(FIRST[0]))
    write(project, ["    pass"])

    output = project.run("migrations", "lint", "-r:", check=False)

    assert "FAILED: Install squawk" in output
