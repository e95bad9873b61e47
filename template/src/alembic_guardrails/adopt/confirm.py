"""Every other time: the database is what the first revision builds."""

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.adopt.find import Found
from alembic_guardrails.adopt.write import build, expect_same
from alembic_guardrails.commands.record import record
from alembic_guardrails.connection import run_with_connection
from alembic_guardrails.databases import temporary_database_beside
from alembic_guardrails.history import recorded, replaces
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.schema.compare import differences
from sqlalchemy import URL, Connection


def confirm(config: Config, url: URL, base: str, found: Found, ignore_list: IgnoreList) -> None:
    """See that a database is what the first revision builds."""

    def rebuild(connection: Connection) -> dict[str, str]:
        return build(config, connection, base)

    with temporary_database_beside(url) as scratch:
        built = run_with_connection(scratch, rebuild)
    script = ScriptDirectory.from_config(config).get_revision(base)
    if replaces(script) and differences(found.things, built):
        raise CommandError(
            f"The database is not what revision {base} builds, which replaces what it was adopted "
            f"as elsewhere: adopt it with the code of commit {script.module.squashed_at}, and "
            "upgrade it there first"
        )
    expect_same(config, ignore_list.filter(found.things), ignore_list.filter(built))
    config.print_stdout("The database is what revision %s builds.", base)
    if base not in recorded(config):  # the first time was interrupted here
        record(config, str(script.path))
