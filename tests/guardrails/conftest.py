"""The smallest project that the package works in: alembic.ini, env.py and revisions."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from textwrap import dedent, indent

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import settings
from sqlalchemy import Engine, create_engine

# Examples take longer while other tests run.
settings.register_profile("guardrails", deadline=None)
settings.load_profile("guardrails")

# Enough to find what is wrong within days, and quick enough to be run at each change.
settings.register_profile("package", deadline=None, max_examples=40)
settings.load_profile("package")

INI = """
[alembic]
script_location = %(here)s/migrations
sqlalchemy.url = sqlite:///app.db

[guardrails]
driver = guardrails.minimal:DRIVER
models = guardrails.minimal:Base
"""
ENV = """
from alembic_guardrails import run_migrations
from guardrails.minimal import Base

run_migrations(target_metadata=Base.metadata)
"""
REVISION = '''"""Revision {revision}.

Revision ID: {revision}
Revises: {down}
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''
# The template of revisions, for autogenerate.
SCRIPT = """
import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades}


def downgrade():
    ${downgrades}
"""
VARIABLES = (
    "DATABASE_PASSWORD",
    "DATABASE_URL",
    "MIGRATION_BASE",
    "MIGRATION_DATABASE_PASSWORD",
    "MIGRATION_DATABASE_URL",
    "MIGRATION_LOCK_TIMEOUT",
    "MIGRATION_STATEMENT_TIMEOUT",
    "MIGRATION_WAIT",
    "SCRATCH_DATABASE_URL",
)


@dataclass
class Project:
    """An Alembic environment in a folder, on the SQLite file app.db."""

    path: Path

    @property
    def versions(self) -> Path:
        """The folder of the revisions."""
        return self.path / "migrations" / "versions"

    def config(self, **options: object) -> Config:
        """Return Alembic's settings; what commands print is in `config.stdout`."""
        return Config(
            str(self.path / "alembic.ini"),
            stdout=StringIO(),
            output_buffer=StringIO(),
            cmd_opts=Namespace(x=None, **options),
            attributes={"configure_logger": False},
        )

    def revision(
        self, revision: str, upgrade: str, downgrade: str = "pass", down: str | None = None
    ) -> Path:
        """Write a revision with these bodies, after the revision `down`; return its file."""
        path = self.versions / f"{revision}.py"
        text = REVISION.format(
            revision=revision,
            down=repr(down),
            upgrade=indent(dedent(upgrade).strip(), "    "),
            downgrade=indent(dedent(downgrade).strip(), "    "),
        )
        path.write_text(text, encoding="utf-8")
        return path

    def upgrade(self, revision: str = "head") -> None:
        """Upgrade the database."""
        command.upgrade(self.config(), revision)

    def engine(self) -> Engine:
        """Return an engine for the database."""
        return create_engine(f"sqlite:///{self.path / 'app.db'}")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An environment without revisions, in the current folder, with no settings from outside."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    files: Mapping[str, str] = {"alembic.ini": INI, "migrations/env.py": ENV}
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return Project(tmp_path)
