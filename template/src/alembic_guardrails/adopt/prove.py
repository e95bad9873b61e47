"""The proof that a revision builds what a database has, when it is written and every other time."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.adopt.inventory import Inventory
from alembic_guardrails.connection import run_with_connection
from alembic_guardrails.errors import reason
from alembic_guardrails.history.read import read_history
from alembic_guardrails.history.repair import add_to_history
from alembic_guardrails.ignore import FILE, IgnoreList
from alembic_guardrails.output import count
from alembic_guardrails.schema import reword_views
from alembic_guardrails.schema.compare import differences
from alembic_guardrails.temporary import temporary_database_beside
from alembic_guardrails.temporary.build import build_schema
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

LONGEST_EXCERPT = 100


def build_baseline(
    config: Config, connection: Connection, revision: str, live: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Build an empty database up to the first revision.

    Returns its schema, and that of the live database in words to compare with it.

    Raises:
        CommandError: The database refuses a statement.
    """
    try:
        built = build_schema(config, connection, revision)
    except DBAPIError as error:
        statement = " ".join((error.statement or "").split())[:LONGEST_EXCERPT]
        raise CommandError(
            f"The schema cannot be built a second time: {reason(error)}, at `{statement}`. List"
            f" what is to be left out in migrations/{FILE}, or correct it in the database."
        ) from error
    live = reword_views(connection, live, built)
    connection.commit()
    return built, live


def check_same(config: Config, live: dict[str, str], built: dict[str, str]) -> None:
    """Check that a database and what its baseline revision builds are the same.

    Raises:
        CommandError: They differ; the differences are printed.
    """
    if found := differences(live, built, ("database", "baseline revision")):
        config.print_stdout("%s\n", "\n".join(found))
        raise CommandError(
            f"{count(len(found), 'difference')} between the database and what its baseline revision"
            f" builds: list what is not yours in migrations/{FILE}."
        )


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
