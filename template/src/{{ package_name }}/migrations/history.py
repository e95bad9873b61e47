"""The ledger of revisions, `migrations/versions/history.txt`: no branch forks the history unseen.

One line for each revision, in upgrade order: its id and the SHA-256 of its file. Branches that both
add a revision both add a last line, so git has a conflict where Alembic would get two heads. What
upstream's ledger names is released, and stays as it is, until `squash` replaces it.
"""

import os
import re
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple

Ledger = dict[str, str]

MEND = f"python -m {__package__} mend"
HEADER = f"# The revisions in upgrade order. After a conflict: {MEND}"
MOVED = """%s follows %s now, no longer %s. A database that has run it already needs:
  alembic downgrade %s && alembic stamp %s && alembic upgrade head"""
LINE = re.compile(r"^(\S+) ([0-9a-f]{64})$", re.MULTILINE)
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


def git(folder: Path, *arguments: str) -> str:
    """What git prints in a folder.

    Raises:
        OSError: there is no git, or it fails.
    """
    # Git's hooks are told where the repository is, which would make this folder its top.
    told = ("GIT_DIR", "GIT_WORK_TREE")
    variables = {name: value for name, value in os.environ.items() if name not in told}
    command = ("git", "-C", str(folder), *arguments)
    result = subprocess.run(  # noqa: S603
        command, env=variables, capture_output=True, encoding="utf-8"
    )
    if result.returncode:
        reason = result.stderr.partition("\n")[0] or "no commit in common; a shallow clone?"
        raise OSError(f"git {arguments[0]}: {reason}")
    return result.stdout


def orphaned(directory: ScriptDirectory, error: str) -> str | None:
    """Say what to do with a revision after one that a squash has replaced, if that is the error."""
    if not (missing := MISSING.search(error)):
        return None
    parent, child = missing.groups()
    squashes = [it for it in directory._load_revisions() if parent in replaces(it)]
    if not squashes:
        return None
    squash = squashes[0]
    if child in replaces(squash):
        return f"{child} is gone, as {squash.revision} replaces it: delete its file"
    return (
        f"{child} follows {parent}, which {squash.revision} replaces: set down_revision in its file"
        f" to the newest revision, then run `{MEND}`; a database that has run it already first goes"
        f" back to {parent} with the code of before"
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


def entries(text: str) -> Ledger:
    """The lines of a ledger that are a revision's."""
    return dict(LINE.findall(text))


def digests(texts: Mapping[str, str]) -> Ledger:
    """What the ledger says of revisions with these texts."""
    return {id: sha256(text.encode()).hexdigest() for id, text in texts.items()}


def write(history: History, ledger: Ledger) -> None:
    """Write the ledger."""
    write_ledger(history.ledger, ledger)


def write_ledger(file: Path, ledger: Ledger) -> None:
    """Write a ledger to a file."""
    lines = (HEADER, *(f"{id} {digest}" for id, digest in ledger.items()), "")
    file.write_text("\n".join(lines), "utf-8")


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


def record(config: Config, path: str) -> None:
    """Add a new revision to the ledger; Alembic calls this for each that it writes."""
    history = History(config)
    file = Path(path).resolve()  # as Alembic has those that it reads
    new = {id: text for id, text in history.texts.items() if history.paths[id] == file}
    write(history, entries(history.ledger_text) | digests(new))


def verify(config: Config) -> None:
    """Check the history without a database: one head, files as recorded, what is released kept.

    Raises:
        CommandError: it is not so; the message says what to do.
    """
    history = History(config)
    if len(history.lineages) > 1:
        heads = " and ".join(sorted(history.lineages))
        raise CommandError(f"Run `{MEND}` to put one of the heads {heads} after the other")
    ledger, actual = entries(history.ledger_text), digests(history.texts)
    try:
        released = history.released()
        keep(released, actual)
        compared = f"{len(released.ledger)} released ({released.source})"
    except OSError as reason:
        released = Released({}, "", {})
        compared = f"not compared with what is released ({reason})"

    lines = [line for line in history.ledger_text.splitlines() if not line.startswith("#")]
    places = {id: place for place, id in enumerate(ledger)}
    if len(lines) != len(ledger):
        wrong = "not one line for each revision, a conflict's marks perhaps"
    elif not (wrong := ", ".join(changes(ledger, actual))) and (
        any(places[id] < places[parent] for id in ledger for parent in history.parents[id])
        or [*ledger][: len(released.ledger)] != [*released.ledger]
    ):
        wrong = "not in the order of upgrades"
    if wrong:
        raise CommandError(f"Run `{MEND}`, as {history.ledger.name} is wrong: {wrong}")
    config.print_stdout("%s revisions, head %s, %s", len(ledger), ["none", *ledger][-1], compared)


def mend(config: Config) -> None:
    """Bring the ledger in line with the files; where there are two heads, put one after the other.

    What is released stays; else what is committed, else what is older. It changes all or nothing.

    Raises:
        CommandError: a released revision was changed, or two heads need a person.
    """
    history = History(config)
    ledger = entries(history.ledger_text)
    try:
        released = history.released()
    except OSError:
        known = history.squashed(dict([*ledger.items()][:-1]), ledger)
        released = Released(known, "the ledger, above its last line", ledger)
    keep(released, digests(history.texts))

    def precedence(head: str) -> tuple[int, int, str]:
        lineage, ledgers = history.lineages[head], (released.ledger, released.committed)
        upstream, here = (len(lineage & ledger.keys()) for ledger in ledgers)
        return -upstream, -here, history.paths[head].name

    order: list[str] = []
    moved: dict[str, tuple[str, str]] = {}
    for head in sorted(history.lineages, key=precedence):
        branch = [id for id in history.texts if id in history.lineages[head] - set(order)]
        if order:
            moved[branch[0]] = order[-1], history.moved(branch, order[-1], released)
        order += branch
    texts = history.texts | {id: text for id, (_, text) in moved.items()}
    mended = digests({id: texts[id] for id in dict.fromkeys((*released.ledger, *order))})

    for id, (parent, text) in moved.items():
        history.paths[id].write_text(text, "utf-8")
        # Python would take bytecode of the same second for current: the size has not changed.
        Path(cache_from_source(str(history.paths[id]))).unlink(missing_ok=True)
        before = "".join(history.parents[id]) or "base"
        config.print_stdout(MOVED, id, parent, before, parent, before)
    write(history, mended)
    for change in changes(ledger, mended):
        config.print_stdout("%s", change)
    config.print_stdout("%s revisions, head %s", len(mended), ["none", *mended][-1])
