"""Steps of Alembic that change other rows of the version table than Alembic would choose."""

from collections.abc import Sequence
from typing import Any

from alembic.runtime.migration import RevisionStep
from alembic.script import Script
from alembic.script.revision import RevisionMap


class RowsStep(RevisionStep):
    """Runs a revision, and replaces the rows `gone` by the rows `new`."""

    def __init__(
        self,
        revision_map: RevisionMap,
        script: Script,
        is_upgrade: bool,
        gone: Sequence[str],
        new: Sequence[str],
    ) -> None:
        super().__init__(revision_map, script, is_upgrade)
        self.gone, self.new = [*gone], [*new]

    def should_create_branch(self, heads: set[str]) -> bool:
        """Whether to insert a row, and to change no other."""
        return not self.gone

    def should_delete_branch(self, heads: set[str]) -> bool:
        """Whether to delete a row, and to change no other."""
        return not self.new

    def should_merge_branches(self, heads: set[str]) -> bool:
        """Whether to replace several rows by one."""
        return len(self.gone) > 1

    def should_unmerge_branches(self, heads: set[str]) -> bool:
        """Whether to replace a row by several."""
        return len(self.new) > 1

    @property
    def insert_version_num(self) -> str:
        """The row to insert."""
        return self.new[0]

    @property
    def delete_version_num(self) -> str:
        """The row to delete."""
        return self.gone[0]

    def update_version_num(self, heads: Any) -> tuple[str, str]:
        """Return a row, and what replaces it."""
        return self.gone[0], self.new[0]

    def merge_branch_idents(self, heads: set[str]) -> tuple[list[str], str, str]:
        """Return the rows to delete, and one that another replaces."""
        return self.gone[:-1], self.gone[-1], self.new[0]

    def unmerge_branch_idents(self, heads: set[str]) -> tuple[str, str, tuple[str, ...]]:
        """Return a row, what replaces it, and the rows to insert."""
        return self.gone[0], self.new[-1], tuple(self.new[:-1])
