"""Bounded waits: for the lock that one migration holds, and for locks that a revision needs."""

import logging
import math
import time
from collections.abc import Callable
from random import uniform

from alembic.util import CommandError
from alembic_guardrails.settings import MigrationSettings

# A child of Alembic's own logger, which alembic.ini shows.
logger = logging.getLogger("alembic.guard")


class LockNotAvailableError(Exception):
    """Another session holds a lock that a revision needs, so the revision can be run again."""


def format_milliseconds(seconds: float) -> str:
    """Return a time as PostgreSQL writes it, rounded up, because 0 would mean no limit."""
    return f"{math.ceil(seconds * 1000)}ms"


def acquire(
    try_lock: Callable[[], bool], holder: str, seconds: float, describe_state: Callable[[], str]
) -> float:
    """Call `try_lock` until it returns True, for `seconds` at most; return how long that took.

    `describe_state` says for the message what the command has changed.

    Raises:
        CommandError: The holder, another session, has not released the lock in that time.
    """
    started = time.monotonic()
    deadline = started + seconds
    is_logged = False
    while not try_lock():
        if time.monotonic() > deadline:
            raise CommandError(
                f"{holder.capitalize()} still holds the lock on this database after {seconds:g} s."
                f" {describe_state()} Run the command again when it has finished."
            )
        if not is_logged:
            logger.warning("Waiting for %s on this database to finish", holder)
            is_logged = True
        time.sleep(uniform(0.05, 0.15))  # noqa: S311
    return time.monotonic() - started if is_logged else 0


def retry(step: str, attempt: Callable[[], None], settings: MigrationSettings) -> float:
    """Call `attempt` again, after growing pauses, while a lock is not available.

    Returns how many seconds were lost, failed attempts included. `step` names the revision in
    messages.

    Raises:
        CommandError: The lock was not available for as long as `migration_wait` says.
    """
    seconds = settings.migration_wait
    started = last = time.monotonic()
    deadline = started + seconds
    pause = settings.migration_lock_timeout
    while True:
        try:
            attempt()
            return last - started
        except LockNotAvailableError as error:
            pause = min(pause * 2, 5)
            if time.monotonic() + pause > deadline:
                raise CommandError(
                    f"{step}: other sessions held a lock that it needs for {seconds:g} s ({error})."
                    " Run the command again when they have finished."
                ) from error
            logger.warning("%s: a lock is not available, trying again", step)
            time.sleep(uniform(pause / 2, pause))  # noqa: S311
            last = time.monotonic()
