"""The migrations: one way up, one way down, and the models at its end."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL


def test_there_is_one_head(alembic_config: Config) -> None:
    assert len(ScriptDirectory.from_config(alembic_config).get_heads()) == 1


def test_models_have_no_changes_that_lack_a_migration(
    database: URL, alembic_config: Config
) -> None:
    command.check(alembic_config)


def test_down_to_nothing_and_up_again(database: URL, alembic_config: Config) -> None:
    command.downgrade(alembic_config, "base")
    command.upgrade(alembic_config, "head")
    command.check(alembic_config)
