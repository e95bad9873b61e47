"""Progress of long work: one line on a terminal, else a line of the log every five seconds."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

# A child of Alembic's own logger, which alembic.ini shows.
logger = logging.getLogger("alembic.progress")


class Progress:
    """Counts up to an expected total, and shows the count and the rate.

    `label` says what is done, and `unit` what is counted. If the logger is off, nothing is shown,
    neither in the log nor on the terminal.
    """

    def __init__(self, label: str, unit: str, total: int) -> None:
        self.label, self.unit, self.total = label, unit, total
        self.done = 0
        self.started = self.shown = time.monotonic()
        self.on_terminal = sys.stderr.isatty() and logger.isEnabledFor(logging.INFO)
        self.interval = 0 if self.on_terminal else 5

    def __str__(self) -> str:
        rate = self.done / max(time.monotonic() - self.started, 0.001)
        # Rows can be added after they were counted.
        total = max(self.total, self.done)
        return f"{self.label}: {self.done} of {total} {self.unit}, {rate:.0f} a second"

    def advance(self, count: int = 1) -> None:
        """Add to the count, and show it if it is time to."""
        self.done += count
        if time.monotonic() - self.shown < self.interval:
            return
        self.shown = time.monotonic()
        if self.on_terminal:
            print(f"\r\x1b[K{self}", end="", file=sys.stderr, flush=True)
        else:
            logger.info("%s", str(self))

    def clear(self) -> None:
        """Clear the line on the terminal."""
        if self.on_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line, and log the final count if there was anything to count."""
        self.clear()
        if self.total or self.done:
            logger.info("%s", str(self))

    def track(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, and count each of them when the next one is asked for."""
        for item in items:
            yield item
            self.advance()
        self.clear()
