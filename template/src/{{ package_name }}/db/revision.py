"""Which revision the code needs; the database has its own in `alembic_version`."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import String, column, select, table

# Asks a database for its revision.
CURRENT = select(column("version_num", String)).select_from(table("alembic_version"))


def heads(config_file: Path) -> set[str]:
    """Read the newest revision from the migrations; several where branches were not merged."""
    return set(ScriptDirectory.from_config(Config(config_file)).get_heads())
