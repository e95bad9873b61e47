"""Hooks of `context.configure()` that are imported when Alembic calls them.

Only the commands that compare a database with the models call them.
"""

from typing import Any, Literal

from alembic.runtime.migration import MigrationContext


def compare_type(*arguments: Any) -> bool | None:
    """Return whether the type of a column differs; None leaves it to Alembic."""
    from alembic_guardrails.autogenerate import compare

    return compare.compare_type(*arguments)


def compare_defaults_by_asking(context: MigrationContext) -> None:
    """Have Alembic compare defaults as `compare.compare_server_default` does.

    Alembic's own comparison has PostgreSQL compare the two values, which fails for JSON and for
    quotes, and elsewhere compares texts. The hook of `context.configure()` does not serve: it ends
    in an error where the database has a generated column.
    """

    def compare_server_default(*arguments: Any) -> bool:
        from alembic_guardrails.autogenerate import compare

        return compare.compare_server_default(context, *arguments)

    impl: Any = context.impl
    impl.compare_server_default = compare_server_default


def render_item(*arguments: Any) -> str | Literal[False]:
    """Write the type that the database stores, not the model's."""
    from alembic_guardrails.autogenerate import render

    return render.render_item(*arguments)


def tidy(*arguments: Any) -> None:
    """Leave out of new revisions what is not needed, or does not work everywhere."""
    from alembic_guardrails.autogenerate import rewrite

    rewrite.tidy(*arguments)
