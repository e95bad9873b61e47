"""The migrations: one way up, one way down, and the models at its end."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL


def test_there_is_one_head(alembic_config: Config) -> None:
    assert len(ScriptDirectory.from_config(alembic_config).get_heads()) == 1


def test_no_change_of_a_model_lacks_its_revision(database: URL, alembic_config: Config) -> None:
    command.check(alembic_config)


def test_up_down_and_up_again(empty_database: URL, alembic_config: Config) -> None:
    command.upgrade(alembic_config, "head")
    command.downgrade(alembic_config, "base")
    command.upgrade(alembic_config, "head")
    command.check(alembic_config)
