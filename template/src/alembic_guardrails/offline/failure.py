"""Why a revision stops where it has no database."""

import os
from difflib import get_close_matches
from types import ModuleType
from typing import NamedTuple

import sqlalchemy
from alembic_guardrails.places import Span, span_of_error
from sqlalchemy.exc import ArgumentError, CompileError

# These have nothing to do with rows, so that a database would not help.
ERRORS_OF_CODE = (NameError, ImportError, SyntaxError, CompileError, ArgumentError)


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
