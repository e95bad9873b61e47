"""What `migrations/env.py` calls: one function that configures Alembic and runs the command."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import context
from alembic.config import Config
from alembic.util import CommandError, to_list
from alembic_guardrails._alembic import compare_tables_first
from alembic_guardrails.autogenerate import (
    Scope,
    compare_computed_by_asking,
    compare_constraints,
    compare_defaults_by_asking,
    compare_indexes_by_asking,
    compare_type,
    escape_reflected_defaults,
    extend_reflection,
    find_sequences_together,
    reading_quietly,
    render_item,
    tidy,
    write_expressions_as_they_are,
)
from alembic_guardrails.connection import UnreachableError, run_with_connection
from alembic_guardrails.guard import guarding
from alembic_guardrails.guard.failure import Activity, reporting
from alembic_guardrails.history.naming import name_as_written
from alembic_guardrails.revisions import VERSION_TABLE
from alembic_guardrails.settings import MigrationSettings, read_settings
from alembic_guardrails.types import naming_other_types
from sqlalchemy import URL, Connection, MetaData

# Keywords of context.configure() that name the database, which the settings do.
OF_DATABASE = ("connection", "dialect_name", "url")

# What the readiness check of the service, `drift`, `adopt` and dumps read.
OF_VERSIONS = {"version_table": VERSION_TABLE, "version_table_schema": None}


def run_migrations(target_metadata: MetaData | Sequence[MetaData], **options: Any) -> None:
    """Run Alembic's command, online or offline, with the guard around what writes.

    `options` are keywords of `context.configure()`
    (https://alembic.sqlalchemy.org/en/latest/api/runtime.html). Filters are added to those of
    this package: `include_name` and `include_object` both have to accept an object. The owner's
    `render_item` is asked first, and `process_revision_directives` is called last.

    Raises:
        CommandError: The database cannot be reached, a setting is wrong, or an option is one that
            this package sets itself.
    """
    config = context.config
    settings = read_settings(config)
    connection: Connection | None = config.attributes.get("connection")
    runner = Runner(settings, target_metadata, options)
    with reporting(config, runner.activity), collecting_what_is_new(config):
        if context.is_offline_mode():
            runner.run_offline(settings.database_url)
        elif connection is not None:
            runner.run_online(connection)
        else:
            runner.connect_and_run(settings.database_url)


@contextmanager
def collecting_what_is_new(config: Config) -> Iterator[None]:
    """Have Python's collector of garbage look only at what the command makes.

    It would look through all modules several times, which takes a tenth of a long history's time,
    and once more at the end of the process, which is near on Alembic's command line.
    """
    if gc.get_freeze_count():  # a program's own, which cannot be told apart afterwards
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        if not hasattr(config.cmd_opts, "raiseerr"):  # a program that calls Alembic has none
            gc.unfreeze()


class Runner:
    """Configures Alembic for a dialect, and runs the command."""

    def __init__(
        self,
        settings: MigrationSettings,
        target_metadata: MetaData | Sequence[MetaData],
        options: dict[str, Any],
    ) -> None:
        self.settings = settings
        self.scope = Scope(context.config, *to_list(target_metadata, []))
        self.target_metadata = target_metadata
        self.options = options
        self.activity = Activity()

    def run_offline(self, url: URL) -> None:
        """Print the SQL for the kind of database that a URL names."""
        dialect_opts = {"paramstyle": "named", **self.options.get("dialect_opts", {})}
        target = {"url": url, "literal_binds": True}
        try:
            self.run(url, url.get_backend_name(), target, dialect_opts=dialect_opts)
        except Exception as error:
            from alembic_guardrails.offline.exact import ASKS, asks_for_schema

            if asks_for_schema(error):
                raise CommandError(ASKS) from error
            raise

    def connect_and_run(self, url: URL) -> None:
        """Run the command on a connection of its own."""
        try:
            run_with_connection(url, self.run_online)
        except UnreachableError as error:
            raise CommandError(
                "The database cannot be reached (`migrations create` creates one that is missing):"
                f" {error}"
            ) from error

    def run_online(self, connection: Connection) -> None:
        """Run the command on a connection."""
        extend_reflection(connection)
        compare_tables_first()
        escape_reflected_defaults()
        compare_computed_by_asking()
        target = {"connection": connection}
        with reading_quietly(), naming_other_types(connection):
            self.run(connection.engine.url, connection.dialect.name, target)

    def run(self, url: URL, dialect: str, target: dict[str, Any], **fixed: Any) -> None:
        """Run the command on a dialect's connection or URL."""
        check_options(self.options, dialect)
        with naming(url, context.config):
            context.configure(**{**target, **self.configuration(dialect), **fixed})
            migration = context.get_context()
            if migration.as_sql:  # which is rare
                from alembic_guardrails.offline.exact import write_exactly

                write_exactly(migration)
            compare_defaults_by_asking(migration)
            compare_indexes_by_asking(migration)
            find_sequences_together(migration)
            compare_constraints(migration)
            write_expressions_as_they_are(migration)
            with guarding(migration, self.settings, self.activity), context.begin_transaction():
                name_as_written(migration)  # also in the steps that the guard adds
                context.run_migrations()

    def configuration(self, dialect: str) -> dict[str, Any]:
        """Return the keywords for `context.configure()`: this package's, and the owner's."""
        given = self.options
        scope = self.scope
        defaults = {
            "target_metadata": self.target_metadata,
            "compare_server_default": True,
            "compare_type": compare_type,
            "include_schemas": scope.has_schemas,
            "render_as_batch": dialect == "sqlite",
        }
        include_name = scope.include_table if given.get("include_schemas") else scope.include_name
        combined = {
            "include_name": all_of(include_name, given.get("include_name")),
            "include_object": all_of(scope.include_object, given.get("include_object")),
            "process_revision_directives": in_turn(tidy, given.get("process_revision_directives")),
            "render_item": first_of(given.get("render_item"), render_item),
        }
        return {**defaults, **given, **combined, **transactions(dialect)}


def transactions(dialect: str) -> dict[str, bool]:
    """Return the keywords for `context.configure()` that the guard of a dialect relies on."""
    return {
        "transaction_per_migration": dialect == "postgresql",
        "transactional_ddl": dialect in ("postgresql", "sqlite"),
    }


def check_options(options: Mapping[str, Any], dialect: str) -> None:
    """Check that `env.py` sets nothing that this package has to set.

    Raises:
        CommandError: It does.
    """
    for name in OF_DATABASE:
        if name in options:
            raise CommandError(
                f"Leave {name} out of env.py: MIGRATION_DATABASE_URL, DATABASE_URL or"
                " `alembic -x url=...` names the database, and a program hands over"
                ' config.attributes["connection"].'
            )
    for name, value in transactions(dialect).items():
        if options.get(name, value) != value:
            raise CommandError(
                f"Leave {name} out of env.py: the guard needs it to be {value} on {dialect}."
            )
    for name, default in OF_VERSIONS.items():
        if options.get(name, default) != default:
            raise CommandError(
                f"Leave {name} out of env.py: the service's readiness check and `migrations drift`"
                f" read {VERSION_TABLE} in the default schema."
            )


@contextmanager
def naming(url: URL, config: Config) -> Iterator[None]:
    """Have Alembic's settings name the database in use, for revisions that make an engine.

    Afterwards they say what they said before: the next command may be for another database.
    """
    section, option = config.config_ini_section, "sqlalchemy.url"
    before = config.file_config.get(section, option, raw=True, fallback=None)
    shown = url.render_as_string(hide_password=False)
    config.set_main_option(option, shown.replace("%", "%%"))
    try:
        yield
    finally:
        if before is None:
            config.remove_main_option(option)
        else:
            config.set_main_option(option, before)


def all_of(*filters: Callable[..., bool] | None) -> Callable[..., bool]:
    """Combine filters to one that accepts what each of them accepts."""
    present = [accepts for accepts in filters if accepts]
    return lambda *arguments: all(accepts(*arguments) for accepts in present)


def in_turn(*hooks: Callable[..., None] | None) -> Callable[..., None]:
    """Combine hooks to one that calls each."""
    present = [hook for hook in hooks if hook]

    def call(*arguments: Any) -> None:
        for hook in present:
            hook(*arguments)

    return call


def first_of(*renderers: Callable[..., Any] | None) -> Callable[..., Any]:
    """Combine renderers to one that asks each until one has an answer."""
    present = [render for render in renderers if render]

    def render_first(*arguments: Any) -> Any:
        results = (render(*arguments) for render in present)
        return next((result for result in results if result is not False), False)

    return render_first
