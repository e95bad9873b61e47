"""Git, as far as the history needs it."""

import os
import subprocess
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path

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
