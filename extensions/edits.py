"""After `copier update`: what a project's owner wrote stays where the template moved or dropped it.

Copier deletes each file that the template's new version lacks, with whatever was changed in it, and
brings a file that was deleted back under its new name. `copier.yml` runs this in the project.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory

import yaml
from copier import run_copy

OURS, BASE, THEIRS = "before updating", "last update", "after updating"


def git(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """Run git without the project's hooks; return what it prints."""
    command = ("git", "-c", f"core.hooksPath={os.devnull}", *arguments)
    return subprocess.run(
        command, input=stdin, check=check, capture_output=True, encoding="utf-8"
    ).stdout


def paths(*arguments: str) -> set[Path]:
    """Paths that git lists, relative to the project."""
    return {Path(name) for name in git(*arguments, "-z").split("\0") if name}


def render_last_version(answers_file: str, folder: Path) -> None:
    """Render what the project was before the update, had nobody changed it."""
    answers = yaml.safe_load(git("show", f"HEAD:./{answers_file}"))
    source, commit = answers["_src_path"], answers["_commit"]
    data = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    run_copy(source, folder, data, vcs_ref=commit, defaults=True, quiet=True, unsafe=True)


def moved(last: Path, lost: set[Path], added: set[Path]) -> dict[Path, Path]:
    """What the template has renamed: where it was, and where it is; git tells by the content."""
    with TemporaryDirectory() as folder:
        for side, root, names in (("old", last, lost), ("new", Path(), added)):
            Path(folder, side).mkdir()
            for name in names:
                target = Path(folder, side, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, target)
        options = ("--no-index", "--find-renames", "--diff-filter=R", "--name-status", "-z")
        fields = git("-C", folder, "diff", *options, "old", "new", check=False).split("\0")
    return {
        Path(old).relative_to("old"): Path(new).relative_to("new")
        for old, new in zip(fields[1::3], fields[2::3], strict=False)
    }


def merged(name: Path, ours: str, base: str, theirs: str) -> bytes:
    """Merge three versions of a file, each a blob; where they conflict, git's index says so too."""
    with TemporaryDirectory() as folder:
        sides = {OURS: ours, BASE: base, THEIRS: theirs}
        for side, blob in sides.items():
            content = subprocess.run(("git", "cat-file", "blob", blob), check=True, stdout=PIPE)
            Path(folder, side).write_bytes(content.stdout)
        labels = [part for side in sides for part in ("-L", side)]
        command = ("git", "-C", folder, "merge-file", "-p", *labels, *sides)
        result = subprocess.run(command, check=False, stdout=PIPE)
    if result.returncode:
        mark_conflict(name, {1: base, 2: ours, 3: theirs})
    return result.stdout


def mark_conflict(name: Path, stages: dict[int, str]) -> None:
    """Tell git's index of a conflict: the base is stage 1, the project 2, the template 3.

    https://git-scm.com/docs/git-update-index#_using_index_info
    """
    path = git("rev-parse", "--show-prefix").rstrip("\n") + name.as_posix()
    lines = [f"0 {'0' * 40}\t{path}"]
    lines += [f"100644 {blob} {stage}\t{path}" for stage, blob in stages.items()]
    git("update-index", "--index-info", stdin="\n".join(lines))


def blob_of(path: Path) -> str:
    """Store a file in git's objects; return its name there."""
    return git("hash-object", "-w", str(path)).strip()


def main(answers_file: str) -> None:
    """Bring back what Copier removed although it was changed; say what it was."""
    lost = paths("diff", "--name-only", "--diff-filter=D", "--relative", "HEAD")
    added = paths("ls-files", "--others", "--exclude-standard")
    if not lost and not added:
        return
    with TemporaryDirectory() as folder:
        last = Path(folder)
        render_last_version(answers_file, last)
        rendered = {path.relative_to(last) for path in last.rglob("*") if path.is_file()}
        gone = {name for name in rendered if not name.exists()}
        renames = moved(last, gone, added)
        for name in sorted(gone):
            new = renames.get(name)
            ours = git("rev-parse", f"HEAD:./{name.as_posix()}").strip() if name in lost else ""
            base = blob_of(last / name)
            if not ours and new:
                new.unlink()
                say("left out", new, f"it was {name}, which you had deleted")
            elif ours in ("", base):
                continue
            elif new:
                new.write_bytes(merged(new, ours, base, blob_of(new)))
                say("merged", new, f"it was {name}, which you had changed")
            else:
                git("checkout", "HEAD", "--", f"./{name.as_posix()}")
                mark_conflict(name, {1: base, 2: ours})
                say("conflict", name, "you had changed it, and the template no longer has it")


def say(what: str, path: Path, why: str) -> None:
    """Report on a file in the manner of Copier."""
    print(f"{what:>11}  {path}: {why}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
