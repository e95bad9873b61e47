"""The ledger of revisions, `migrations/versions/history.txt`: no branch forks the history unseen.

One line for each revision, in upgrade order: its id and the SHA-256 of its file. Branches that both
add a revision both add a last line, so git has a conflict where Alembic would get two heads. What
upstream's ledger names is released, and stays as it is, until `squash` replaces it.
"""

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple
from alembic_guardrails._alembic import load_revisions
from alembic_guardrails.history.file import REPAIR, Ledger, digests, entries, write_ledger
from alembic_guardrails.history.git import git

PARENT = re.compile(r"""^(down_revision\b[^=\n]*= *)(?:None|"[^"\n]*"|'[^'\n]*')""", re.MULTILINE)

MISSING = re.compile(r"Revision (\S+) referenced from .*? -> ([^\s,]+)")

UPSTREAM = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


class Released(NamedTuple):
    """What upstream's ledger has, where that is, and what the last commit's has.

    `base` is the commit that this branch and upstream have in common.
    """

    ledger: Ledger
    source: str
    committed: Ledger
    base: str = ""


class History:
    """The revisions' files and the ledger."""

    def __init__(self, config: Config) -> None:
        """Read them.

        Raises:
            CommandError: a revision cannot be read, is there twice, or follows one that is not.
        """
        directory = ScriptDirectory.from_config(config)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", "Revision .* present")
                scripts = [*directory.walk_revisions()][::-1]
        except (SyntaxError, UserWarning) as error:
            raise CommandError(
                orphaned(directory, str(error))
                or "Restore or mend a revision's file by hand, or finish a killed `squash`:"
                f" {error}"
            ) from error
        # What squashes have replaced, and in which revisions.
        self.replaced = {id: it.revision for it in scripts for id in replaces(it)}
        self.paths = {it.revision: Path(it.path) for it in scripts}
        self.texts = {id: path.read_text("utf-8") for id, path in self.paths.items()}
        self.parents = {it.revision: to_tuple(it.down_revision, ()) for it in scripts}
        self.lineages = {
            head: {it.revision for it in directory.iterate_revisions(head, "base")}
            for head in directory.get_heads()
        }
        self.ledger = Path(directory.versions, "history.txt")
        self.ledger_text = self.ledger.read_text("utf-8") if self.ledger.exists() else ""

    def released(self) -> Released:
        """What upstream has released of the revisions that this branch has, or had.

        Raises:
            OSError: there is no git, or it does not say.
        """
        places = ("refs/remotes/origin", "refs/heads")
        branches = self.git("for-each-ref", "--format=%(refname:lstrip=2)", *places).split()
        known = (name for name in UPSTREAM if name in branches)
        upstream = os.environ.get("MIGRATION_BASE") or next(known, "HEAD")
        base = self.git("merge-base", "HEAD", upstream).strip()
        shared, tip, committed = (
            entries(self.git("show", f"{commit}:./{self.ledger.name}"))
            for commit in (base, upstream, "HEAD")
        )
        shared = self.squashed(shared, tip)
        merged = {id: tip[id] for id in tip if id in self.texts and id not in shared}
        source = upstream if upstream != "HEAD" else "HEAD, as no main branch is here"
        return Released(shared | merged, source, committed, base)

    def squashed(self, released: Ledger, upstream: Ledger) -> Ledger:
        """What a squash leaves of released revisions: this branch's own, or one that upstream has.

        Only while upstream still has what is replaced is the squash still to be released, and may
        its file differ.
        """
        is_own = self.replaced.keys() & upstream.keys()
        squashes = {id: self.texts[id] for id in self.replaced.values()}
        now = digests(squashes) if is_own else upstream
        return {
            id: now.get(id, digest) if id in squashes else digest
            for id, digest in released.items()
            if id not in self.replaced
        }

    def git(self, *arguments: str) -> str:
        """What git prints.

        Raises:
            OSError: there is no git, or it fails.
        """
        return git(self.ledger.parent, *arguments)

    def moved(self, branch: list[str], onto: str, released: Released) -> str:
        """The text of a branch's first revision, changed to follow another revision.

        Raises:
            CommandError: that takes a person.
        """
        first, head = branch[0], branch[-1]
        if any(id in released.ledger or len(self.parents[id]) > 1 for id in branch):
            why = f"what leads to {head} is released or has a merge in it, and stays"
            raise CommandError(f"Join {onto} and {head} with `alembic merge heads`: {why}")
        text, found = PARENT.subn(rf'\g<1>"{onto}"', self.texts[first])
        if found != 1:
            raise CommandError(f'Set down_revision = "{onto}" in {self.paths[first]} by hand')
        return re.sub(r"(?m)^Revises:.*", f"Revises: {onto}", text, count=1)


def orphaned(directory: ScriptDirectory, error: str) -> str | None:
    """Say what to do with a revision after one that a squash has replaced, if that is the error."""
    if not (missing := MISSING.search(error)):
        return None
    parent, child = missing.groups()
    squashes = [it for it in load_revisions(directory) if parent in replaces(it)]
    if not squashes:
        return None
    squash = squashes[0]
    if child in replaces(squash):
        return f"{child} is gone, as {squash.revision} replaces it: delete its file"
    return (
        f"{child} follows {parent}, which {squash.revision} replaces: set down_revision in its file"
        f" to the newest revision, then run `{REPAIR}`; a database that has run it already first"
        f" goes back to {parent} with the code of before"
    )


def replaces(script: Script) -> tuple[str, ...]:
    """The revisions that a squash has replaced by this one."""
    return tuple(getattr(script.module, "replaces", ()))


def released_revisions(config: Config) -> Ledger:
    """What is released, as far as git can tell."""
    try:
        return History(config).released().ledger
    except OSError:
        return {}


def chosen_revisions(
    config: Config, script: ScriptDirectory, rev_range: str | None
) -> tuple[list[Script], Ledger]:
    """The revisions of a range START:END, else those that are not released; and the released.

    Raises:
        CommandError: it is no range.
    """
    start, separator, end = (rev_range or ":").partition(":")
    if not separator:
        raise CommandError("Write the range as START:END; either may be left out")
    released = {} if rev_range else released_revisions(config)
    ordered = reversed([*script.walk_revisions(start or "base", end or "heads")])
    return [revision for revision in ordered if revision.revision not in released], released


def write(history: History, ledger: Ledger) -> None:
    """Write the ledger."""
    write_ledger(history.ledger, ledger)


def changes(before: Ledger, after: Ledger) -> Iterator[str]:
    """What became of revisions, in words."""
    for id in before | after:
        if id not in after:
            yield f"{id} is gone"
        elif id not in before:
            yield f"{id} is new"
        elif before[id] != after[id]:
            yield f"{id} was edited"


def keep(released: Released, actual: Ledger) -> None:
    """Refuse to go on if a released revision is gone or was edited.

    Raises:
        CommandError: one is, or was.
    """
    kept = {id: actual[id] for id in released.ledger if id in actual}
    if found := ", ".join(changes(released.ledger, kept)):
        why = f"{found}, compared with {released.source}"
        raise CommandError(f"Restore what is released and write a new revision instead: {why}")


def recorded(config: Config) -> Ledger:
    """What the ledger says."""
    return entries(History(config).ledger_text)
