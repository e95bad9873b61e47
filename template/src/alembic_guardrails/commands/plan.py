"""Show what pending revisions will do to the database."""

from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import to_tuple
from alembic_guardrails.commands.lint import SUMMARIES, read_revisions
from alembic_guardrails.commands.sql import render
from alembic_guardrails.connection import UnreachableError, run_with_connection
from alembic_guardrails.errors import reason
from alembic_guardrails.history.moved import read_current
from alembic_guardrails.history.released import choose_revisions
from alembic_guardrails.lint import read_ignored
from alembic_guardrails.offline import run_offline
from alembic_guardrails.output import add_format_argument, publish
from alembic_guardrails.plan import Planned, PlannedRevision, find_pending, measure, read_sizes
from alembic_guardrails.plan.render import RULES, WRITE, Plan, as_report
from alembic_guardrails.revisions import VERSION_TABLE, read_bases
from alembic_guardrails.settings import read_settings
from alembic_guardrails.statements import split
from alembic_guardrails.temporary import temporary_database_beside
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--new",
        action="store_true",
        help="what is not released, for CI, whose database is empty",
    )
    add_format_argument(parser, "markdown")


def plan(config: Config, new: bool = False, form: str = "text") -> None:
    """Show what the pending revisions will do to this database, statement by statement.

    Runs them in a temporary database, built up to the revision of the real one, and looks at the
    locks of each statement, whom they stop, and whether rows are read or written anew. Rows and
    sizes come from the statistics of the real database, which is only read; without a database
    nothing is measured. The exit code is 0, whatever is found.

    Raises:
        CommandError: The temporary database cannot be created, or a revision fails in it.
    """
    directory = ScriptDirectory.from_config(config)
    read_bases(directory)
    url = read_settings(config).database_url
    try:
        current = run_with_connection(url, partial(read_current, directory)) or []
    except (UnreachableError, DBAPIError, OSError) as error:
        found = plan_without_database(config, directory, url, reason(error))
    else:
        pending = find_pending(directory, current)
        if new:
            pending, _ = choose_revisions(config, directory, None)
            current = find_bases(pending)
        found = plan_with_database(config, url, current, pending, new)
    add_findings(config, directory, found.revisions)
    if form in WRITE:
        config.print_stdout("%s", WRITE[form](found, config))
    else:
        publish(config, as_report(found, {**SUMMARIES, **RULES}), form)


def find_bases(scripts: Sequence[Script]) -> list[str]:
    """Return the revisions that these follow, and that are not among them."""
    own = {script.revision for script in scripts}
    parents = (parent for script in scripts for parent in to_tuple(script.down_revision, ()))
    return [*dict.fromkeys(parent for parent in parents if parent not in own)]


def plan_with_database(
    config: Config, url: URL, current: Sequence[str], pending: Sequence[Script], new: bool
) -> Plan:
    """Return what the pending revisions do, measured in a temporary database.

    Raises:
        CommandError: The temporary database cannot be created, or a revision fails in it.
    """
    planned: list[PlannedRevision] = []
    if pending:
        with temporary_database_beside(config, url) as temporary:
            planned = run_with_connection(
                temporary, lambda connection: measure(config, connection, current, pending)
            )
    sizes = run_with_connection(url, partial(read_sizes, planned=planned))
    return Plan(url.get_backend_name(), current, planned, sizes, is_of_new=new)


def plan_without_database(config: Config, directory: ScriptDirectory, url: URL, why: str) -> Plan:
    """Return the statements of all revisions, of which nothing is measured."""
    dialect = url.get_backend_name()
    planned = []
    for script in find_pending(directory, ()):
        sql = render(config, directory, [script], is_upgrade=True)
        statements = [
            Planned(" ".join(statement.code.split()))
            for statement in split(sql, dialect)
            if VERSION_TABLE not in statement.text and statement.kind.name in ("ROWS", "SCHEMA")
        ]
        planned.append(PlannedRevision(script.revision, script.doc, script.path, statements))
    note = f"Nothing is measured, because the database cannot be reached: {why}."
    return Plan(dialect, (), planned, {}, note)


def add_findings(
    config: Config, directory: ScriptDirectory, planned: Sequence[PlannedRevision]
) -> None:
    """Add to each revision what lint finds in it."""
    by_id = {revision.revision: revision for revision in planned}
    by_path = {revision.path: revision for revision in planned}

    def read(context: MigrationContext) -> list[Script]:
        ignored = read_ignored(config)
        for finding in read_revisions(directory, context, by_id, ignored, downgrade=False):
            by_path[finding.path].findings.append(finding)
        return []

    if planned:
        run_offline(config, directory, read)
