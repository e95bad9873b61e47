"""Keep the owner's edits during `copier update`, where Copier alone loses them.

Copier deletes each file that the new version of the template lacks, together with the owner's
edits, and restores a file that the owner deleted if it has a new name. `copier.yml` runs this file
in the project, before and after each update.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory

import yaml
from copier import run_copy

TEMPLATE = Path(__file__).parent.parent  # Copier's clone, with the new version
OURS, BASE, THEIRS = "before updating", "last update", "after updating"
Version = tuple[str, str]  # a file's mode and blob, as git has them
MISSING: Version = ("", "")
# Files that were renamed and changed so much that git does not recognise them.
RENAMED = {Path("migrations/others.txt"): Path("migrations/ignore.txt")}


def git(*arguments: str | Path, stdin: str | None = None, check: bool = True) -> str:
    """Run git without the project's hooks; return what it prints."""
    command = ("git", "-c", f"core.hooksPath={os.devnull}", *arguments)
    return subprocess.run(
        command, input=stdin, check=check, capture_output=True, encoding="utf-8"
    ).stdout


def paths(*arguments: str | Path) -> set[Path]:
    """Return the paths that git lists."""
    return {Path(name) for name in git(*arguments, "-z").split("\0") if name}


# --- What the template rendered, and renders ----------------------------------------------------


def render(template: Path, answers: str, folder: Path) -> set[Path]:
    """Render a version of the template, with the answers in a text; return the files' names.

    Answers to questions that this version does not ask are left out.
    """
    questions = yaml.safe_load(Path(template, "copier.yml").read_text(encoding="utf-8"))
    given = yaml.safe_load(answers)
    data = {name: given[name] for name in questions if name in given and not name.startswith("_")}
    run_copy(str(template), folder, data, defaults=True, quiet=True, unsafe=True)
    return {path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()}


def render_last(answers_file: str, folder: Path) -> set[Path]:
    """Render the project as it was after the last update, before any edits."""
    command = ("git", "-C", TEMPLATE, "archive", os.environ["VERSION_FROM"])
    archive = subprocess.run(command, check=True, stdout=PIPE).stdout
    with TemporaryDirectory() as template:
        with tarfile.open(fileobj=BytesIO(archive)) as content:
            content.extractall(template, filter="data")
        return render(Path(template), git("show", f"HEAD:./{answers_file}"), folder)


def render_new(answers_file: str, folder: Path) -> set[Path]:
    """Render the project as it would be now without any edits."""
    with TemporaryDirectory() as template:
        shutil.copytree(
            TEMPLATE, template, ignore=shutil.ignore_patterns(".git"), dirs_exist_ok=True
        )
        return render(Path(template), Path(answers_file).read_text(encoding="utf-8"), folder)


# --- Before: what Copier does not see -----------------------------------------------------------


def obstacles(answers_file: str, destination: str) -> Iterable[str]:
    """Yield, each in a sentence, the reasons why an update would lose or mix up something."""
    if ".." in Path(destination).parts:
        yield "Update from the project's folder, or name it without '..'"
    if git("config", "status.showUntrackedFiles", check=False).strip() == "no":
        yield "Unset git's status.showUntrackedFiles, which hides conflicts from Copier"
    if git("config", "--type=bool", "core.sparseCheckout", check=False).strip() == "true":
        yield "Disable git's sparse checkout: what it leaves out would be taken for deleted"
    if not git("ls-tree", "HEAD", "--", answers_file, check=False):
        yield f"Commit {answers_file}, which says what the project was rendered from"
        return
    everything = git("rev-parse", "--show-toplevel").rstrip("\n")
    changed = paths("-C", everything, "diff", "--name-only", "--ignore-submodules", "HEAD")
    changed |= paths("-C", everything, "ls-files", "--others", "*.rej")
    if changed:
        yield f"Commit or stash {listed(changed)}: an update works on the whole repository"
    flags = (line.split(maxsplit=1) for line in git("ls-files", "-v").splitlines())
    if hidden := {name for flag, name in flags if flag == "S" or flag.islower()}:
        yield f"Have git look at {listed(hidden)} again: it was told to overlook changes there"
    with TemporaryDirectory() as folder:
        last = Path(folder)
        rendered = render_last(answers_file, last)
        git("-C", last, "init", "--quiet")
        tracked = paths("-C", last, "ls-files", "--others", "--exclude-per-directory=.gitignore")
    outside = tracked - paths("ls-files")
    if outside := {name for name in outside if os.path.lexists(name) and not name.is_dir()}:
        yield f"Commit {listed(outside)}, or move it away: it would be overwritten"
    if folders := {name for name in rendered if name.is_dir()}:
        yield f"Move {listed(folders)} away: it is a folder here, and a file in the template"


def listed(names: Iterable[str | Path]) -> str:
    """Name the first three of these files."""
    few = sorted(map(str, names))
    return ", ".join(few[:3]) + (", ..." if few[3:] else "")


# --- After: what Copier lost --------------------------------------------------------------------


def committed(name: Path) -> Version:
    """Return the mode and the blob of a file before the update."""
    fields = git("ls-tree", "HEAD", "--", name).split()
    return (fields[0], fields[2]) if fields else MISSING


def stored(path: Path) -> Version:
    """Add a file to git's objects; return its mode and its blob."""
    mode = "100755" if os.access(path, os.X_OK) else "100644"
    return mode, git("hash-object", "-w", "--", path).strip()


def moved(last: Path, dropped: set[Path], new: Path, added: set[Path]) -> dict[Path, Path]:
    """Return the old and new paths of files that the template renamed; git tells by the content."""
    with TemporaryDirectory() as folder:
        for side, root, names in (("old", last, dropped), ("new", new, added)):
            Path(folder, side).mkdir()
            for name in names:
                target = Path(folder, side, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, target)
        # An empty file is like any other.
        found = ("--find-renames", "--no-rename-empty", "-l0", "--diff-filter=R", "--name-status")
        command = ("-C", folder, "diff", "--no-index", *found, "-z", "old", "new")
        fields = git(*command, check=False).split("\0")
    known = {old: new for old, new in RENAMED.items() if old in dropped and new in added}
    return known | {
        Path(old).relative_to("old"): Path(new).relative_to("new")
        for old, new in zip(fields[1::3], fields[2::3], strict=False)
    }


def merge(name: Path, ours: Version, base: Version, theirs: Version) -> bool:
    """Merge three versions of a file, and write the result; return whether they conflict.

    Git's index has the conflict then. What cannot be merged, as it is no text, stays as it was.
    """
    with TemporaryDirectory() as folder:
        sides = {OURS: ours, BASE: base, THEIRS: theirs}
        for side, (_, blob) in sides.items():
            content = subprocess.run(("git", "cat-file", "blob", blob), check=True, stdout=PIPE)
            Path(folder, side).write_bytes(content.stdout)
        labels = [part for side in sides for part in ("-L", side)]
        command = ("git", "-C", folder, "merge-file", "-p", *labels, *sides)
        result = subprocess.run(command, check=False, capture_output=True)
        is_text = result.returncode < 128
        name.write_bytes(result.stdout if is_text else Path(folder, OURS).read_bytes())
    executable = ours[0] if ours[0] != base[0] else theirs[0]
    name.chmod(0o755 if executable == "100755" else 0o644)
    if result.returncode:
        mark_conflict(name, {1: base, 2: ours, 3: theirs})
    return result.returncode != 0


def mark_conflict(name: Path, stages: dict[int, Version]) -> None:
    """Record a conflict in git's index: the base is stage 1, the project 2, the template 3.

    https://git-scm.com/docs/git-update-index#_using_index_info
    """
    path = git("rev-parse", "--show-prefix").rstrip("\n") + name.as_posix()
    lines = [f"0 {'0' * 40}\t{path}"]
    lines += [f"{mode} {blob} {stage}\t{path}" for stage, (mode, blob) in stages.items()]
    git("update-index", "--index-info", stdin="\n".join(lines))


def bring_back(answers_file: str) -> None:
    """Restore the edits in files that Copier removed or overwrote, and report each file."""
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        last, new = Path(one), Path(other)
        before, after = render_last(answers_file, last), render_new(answers_file, new)
        dropped = {name for name in before - after if not os.path.lexists(name)}
        added = {name for name in after - before if name.is_file() and committed(name) == MISSING}
        renames = moved(last, dropped, new, added)
        for name in sorted(dropped):
            ours, base, place = committed(name), stored(last / name), renames.get(name)
            if ours == MISSING and place:
                place.unlink()
                say("left out", place, f"it was {name}, which you had deleted")
            elif ours in (MISSING, base):
                continue
            elif place:
                conflicts = merge(place, ours, base, stored(new / place))
                say("conflict" if conflicts else "merged", place, f"it was {name}")
            else:
                git("checkout", "HEAD", "--", f"./{name.as_posix()}")
                mark_conflict(name, {1: base, 2: ours})
                say("conflict", name, "you had changed it, and the template no longer has it")
            Path(f"{name}.rej").unlink(missing_ok=True)
        # Copier merges no file that some .gitignore matches, though it is tracked.
        ignored = paths("ls-files", "--cached", "--ignored", "--exclude-standard")
        for name in sorted(ignored & before & after):
            ours, base, theirs = committed(name), stored(last / name), stored(new / name)
            if ours not in (MISSING, base):
                conflicts = merge(name, ours, base, theirs)
                say("conflict" if conflicts else "merged", name, "git ignores it, though it has it")


def say(what: str, path: Path, why: str) -> None:
    """Report on a file as Copier does."""
    print(f"{what:>11}  {path}: {why}", file=sys.stderr)


def main(stage: str, answers_file: str, destination: str) -> None:
    """Check the project before an update, or restore edits after it.

    Raises:
        SystemExit: The update would lose something. The message says what to do first.
    """
    if stage == "after":
        bring_back(answers_file)
    elif obstacle := next(iter(obstacles(answers_file, destination)), ""):
        sys.exit(f"{obstacle}. Nothing was changed.")


if __name__ == "__main__":
    main(*sys.argv[1:])
