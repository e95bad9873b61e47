"""Which revisions a squash replaces, and whether git could bring them back."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple
from alembic_guardrails.history.git import list_changes, list_files


@dataclass(frozen=True)
class Choice:
    """The revision that stays, and those before it, the newest first."""

    target: Script
    superseded: tuple[Script, ...]

    @property
    def scripts(self) -> tuple[Script, ...]:
        """All of them, the newest first."""
        return (self.target, *self.superseded)


def choose(directory: ScriptDirectory, revision: str) -> Choice:
    """Choose a revision that stays, and all before it.

    Raises:
        CommandError: There is no such revision, or none before it; or other revisions depend on
            those before it.
    """
    if len(bases := directory.get_bases()) > 1:
        raise CommandError(f"Join the first revisions to one: {', '.join(sorted(bases))}")
    chosen = [*directory.walk_revisions("base", revision)]
    if not chosen:
        raise CommandError(f"{revision} is no revision")
    target, *superseded = chosen
    if not superseded:
        raise CommandError(f"{target.revision} is the first revision: there is nothing to replace")
    choice = Choice(target, (*superseded,))
    check_separable(directory, choice)
    return choice


def check_separable(directory: ScriptDirectory, choice: Choice) -> None:
    """Check that no other revision needs what goes, and that this needs no other.

    Raises:
        CommandError: A revision beside the chosen ones follows one of them, or the reverse.
    """
    gone = {script.revision for script in choice.superseded}
    for script in directory.walk_revisions():
        parents = {*to_tuple(script.down_revision, ()), *to_tuple(script.dependencies, ())}
        is_chosen = script in choice.scripts
        if not is_chosen and (needed := parents & gone):
            raise CommandError(
                f"{script.revision} follows {', '.join(sorted(needed))}, which would be gone:"
                " choose a revision before the fork, or one after the branches are merged"
            )
        if is_chosen and (missing := parents - gone - {choice.target.revision}):
            raise CommandError(
                f"{script.revision} follows {', '.join(sorted(missing))}, which is not before"
                f" {choice.target.revision}"
            )


def require_committed(folder: Path, files: Collection[Path]) -> None:
    """Check that git can bring back each of these files as it is.

    Raises:
        CommandError: Git lacks a file, or has another version of it; or there is no git.
    """
    try:
        known, changed = list_files(folder, "HEAD"), list_changes(folder, "HEAD")
    except OSError as error:
        raise CommandError(
            f"Commit the revisions first: what is replaced stays only in git ({error})"
        ) from error
    names = {file.name for file in files}
    if missing := sorted(names - known | names & changed):
        raise CommandError(
            f"Commit these first, or put them back: what is replaced stays only in git:"
            f" {', '.join(missing)}"
        )
