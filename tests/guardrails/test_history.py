"""The history: what verify finds and repair does, with git, against an oracle of the test's own."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic.command import merge
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.commands.plan import plan
from alembic_guardrails.commands.record import record
from alembic_guardrails.commands.repair import repair
from alembic_guardrails.commands.squash import squash
from alembic_guardrails.commands.verify import verify
from alembic_guardrails.history.read import (
    find_folder,
    parse_ids,
    read_history,
    read_ids,
    write_ids,
)
from alembic_guardrails.history.released import choose_revisions, read_blobs, read_released
from alembic_guardrails.history.repair import find_mentions
from alembic_guardrails.history.source import assign, find_id, is_same_code
from alembic_guardrails.history.squash import choose
from alembic_guardrails.output import count
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import REVISION, Project

FEW = settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody; return what it prints."""
    somebody = ("-c", "user.name=A", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
    command = ("git", "-C", str(folder), *somebody, *arguments)
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def commit(folder: Path) -> None:
    """Commit everything."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Commit")


@dataclass
class Service:
    """Revisions in a repository: their parents, and how often the code of each was edited."""

    path: Path
    parents: dict[str, str | None] = field(default_factory=dict)
    edits: dict[str, int] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    count: int = 0

    @property
    def versions(self) -> Path:
        return self.path / "migrations" / "versions"

    def config(self) -> Config:
        return Config(str(self.path / "alembic.ini"), stdout=StringIO())

    def write(self, name: str) -> None:
        """Write the file of a revision."""
        text = REVISION.format(
            revision=name,
            down=repr(self.parents[name]),
            upgrade=f"    edited = {self.edits.get(name, 0)}",
            downgrade="    pass",
        )
        look = self.looks.get(name, 0)
        text = text.replace("Revision ", f"{'#' * look} Revision ", 1) + f"# {look}\n" * look
        self.file(name).write_text(text.replace("edited = ", f"edited = {' ' * look}"), "utf-8")

    def file(self, name: str) -> Path:
        return self.versions / f"{name}.py"

    def add(self, name: str, parent: str | None, *, is_recorded: bool = True) -> None:
        """Add a revision, and its line in the history file."""
        self.parents[name] = parent
        self.write(name)
        if is_recorded:
            write_ids(self.versions, [*read_ids(self.versions).ids, name])

    def bytes(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.versions.glob("*.*")}

    def say(self, command: Callable[[Config], object]) -> str:
        """Run a command; return what it says."""
        config = self.config()
        try:
            command(config)
        except CommandError as error:
            return f"refused: {error}"
        said = config.stdout.getvalue()  # type: ignore[attr-defined]
        assert isinstance(said, str)
        return re.sub(r"^error\[[a-z-]+\]: ", "refused: ", said)


@contextmanager
def serving(released: int = 2) -> Iterator[Service]:
    """Make a repository with that many released revisions, on a branch of its own."""
    with TemporaryDirectory() as folder:
        service = Service(Path(folder).resolve())
        service.versions.mkdir(parents=True)
        ini = "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"
        (service.path / "alembic.ini").write_text(ini, encoding="utf-8")
        for number in range(released):
            service.add(f"r{number}", f"r{number - 1}" if number else None)
        git(service.path, "init", "--quiet", "--initial-branch=main")
        commit(service.path)
        git(service.path, "switch", "--quiet", "--create", "feature")
        yield service


@pytest.fixture(autouse=True)
def _no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIGRATION_BASE", raising=False)


ACTIONS = st.sampled_from(
    ["add", "add", "fork", "unrecorded", "edit", "reformat", "delete", "commit", "shuffle"]
)


def act(service: Service, action: str, number: int) -> None:
    """Change the working tree as a developer does."""
    names = sorted(service.parents)
    name = names[number % len(names)]
    service.count += 1
    new = f"n{service.count}"
    match action:
        case "add" | "fork" | "unrecorded":
            parent = name if action == "fork" else heads(service)[-1]
            service.add(new, parent, is_recorded=action != "unrecorded")
        case "edit":
            service.edits[name] = service.edits.get(name, 0) + 1
            service.write(name)
        case "reformat":
            service.looks[name] = service.looks.get(name, 0) + 1
            service.write(name)
        case "delete" if len(names) > 1:
            service.file(name).unlink()
            del service.parents[name]
        case "shuffle":
            ids = read_ids(service.versions).ids
            write_ids(service.versions, ids[::-1])
        case "commit":
            commit(service.path)


def heads(service: Service) -> list[str]:
    """The revisions that no other follows, by the oracle."""
    followed = {*service.parents.values()}
    return [name for name in service.parents if name not in followed] or [*service.parents]


def expect(service: Service, released: int) -> str:
    """What verify has to say, by the oracle."""
    if any(parent and parent not in service.parents for parent in service.parents.values()):
        return "refused: Restore or repair"
    if len(heads(service)) > 1:
        return "refused: Run `migrations repair` to put one of the heads"
    names = [f"r{number}" for number in range(released)]
    changed = [name for name in names if name not in service.parents or service.edits.get(name)]
    if changed:
        return "refused: Restore what is released"
    ids = read_ids(service.versions).ids
    chain = [heads(service)[0]]
    while parent := service.parents[chain[-1]]:
        chain.append(parent)
    if [*ids] != chain[::-1]:
        return "refused: Run `migrations repair`, because history.txt is wrong"
    return f"{count(len(ids), 'revision')}, head {chain[0]}, {released} released (main)"


@FEW
@given(actions=st.lists(st.tuples(ACTIONS, st.integers(0, 9)), max_size=7))
def test_verify_says_what_the_oracle_says(actions: list[tuple[str, int]]) -> None:
    with serving() as service:
        for action, number in actions:
            act(service, action, number)
        before = service.bytes()

        assert service.say(verify).startswith(expect(service, 2)), actions
        assert service.bytes() == before


@pytest.mark.slow
@FEW
@given(actions=st.lists(st.tuples(ACTIONS, st.integers(0, 9)), max_size=7))
def test_repair_changes_all_or_nothing_and_once(actions: list[tuple[str, int]]) -> None:
    with serving() as service:
        for action, number in actions:
            act(service, action, number)
        before = service.bytes()

        said = service.say(repair)

        after = service.bytes()
        if said.startswith("refused"):
            assert after == before, said
            return
        assert service.say(verify).startswith(
            f"{count(len(service.parents), 'revision')}, head "
        ), said
        assert all(after[f"r{number}.py"] == before[f"r{number}.py"] for number in range(2))
        assert not [name for name in after if name.endswith(".part")]
        again = service.say(repair)
        assert service.bytes() == after
        assert again.startswith(f"{count(len(service.parents), 'revision')}, head ")


def test_upstream_goes_on_and_is_merged_or_rebased() -> None:
    """What upstream has since is released as soon as it is here, also before the commit."""
    with serving() as service:
        git(service.path, "switch", "--quiet", "main")
        service.add("theirs", "r1")
        commit(service.path)
        git(service.path, "switch", "--quiet", "feature")
        del service.parents["theirs"]
        service.add("ours", "r1")
        commit(service.path)
        assert service.say(verify) == "3 revisions, head ours, 2 released (main)\n"

        with pytest.raises(subprocess.CalledProcessError):
            git(service.path, "merge", "main")
        assert "heads ours and theirs" in service.say(verify)
        service.parents["theirs"] = "r1"
        theirs = service.file("theirs").read_bytes()
        assert "ours follows theirs now, no longer r1" in service.say(repair)
        assert service.file("theirs").read_bytes() == theirs
        assert ", 3 released (main)" in service.say(verify)
        service.edits["theirs"] = 1
        service.write("theirs")
        assert "theirs was edited, compared with main" in service.say(verify)


def test_what_upstream_corrected_or_removed_may_be_so_here() -> None:
    with serving(3) as service:
        git(service.path, "switch", "--quiet", "main")
        service.edits["r1"] = 1
        service.write("r1")
        service.file("r2").unlink()
        del service.parents["r2"]
        write_ids(service.versions, ["r0", "r1"])
        commit(service.path)
        git(service.path, "switch", "--quiet", "feature")
        assert service.say(verify) == "3 revisions, head r2, 3 released (main)\n"

        git(service.path, "checkout", "main", "--", ".")
        git(service.path, "rm", "--quiet", "migrations/versions/r2.py")
        assert service.say(verify) == "2 revisions, head r1, 2 released (main)\n"


def test_the_names_of_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as service:
        service.add("new", "r1")
        commit(service.path)
        git(service.path, "branch", "other")
        assert service.say(verify).endswith("2 released (main)\n")
        monkeypatch.setenv("MIGRATION_BASE", "other")
        assert service.say(verify).endswith("3 released (other)\n")
        monkeypatch.delenv("MIGRATION_BASE")
        git(service.path, "branch", "--delete", "--force", "main")
        assert service.say(verify).endswith("3 released (HEAD, as no main branch is here)\n")


def test_git_starts_few_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And reads no file that is the same here."""
    calls: list[tuple[str, ...]] = []
    run = subprocess.run

    def counted(command: tuple[str, ...], **options: object) -> object:
        calls.append(command[3:])
        return run(command, **options)  # type: ignore[call-overload]

    with serving(30) as service:
        monkeypatch.setattr(subprocess, "run", counted)
        released = read_released(read_history(service.config()))

    assert len(released.ids) == 30
    assert len(calls) <= 8
    assert not any(released.base.sources.values())


def test_a_folder_with_other_files_and_odd_names() -> None:
    with serving() as service:
        other = service.versions / "é \n helper.txt"
        other.write_text("no revision", encoding="utf-8")
        old = service.versions / "old"
        old.mkdir()
        (old / "r0.py").write_text('revision = "gone"\n', encoding="utf-8")
        commit(service.path)
        git(service.path, "branch", "--force", "main")
        other.unlink()
        (old / "r0.py").unlink()

        assert service.say(verify) == "2 revisions, head r1, 2 released (main)\n"
        assert list(read_blobs(service.versions, [("HEAD", "r9.py")])) == [None]


def test_an_id_that_takes_running_to_know() -> None:
    with serving() as service:
        file = service.file("r1")
        odd = file.read_text("utf-8").replace('revision = "r1"', 'revision = "r" + str(1)')
        file.write_text(odd, encoding="utf-8")
        commit(service.path)
        git(service.path, "branch", "--force", "main")
        assert service.say(verify) == "2 revisions, head r1, 2 released (main)\n"
        file.write_text(f"{odd}\nedited = 1\n", encoding="utf-8")

        assert "r1 was edited" in service.say(verify)


def test_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the history file had above its last line is taken for released."""
    with serving() as service:
        service.add("new", "r1")
        monkeypatch.setenv("PATH", "")
        assert "not compared with what is released" in service.say(verify)
        service.file("new").unlink()
        assert service.say(repair) == "new is gone\n2 revisions, head r1\n"
        service.file("r1").unlink()
        service.file("r0").unlink()
        assert "r0 is gone, compared with history.txt, above" in service.say(repair)


def test_revisions_in_a_circle() -> None:
    with serving() as service:
        service.parents |= {"one": "other", "other": "one"}
        for name in ("one", "other"):
            service.write(name)

        assert "follow each other" in service.say(verify)


def label(project: Project, name: str, down: str | None, **values: str) -> None:
    """Write a revision with a label of a branch, or one that depends on another."""
    path = project.revision(name, "pass", down=down)
    text = path.read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"{key} = None", f"{key} = {value!r}")
    path.write_text(text, "utf-8")


def test_a_label_of_two_revisions(project: Project) -> None:
    """Alembic cannot read such a history."""
    label(project, "a", None, branch_labels="billing")
    label(project, "b", "a", branch_labels="billing")

    for command in (read_history, repair):
        with pytest.raises(CommandError, match="a and b have the same branch label, billing"):
            command(project.config())


def test_a_revision_that_depends_on_nothing_known(project: Project) -> None:
    label(project, "a", None, branch_labels="billing")
    label(project, "b", "a", depends_on="biling")

    for command in (read_history, repair):
        with pytest.raises(CommandError, match="Revision biling, which b follows, is not present"):
            command(project.config())
    with pytest.raises(CommandError, match="'biling' does not exist, but another one follows it"):
        plan(project.config())
    with pytest.raises(CommandError, match="'biling' does not exist, but another one follows it"):
        squash(project.config(), "b")


def test_a_revision_that_depends_on_one_that_was_moved(project: Project) -> None:
    label(project, "a", None)
    label(project, "b", "a")
    path = project.revision("c", "pass", down="b")
    path.write_text(path.read_text("utf-8") + 'moved_from = {"old": "a"}\n', "utf-8")
    label(project, "d", "c", depends_on="old")

    repair(project.config())

    *_, script = read_history(project.config()).revisions.values()
    assert script.dependencies == ("c",)
    repair(config := project.config())
    assert config.stdout.getvalue() == f"4 revisions, head {script.revision}\n"  # type: ignore[attr-defined]


def test_a_branch_that_depends_on_a_part_of_another(project: Project) -> None:
    """Both stay as they are: a merge joins them."""
    label(project, "a", None)
    label(project, "b", "a", depends_on="c")
    label(project, "c", "a")
    label(project, "d", "c")
    before = sorted(path.read_text("utf-8") for path in project.versions.glob("*.py"))

    with pytest.raises(CommandError, match="Join the heads with `alembic merge b d`"):
        repair(project.config())

    assert sorted(path.read_text("utf-8") for path in project.versions.glob("*.py")) == before


def test_a_head_that_another_depends_on(project: Project) -> None:
    label(project, "a", None)
    label(project, "b", "a", depends_on="c")
    label(project, "c", "a")

    with pytest.raises(CommandError, match="Join the heads with `alembic merge c b`"):
        repair(project.config())


def test_a_history_that_has_moved_in_and_needs_a_merge(project: Project) -> None:
    """The history file lists the revision that it takes the place of, and no other."""
    write_ids(project.versions, ["0001"])
    label(project, "a", None)
    label(project, "b", "a", depends_on="c")
    label(project, "c", "a")
    with pytest.raises(CommandError, match="Join the heads with `alembic merge c b`"):
        repair(project.config())

    path = project.revision("d", "pass", down="c")
    path.write_text(path.read_text("utf-8").replace("'c'", "('c', 'b')"), "utf-8")
    record(project.config(), str(path))
    repair(project.config())

    assert read_ids(project.versions).ids == ("a", "c", "b", "d")


def test_a_merge_of_a_head_on_which_another_depends(project: Project) -> None:
    """`alembic merge heads` would leave out c; the command that is named joins both."""
    template = "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n"
    (project.path / "migrations" / "script.py.mako").write_text(template, "utf-8")
    label(project, "a", None)
    label(project, "b", "a", depends_on="c")
    label(project, "c", "a")
    label(project, "d", "a")
    merge(project.config(), ["b", "d"], rev_id="m")

    with pytest.raises(CommandError) as refused:
        repair(project.config())
    [heads] = re.findall("`alembic merge (.*)`", str(refused.value))
    merge(project.config(), heads.split(), rev_id="n")

    assert read_history(project.config()).heads == ["n"]


def test_what_squash_takes_with_labels(project: Project) -> None:
    """A label goes to the revision that stays, so that others find it there."""
    label(project, "a", None, branch_labels="billing")
    label(project, "b", "a", depends_on="billing")
    label(project, "c", "b", depends_on="billing")
    directory = ScriptDirectory.from_config(project.config())

    for revision in ("b", "c"):
        assert choose(directory, revision).target.revision == revision


def test_the_range_of_lint_and_sql() -> None:
    with serving() as service:
        service.add("new", "r1")
        config = service.config()
        directory = ScriptDirectory.from_config(config)

        def choose(rev_range: str | None) -> list[str]:
            return [each.revision for each in choose_revisions(config, directory, rev_range)[0]]

        assert choose(None) == ["new"]
        assert choose(":") == ["r0", "r1", "new"]
        assert choose("r1:r1") == ["r1"]
        with pytest.raises(CommandError, match="START:END"):
            choose("r1")
        (service.path / ".git").rename(service.path / "git")
        assert choose(None) == ["r0", "r1", "new"]


TEXT = '''"""A docstring."""

revision = "a"
down_revision: str | None = None


def upgrade():
    """Another."""
    run("it's", u"new", x=1)
    if True:
        pass
'''


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ('"""A docstring."""', "# A comment.", True),
        ('    """Another."""\n', "", True),
        ('"it\'s", u"new"', "'it\\'s', ('ne' 'w')", True),
        ("x=1)", "x=1,)  # why", True),
        ("\n", "\r\n", True),
        ("        pass\n", "        pass\n        pass\n", True),
        ('"new"', '"other"', False),
        ('"a"', '"b"', False),
        ("x=1", "x=True", False),
        ("x=1", "x=1.0", False),
        ("if True", "while True", False),
        ("run(", "run(*", False),
        ("def", "d ef", False),
    ],
)
def test_what_is_an_edit(before: str, after: str, is_same: bool) -> None:
    assert before in TEXT
    assert is_same_code(TEXT.encode(), TEXT.replace(before, after).encode()) == is_same


def test_what_cannot_be_read_is_compared_to_the_letter() -> None:
    assert is_same_code(b"<<<<", b"<<<<")
    assert not is_same_code(b"<<<<", b"<<<< ")
    assert not is_same_code(b"x = 1", b"x = 1\0")
    assert find_id(b"<<<<") is None
    assert find_id(b"other = 1") is None


LITERALS = st.one_of(
    st.none(), st.text(), st.integers(), st.lists(st.text(), max_size=3).map(tuple)
)


@settings(max_examples=30, deadline=None)
@given(old=LITERALS, new=LITERALS, ends=st.sampled_from(["\n", "\r\n"]), note=st.text())
def test_a_value_is_exchanged_and_nothing_else(
    old: object, new: object, ends: str, note: str
) -> None:
    comment = "".join(note.splitlines()).replace("\0", "").replace("\f", "")
    before, after = (
        f"# {comment}{ends}# é{ends}é = 1; revision: str = ",
        f"  # {comment}{ends}x = 2",
    )
    source = f"{before}{old!r}{after}".encode("utf-8", "replace")

    changed = assign(source, {"revision": new})

    assert changed.startswith(before.encode("utf-8", "replace"))
    assert changed.endswith(after.encode("utf-8", "replace"))
    found: dict[str, object] = {}
    exec(changed, found)
    assert found["revision"] == new


@pytest.mark.parametrize("source", ["revision = f()", "x = 1", 'revision = "a"\nrevision = "b"'])
def test_a_value_that_is_not_plain_is_left_to_a_person(source: str) -> None:
    with pytest.raises(ValueError, match="revision"):
        assign(source.encode(), {"revision": "c"})


@given(ids=st.lists(st.from_regex(r"[A-Za-z0-9_.]{1,12}", fullmatch=True), unique=True))
def test_the_history_file_is_read_as_written(ids: list[str]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_ids(folder, ids)

        assert read_ids(folder)[:2] == ((*ids,), True)
        lines = "\r\n".join(f"{each} {'0f' * 32}" for each in ids)
        assert parse_ids(lines)[:2] == ((*ids,), True)
        assert parse_ids(f"<<<<<<< HEAD\n{lines}\n=======\n>>>>>>> x\n")[:2] == ((*ids,), False)


def test_tests_that_name_a_revision(project: Project) -> None:
    folder = project.path / "tests"
    folder.mkdir()
    (folder / "test_it.py").write_text('upgrade("abc")\n', encoding="utf-8")
    (folder / "test_other.py").write_text('"""Not abc."""\n', encoding="utf-8")

    assert find_mentions({"abc", "abd"}) == ["tests/test_it.py"]


def test_the_history_file_is_found_beside_other_folders(tmp_path: Path) -> None:
    """As in a test of a revision that is in no release."""
    folders = [tmp_path / name for name in ("examples", "versions")]
    for folder in folders:
        folder.mkdir()
    (folders[1] / "history.txt").touch()
    directory = ScriptDirectory(str(tmp_path), version_locations=[*map(str, folders)])

    assert find_folder(directory) == folders[1]
