"""The report of a command that failed: the cause, the place, the statement, the database's state.

A program that calls Alembic gets the exception itself.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from alembic.config import Config
from alembic.runtime.migration import MigrationStep
from alembic.script.revision import MultipleHeads
from alembic.util import CommandError
from alembic_guardrails.errors import error_code
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

# A child of Alembic's own logger, which alembic.ini shows.
logger = logging.getLogger("alembic.guard")

CONNECTION_LOST = (
    "Check the database server, then run the command again. `alembic current` shows the revision."
)
DATABASE_FULL = "Free space for the database, then run the command again."
NO_PRIVILEGE = (
    "Grant the privilege to the user of MIGRATION_DATABASE_URL, or of DATABASE_URL if that is not "
    "set, then run the command again."
)
READ_ONLY = "Make the database writable, or name another one, then run the command again."


@dataclass
class Activity:
    """What a command does at the moment, kept up to date for the report of a failure.

    `describe_state` says what a failure leaves in the database, and `advise` what to do about an
    error; neither of them asks the database.
    """

    step: MigrationStep | None = None
    statement: str = ""
    describe_state: Callable[[], str] = lambda: ""
    advise: Callable[[Exception], str] = lambda error: ""

    def keep(self, error: BaseException) -> None:
        """Keep what there is to say about an error, while the connection is still open."""
        cause = find_cause(error)
        state = self.describe_state()
        advice = self.advise(cause) if isinstance(cause, Exception) else ""
        self.describe_state = lambda: state
        self.advise = lambda error: advice


@contextmanager
def reporting(config: Config, activity: Activity) -> Iterator[None]:
    """Show a report in place of a traceback if the block fails on Alembic's command line.

    The exception is raised in any case. `alembic --raiseerr` shows its traceback, and so does the
    log level DEBUG, before the report. Alembic itself prints a CommandError.
    """
    # A program that calls Alembic has no such option.
    if getattr(config.cmd_opts, "raiseerr", True):
        yield
        return
    with reporting_termination(activity):
        try:
            yield
        except CommandError as error:
            if isinstance(error.__cause__, MultipleHeads):
                heads = " and ".join(sorted(error.__cause__.heads))
                raise CommandError(
                    f"There is more than one head, {heads}: run `migrations repair`, which puts one"
                    " after the other."
                ) from error
            raise
        except (Exception, KeyboardInterrupt) as error:
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("The command failed", exc_info=error)
            from alembic_guardrails.guard.report import write_report

            show_at_exit(error, write_report(error, activity))
            raise


def show_at_exit(error: BaseException, report: str) -> None:
    """Make Python print a report, not a traceback, when this exception ends the process.

    A hook of the owner's stays in place, such as that of a program that collects errors.
    """
    if sys.excepthook is not sys.__excepthook__:
        return

    def show(
        kind: type[BaseException], value: BaseException, traceback: TracebackType | None
    ) -> None:
        if value is error:
            print(report, file=sys.stderr)
        else:
            sys.__excepthook__(kind, value, traceback)

    sys.excepthook = show


@contextmanager
def reporting_termination(activity: Activity) -> Iterator[None]:
    """Print a report when SIGTERM ends the process, which it does as ever, at once.

    A handler would wait for the end of a statement, because most drivers wait in C. So the signal
    is blocked, and a thread waits for it.
    """
    if not (
        hasattr(signal, "pthread_sigmask")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        yield
        return
    ended = threading.Event()

    def wait() -> None:
        signal.sigwait([signal.SIGTERM])
        if not ended.is_set():
            from alembic_guardrails.guard.report import write_report

            print(write_report(None, activity), file=sys.stderr, flush=True)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            signal.raise_signal(signal.SIGTERM)
            # The first process of a container survives its own signal.
            os._exit(128 + signal.SIGTERM)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread.ident is not None:
            signal.pthread_kill(thread.ident, signal.SIGTERM)
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def find_cause(error: BaseException) -> BaseException:
    """Return the error of the database behind an error of SQLAlchemy, else the error itself.

    After an error, a rollback can fail as well, and hides what came before it. What came before
    another statement was handled.
    """
    cause = error
    node: BaseException | None = error
    while isinstance(error, SQLAlchemyError) and node:
        if isinstance(node, DBAPIError):
            cause = node
            if not hides_another(node):
                break
        node = node.__cause__ or node.__context__
    return cause


def hides_another(error: DBAPIError) -> bool:
    """Whether an error may come from an earlier one, after which nothing works any more."""
    statement = (error.statement or "ROLLBACK").lstrip().upper()
    is_aborted = error_code(error) == "25P02"  # PostgreSQL's in_failed_sql_transaction
    return statement.startswith("ROLLBACK") or is_aborted or error.connection_invalidated
