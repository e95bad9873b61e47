"""Revisions that are run without a database."""

from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.util import load_python_file

HEAD = "import sqlalchemy as sa\nfrom alembic import op\n\n\ndef upgrade():\n    pass\n"


class File(Namespace):
    """A revision's file, as Alembic's Script has it."""

    path: str
    module: ModuleType


def offline_context(dialect: str) -> MigrationContext:
    """Return a context for a database that is not there."""
    return MigrationContext.configure(
        dialect_name=dialect, opts={"as_sql": True, "literal_binds": True}
    )


def write_script(folder: Path, text: str, name: str = "revision.py") -> Any:
    """Write a revision with this text; return what stands for Alembic's Script."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return File(path=str(path), module=load_python_file(str(folder), path.name))


def upgrade_text(*lines: str) -> str:
    """Return the text of a revision with these lines in its upgrade()."""
    return HEAD + "".join(f"    {line}\n" for line in lines)
