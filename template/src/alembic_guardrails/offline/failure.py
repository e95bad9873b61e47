"""Why a revision stops where it has no database."""

import os
from types import ModuleType
from typing import NamedTuple

from alembic_guardrails.places import Span, span_of_error
from sqlalchemy.exc import ArgumentError, CompileError

# These have nothing to do with rows, so that a database would not help.
ERRORS_OF_CODE = (NameError, ImportError, SyntaxError, CompileError, ArgumentError)


class Failure(NamedTuple):
    """Where a revision stops, and why."""

    path: str
    span: Span
    reason: str
    is_error_of_code: bool

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
    return Failure(path, span_of_error(error, path), text, is_error_of_code)
