"""The names of what revisions leave unnamed, while they run.

Alembic completes names by the naming convention of the models that `env.py` hands over. A revision
that was written without it then makes, or looks for, other names than it made before:
https://alembic.sqlalchemy.org/en/latest/naming.html
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache, wraps
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script
from alembic_guardrails._alembic import get_plan, set_plan
from sqlalchemy import MetaData

# Where a context keeps what the history file says, which is read once a command.
RECORDED = "conventional_revisions"


def name_as_written(context: MigrationContext) -> None:
    """Have the command run each revision with the names that it has for stock Alembic.

    The history file lists the revisions whose names the convention completes.
    """
    plan = get_plan(context)

    @wraps(plan)
    def named(heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
        for step in plan(heads, context):
            if script := getattr(step, "revision", None):
                step.migration_fn = wrap(step.migration_fn, context, script)
            yield step

    set_plan(context, named)


def wrap(
    migrate: Callable[..., None], context: MigrationContext, script: Script
) -> Callable[..., None]:
    """Return a function that runs a revision with its own names."""

    @wraps(migrate)
    def run(**arguments: object) -> None:
        with naming_as_written(context, script):
            migrate(**arguments)

    return run


@contextmanager
def naming_as_written(context: MigrationContext, script: Script) -> Iterator[None]:
    """Hide the naming convention of the models from a revision, unless it was written with it."""
    models = context.opts.get("target_metadata")
    if not isinstance(models, MetaData) or is_conventional(context, script):
        yield  # Alembic asks no list of models for a convention
        return
    context.opts["target_metadata"] = without_convention(models)
    try:
        yield
    finally:
        context.opts["target_metadata"] = models


def is_conventional(context: MigrationContext, script: Script) -> bool:
    """Whether the naming convention completes the names of a revision."""
    if not context.script:
        return False
    if RECORDED not in context.opts:
        # Commands that run no revision do without.
        from alembic_guardrails.history.read import find_folder, read_ids

        context.opts[RECORDED] = {*read_ids(find_folder(context.script)).conventional}
    return script.revision in context.opts[RECORDED]


@cache  # for a command there is one, for a history of a thousand revisions too
def without_convention(models: MetaData) -> MetaData:
    """Return the same tables in metadata that has no naming convention but SQLAlchemy's own."""
    plain: Any = copy(models)
    plain.naming_convention = MetaData().naming_convention
    return plain  # type: ignore[no-any-return]
