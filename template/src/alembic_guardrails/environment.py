"""What `migrations/env.py` calls: one function that configures Alembic and runs the command."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from alembic import context
from alembic.util import CommandError, to_list
from alembic_guardrails.autogenerate.filters import Scope
from alembic_guardrails.autogenerate.render import render_item
from alembic_guardrails.autogenerate.rewrite import tidy
from alembic_guardrails.autogenerate.sqlite import reflect_actions
from alembic_guardrails.connection import UnreachableError, run_with_connection
from alembic_guardrails.guard import guarding
from alembic_guardrails.settings import MigrationSettings, read_settings
from sqlalchemy import URL, Connection, MetaData


def run_migrations(target_metadata: MetaData | Sequence[MetaData], **options: Any) -> None:
    """Run Alembic's command, online or offline, with the guard around what writes.

    `options` are keywords of `context.configure()`
    (https://alembic.sqlalchemy.org/en/latest/api/runtime.html). Filters are added to those of
    this package: `include_name` and `include_object` both have to accept a thing. The owner's
    `render_item` is asked first, and `process_revision_directives` is called last.

    Raises:
        CommandError: The database cannot be reached, a setting is wrong, or an option is one that
            the guard sets itself.
    """
    config = context.config
    settings = read_settings(config)
    connection: Connection | None = config.attributes.get("connection")
    runner = Runner(settings, target_metadata, options)
    if context.is_offline_mode():
        runner.run_offline(settings.database_url)
    elif connection is not None:
        runner.run_online(connection)
    else:
        try:
            run_with_connection(settings.database_url, runner.run_online)
        except UnreachableError as error:
            raise CommandError(
                "The database cannot be reached (`migrations create` creates one that is missing):"
                f" {error}"
            ) from error


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

    def run_offline(self, url: URL) -> None:
        """Print the SQL for the kind of database that a URL names."""
        options = {"literal_binds": True, "dialect_opts": {"paramstyle": "named"}}
        self.run(url, url.get_backend_name(), {"url": url, **options})

    def run_online(self, connection: Connection) -> None:
        """Run the command on a connection."""
        reflect_actions(connection)
        self.run(connection.engine.url, connection.dialect.name, {"connection": connection})

    def run(self, url: URL, dialect: str, target: dict[str, Any]) -> None:
        """Run the command on a dialect's connection or URL."""
        # Revisions that make an engine of their own read it there.
        written = url.render_as_string(hide_password=False).replace("%", "%%")
        context.config.set_main_option("sqlalchemy.url", written)
        context.configure(**{**target, **self.configuration(dialect)})
        with guarding(context.get_context(), self.settings), context.begin_transaction():
            context.run_migrations()

    def configuration(self, dialect: str) -> dict[str, Any]:
        """Return the keywords for `context.configure()`: this package's, and the owner's."""
        fixed = {
            "transaction_per_migration": dialect == "postgresql",
            "transactional_ddl": dialect in ("postgresql", "sqlite"),
        }
        for name, value in fixed.items():
            if self.options.get(name, value) != value:
                raise CommandError(
                    f"Leave {name} out of env.py: the guard needs it to be {value} on {dialect}"
                )
        given = dict(self.options)
        return {
            "target_metadata": self.target_metadata,
            "compare_server_default": True,
            "include_schemas": self.scope.has_schemas,
            "render_as_batch": dialect == "sqlite",
            "include_name": all_of(self.scope.include_name, given.pop("include_name", None)),
            "include_object": all_of(self.scope.include_object, given.pop("include_object", None)),
            "process_revision_directives": in_turn(
                tidy, given.pop("process_revision_directives", None)
            ),
            "render_item": first_of(given.pop("render_item", None), render_item),
            **given,
            **fixed,
        }


def all_of(*filters: Callable[..., bool] | None) -> Callable[..., bool]:
    """Combine filters to one that accepts what each of them accepts."""
    present = [it for it in filters if it]
    return lambda *arguments: all(it(*arguments) for it in present)


def in_turn(*hooks: Callable[..., None] | None) -> Callable[..., None]:
    """Combine hooks to one that calls each."""
    present = [it for it in hooks if it]

    def call(*arguments: Any) -> None:
        for hook in present:
            hook(*arguments)

    return call


def first_of(*renderers: Callable[..., Any] | None) -> Callable[..., Any]:
    """Combine renderers to one that asks each until one has an answer."""
    present: Iterable[Callable[..., Any]] = [it for it in renderers if it]

    def render(*arguments: Any) -> Any:
        results = (it(*arguments) for it in present)
        return next((it for it in results if it is not False), False)

    return render
