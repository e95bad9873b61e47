"""Find what was changed in a database without a migration."""

from argparse import ArgumentParser
from textwrap import indent
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError, to_list
from alembic_guardrails.connection import run_with_connection
from alembic_guardrails.errors import reason
from alembic_guardrails.history.moved import read_current
from alembic_guardrails.ignore import read_ignore_list
from alembic_guardrails.offline import run_offline
from alembic_guardrails.output import (
    Finding,
    Help,
    Report,
    add_format_argument,
    count,
    publish,
    sentence,
)
from alembic_guardrails.schema import reword_views, snapshot
from alembic_guardrails.schema.compare import Difference, find_differences, rename_alike
from alembic_guardrails.settings import read_settings
from alembic_guardrails.temporary import temporary_database_beside
from alembic_guardrails.temporary.build import build_schema
from sqlalchemy import URL, Connection, Dialect, MetaData
from sqlalchemy.exc import DBAPIError

RULES = {
    "different": "The database and the migrations define something differently.",
    "only-in-database": "Something is only in the database.",
    "only-in-migrations": "Something is only in the migrations.",
}

ADVICE = {
    "different": "Write a revision that makes the change, or undo it in the database.",
    "only-in-database": "Write a revision that creates it, drop it in the database, or list it in"
    " migrations/ignore.txt if it belongs to another application.",
    "only-in-migrations": "Write a revision that drops it, or create it again in the database.",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_format_argument(parser)


def drift(config: Config, form: str = "text") -> int:
    """Compare the database with one that the migrations build up to the same revision.

    The other database is created on the same server and dropped at the end. What ignore.txt lists
    is not compared.

    Raises:
        CommandError: One of the databases cannot be read.
    """
    url = read_settings(config).database_url
    directory = ScriptDirectory.from_config(config)

    def read(connection: Connection) -> tuple[str | None, dict[str, str]]:
        return read_database(directory, connection)

    try:
        revision, live = run_with_connection(url, read)
    except (DBAPIError, OSError) as error:
        raise CommandError(f"The database cannot be read: {reason(error)}") from error
    expected, live = build(config, url, revision, live)
    if live.keys() != expected.keys():
        live = rename_alike(live, expected, *read_models(config, directory))
    ignore_list = read_ignore_list(config)
    found = find_differences(ignore_list.filter(live), ignore_list.filter(expected))
    findings = [*map(describe_difference, found)]
    summary = f"The database is what the migrations make it, at revision {revision}."
    if findings:
        summary = f"{count(len(findings), 'difference')} from revision {revision or 'base'}."
    facts = {"revision": revision}
    return publish(config, Report("drift", findings, summary, facts, RULES), form)


def describe_difference(difference: Difference) -> Finding:
    """Return a difference as a finding."""
    name, here, there = difference
    if there is None:
        rule, message, details = "only-in-database", f"only in the database: {name}", here
    elif here is None:
        rule, message, details = "only-in-migrations", f"only in the migrations: {name}", there
    else:
        rule, message = "different", f"different in the database and the migrations: {name}"
        details = f"database\n{indent(here, '    ')}\nmigrations\n{indent(there, '    ')}"
    return Finding(rule, sentence(message), help=Help(ADVICE[rule]), details=details or "")


def build(
    config: Config, url: URL, revision: str | None, live: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the schema that the revisions build, and the other one in words to compare with it.

    `revision` is None at base.

    Raises:
        CommandError: The revisions cannot build it in a temporary database.
    """

    def work(connection: Connection) -> tuple[dict[str, str], dict[str, str]]:
        built = build_schema(config, connection, revision) if revision else snapshot(connection)
        return built, reword_views(connection, live, built)

    with temporary_database_beside(config, url) as temporary:
        try:
            return run_with_connection(temporary, work)
        except DBAPIError as error:
            message = f"The migrations cannot build a database to compare with: {reason(error)}"
            raise CommandError(message) from error


def read_models(config: Config, directory: ScriptDirectory) -> tuple[list[MetaData], Dialect]:
    """Return the models that `env.py` hands over, and the dialect of the database."""
    models: list[MetaData] = []
    dialects: list[Dialect] = []

    def read(context: MigrationContext) -> list[Any]:
        models.extend(to_list(context.opts["target_metadata"], []))
        dialects.append(context.dialect)
        return []

    run_offline(config, directory, read)
    return models, dialects[0]


def read_database(
    directory: ScriptDirectory, connection: Connection
) -> tuple[str | None, dict[str, str]]:
    """Read the revision of a database, None at base, and its schema.

    Raises:
        CommandError: Alembic has never run there, or the database is at several revisions, or at
            one that the migrations do not have any more.
    """
    revisions = read_current(directory, connection)
    if revisions is None:
        raise CommandError("The database has no revision yet: `alembic upgrade head` comes first.")
    if len(revisions) > 1:
        raise CommandError(f"The database is at several revisions: {', '.join(revisions)}.")
    if not revisions:
        return None, snapshot(connection)
    check_known(directory, revisions[0])
    return revisions[0], snapshot(connection)


def check_known(directory: ScriptDirectory, revision: str) -> None:
    """Check that the migrations have a revision.

    Raises:
        CommandError: They do not.
    """
    try:
        directory.get_revision(revision)
    except CommandError:
        message = f"The database is at revision {revision}, which is not among these migrations."
        raise CommandError(message) from None
