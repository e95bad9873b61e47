"""How far something long has come: one line on a terminal, else a line of the log now and then."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

# Below Alembic's own logger, which alembic.ini shows.
logger = logging.getLogger("alembic.progress")


class Progress:
    """Counts up to a total, and says how far it is; nothing where nobody reads the log."""

    def __init__(self, what: str, unit: str, total: int) -> None:
        self.what, self.unit, self.total = what, unit, total
        self.done = 0
        self.begun = self.said = time.monotonic()
        self.on_terminal = sys.stderr.isatty() and logger.isEnabledFor(logging.INFO)
        self.interval = 0 if self.on_terminal else 5

    def __str__(self) -> str:
        rate = self.done / max(time.monotonic() - self.begun, 0.001)
        total = max(self.total, self.done)  # there may be more than there were
        return f"{self.what}: {self.done} of {total} {self.unit}, {rate:.0f} a second"

    def advance(self, count: int = 1) -> None:
        """Count what is done."""
        self.done += count
        if time.monotonic() - self.said < self.interval:
            return
        self.said = time.monotonic()
        if self.on_terminal:
            print(f"\r\x1b[K{self}", end="", file=sys.stderr, flush=True)
        else:
            logger.info("%s", self)

    def clear(self) -> None:
        """Leave the terminal's line to others."""
        if self.on_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Say what came of it."""
        self.clear()
        logger.info("%s", self)

    def over(self, steps: Iterable[T]) -> Iterator[T]:
        """Count these steps, each when the next one is asked for."""
        for step in steps:
            yield step
            self.advance()
        self.clear()
