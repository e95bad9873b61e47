"""Hooks of `context.configure()` that are imported when Alembic calls them.

Only the commands that compare a database with the models call them.
"""

from functools import cache
from typing import Any, Literal

from alembic.autogenerate import comparators
from alembic.runtime.migration import MigrationContext
from alembic_guardrails.dialects import module_for


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


def compare_indexes_by_asking(context: MigrationContext) -> None:
    """Have Alembic compare indexes as an `IndexComparison` does, where the database has one."""
    impl: Any = context.impl
    connection = context.connection
    if connection is None:
        return
    compare_texts = impl.compare_indexes

    def compare_indexes(*arguments: Any) -> Any:
        own = module_for("autogenerate.indexes", context.dialect.name)
        if own.INDEX_COMPARISON:
            impl.compare_indexes = own.INDEX_COMPARISON(connection, compare_texts).compare
        else:
            impl.compare_indexes = compare_texts
        return impl.compare_indexes(*arguments)

    impl.compare_indexes = compare_indexes


@cache
def compare_computed_by_asking() -> None:
    """Have Alembic compare computed columns as `computed.compare_computed` does.

    What Alembic itself says of them is left out in `silence.py`.
    """

    def compare_computed(*arguments: Any) -> None:
        from alembic_guardrails.autogenerate import computed

        computed.compare_computed(*arguments)

    comparators.dispatch_for("column")(compare_computed)


def render_item(*arguments: Any) -> str | Literal[False]:
    """Write the type that the database stores, not the model's."""
    from alembic_guardrails.autogenerate import render

    return render.render_item(*arguments)


def tidy(*arguments: Any) -> None:
    """Leave out of new revisions what is not needed, or does not work everywhere."""
    from alembic_guardrails.autogenerate import rewrite

    rewrite.tidy(*arguments)
