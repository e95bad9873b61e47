"""Find what was changed in a database without a migration."""

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.connection import run_with_connection
from alembic_guardrails.databases import temporary_database_beside
from alembic_guardrails.errors import reason
from alembic_guardrails.history.superseded import expect_not_superseded
from alembic_guardrails.ignore import read_ignore_list
from alembic_guardrails.revisions import CURRENT
from alembic_guardrails.schema import snapshot
from alembic_guardrails.schema.build import upgrade
from alembic_guardrails.schema.compare import differences
from alembic_guardrails.settings import read_settings
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError


def drift(config: Config) -> None:
    """Compare the database with one that the migrations build up to the same revision.

    The other is made on the same server and dropped at the end. What ignore.txt lists is nobody's
    concern. Raises CommandError for
    differences, and where there is nothing to compare.
    """
    url = read_settings(config).database_url
    try:
        revision, live = run_with_connection(url, read)
    except (DBAPIError, OSError) as error:
        raise CommandError(f"The database cannot be read: {reason(error)}") from error
    if revision:
        check_known(config, revision)

    def build(connection: Connection) -> dict[str, str]:
        if revision:
            config.attributes["connection"] = connection
            upgrade(config, revision)
        return snapshot(connection)

    with temporary_database_beside(url) as scratch:
        try:
            expected = run_with_connection(scratch, build)
        except DBAPIError as error:
            message = f"The migrations cannot build a database to compare with: {reason(error)}"
            raise CommandError(message) from error

    ignore_list = read_ignore_list(config)
    found = differences(ignore_list.filter(live), ignore_list.filter(expected))
    if found:
        config.print_stdout("%s\n", "\n".join(found))
        raise CommandError(f"{len(found)} differences from revision {revision or 'base'}.")
    config.print_stdout("The database is what the migrations make it, at revision %s.", revision)


def read(connection: Connection) -> tuple[str | None, dict[str, str]]:
    """Read a database's revision and its schema; raise CommandError unless it has one revision."""
    if not inspect(connection).has_table("alembic_version"):
        raise CommandError("The database has no revision yet: `alembic upgrade head` comes first.")
    revisions = connection.scalars(CURRENT).all()
    if len(revisions) > 1:
        raise CommandError(f"The database is at several revisions: {', '.join(revisions)}.")
    return (revisions[0] if revisions else None), snapshot(connection)


def check_known(config: Config, revision: str) -> None:
    """Raise CommandError unless the migrations have this revision."""
    script = ScriptDirectory.from_config(config)
    expect_not_superseded(script, {revision})
    try:
        script.get_revision(revision)
    except CommandError:
        message = f"The database is at revision {revision}, which is not among these migrations."
        raise CommandError(message) from None
