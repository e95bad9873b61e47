"""The text of the report of a command that failed, imported when one is written."""

import inspect
import linecache
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb

from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic_guardrails.errors import error_code, reason
from alembic_guardrails.guard.failure import CONNECTION_LOST, Activity, find_cause
from sqlalchemy.exc import DBAPIError

# How many lines the report has of what the database said, and of a statement.
MESSAGE_LINES = 3
STATEMENT_LINES = 4
WIDTH = 200

PACKAGE = Path(__file__).parents[1]
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))

CORRECT = "Correct the revision, then run the command again."
NOT_INSTALLED = (
    "Install what is missing, the driver perhaps, with `uv sync`, then run the command again."
)


@dataclass(frozen=True)
class Place:
    """A line of the owner's code."""

    file: Path
    line: int
    function: str = ""

    def __str__(self) -> str:
        here = Path.cwd()
        file = self.file.relative_to(here) if self.file.is_relative_to(here) else self.file
        function = f", in {self.function}" if self.function else ""
        return f"{file.as_posix()}:{self.line}{function}"

    @property
    def excerpt(self) -> str:
        """The text of the line."""
        return linecache.getline(str(self.file), self.line).strip()[:WIDTH]


@dataclass
class Report:
    """The text that takes the place of a traceback."""

    lines: list[str] = field(default_factory=list)

    def add(self, label: str, text: str, limit: int = 1) -> None:
        """Add lines under a label, at most `limit` of them; add nothing for an empty text."""
        lines = [line.rstrip()[:WIDTH] for line in text.splitlines() if line.strip()]
        if more := lines[limit:]:
            lines[limit:] = [f"... and {len(more)} more line{'s'[: len(more) > 1]}"]
        label = f"{label}:" if label else ""
        for line in lines:
            self.lines.append(f"{label:12}{line}" if label else f"            {line}")
            label = ""

    def __str__(self) -> str:
        return "\n".join(self.lines)


def write_report(
    error: BaseException | None, activity: Activity, traceback: str = "alembic --raiseerr ..."
) -> str:
    """Return the report of an error, or of SIGTERM if there is none.

    `traceback` is the command that shows the traceback.
    """
    cause = find_cause(error) if error else None
    of_database = cause if isinstance(cause, DBAPIError) else None
    is_interrupted = not isinstance(cause, Exception)
    report = Report()
    report.add("FAILED", describe_cause(cause), MESSAGE_LINES)
    if activity.step:
        report.add("revision", str(activity.step))
    for place in find_places(cause, activity.step):
        report.add("at", f"{place}\n    {place.excerpt}", 2)
    statement = of_database.statement if of_database else activity.statement * is_interrupted
    report.add("statement", statement or "", STATEMENT_LINES)
    report.add("database", activity.describe_state())
    if is_interrupted:
        advice = "Run the command again."
    elif of_database and of_database.connection_invalidated:
        advice = CONNECTION_LOST
    elif isinstance(cause, ImportError) and activity.step is None:
        advice = NOT_INSTALLED
    else:
        advice = (activity.advise(cause) if isinstance(cause, Exception) else "") or CORRECT
    report.add("next", advice)
    if not is_interrupted:
        report.add("", f"`{traceback}` shows the whole traceback.")
    return str(report)


def describe_error(error: Exception) -> str:
    """Return what made a command of `migrations` fail, if it is the owner's to mend.

    That is an error in a revision, the models or env.py, or a file that cannot be written. The
    result is empty for any other error, whose traceback is worth a report.
    """
    if find_places(find_cause(error), None):
        return write_report(error, Activity(), "migrations --verbose ...")
    if isinstance(error, OSError) and error.filename:
        return f"FAILED: {error.filename}: {error.strerror}"
    return ""


def describe_cause(cause: BaseException | None) -> str:
    """Return what happened, in the words of the database if it was an error of the database."""
    if cause is None:
        return "The process was terminated (SIGTERM)."
    if isinstance(cause, DBAPIError):
        code = error_code(cause)
        first = (reason(cause).strip() or "Unknown error") + (f" ({code})" if code else "")
        return "\n".join((first, *str(cause.orig).splitlines()[1:]))
    if not isinstance(cause, Exception):
        return "The command was interrupted (Ctrl-C)."
    return f"{type(cause).__name__}: {cause}"


def find_places(cause: BaseException | None, step: MigrationStep | None) -> list[Place]:
    """Return the line of the revision, and the line of the owner's other code that it called.

    A file that cannot be read as Python is the place itself.
    """
    if isinstance(cause, SyntaxError) and cause.filename:
        return [Place(Path(cause.filename), cause.lineno or 1)]
    places = [
        Place(Path(frame.f_code.co_filename), line, frame.f_code.co_name)
        for frame, line in walk_tb(cause.__traceback__ if cause else None)
        if is_owners(frame.f_code.co_filename)
    ]
    revision = step.revision.path if isinstance(step, RevisionStep) else None
    in_revision = [place for place in places if revision and place.file == Path(revision)]
    # The module env.py calls this package, so it is in every traceback.
    others = [place for place in places if place.file.name != "env.py" or place.function[0] != "<"]
    if isinstance(step, RevisionStep) and not in_revision:
        in_revision = [place_of(step)]
    return list(dict.fromkeys((*in_revision[-1:], *others[-1:])))


def place_of(step: RevisionStep) -> Place:
    """Return the place of the function that a step runs."""
    function = getattr(step.revision.module, "upgrade" if step.is_upgrade else "downgrade")
    line = inspect.unwrap(function).__code__.co_firstlineno
    return Place(Path(step.revision.path), line, function.__name__)


def is_owners(file: str) -> bool:
    """Whether code is the owner's own: not of Python, of a library, or of this package."""
    path = Path(file)
    is_installed = {"site-packages", "dist-packages"} & set(path.parts)
    is_library = any(map(path.is_relative_to, (PACKAGE, STANDARD_LIBRARY)))
    return path.is_absolute() and not (is_installed or is_library)
