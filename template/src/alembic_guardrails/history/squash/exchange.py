"""The file that takes the place of revisions, and the exchange of the files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic.script import Script, ScriptDirectory
from alembic.util import to_tuple
from alembic_guardrails.dump.base import Dump
from alembic_guardrails.dump.revision import write_revision
from alembic_guardrails.history.file import read_ids, write_ids
from alembic_guardrails.history.git import find_commit
from alembic_guardrails.history.read import History, Revision, find_folder, read_files
from alembic_guardrails.history.released import read_released
from alembic_guardrails.history.squash.choose import Choice, require_committed

# The beginning of a folder beside that of the revisions, in which the new ones are tried.
FOLDER = ".squash-"

TITLE = "The schema at revision {revision}, in the place of {count} revisions up to it."


@contextmanager
def trying(directory: ScriptDirectory, choice: Choice) -> Iterator[Path]:
    """Yield a folder with the revisions that stay, which is deleted at the end."""
    with TemporaryDirectory(prefix=FOLDER, dir=directory.dir) as folder:
        versions = Path(folder, "versions")
        gone = {Path(script.path).name for script in choice.scripts} | {"__pycache__"}
        shutil.copytree(directory.versions, versions, ignore=lambda at, names: gone & {*names})
        yield versions


def delete_leftovers(directory: ScriptDirectory) -> None:
    """Delete the folders of runs that were killed."""
    for folder in Path(directory.dir).glob(f"{FOLDER}*"):
        shutil.rmtree(folder)


def write_squashed(folder: Path, choice: Choice, dump: Dump, history: History) -> Path:
    """Write the revision that takes the place of others; return its file."""
    revision = choice.target.revision
    file = folder / f"{revision}_squashed.py"
    write_revision(
        file,
        revision,
        TITLE.format(revision=revision, count=len(choice.scripts)),
        dump,
        more=write_head(choice, find_source(history, revision)),
        was_found=any(getattr(script.module, "was_found", False) for script in choice.scripts),
    )
    return file


def write_head(choice: Choice, commit: str) -> str:
    """Write what stands at the head of the file: what it replaces, and which commit has that."""
    labels = [label for script in choice.scripts for label in read_labels(script)]
    older = [
        revision
        for script in reversed(choice.scripts)
        for name in ("replaces", "moved_from")
        for revision in (*getattr(script.module, name, ()), script.revision)
        if revision != choice.target.revision
    ]
    return (
        (f"branch_labels = {(*labels,)!r}\n" if labels else "")
        + "# A database at one of these first needs the code of the commit below.\n"
        + f"replaces: tuple[str, ...] = {(*dict.fromkeys(older),)!r}\n"
        + f'squashed_at: str = "{commit}"\n'
    )


def read_labels(script: Script) -> tuple[str, ...]:
    """Return the labels of branches that a revision's file gives."""
    return to_tuple(getattr(script.module, "branch_labels", None), ())


def find_source(history: History, revision: str) -> str:
    """Return the commit whose code can run what is replaced, if possible one that is released."""
    with suppress(OSError):
        base = read_released(history).base
        if revision in base.sources:
            return base.commit
    return find_commit(history.folder, "HEAD")


def exchange(directory: ScriptDirectory, file: Path) -> None:
    """Put the new file beside the old ones, and delete those.

    From the first step on, a run that is killed can be finished: the file says what it replaces.
    """
    os.replace(file, find_folder(directory) / file.name)
    finish(directory)


def finish(directory: ScriptDirectory) -> str | None:
    """Delete the files that a squash has replaced, if some are left, and write the history file.

    Return the squashed revision, or None if there was nothing to do.

    Raises:
        CommandError: Git does not have a file that is to be deleted.
    """
    scripts, folder = read_files(directory), find_folder(directory)
    recorded = read_ids(folder).ids
    for squashed in scripts:
        left = find_superseded_files(squashed, scripts)
        if not left and not {*squashed.replaces} & {*recorded}:
            continue
        require_committed(folder, left)
        for file in left:
            file.unlink()
        kept = {script.revision for script in scripts if script.path not in left}
        order = (squashed.revision, *(each for each in recorded if each in kept), *sorted(kept))
        write_ids(folder, dict.fromkeys(order))
        return squashed.revision
    return None


def find_superseded_files(squashed: Revision, scripts: list[Revision]) -> list[Path]:
    """Find the files that a squashed revision replaces.

    The newest comes first, so that Alembic sees two heads, and works no more until all are gone.
    """
    age = [squashed.revision, *reversed(squashed.replaces)] if squashed.replaces else []
    files = {
        script.path: age.index(script.revision)
        for script in scripts
        if script is not squashed and script.revision in age
    }
    return sorted(files, key=lambda file: files[file])
