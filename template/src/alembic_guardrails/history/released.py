"""Git, as far as the history needs it."""

import os
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.history.read import (
    NAME,
    History,
    HistoryError,
    Revision,
    parse_ids,
    read_history,
)
from alembic_guardrails.history.source import find_id, is_same_code

# The main branch, under the first of these names that is there.
MAIN_BRANCHES = (
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
)

# Git tells its hooks where the repository is, relative to its top, which `-C` would change.
TOLD_TO_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def call_git(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    """Return what git prints in a folder.

    Raises:
        OSError: There is no git, or it fails.
    """
    variables = {name: value for name, value in os.environ.items() if name not in TOLD_TO_HOOKS}
    variables["GIT_OPTIONAL_LOCKS"] = "0"  # another command of git may run
    command = ("git", "-C", str(folder), *arguments)
    try:
        result = subprocess.run(  # noqa: S603
            command, env=variables, input=given, capture_output=True
        )
    except FileNotFoundError as error:
        raise OSError("git is not installed") from error
    if result.returncode:
        first = result.stderr.decode("utf-8", "replace").partition("\n")[0]
        first = first.removeprefix("fatal: ")
        raise OSError(f"git {arguments[0]}: {first or 'no commit in common; a shallow clone?'}")
    return result.stdout


def read_lines(folder: Path, *arguments: str) -> list[str]:
    """Return the lines that git prints, or its names, which `-z` divides otherwise."""
    output = call_git(folder, *arguments).decode("utf-8", "surrogateescape")
    return [*filter(None, output.split("\0" if "-z" in arguments else "\n"))]


def find_main_branch(folder: Path) -> tuple[str, str] | None:
    """Return the name of the main branch, upstream's before the local one, and its last commit."""
    lines = read_lines(folder, "for-each-ref", "--format=%(refname) %(objectname)", *MAIN_BRANCHES)
    commits = dict(line.rsplit(" ", 1) for line in lines)
    first = next((name for name in MAIN_BRANCHES if name in commits), None)
    return (first.split("/", 2)[2], commits[first]) if first else None


def find_commit(folder: Path, name: str) -> str:
    """Return the id of the commit that a name stands for."""
    [commit] = read_lines(folder, "rev-parse", "--verify", name + "^{commit}")
    return commit


def find_merge_base(folder: Path, *commits: str) -> str:
    """Return the id of the newest commit that these have in common."""
    return read_lines(folder, "merge-base", *commits)[0]


def list_files(folder: Path, commit: str) -> set[str]:
    """Return the names of a commit's files below the folder, relative to it."""
    return {*read_lines(folder, "ls-tree", "-r", "-z", "--name-only", commit)}


def list_changes(folder: Path, commit: str) -> set[str]:
    """Return the names of files below the folder that are not as in a commit."""
    options = ("-z", "--name-only", "--relative", "--no-renames", "--no-ext-diff")
    return {*read_lines(folder, "diff", *options, commit, "--", ".")}


def read_blobs(folder: Path, names: Collection[tuple[str, str]]) -> Iterator[bytes | None]:
    """Read files, each given as commit and name, with one process; yield None for a missing one."""
    given = "".join(f"{commit}:./{name}\n" for commit, name in names)
    output = call_git(folder, "cat-file", "--batch", given=given.encode("utf-8", "surrogateescape"))
    answers = BytesIO(output)
    for _ in names:
        header = answers.readline()
        if header.endswith(b" missing\n"):
            yield None
        else:
            yield answers.read(int(header.rpartition(b" ")[2]))
            answers.readline()


@dataclass(frozen=True)
class Snapshot:
    """The revisions of a commit.

    `sources` has the file of each, or None where the file in the working tree is the same;
    `recorded` are the ids in the history file.
    """

    commit: str = ""
    sources: Mapping[str, bytes | None] = field(default_factory=dict)
    recorded: tuple[str, ...] = ()

    def has(self, script: Revision) -> bool:
        """Whether the commit has a revision that does what the one in the working tree does."""
        if script.revision not in self.sources:
            return False
        source = self.sources[script.revision]
        return source is None or is_same_code(source, script.path.read_bytes())


@dataclass(frozen=True)
class Released:
    """The ids of what is released in upgrade order, and whence this is known.

    `base` is the newest commit that this branch and upstream have in common, `tip` is upstream's
    last one, and `committed` are the ids in the history file of this branch's last one.
    """

    ids: tuple[str, ...]
    source: str
    committed: tuple[str, ...] = ()
    base: Snapshot = Snapshot()
    tip: Snapshot = Snapshot()


def read_released(history: History) -> Released:
    """Ask git which of the revisions are released.

    Raises:
        OSError: There is no git, or it does not say.
    """
    folder = history.folder
    upstream, last = find_upstream(folder)
    commits = find_merge_base(folder, "HEAD", last), last
    (base, tip), committed = read_snapshots(history, commits)
    source = upstream if upstream != "HEAD" else "HEAD, as no main branch is here"
    ids = (*find_released(history, base, tip),)
    return Released(ids, source, committed, base, tip)


def find_upstream(folder: Path) -> tuple[str, str]:
    """Return what is compared with, by its name and its last commit.

    Raises:
        OSError: There is no git, no such branch, or no commit.
    """
    given = os.environ.get("MIGRATION_BASE")
    branch = None if given else find_main_branch(folder)
    return branch or (given or "HEAD", find_commit(folder, given or "HEAD"))


def assume_released(history: History) -> Released:
    """Return what is taken for released where git does not say: all that the history file had."""
    ids = (each for each in history.recorded.ids[:-1] if each not in history.superseded)
    return Released((*ids,), f"{NAME}, above its last line", history.recorded.ids)


def read_snapshots(
    history: History, commits: Sequence[str]
) -> tuple[list[Snapshot], tuple[str, ...]]:
    """Read the revisions of commits; of git only the files that are not the same here.

    The ids in the history file of this branch's last commit come second.
    """
    folder = history.folder
    here = {
        Path(os.path.relpath(script.path, folder)).as_posix(): revision
        for revision, script in history.revisions.items()
    }
    folders = {PurePosixPath(name).parent for name in (NAME, *here)}
    names = {
        commit: [
            name
            for name in sorted(list_files(folder, commit))
            if name.endswith(".py") and PurePosixPath(name).parent in folders
        ]
        for commit in {*commits}
    }
    changed = {commit: list_changes(folder, commit) for commit in names}
    wanted = [(commit, NAME) for commit in ("HEAD", *names)]
    for commit, listed in names.items():
        wanted += [(commit, name) for name in listed if name in changed[commit]]
    blobs = dict(zip(wanted, read_blobs(folder, wanted), strict=True))

    def read(commit: str) -> Snapshot:
        sources = {}
        for name in names[commit]:
            source = blobs.get((commit, name))
            revision = (source and find_id(source)) or here.get(name)
            if revision:
                sources[revision] = source
        return Snapshot(commit, sources, parse_blob(blobs[commit, NAME]))

    return [read(commit) for commit in commits], parse_blob(blobs["HEAD", NAME])


def parse_blob(source: bytes | None) -> tuple[str, ...]:
    """Return the ids in a history file, none if it is missing."""
    return parse_ids((source or b"").decode("utf-8", "replace")).ids


def find_released(history: History, base: Snapshot, tip: Snapshot) -> Iterator[str]:
    """Find the ids of what is released: what the base has, and what else is here from the tip.

    What `squash` has replaced, or upstream has removed, does not count.
    """
    at_base = dict.fromkeys(each for each in base.recorded if each in base.sources)
    at_base |= dict.fromkeys(each for each in history.revisions if each in base.sources)
    for revision in at_base | dict.fromkeys(base.sources):
        is_kept = revision in history.revisions or revision in tip.sources
        if is_kept and revision not in history.superseded:
            yield revision
    for revision in dict.fromkeys((*tip.recorded, *tip.sources)):
        is_here = revision in tip.sources and revision in history.revisions
        if is_here and revision not in base.sources:
            yield revision


def find_changes(history: History, released: Released) -> Iterator[tuple[str, str]]:
    """Yield the released revisions that are not as they were, and what became of each, in words.

    The file that `squash` writes may differ as long as upstream has what that replaces.
    """
    is_squash_new = history.superseded.keys() & released.tip.sources.keys()
    squashes = {*history.superseded.values()} if is_squash_new else set()
    for revision in released.ids:
        script = history.revisions.get(revision)
        commits = [each for each in (released.base, released.tip) if revision in each.sources]
        if not script:
            yield revision, f"{revision} is gone"
        elif commits and revision not in squashes and not any(each.has(script) for each in commits):
            yield revision, f"{revision} was edited"


def check_released(history: History, released: Released) -> None:
    """Refuse to go on if a released revision is gone or was edited.

    Raises:
        HistoryError: A released revision is gone or was edited.
    """
    found = dict(find_changes(history, released))
    if found:
        why = f"{', '.join(found.values())}, compared with {released.source}"
        message = f"Restore what is released and write a new revision instead: {why}"
        edited = [history.revisions[each].path for each in found if each in history.revisions]
        raise HistoryError(message, "released-changed", next(iter(edited), history.folder / NAME))


def choose_revisions(
    config: Config, script: ScriptDirectory, rev_range: str | None
) -> tuple[list[Script], Collection[str]]:
    """Return the revisions of a range, or those that are not released; and the released ones.

    Raises:
        CommandError: The range is not START:END.
    """
    start, separator, end = (rev_range or ":").partition(":")
    if not separator:
        raise CommandError("Write the range as START:END; either may be left out")
    released = () if rev_range else released_revisions(config)
    ordered = reversed([*script.walk_revisions(start or "base", end or "heads")])
    return [revision for revision in ordered if revision.revision not in released], released


def released_revisions(config: Config) -> Collection[str]:
    """Return the ids of what is released, none if git cannot tell."""
    try:
        return frozenset(read_released(read_history(config)).ids)
    except OSError:
        return frozenset()
