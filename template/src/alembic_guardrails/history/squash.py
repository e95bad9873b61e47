"""What `squash` may replace, and how the files are exchanged."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple
from alembic_guardrails._alembic import load_revisions
from alembic_guardrails.history import History, replaces
from alembic_guardrails.history.file import digests, entries, write_ledger
from alembic_guardrails.history.git import git


def chosen(directory: ScriptDirectory, revision: str) -> tuple[Script, list[Script]]:
    """The revision that stays, and those before it, the newest first.

    Raises CommandError if there is none, or if others follow those before it.
    """
    if len(bases := directory.get_bases()) > 1:
        raise CommandError(f"Join the first revisions to one: {', '.join(sorted(bases))}")
    everything = [*directory.walk_revisions()]
    before = [*directory.walk_revisions("base", revision)]
    if not before:
        raise CommandError(f"{revision} is no revision")
    target, *replaced = before
    if not replaced:
        raise CommandError(f"{target.revision} is the first revision: there is nothing to replace")
    ids = {it.revision for it in replaced}
    for script in everything:
        parents = {*to_tuple(script.down_revision, ()), *to_tuple(script.dependencies, ())}
        if script not in before and (kept := parents & ids):
            raise CommandError(
                f"{script.revision} follows {', '.join(sorted(kept))}, which would be gone: choose"
                " a revision before the fork, or one after the branches are merged"
            )
        if script in before and (missing := parents - ids - {target.revision}):
            raise CommandError(
                f"{script.revision} follows {', '.join(sorted(missing))}, which is not before"
                f" {target.revision}"
            )
    return target, replaced


def expect_committed(folder: Path, files: Collection[Path]) -> None:
    """Raise CommandError if git could not bring back each of these files as it is."""
    try:
        known = git(folder, "ls-tree", "-z", "--name-only", "HEAD").split("\0")
        changed = git(folder, "diff", "-z", "--relative", "--name-only", "HEAD").split("\0")
    except OSError as error:
        raise CommandError(
            f"Commit the revisions first: what is replaced stays only in git ({error})"
        ) from error
    names = {file.name for file in files}
    if missing := sorted(names - {*known} | names & {*changed}):
        raise CommandError(
            f"Commit these first, or put them back: what is replaced stays only in git:"
            f" {', '.join(missing)}"
        )


def recoverable(history: History, target: Script) -> str:
    """The commit whose code can run what is replaced, if possible one that is released."""
    ledger = entries(history.ledger_text)
    with suppress(OSError):
        base = history.released().base
        there = entries(history.git("show", f"{base}:./{history.ledger.name}"))
        if there.get(target.revision) == ledger[target.revision]:
            return base
    return history.git("rev-parse", "HEAD").strip()


def head_of_file(target: Script, replaced: Sequence[Script], commit: str) -> str:
    """What stands at the head of the file: what it replaces, and where that can be found."""
    labels = [it for script in (target, *replaced) for it in labels_of(script)]
    older = [id for script in replaced[::-1] for id in (*replaces(script), script.revision)]
    return (
        (f"branch_labels = {(*labels,)!r}\n" if labels else "")
        + "# A database at one of these first needs the code of the commit below.\n"
        + f"replaces: tuple[str, ...] = {(*older,)!r}\n"
        + f'squashed_at: str = "{commit}"\n'
    )


def labels_of(script: Script) -> tuple[str, ...]:
    """The labels that a revision's file gives it."""
    return to_tuple(getattr(script.module, "branch_labels", None), ())


def finish(directory: ScriptDirectory) -> str:
    """Delete the files that a squash has replaced, if some are left, and write the ledger.

    Return the squashed revision, or nothing if there was nothing to do. Raises CommandError if
    git does not have a file that is to be deleted.
    """
    scripts = load_revisions(directory)
    ledger = Path(directory.versions, "history.txt")
    lines = entries(ledger.read_text("utf-8")) if ledger.exists() else {}
    for squashed in scripts:
        if not (gone := replaces(squashed)):
            continue
        files = {
            Path(it.path): it.revision
            for it in scripts
            if it is not squashed and it.revision in (*gone, squashed.revision)
        }
        # The newest first, so that Alembic sees two heads, and works no more until it is done.
        age = [squashed.revision, *gone[::-1]]
        left = sorted(files, key=lambda it: age.index(files[it]))
        if not (left or lines.keys() & {*gone}):
            continue
        expect_committed(ledger.parent, left)
        for file in left:
            file.unlink()
        texts = {it.revision: it for it in scripts if Path(it.path) not in left}
        new = digests({id: Path(it.path).read_text("utf-8") for id, it in texts.items()})
        order = dict.fromkeys([squashed.revision, *(id for id in lines if id in new), *new])
        write_ledger(ledger, {id: new[id] for id in order})
        return squashed.revision
    return ""
