"""A team whose revisions move, for the tests of what becomes of their databases."""

import shlex
import subprocess
from collections.abc import Callable
from contextlib import suppress

import pytest
from alembic import command
from alembic.util import CommandError
from alembic_guardrails.commands.repair import repair
from alembic_guardrails.history.read import read_history, read_ids, write_ids
from sqlalchemy import create_engine, inspect, text

from .conftest import Project
from .test_history import commit, git


class Team:
    """A repository, its revisions, and databases beside it."""

    # What a revision does; {0} is its name.
    up = 'op.create_table("t_{0}", sa.Column("id", sa.Integer(), primary_key=True))'
    down = 'op.drop_table("t_{0}")'

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.monkeypatch = monkeypatch
        self.folder = project.versions
        self.add("r0", None)
        git(project.path, "init", "--quiet", "--initial-branch=main")
        (project.path / ".gitignore").write_text("*.db\n__pycache__\n", encoding="utf-8")
        commit(project.path)
        git(project.path, "switch", "--quiet", "--create", "feature")

    def git(self, *arguments: str) -> str:
        return git(self.project.path, *arguments)

    def add(self, name: str, down: str | None) -> None:
        """Write a revision that makes a table, add it to the history file, and commit both."""
        file = self.project.revision(name, self.up.format(name), self.down.format(name), down)
        file.rename(file.with_name(f"2026_01_01_0000_{name}_slug.py"))
        write_ids(self.folder, [*read_ids(self.folder).ids, name])
        with suppress(subprocess.CalledProcessError):
            commit(self.project.path)

    def release(self, name: str, down: str) -> None:
        """Add a revision to the main branch."""
        self.git("switch", "--quiet", "main")
        self.add(name, down)
        self.git("switch", "--quiet", "feature")

    def merge(self) -> str:
        """Merge the main branch, and repair the history; return what that says."""
        with pytest.raises(subprocess.CalledProcessError):
            self.git("merge", "main")
        said = self.repair()
        commit(self.project.path)
        return said

    def rebase(self) -> str:
        """Rebase on the main branch, and repair the history wherever that stops."""
        said = ""
        with suppress(subprocess.CalledProcessError):
            self.git("rebase", "main")
        while (self.project.path / ".git" / "rebase-merge").exists():
            said += self.repair()
            self.git("add", "--all")
            with suppress(subprocess.CalledProcessError):
                self.git("-c", "core.editor=true", "rebase", "--continue")
        return said

    def repair(self) -> str:
        return self.say(repair)

    def say(self, function: Callable[..., object], *arguments: object) -> str:
        """Call a command; return what it prints, or the error."""
        config = self.project.config()
        try:
            function(config, *arguments)
        except CommandError as error:
            return f"refused: {error}"
        return str(config.stdout.getvalue())  # type: ignore[attr-defined]

    def url(self, name: str) -> str:
        """The URL of a database, which can be a new one."""
        return f"sqlite:///{self.project.path / name}.db"

    def use(self, name: str) -> None:
        """Go on with another database."""
        self.monkeypatch.setenv("DATABASE_URL", self.url(name))

    def build(self, name: str, revision: str) -> None:
        """Upgrade a database to a revision."""
        self.use(name)
        assert self.say(command.upgrade, revision) == ""

    def run(self, advice: str) -> str:
        """Run a command of Alembic as a message has it."""
        _, name, *arguments = shlex.split(advice)
        return self.say(getattr(command, name), *arguments)

    def look(self, name: str) -> tuple[set[str], set[str]]:
        """The tables and the revisions of a database."""
        engine = create_engine(self.url(name))
        with engine.connect() as connection:
            tables = {each[2:] for each in inspect(connection).get_table_names() if each[1] == "_"}
            rows = {*connection.scalars(text("SELECT version_num FROM alembic_version"))}
        engine.dispose()
        return tables, rows

    def ids(self) -> list[str]:
        return [*read_history(self.project.config()).revisions]


def moved_ids(team: Team) -> dict[str, str]:
    """What revisions are now, by the ids that they had."""
    scripts = read_history(team.project.config()).revisions.values()
    return {old: script.revision for script in scripts for old in script.moved_from}
