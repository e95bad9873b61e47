"""The history of the schema: forks conflict in git, are mended, and nothing released changes."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from conftest import Render, Scratch
from drivers import text_of
from matrix import FIRST, SETUPS, Setup
from project import CommandFailed, Project

SQLITE = SETUPS[0]
VERSIONS = "migrations/versions"
HISTORY_FILE = f"{VERSIONS}/history.txt"
HISTORY = ("migrations",)
NO_DATABASE = "postgresql://127.0.0.1:1/none"

REVISION = '''"""Revision {id}.

Revision: {id}
Revises: {down}
"""

import sqlalchemy as sa
from alembic import op

revision: str = "{id}"
down_revision: str | None = "{down}"


def upgrade() -> None:
    op.create_table("table_{id}", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade() -> None:
    op.drop_table("table_{id}")
'''

# Runs many cases in one process: importing Alembic is what takes the time.
TRY = """
import importlib, io, json, os, sys
from pathlib import Path
from alembic.config import Config
from alembic.util import CommandError

sys.dont_write_bytecode = True
folder = Path("migrations/versions")
start = {path.name: path.read_bytes() for path in folder.glob("*.*")}
environment = dict(os.environ)

def now():
    return {path.name: path.read_bytes().decode() for path in folder.glob("*.*")}

def write(files):
    for path in folder.glob("*.*"):
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)

results = {}
for name, case in json.load(open("cases.json", encoding="utf-8")).items():
    changed = {name: text.encode() for name, text in case["files"].items() if text is not None}
    gone = {name for name, text in case["files"].items() if text is None}
    write({name: content for name, content in (start | changed).items() if name not in gone})
    os.environ.update(case["environment"])
    said = []
    before = now()
    for command in case["commands"]:
        out = io.StringIO()
        try:
            module = importlib.import_module(f"alembic_guardrails.commands.{command}")
            getattr(module, command)(Config("alembic.ini", stdout=out))
            said.append(out.getvalue())
        except CommandError as error:
            said.append("refused: " + str(error))
    results[name] = {"said": said, "files": now(), "same": before == now()}
    os.environ.clear()
    os.environ.update(environment)
write(start)
print(json.dumps(results))
"""


def revision(name: str, down: str) -> tuple[str, str]:
    """The file name and the text of a revision, as Alembic writes them."""
    return f"2026_{name}.py", REVISION.format(id=name, down=down)


def line(text: str) -> str:
    """What the history file says of a revision with this text."""
    [name] = re.findall(r'(?m)^revision.*"(.+)"', text)
    return f"{name}\n"


@pytest.mark.parametrize("include_example", [True, False])
@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_the_history_file_is_rendered_with_the_first_revision(
    render: Render, setup: Setup, include_example: bool
) -> None:
    project = render(**setup.answers(include_example=include_example))

    *comments, entry = project.text(HISTORY_FILE).splitlines(keepends=True)
    assert all(comment.startswith("# ") for comment in comments)
    assert entry == line(project.text(f"{VERSIONS}/0001_initial.py"))


@pytest.fixture
def service(render: Render, environment: Callable[[Setup], Path]) -> Project:
    """A service in a git repository, on the branch main; no command can reach a database."""
    project = render(**SQLITE.answers(project_name="My Service", include_example=False))
    project.use(environment(SQLITE))
    project.environment["DATABASE_URL"] = NO_DATABASE
    project.git("init", "--quiet", "--initial-branch=main")
    commit(project)
    return project


def commit(project: Project, **revisions: str) -> None:
    """Commit everything, after adding revisions: ids, and what they follow."""
    history_file = project.path / HISTORY_FILE
    for name, down in revisions.items():
        file, text = revision(name, down)
        (project.path / VERSIONS / file).write_text(text, encoding="utf-8")
        history_file.write_text(project.text(HISTORY_FILE) + line(text), encoding="utf-8")
    project.commit()


@dataclass
class Case:
    """Files to write or delete beside the history file, and what a command then has to say."""

    files: Mapping[str, str | None]
    says: str
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What commands said, and what files there are then."""

    said: list[str]
    files: dict[str, str]
    same: bool


def attempt(project: Project, cases: dict[str, Case], *commands: str) -> dict[str, Outcome]:
    """Run commands on changed files, one case after the other, each from the start; check what the
    first of them says."""
    given = {name: vars(case) | {"commands": commands} for name, case in cases.items()}
    (project.path / "cases.json").write_text(json.dumps(given), encoding="utf-8")
    output = project.run("python", "-c", TRY)
    outcomes = {name: Outcome(**line) for name, line in json.loads(output.splitlines()[-1]).items()}
    for name, case in cases.items():
        assert re.match(case.says, outcomes[name].said[0]), (name, outcomes[name].said)
    return outcomes


RUN = r"(?:refused|error\[[a-z-]+\]): Run `migrations repair`"
KEEP = (
    r"(?:refused|error\[released-changed\]): Restore what is released and write a new revision"
    " instead"
)
HAND = (
    r"(?:refused|error\[[a-z-]+\]): Restore or repair a revision's file by hand, or finish an"
    " interrupted `squash`"
)
CONFLICT = "<<<<<<< HEAD\n"


@pytest.mark.slow
def test_what_the_check_refuses(service: Project) -> None:
    """Of the revisions 0001, a and b, the main branch has the first two."""
    commit(service, a="0001")
    service.git("switch", "--quiet", "--create", "feature")
    commit(service, b="a")
    (a, a_text), (b, b_text), (c, c_text) = map(revision, "abc", ("0001", "a", "a"))
    history_file = service.text(HISTORY_FILE)
    first = history_file.removesuffix(line(a_text) + line(b_text))
    edited_a, edited_b = (f"{text}    op.execute('SELECT 1')\n" for text in (a_text, b_text))
    looks = f"# why\n{a_text}# edited\n".replace('sa.Column("id"', "sa.Column(\n    'id'")
    looks = looks.replace("Revision a", "Another docstring")

    side, onto_b = revision("c", "0001")[1], revision("c", "b")[1]
    merge = revision("m", "b")[1].replace('"b"', '("b", "c")')

    def recorded(*texts: str) -> dict[str, str]:
        return {"history.txt": first + "".join(map(line, texts))}

    unknown = "3 revisions, head b, not compared with what is released"
    windows = {
        b: b_text.replace("\n", "\r\n"),
        "history.txt": history_file.replace("\n", "\r\n"),
    }
    digests = {"history.txt": re.sub(r"(?m)^(\w+)$", rf"\1 {'0f' * 32}", history_file)}
    cases = {
        "healthy": Case({}, r"3 revisions, head b, 2 released \(main\)\n"),
        "line ends of Windows": Case(windows, "3 revisions, head b"),
        "fork": Case({c: c_text}, f"{RUN} to put one of the heads b and c after the other"),
        "recorded fork": Case({c: c_text} | recorded(a_text, b_text, c_text), f"{RUN} .*b and c"),
        "edited": Case({b: edited_b}, r"3 revisions, head b, 2 released \(main\)\n"),
        "gone": Case({b: None}, f"{RUN}, because.*: b is gone"),
        "not recorded": Case(recorded(a_text), f"{RUN}, because.*: b is new"),
        "no history file": Case(
            {"history.txt": None}, f"{RUN}, because.*: 0001 is new, a is new, b is new"
        ),
        "with digests": Case(digests, r"3 revisions, head b, 2 released"),
        "out of order": Case(recorded(b_text, a_text), f"{RUN}, because.*order"),
        "new ones out of order": Case(
            {c: onto_b, **recorded(a_text, onto_b, b_text)}, f"{RUN}, because.*order"
        ),
        "released ones not first": Case(
            {c: side, "m.py": merge, **recorded(side, a_text, b_text, merge)},
            f"{RUN}, because.*order",
        ),
        "twice": Case(recorded(a_text, b_text, a_text), f"{RUN}.*not one line"),
        "conflict": Case({"history.txt": history_file + CONFLICT}, f"{RUN}.*not one line"),
        "released, edited": Case({a: edited_a}, f"{KEEP}: a was edited, compared with main"),
        "released, written otherwise": Case({a: looks}, "3 revisions, head b, 2 released"),
        "released, renamed": Case({a: None, "a.py": looks}, "3 revisions, head b, 2 released"),
        "released, renamed and edited": Case(
            {a: None, "a.py": edited_a}, f"{KEEP}: a was edited, compared with main"
        ),
        "released, gone": Case({a: None, b: None, **recorded()}, f"{KEEP}: a is gone"),
        "released, gone from below": Case(
            {a: None}, f"{HAND}: Revision a, which b follows, is not present"
        ),
        "one id in two files": Case({c: b_text}, f"{HAND}: Revision b is present more than once"),
        "conflict in a revision": Case({b: CONFLICT + b_text}, f"{HAND}: .*{b}"),
        "other base": Case({}, "3 revisions, head b, 3 released", {"MIGRATION_BASE": "feature"}),
        "no base": Case({}, rf"{unknown} \(git rev-parse: ", {"MIGRATION_BASE": "0" * 40}),
        "not ours": Case({}, f"{unknown} .*dubious", {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}),
        "no repository": Case(
            {},
            f"{unknown} .*not a git repository",
            {"GIT_CEILING_DIRECTORIES": str(service.path / "migrations")},
        ),
        "in a hook of git": Case(
            {}, "3 revisions, head b, 2 released", {"GIT_DIR": str(service.path / ".git")}
        ),
        "no git": Case({}, rf"{unknown} \(git is not installed\)", {"PATH": ""}),
    }
    for name, outcome in attempt(service, cases, "verify").items():
        assert outcome.same, name

    shallow = replace(service, path=service.path.parent / "shallow")
    service.git("clone", "--quiet", "--depth=1", service.path.as_uri(), str(shallow.path))
    shallow.git("fetch", "--quiet", "--depth=1", "origin", "main:main")
    case = Case({}, f"{unknown} .*shallow", {"MIGRATION_BASE": "main"})
    attempt(shallow, {"shallow": case}, "verify")
    (service.path / VERSIONS / c).write_text(c_text, encoding="utf-8")
    with pytest.raises(CommandFailed, match="heads"):
        service.run(*HISTORY, "verify")


@pytest.mark.slow
def test_what_is_mended(service: Project) -> None:
    """The revisions are as above; mended twice, the check passes and all but the second changes."""
    commit(service, a="0001")
    service.git("switch", "--quiet", "--create", "feature")
    commit(service, b="a")
    service.git("switch", "--quiet", "--create", "forked")
    commit(service, c="a")
    service.git("switch", "--quiet", "feature")
    (a, a_text), (b, b_text), (c, c_text) = map(revision, "abc", ("0001", "a", "a"))
    d, d_text = revision("d", "c")
    onto_b = revision("c", "b")[1]
    merge = revision("m", "c")[1].replace('"c"', '("c", "d")')
    old = c_text.replace(': str | None = "a"', " = 'a'").replace("Revises: a", "No docstring")
    history_file = service.text(HISTORY_FILE)

    digests = {"history.txt": re.sub(r"(?m)^(\w+)$", rf"\1 {'0f' * 32}", history_file)}
    cases = {
        "healthy": Case({}, "3 revisions, head b\n"),
        "edited": Case({b: f"{b_text}    pass; edited = 1\n"}, "3 revisions, head b\n"),
        "edited, no git": Case({b: f"{b_text}    edited = 1\n"}, "3 revisions", {"PATH": ""}),
        "with digests": Case(digests, "3 revisions, head b\n"),
        "gone": Case({b: None}, "b is gone\n2 revisions, head a\n"),
        "new": Case({d: d_text.replace('"c"', '"b"')}, "d is new\n4 revisions, head d\n"),
        "no history file": Case({"history.txt": None}, "0001 is new\na is new\nb is new\n"),
        "conflict": Case({"history.txt": f"{CONFLICT}{history_file}"}, "3 revisions, head b\n"),
        "fork": Case({c: c_text}, "c follows b now, no longer a"),
        "fork, older": Case({"1999.py": c_text}, "c follows b now, no longer a"),
        "two new ones": Case(
            {"2027.py": onto_b, "2026_z.py": onto_b.replace('"c"', '"z"')},
            "c follows z now, no longer b",
        ),
        "merge from below": Case(
            {c: c_text.replace('= "a"', '= "0001"'), "m.py": merge.replace('"c", "d"', '"b", "c"')},
            "c is new\nm is new\n5 revisions, head m",
        ),
        "fork of two": Case({c: c_text, d: d_text}, "c follows b now, no longer a"),
        "fork from below": Case(
            {c: c_text.replace('= "a"', "= None")},
            r"c follows b now, no longer base, and has a new id: \w{12}\n",
        ),
        "fork of a fork": Case(
            {c: c_text, d: d_text, "2027.py": d_text.replace('"d"', '"e"')},
            r"(?s)c follows b now, no longer a.*e follows \w{12} now, no longer c",
        ),
        "fork, written otherwise": Case({c: old}, "c follows b now, no longer a"),
        "merge": Case(
            {c: c_text, "m.py": merge.replace('"d"', '"b"')},
            "c is new\nm is new\n5 revisions, head m",
        ),
    }
    for name, outcome in attempt(service, cases, "repair", "verify", "repair").items():
        count = len(outcome.files) - 1
        assert re.match(
            rf"{count} revisions, head \w+, (2 released|not compared)", outcome.said[1]
        ), name
        assert re.fullmatch(r"\d revisions, head \w+\n", outcome.said[2]), name
        if "fork" in name:
            [moved] = [text for text in outcome.files.values() if re.search('{"c": .*}', text)]
            assert re.search(r"""(?m)^down_revision.* = "b"$""", moved), name
            assert re.search(r"""(?m)^revision.* = "[0-9a-f]{12}"$""", moved), name
            assert "Revises: a" not in moved, name
        else:
            assert outcome.files.items() >= {a: a_text}.items()
        assert "0f0f" not in outcome.files["history.txt"], name

    join = "refused: Join the heads with `alembic merge [bcdm] [bcdm]`: what leads to"
    refused = {
        "released, edited": Case({a: f"{a_text}    edited = 1\n"}, f"{KEEP}: a was edited"),
        "released, gone, no git": Case({a: None, b: None}, f"{KEEP}: a is gone", {"PATH": ""}),
        "released, gone": Case({a: None, b: None}, f"{KEEP}: a is gone"),
        "both released": Case({c: c_text}, join, {"MIGRATION_BASE": "forked"}),
        "a merge": Case({c: c_text, d: d_text.replace('"c"', '"a"'), "m.py": merge}, join),
    }
    for name, outcome in attempt(service, refused, "repair").items():
        assert outcome.same, name


@pytest.mark.slow
def test_alembic_keeps_the_history_file(service: Project) -> None:
    """Whatever it writes, wherever it is called, and through a link."""
    service.environment["PYTHONPATH"] = str(service.path / "src")
    commit(service, b="0001", c="0001")
    link = service.path.parent / "link"
    link.symlink_to(service.path)

    service.run("alembic", "merge", "-m", "join", "heads")
    service.run("sh", "-c", f"cd / && alembic -c {link}/alembic.ini revision --rev-id d")

    assert re.match(r"5 revisions, head d, 3 released \(main\)", service.run(*HISTORY, "verify"))


@pytest.fixture
def conflict(service: Project, scratch: Scratch) -> Project:
    """A branch with two revisions that its database has run; meanwhile upstream got another one."""
    service.environment["DATABASE_URL"] = text_of(scratch(SQLITE))
    upstream = service.path.parent / "upstream.git"
    service.git("clone", "--quiet", "--bare", str(service.path), str(upstream))
    service.git("remote", "add", "origin", str(upstream))
    service.git("switch", "--quiet", "--create", "feature")
    commit(service, ours="0001")
    commit(service, more="ours")
    service.run("alembic", "upgrade", "head")
    service.git("switch", "--quiet", "main")
    commit(service, theirs="0001")
    service.git("push", "--quiet", "origin", "main")
    service.git("switch", "--quiet", "feature")
    return service


@pytest.mark.slow
def test_mending_in_a_merge(conflict: Project) -> None:
    assert f"CONFLICT (content): Merge conflict in {HISTORY_FILE}" in conflict.git(
        "merge", "origin/main", check=False
    )
    said = conflict.run(*HISTORY, "repair")
    ours, more = re.findall("new id: (.*)", said)
    commit(conflict)

    verdict = conflict.run(*HISTORY, "verify")
    assert verdict == f"4 revisions, head {more}, 2 released (origin/main)\n"
    with pytest.raises(CommandFailed, match="It lacks theirs") as failure:
        conflict.run("alembic", "upgrade", "head")
    recipe, *_ = re.findall("`(alembic downgrade .*?)`", str(failure.value))
    conflict.run("sh", "-c", recipe)
    assert f"Running upgrade theirs -> {ours}" in conflict.run("alembic", "upgrade", "head")
    steps = re.findall(
        "Running upgrade (.*?),", conflict.run("alembic", "upgrade", "head", "--sql")
    )
    assert steps == [" -> 0001", "0001 -> theirs", f"theirs -> {ours}", f"{ours} -> {more}"]


@pytest.mark.slow
def test_mending_in_a_rebase(conflict: Project) -> None:
    """It stops at each commit with a revision."""
    conflict.environment["GIT_EDITOR"] = "true"
    said = conflict.git("rebase", "origin/main", check=False)
    for _ in range(2):
        assert f"CONFLICT (content): Merge conflict in {HISTORY_FILE}" in said
        [new] = re.findall("new id: (.*)", conflict.run(*HISTORY, "repair"))
        conflict.git("add", "--all")
        said = conflict.git("rebase", "--continue", check=False)

    assert conflict.git("status", "--porcelain") == ""
    verdict = conflict.run(*HISTORY, "verify")
    assert verdict == f"4 revisions, head {new}, 2 released (origin/main)\n"
