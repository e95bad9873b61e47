"""Every other time: check that a database is what the first revision builds."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.adopt.inventory import Inventory
from alembic_guardrails.adopt.prove import build_baseline, check_same
from alembic_guardrails.connection import run_with_connection
from alembic_guardrails.history.read import read_history
from alembic_guardrails.history.write import add_to_history
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.schema.compare import differences
from alembic_guardrails.temporary import temporary_database_beside
from sqlalchemy import URL, Connection


def confirm(
    config: Config, url: URL, base: str, inventory: Inventory, ignore_list: IgnoreList
) -> None:
    """Check that a database is what the first revision builds.

    Raises:
        CommandError: They differ, or the first revision takes the place of that by which other
            databases were adopted.
    """

    def build(connection: Connection) -> tuple[dict[str, str], dict[str, str]]:
        return build_baseline(config, connection, base, inventory.schema)

    with temporary_database_beside(config, url) as temporary:
        built, live = run_with_connection(temporary, build)
    script = ScriptDirectory.from_config(config).get_revision(base)
    if getattr(script.module, "replaces", ()) and differences(live, built):
        raise CommandError(
            f"The database is not what revision {base} builds, which replaces the revision that"
            " other databases were adopted with: adopt this one with the code of commit"
            f" {script.module.squashed_at}, and upgrade it with that code first."
        )
    check_same(config, ignore_list.filter(live), ignore_list.filter(built))
    config.print_stdout("The database is what revision %s builds.", base)
    if base not in read_history(config).recorded.ids:  # an earlier run was interrupted here
        add_to_history(config, Path(script.path))
