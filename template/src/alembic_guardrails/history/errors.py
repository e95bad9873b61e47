"""What is wrong with a history."""

from pathlib import Path

from alembic.util import CommandError


class HistoryError(CommandError):
    """The history is not as it has to be; `verify` reports it as a finding.

    `rule` is a short name for what is wrong, and `path` the file where it is seen.
    """

    def __init__(self, message: str, rule: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.path = path
