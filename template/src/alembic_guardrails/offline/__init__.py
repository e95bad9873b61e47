"""Reading revisions without a database: what `lint`, `sql` and `squash` have in common."""

import os
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from io import StringIO
from types import ModuleType
from typing import Any, NamedTuple

import sqlalchemy
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic_guardrails.output import Span, span_of_error
from alembic_guardrails.trial import trial_config
from sqlalchemy.exc import ArgumentError, CompileError

# These have nothing to do with rows, so that a database would not help.
ERRORS_OF_CODE = (NameError, ImportError, SyntaxError, CompileError, ArgumentError)


def run_offline(
    config: Config,
    directory: ScriptDirectory,
    work: Callable[[MigrationContext], Iterable[Any]],
    **options: Any,
) -> str:
    """Run `env.py` in offline mode, and return the SQL that it writes.

    `work` is called in the place of revisions, and returns the steps that Alembic takes; `options`
    are those of Alembic's `EnvironmentContext`. The options of the command line apply.
    """
    trial = trial_config(config)
    trial.output_buffer = StringIO()

    def plan(_: object, context: MigrationContext) -> Iterable[Any]:
        return work(context)

    with EnvironmentContext(trial, directory, fn=plan, as_sql=True, **options):
        directory.run_env()
    return trial.output_buffer.getvalue()


class Failure(NamedTuple):
    """Where a revision stops, and why; `suggestion` is a name that it may have meant."""

    path: str
    span: Span
    reason: str
    is_error_of_code: bool
    suggestion: str = ""

    @property
    def place(self) -> str:
        """The file and the line, as editors take them."""
        return f"{os.path.relpath(self.path)}:{self.span.line}"


def describe_failure(error: Exception, path: str) -> Failure:
    """Return where the revision in the file `path` stops, and why.

    An error of the code happens on every database: a name that is not defined, a module's
    attribute that does not exist, SQL that the dialect cannot have.
    """
    is_error_of_code = isinstance(error, ERRORS_OF_CODE) or (
        isinstance(error, AttributeError) and isinstance(error.obj, ModuleType)
    )
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    return Failure(path, span_of_error(error, path), text, is_error_of_code, suggest(error))


def suggest(error: Exception) -> str:
    """Return the name that a revision may have meant by one that does not exist."""
    match error:
        case NameError(name=str(name)) if hasattr(sqlalchemy, name):
            return f"sa.{name}"
        case AttributeError(name=str(name), obj=ModuleType() as module):
            return next(iter(get_close_matches(name, dir(module), 1)), "")
    return ""
