"""`run_migrations()`, which env.py calls, and the options that owners give it."""

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import inspect

from .conftest import Project

ADD = 'op.create_table("things", sa.Column("number", sa.Integer(), primary_key=True))'


def test_upgrade_and_downgrade(project: Project) -> None:
    project.revision("a", ADD, 'op.drop_table("things")')

    project.upgrade()
    assert inspect(project.engine()).has_table("things")

    command.downgrade(project.config(), "base")
    assert not inspect(project.engine()).has_table("things")


def test_what_the_guard_sets_cannot_be_changed(project: Project) -> None:
    env = project.path / "migrations" / "env.py"
    text = env.read_text("utf-8").replace(".metadata)", ".metadata, transactional_ddl=False)")
    env.write_text(text, encoding="utf-8")

    with pytest.raises(CommandError, match="Leave transactional_ddl out of"):
        project.upgrade()
