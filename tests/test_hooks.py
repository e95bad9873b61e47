"""What keeps a change from being committed, and the diagram current."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import Render
from matrix import SETUPS, Setup
from project import CommandFailed, Project

pytestmark = pytest.mark.slow

NEXT_COLUMN = """\
    name: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(30))
"""


@pytest.mark.parametrize("include_example", [True, False])
def test_the_diagram_is_what_the_tool_writes(
    render: Render, environment: Callable[[Setup], Path], include_example: bool
) -> None:
    """For one driver: another test compares the file, and the models, of all."""
    project = render(**SETUPS[0].answers(include_example=include_example))
    project.use(environment(SETUPS[0]))
    (project.path / ".env").unlink()
    check = ("paracelsus", "inject", "--check", "docs/models.md")

    project.run(*check)

    assert project.text("docs/models.md").count("customers ||--o{ invoices") == include_example
    if include_example:
        edit(project, "src/my_service/models/customer.py", NEXT_COLUMN)
        with pytest.raises(CommandFailed, match=r'\+ +VARCHAR\(30\) phone "nullable"'):
            project.run(*check)


def edit(project: Project, name: str, column: str) -> None:
    """Put a column after the one of a model that the text begins with."""
    path = project.path / name
    first = column.splitlines(keepends=True)[0]
    text = project.text(name)
    assert first in text
    path.write_text(text.replace(first, column), encoding="utf-8")


def append(name: str, text: str) -> Callable[[Project], None]:
    """Put lines at the end of a file, which may be new."""

    def do(project: Project) -> None:
        with (project.path / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return do


DROPS = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_table("invoices")
"""
MAIN = "src/my_service/main.py"
# By hook: what it refuses, and what it says of that.
FAULTS: dict[str, tuple[Callable[[Project], object], str]] = {
    "conflicts": (append("README.md", "<<<<<<< before updating\n"), "README.md:"),
    "rejects": (append("README.md.rej", "@@ -1 +1 @@\n"), "Put in what they have"),
    "lint": (append(MAIN, "\n\nname = undefined\n"), "F821"),
    "format": (append(MAIN, "\n\nname='x'\n"), "1 file reformatted"),
    "types": (append(MAIN, '\n\nname: int = "x"\n'), "Incompatible types"),
    "history": (append("migrations/versions/0001_initial.py", "edited = 1\n"), "0001 was edited"),
    "unsafe": (
        append("migrations/versions/0002.py", DROPS),
        "ban-drop-table",
    ),
    "diagram": (
        lambda project: edit(project, "src/my_service/models/customer.py", NEXT_COLUMN),
        "files were modified by this hook",
    ),
}


def test_what_each_hook_refuses(
    render: Render, environment: Callable[[Setup], Path], mypy_cache: Path
) -> None:
    project = render(**SETUPS[0].answers())
    commands = environment(SETUPS[0])
    project.use(commands)
    project.environment |= {"UV_PROJECT_ENVIRONMENT": str(commands.parent), "UV_NO_SYNC": "1"}
    project.environment["MYPY_CACHE_DIR"] = str(mypy_cache)
    project.git("init", "--quiet")
    project.commit()
    [local] = yaml.safe_load(project.text(".pre-commit-config.yaml"))["repos"]
    assert local["repo"] == "local", "nothing is fetched"
    assert {hook["id"] for hook in local["hooks"]} == set(FAULTS)

    project.run("prek", "run", "--all-files")

    for hook, (do, said) in FAULTS.items():
        do(project)
        project.git("add", "--all")
        with pytest.raises(CommandFailed, match=f"(?s)Failed.*{re.escape(said)}"):
            project.run("prek", "run", hook)
        project.git("reset", "--quiet", "--hard")
