"""`copier update` on services that lived: nothing of theirs is lost, and everything still works."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from itertools import product
from pathlib import Path
from signal import SIGKILL
from time import monotonic, sleep
from typing import Any

import pytest
from conftest import Scratch
from copier import run_copy, run_update
from copier.errors import UserMessageError
from drivers import text_of
from matrix import FIRST, OPTIONS, PROGRAMS, ROOT, SETUPS, TAGS, Setup, setups
from project import QUIETLY, Project, get
from sqlalchemy import URL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edits_in_this_process")]

# One that is async and has a server, beside the plainest.
ASYNC = {setup.backend.name: setup for setup in reversed(SETUPS) if setup.is_async}
ASYNC_SERVER = ASYNC["postgresql"]


@dataclass
class Template:
    """A clone of the template in which versions are released."""

    path: Path

    def release(self, version: str) -> None:
        """Commit everything and tag it."""
        Project(self.path, {}).commit(version)
        Project(self.path, {}).git("tag", version)

    def find(self, name: str) -> Path:
        """The file whose path ends like this, but for the conditions in it."""
        [path, *_] = (
            path
            for path in sorted(self.path.rglob("*"))
            if re.sub(r"\{%.*?%\}|\.jinja$", "", path.as_posix()).endswith(f"/{name}")
        )
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace text in a file."""
        path = self.find(name)
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def copy(self, folder: Path, version: str, **answers: Any) -> Project:
        """Render a version into a repository of its own."""
        worker = run_copy(str(self.path), folder, answers, vcs_ref=version, **QUIETLY)
        project = Project(folder, dict(worker.answers.combined))
        project.git("init", "--quiet", "--initial-branch=main")
        project.commit("From the template")
        return project


def update(project: Project, version: str, **answers: Any) -> None:
    """Update a project to a version of its template."""
    run_update(project.path, answers, vcs_ref=version, overwrite=True, **QUIETLY)


@pytest.fixture(scope="module")
def clone(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Template]:
    """Make clones of the template as it is, without a release.

    Those that are not whole lack most of the machinery, whose files are to an update like others:
    it renders each six times, which takes half as long for services that run nothing.
    """

    def clone(whole: bool = True) -> Template:
        folder = tmp_path_factory.mktemp("clone") / "template"
        shutil.copytree(template, folder)
        for path in (folder / "template/src/alembic_guardrails").iterdir():
            if not whole and path.is_dir() and path.name != "adopt":
                shutil.rmtree(path)
        Project(folder, {}).git("init", "--quiet", "--initial-branch=main")
        return Template(folder)

    return clone


# --- One page, changed by its owner and by the template -----------------------------------------

Author = str
Action = Callable[[Path, Author], None]


def append(page: Path, who: Author) -> None:
    page.write_text(page.read_text("utf-8") + f"The end, by the {who}.\n", "utf-8")


def change(page: Path, who: Author) -> None:
    page.write_text(page.read_text("utf-8").replace("line 9,", f"line 9 by the {who},"), "utf-8")


def move(page: Path, who: Author) -> None:
    (page.parent / who).mkdir(exist_ok=True)
    page.rename(page.parent / who / page.name)


def change_and_move(page: Path, who: Author) -> None:
    change(page, who)
    move(page, who)


def delete(page: Path, who: Author) -> None:
    page.unlink()


def keep(page: Path, who: Author) -> None:
    pass


ACTIONS = (keep, append, change, move, change_and_move, delete)
EDITS = {append, change, change_and_move}
MOVES = {move, change_and_move}
# Where both sides wrote to the same place, or one wrote into what the other removed.
CONFLICTS: dict[tuple[Action, Action], set[int]] = {
    (append, append): {1, 2, 3},
    (change, change): {1, 2, 3},
    (change, change_and_move): {1, 2, 3},
    (append, delete): {1, 2},
    (change, delete): {1, 2},
}


@dataclass
class Outcome:
    """What became of a page: where it is, who is heard in it, which sides are in conflict."""

    folders: list[str]
    heard: set[Author]
    sides: set[int]


def expected(ours: Action, theirs: Action) -> Outcome:
    """What an update owes to the owner, then to the template."""
    if ours is delete or (ours, theirs) == (keep, delete):
        return Outcome([], set(), set())
    folder = "owner" if ours in MOVES else "template" if theirs in MOVES else "pages"
    heard = {"owner"} if ours in EDITS else set()
    if theirs in EDITS and ours not in MOVES:
        heard |= {"template"}
    return Outcome([folder], heard, CONFLICTS.get((ours, theirs), set()))


def test_no_edit_is_lost(clone: Callable[..., Template], tmp_path: Path) -> None:
    """With a page for each thing that its owner, and that the template, can do to a file."""
    template = clone(whole=False)
    theirs = template.path / "template" / "pages"
    theirs.mkdir()
    pairs = {
        f"{ours.__name__}-{their.__name__}": (ours, their)
        for ours, their in product(ACTIONS, ACTIONS)
    }
    for name in pairs:
        lines = (f"This is line {number}, of {name}.\n" for number in range(20))
        (theirs / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    template.release("1.0.0")
    project = template.copy(tmp_path / "project", "1.0.0")
    for name, (our_action, their_action) in pairs.items():
        our_action(project.path / "pages" / f"{name}.txt", "owner")
        their_action(theirs / f"{name}.txt", "template")
    project.commit("Ours")
    template.release("2.0.0")

    update(project, "2.0.0")

    unmerged = project.git("ls-files", "--unmerged").splitlines()
    outcomes = {}
    for name in pairs:
        found = sorted(project.path.rglob(f"{name}.txt"))
        text = "".join(path.read_text("utf-8") for path in found)
        heard = {who for who in ("owner", "template") if f"by the {who}" in text}
        sides = {int(line.split()[2]) for line in unmerged if line.endswith(f"/{name}.txt")}
        outcomes[name] = Outcome([path.parent.name for path in found], heard, sides)
        if 3 in sides:
            assert re.search("<<<<<<< before updating\n(.*\n)*>>>>>>> after updating\n", text)
    assert outcomes == {name: expected(*pair) for name, pair in pairs.items()}
    project.commit("Update")
    update(project, "2.0.0")
    assert project.git("status", "--porcelain") == ""


def test_files_of_other_kinds(
    clone: Callable[..., Template], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No text, executable, ignored though tracked; and files that are only like one another."""
    ignore = tmp_path / "ignore"
    ignore.write_text(".env*\n", encoding="utf-8")
    config = tmp_path / "config"
    config.write_text(f"[core]\nexcludesFile = {ignore}\n", encoding="utf-8")
    template = clone(whole=False)
    theirs = template.path / "template"
    text = "".join(f"echo {number}\n" for number in range(20))
    (theirs / "logo.png").write_bytes(bytes(range(256)) * 9)
    for name in ("move.sh", "drop.sh", "like.sh"):
        (theirs / name).write_text(text.replace("echo", f"./{name}"), encoding="utf-8")
    template.release("1.0.0")
    project = template.copy(tmp_path / "project", "1.0.0")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    logo = bytes(range(256)) * 8 + b"changed"
    (project.path / "logo.png").write_bytes(logo)
    for name in ("move.sh", "drop.sh"):
        (project.path / name).chmod(0o755)
    (project.path / "like.sh").unlink()
    example = project.path / ".env.example"
    example.write_text(example.read_text("utf-8") + "OWN=1\n", "utf-8")
    project.git("add", "--force", ".env.example")
    project.commit("Ours")
    (project.path / ".env").unlink()
    for name in ("logo.png", "move.sh"):
        (theirs / name).rename(theirs / f"new_{name}")
    (theirs / "drop.sh").unlink()
    (theirs / "also_like.sh").write_text(
        (theirs / "like.sh").read_text("utf-8") + "# More\n", "utf-8"
    )
    (theirs / ".env.test.jinja").write_text(template.find(".env").read_text("utf-8"), "utf-8")
    template.replace(".env.example", "# All settings", "# Next. All settings")
    (theirs / "migrations/versions/more").mkdir()
    (theirs / "migrations/versions/more/0002_next.py").write_text("", encoding="utf-8")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    template.release("2.0.0")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))

    update(project, "2.0.0")

    assert (project.path / "new_logo.png").read_bytes() == logo
    assert (project.path / "new_move.sh").stat().st_mode & 0o111
    assert (project.path / "drop.sh").stat().st_mode & 0o111
    assert (project.path / "also_like.sh").is_file()
    assert (project.path / ".env.test").is_file()
    assert not (project.path / ".env").exists()
    assert not (project.path / "like.sh").exists()
    assert not (project.path / "migrations/versions/more").exists()
    settings = example.read_text("utf-8")
    assert settings.startswith("# Next. All settings")
    assert settings.endswith("OWN=1\n")
    unmerged = [line.split() for line in project.git("ls-files", "--unmerged").splitlines()]
    assert {(stage, name) for _, _, stage, name in unmerged} == {
        *((stage, "new_logo.png") for stage in "123"),
        *((stage, "drop.sh") for stage in "12"),
    }
    assert ["100755", "2", "drop.sh"] in [[mode, *rest] for mode, _, *rest in unmerged]


# What Copier does not see, and what it is told then.
OBSTACLES: dict[str, tuple[str, str]] = {
    "a change next door": ("echo more >> ../README.md", "Commit or stash README.md: an update"),
    "an old conflict": ("touch ../other.txt.rej", "Commit or stash other.txt.rej: an update"),
    "hidden files": ("git config status.showUntrackedFiles no", "Unset git's status.showUntracked"),
    "a part": ("git config core.sparseCheckout true", "Disable git's sparse checkout"),
    "no notice": ("git update-index --skip-worktree alembic.ini", "Have git look at alembic.ini"),
    "not in git": (
        "git rm -q --cached Dockerfile && echo Dockerfile >> .gitignore && git commit -qam x",
        "Commit Dockerfile, or move it away: it would be overwritten",
    ),
    "a folder": (
        "git rm -q Dockerfile && mkdir Dockerfile && touch Dockerfile/x"
        " && git add . && git commit -qm x",
        "Move Dockerfile away: it is a folder here",
    ),
    "no answers": (
        "git rm -q --cached .copier-answers.yml && echo .cop* >> .gitignore && git commit -qam x",
        "Commit .copier-answers.yml, which says",
    ),
}


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(name, marks=() if at % 3 == 1 else pytest.mark.sweep)
        for at, name in enumerate(OBSTACLES)
    ],
)
def test_what_copier_does_not_see_is_refused(
    small_releases: Template, tmp_path: Path, what: str
) -> None:
    command, sentence = OBSTACLES[what]
    everything = Project(tmp_path / "everything", {})
    run_copy(str(small_releases.path), everything.path / "service", vcs_ref="1.0.0", **QUIETLY)
    service = Project(everything.path / "service", {})
    (everything.path / "README.md").write_text("All of it.\n", "utf-8")
    everything.git("init", "--quiet", "--initial-branch=main")
    everything.commit("Live")
    service.environment |= {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com"}
    service.environment |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com"}
    service.run("sh", "-c", command)
    before = contents(everything.path)

    said = service.run("copier", "update", "--trust", "--defaults", "--vcs-ref=2.0.0", check=False)

    assert re.search(rf"(?m)^{re.escape(sentence)}.*\. Nothing was changed\.$", said), said
    assert "Traceback" not in said
    assert contents(everything.path) == before


def test_an_answer_that_is_no_longer_possible_is_not_replaced_unasked(
    clone: Callable[..., Template], tmp_path: Path
) -> None:
    template = clone(whole=False)
    owner = "owner:\n  type: str\n  default: Nobody\n\n"
    template.replace("copier.yml", "container:\n", f"{owner}container:\n")
    template.release("1.0.0")
    service = template.copy(tmp_path / "service", "1.0.0")
    assert "owner: Nobody" in service.text(".copier-answers.yml")
    # A question that is gone stops no update.
    template.replace("copier.yml", owner, "")
    template.replace("drivers.py", 'Driver("pysqlite", parameters=SQLITE_PARAMETERS),', "")
    template.release("2.0.0")

    with pytest.raises(
        UserMessageError, match=r"Choose one of the drivers aiosqlite.*last answer.*--data"
    ):
        update(service, "2.0.0")

    assert service.git("status", "--porcelain") == ""
    update(service, "2.0.0", database_url="sqlite:///app.db")
    answers = service.text(".copier-answers.yml")
    assert "driver: aiosqlite" in answers
    assert "owner" not in answers


# --- Services that lived ------------------------------------------------------------------------

ORDER = '''"""What customers want."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from my_service.db.base import Base


class Order(Base):
    """An order."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(50))
'''


def release_next_version(template: Template) -> None:
    """Change what templates change in years: the same files as their users, and others."""
    replace = template.replace
    replace("migrations/env.py", "has its own logging.", "logs as it likes.")
    replace("alembic.ini", "timezone = UTC", "# Next.\ntimezone = UTC")
    replace("pyproject.toml", "alembic>=1.18", "alembic>=1.20")
    replace("README.md", "## Checks\n", "## Checks of the next version\n")
    replace("workflows/ci.yml", "timeout-minutes: 15", "timeout-minutes: 20")
    replace("Dockerfile", "# The image serves;", "# Next. The image serves;")
    customers = "{{ package_name }}/api/customers.py"
    replace(customers, "Endpoints for customers.", "Endpoints for customers. Next.")
    replace(".env", "Settings of this machine.", "Settings of this machine. Next.")
    # A module has another name, a file is gone, a file is new.
    engine = template.find("db/engine.py")
    engine.rename(engine.with_name("pool.py.jinja"))
    replace("{{ package_name }}/main.py", "db.engine import", "db.pool import")
    template.find(".pre-commit-config.yaml").unlink()
    (template.path / "template/SECURITY.md").write_text("Next.\n", encoding="utf-8")
    # There is one question more, and a filter of the extension has another name.
    replace("README.md", "## Updates\n", "## Updates\n\nAsk {{ owner }}.\n")
    replace("copier.yml", "container:\n", "owner:\n  type: str\n  default: Nobody\n\ncontainer:\n")
    replace("copier.yml", "| package_name }}", "| as_package }}")
    replace("context.py", 'filters["package_name"]', 'filters["as_package"]')
    replace("drivers.py", 'title="SQLite"', 'title="SQLite 3"')
    # What a template should never do.
    initial = template.find("versions/0001_initial.py")
    initial.write_text(f"{initial.read_text('utf-8')}# Next.\n", encoding="utf-8")
    more = "revision = 'next'\ndown_revision = '0001'\n"
    initial.with_name("0002_next.py").write_text(more, encoding="utf-8")
    template.release("2.0.0")


@dataclass
class Lived:
    """A service after months of work: what its owner added, deleted, and how conflicts show."""

    project: Project
    edits: dict[str, str]
    deleted: tuple[str, ...]
    conflicts: tuple[str, ...] = ()


def edit(project: Project, name: str, anchor: str) -> str:
    """Add a comment of the owner's before the first line with this text; return it."""
    path, comment = project.path / name, f"# The owner's word on {name}."
    lines = path.read_text("utf-8").splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if anchor in line)
    indent = re.match(" *", lines[at])
    assert indent
    lines.insert(at, f"{indent[0]}{comment}\n")
    path.write_text("".join(lines), "utf-8")
    return comment


def add_orders(project: Project, message: str) -> None:
    """Add a model and a revision for it, as people do."""
    (project.path / "src/my_service/models/order.py").write_text(ORDER, encoding="utf-8")
    project.run("alembic", "upgrade", "head")
    project.run("alembic", "revision", "--autogenerate", "-m", message)


def grow(project: Project) -> Lived:
    """Go on from the example, with edits wherever people make them."""
    add_orders(project, "orders")
    anchors = {
        "migrations/env.py": "run_migrations(",
        "alembic.ini": "level = WARNING",
        "pyproject.toml": "uvicorn>=",
        "README.md": "## Settings",
        ".github/workflows/ci.yml": "- name: Migrate up",
        ".pre-commit-config.yaml": "repos:",
        "src/my_service/db/engine.py": "def make_engine",
        "src/my_service/api/customers.py": "router = ",
        "tests/test_customers.py": "def test_",
    }
    edits = {name: edit(project, name, anchor) for name, anchor in anchors.items()}
    deleted = (".dockerignore", "compose.yaml", "tests/test_health.py")
    for name in deleted:
        (project.path / name).unlink()
    return Lived(project, edits, deleted, ("UD .pre-commit-config.yaml",))


def pare_down(project: Project) -> Lived:
    """Delete the example, and squash the revisions into one that has another id."""
    example = ("customer", "invoice", "crud", "data_migration", "add_names", "split_names")
    deleted = [
        name for name in project.git("ls-files").split() if any(value in name for value in example)
    ]
    deleted += ["migrations/versions/0001_initial.py", ".pre-commit-config.yaml"]
    for name in deleted:
        (project.path / name).unlink()
    main = project.path / "src/my_service/main.py"
    text = main.read_text("utf-8").replace("import customers, health, invoices", "import health")
    main.write_text(re.sub("app.include_router.(customers|invoices).*\n", "", text), "utf-8")
    ledger = project.path / "migrations/versions/history.txt"
    ledger.write_text("", "utf-8")
    add_orders(project, "squashed")
    return Lived(project, {}, tuple(deleted))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and what is in it, but for bytecode and what is git's."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if not {"__pycache__", ".git"} & set(path.parts)
    }


@pytest.fixture(scope="module")
def releases(clone: Callable[..., Template]) -> Template:
    """The template as it is, and what it might be in a year."""
    return release_twice(clone())


@pytest.fixture(scope="module")
def small_releases(clone: Callable[..., Template]) -> Template:
    """The same for services that run nothing."""
    return release_twice(clone(whole=False))


def release_twice(template: Template) -> Template:
    """Release a template as it is, and as it might be in a year."""
    template.release("1.0.0")
    release_next_version(template)
    return template


@pytest.mark.parametrize(
    ("setup", "live"),
    [
        (SETUPS[0], pare_down),
        (ASYNC_SERVER, grow),
        *(
            pytest.param(setup, grow, marks=pytest.mark.sweep)
            for setup in SETUPS
            if setup != ASYNC_SERVER
        ),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_service_that_lived_is_updated(
    releases: Template,
    environment: Callable[[Setup], Path],
    setup: Setup,
    live: Callable[[Project], Lived],
    database: URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = setup.answers(database_url=text_of(database))
    around = tmp_path / "around"
    (around / "home").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(around / "home"))
    service = releases.copy(around / "service", "1.0.0", **answers)
    service.use(environment(setup))
    lived = live(service)
    (service.path / ".env").write_text(service.text(".env") + "OWN_SETTING=1\n", "utf-8")
    service.commit("Live")
    service.run("alembic", "upgrade", "head")
    before = contents(service.path)
    neighbours = contents(around).keys() - {f"service/{name}" for name in before}
    head = service.run("alembic", "heads")

    update(service, "2.0.0")

    after = contents(service.path)
    revisions = {name for name in before | after if name.startswith("migrations/versions")}
    for name in (".env", *revisions):
        assert after.get(name) == before[name], name
    assert not {name for name in lived.deleted if name in after}
    status = service.git("status", "--porcelain").splitlines()
    assert {line for line in status if "U" in line[:2]} == set(lived.conflicts)
    texts = "".join(data.decode(errors="replace") for data in after.values())
    for name, comment in lived.edits.items():
        assert texts.count(comment) == 1, name
    for news in (
        "logs as it likes",
        "alembic>=1.20",
        "of the next version",
        "minutes: 20",
        "Ask Nobody",
    ):
        assert news in texts
    assert {line[3:] for line in status if line.startswith("??")} == {
        "SECURITY.md",
        "src/my_service/db/pool.py",
    }
    assert contents(around).keys() - {f"service/{name}" for name in after} == neighbours

    service.run("alembic", "upgrade", "head")
    service.run("alembic", "check")
    assert service.run("alembic", "heads") == head
    assert re.search(r"\d+ passed", service.test())
    service.commit("Update")
    if database.password:
        assert str(database.password) not in service.git("log", "--patch")
    update(service, "2.0.0")
    assert service.git("status", "--porcelain") == ""


# --- Answers that change ------------------------------------------------------------------------


def likeness(project: Project) -> dict[str, bytes]:
    """What a project has of its template: all but what is its user's from the first day."""
    tracked = project.git("ls-files").splitlines()
    return {
        name: (project.path / name).read_bytes()
        for name in tracked
        if not name.startswith("migrations/versions/")
    }


@pytest.mark.parametrize(
    "walk",
    [
        pytest.param(SETUPS[1:3], id="some"),
        pytest.param([*SETUPS, SETUPS[0]], id="all", marks=pytest.mark.sweep),
    ],
)
def test_another_driver_is_what_a_new_service_has(
    small_releases: Template, tmp_path: Path, walk: list[Setup]
) -> None:
    service = small_releases.copy(tmp_path / "service", "2.0.0", **walk[0].answers())
    revisions = contents(service.path / "migrations/versions")
    for setup in walk[1:]:
        update(service, "2.0.0", **setup.answers())
        service.commit(str(setup))
        new = small_releases.copy(tmp_path / str(setup), "2.0.0", **setup.answers())
        assert likeness(service) == likeness(new)
    assert contents(service.path / "migrations/versions") == revisions


@pytest.mark.parametrize("setup", setups([PROGRAMS[1]], pytest.mark.sweep))
def test_options_go_on_and_off(small_releases: Template, tmp_path: Path, setup: Setup) -> None:
    service = small_releases.copy(tmp_path / "service", "2.0.0", **setup.answers())
    for place in (-1, 0):
        chosen = {name: allowed[place] for name, allowed in OPTIONS.items()}
        update(service, "2.0.0", **chosen)
        service.commit(str(chosen))
        new = small_releases.copy(tmp_path / str(place), "2.0.0", **setup.answers(**chosen))
        assert likeness(service) == likeness(new)


@pytest.mark.parametrize("setup", setups([PROGRAMS[1]], pytest.mark.sweep))
def test_the_example_goes_and_comes_back(
    releases: Template,
    environment: Callable[[Setup], Path],
    setup: Setup,
    database: URL,
    tmp_path: Path,
) -> None:
    """Its tables are the service's: revisions drop and create them, autogenerate writes these."""
    answers = setup.answers(database_url=text_of(database))
    service = releases.copy(tmp_path / "service", "1.0.0", **answers)
    service.use(environment(setup))
    service.run("alembic", "upgrade", "head")
    for included, calls in (
        (False, ["drop_table(invoices", "drop_table(customers"]),
        (True, ["create_table(customers", "create_table(invoices"]),
    ):
        update(service, "1.0.0", include_example=included)
        service.run("alembic", "revision", "--autogenerate", "-m", f"example_{included}")
        [revision] = service.path.glob(f"migrations/versions/*example_{included}.py".lower())
        upgrade = revision.read_text("utf-8").partition("def downgrade")[0]
        found = re.findall(r"\w+_table\(\s*['\"]\w+", upgrade)
        assert [re.sub(r"\s|['\"]", "", call) for call in found] == calls
        service.run("alembic", "upgrade", "head")
        assert re.search(r"\d+ passed", service.test())
        service.commit(f"Example: {included}")


def test_an_adopted_service_goes_on_without_what_adopted_it(
    clone: Callable[..., Template], environment: Callable[[Setup], Path], tmp_path: Path
) -> None:
    setup = SETUPS[0]
    template = clone()
    template.release("1.0.0")
    service = template.copy(tmp_path / "service", "1.0.0", **setup.answers(existing_database=True))
    service.use(environment(setup))
    with closing(sqlite3.connect(service.path / "app.db")) as database:
        database.execute("CREATE TABLE prices (id INTEGER PRIMARY KEY, price MONEY, number INT)")
    service.run("migrations", "adopt")
    service.commit("Adopted")
    adopted = contents(service.path / "src/my_service/models")

    update(service, "1.0.0", existing_database=False)

    assert not [*service.path.glob("src/alembic_guardrails/**/adopt*/*.py")]
    assert not (service.path / "src/alembic_guardrails/commands/adopt.py").exists()
    assert "sqlacodegen" not in service.text("pyproject.toml")
    assert contents(service.path / "src/my_service/models") == adopted
    for command in (("alembic", "check"), ("migrations", "drift"), ("migrations", "verify")):
        service.run(*command)
    assert re.search(r"\d+ passed", service.test())


CUSTOMER = """
from sqlalchemy.orm import Session
from alembic_guardrails import run_with_connection
from my_service.models.customer import Customer
from my_service.settings import Settings
def add(connection):
    with Session(connection) as session:
        session.add(Customer(email="a@example.com", name="A"))
        session.commit()
run_with_connection(Settings().database_url, add)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # To async, and to another database.
        *[
            pytest.param(setup, ASYNC[setup.backend.name], marks=pytest.mark.sweep)
            for setup in PROGRAMS
            if not setup.backend.is_file
        ],
        (SETUPS[0], ASYNC_SERVER),
    ],
    ids=str,
)
def test_it_goes_on_with_another_driver(
    releases: Template,
    environment: Callable[[Setup], Path],
    scratch: Scratch,
    tmp_path: Path,
    before: Setup,
    after: Setup,
) -> None:
    url = scratch(before)
    service = releases.copy(
        tmp_path / "service", "1.0.0", **before.answers(database_url=text_of(url))
    )
    service.use(environment(before))
    service.run("alembic", "upgrade", "head")
    service.run("python", "-c", CUSTOMER)
    settings = service.text(".env")
    same = before.backend is after.backend
    other = url if same else scratch(after)

    update(service, "1.0.0", **after.answers(database_url=text_of(other)))

    assert service.text(".env") == settings
    service.use(environment(after))
    if not same:
        said = service.run("alembic", "upgrade", "head", check=False)
        assert f"DATABASE_URL: Start the URL with {after.backend.name}://" in said
        service.environment["DATABASE_URL"] = text_of(other)
    service.run("alembic", "upgrade", "head")
    service.run("alembic", "check")
    with service.serving() as address:
        assert get(f"{address}/health/ready")[0] == 200
        status, customers = get(f"{address}/customers")
    assert (status, '"name":"A"' in customers) == (200, same)
    assert re.search(r"\d+ passed", service.test())


# --- Around an update ---------------------------------------------------------------------------


# Once the update has begun to write, and after parts of the time that a whole one takes.
ONCE_IT_WRITES = None


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([ONCE_IT_WRITES], id="one"),
        pytest.param(
            [ONCE_IT_WRITES, *(at / 60 for at in range(60))], id="many", marks=pytest.mark.sweep
        ),
    ],
)
def test_an_interrupted_update_is_repeated(
    small_releases: Template, tmp_path: Path, moments: list[float | None]
) -> None:
    service = small_releases.copy(tmp_path / "service", "1.0.0")
    for name in ("src/my_service/db/engine.py", ".pre-commit-config.yaml"):
        edit(service, name, "e")
    (service.path / "Dockerfile").unlink()
    service.commit("Live")
    start = service.git("rev-parse", "HEAD").strip()
    news = service.path / "SECURITY.md"
    command = ("copier", "update", "--trust", "--defaults", "--quiet", "--vcs-ref=2.0.0")

    def again() -> None:
        service.git("reset", "--quiet", "--hard", start)
        service.git("clean", "--quiet", "-d", "--force")

    begin = monotonic()
    if len(moments) > 1:
        service.run(*command)
        again()
    duration = monotonic() - begin
    update(service, "2.0.0")
    whole, index = contents(service.path), service.git("ls-files", "--stage")
    assert news.name in whole
    killed = []
    for moment in moments:
        again()
        begin = monotonic()
        with service.start(*command) as process:
            while process.poll() is None:
                if news.exists() if moment is None else monotonic() > begin + moment * duration:
                    process.kill()
                    break
                sleep(0.005)
            process.communicate()
        # An update that was faster than the first is whole before its moment comes.
        killed += [moment] if process.returncode == -SIGKILL else []
        again()
        service.run(*command)
        after = contents(service.path)
        assert {name for name in whole | after if whole.get(name) != after.get(name)} == set()
        assert service.git("ls-files", "--stage") == index
    assert ONCE_IT_WRITES in killed


def test_a_service_in_a_folder_of_a_repository(small_releases: Template, tmp_path: Path) -> None:
    """With a conflict, a moved and a deleted file: git's paths there are not the service's."""
    everything = Project(tmp_path / "everything", {})
    worker = run_copy(
        str(small_releases.path), everything.path / "services/billing", vcs_ref="1.0.0", **QUIETLY
    )
    service = Project(Path(worker.dst_path), dict(worker.answers.combined))
    (everything.path / "README.md").write_text("All of it.\n", "utf-8")
    everything.git("init", "--quiet", "--initial-branch=main")
    edits = {
        "src/my_service/db/pool.py": edit(
            service, "src/my_service/db/engine.py", "def make_engine"
        ),
        ".pre-commit-config.yaml": edit(service, ".pre-commit-config.yaml", "repos:"),
    }
    (service.path / "Dockerfile").unlink()
    everything.commit("Live")

    update(service, "2.0.0")

    for name, comment in edits.items():
        assert comment in service.text(name)
    assert not (service.path / "Dockerfile").exists()
    status = everything.git("status", "--porcelain").splitlines()
    assert "UD services/billing/.pre-commit-config.yaml" in status
    assert all(line[3:].startswith("services/billing/") for line in status)
    everything.commit("Update")
    update(service, "2.0.0")
    assert everything.git("status", "--porcelain") == ""


# --- Releases -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [*TAGS, "HEAD"])
def test_every_release_updates_to_this_state(
    environment: Callable[[Setup], Path], tmp_path: Path, version: str
) -> None:
    """What an update leaves is what a new service has, and its initial revision still fits."""
    template = Template(tmp_path / "template")
    Project(tmp_path, {}).git("clone", "--quiet", str(ROOT), str(template.path))
    service = template.copy(tmp_path / "service", version)
    old = likeness(service)

    update(service, "HEAD")

    service.commit("Update")
    new = likeness(template.copy(tmp_path / "new", "HEAD"))
    assert likeness(service) == new
    # Copier cannot make a folder of what was a file.
    folders = {str(folder) for name in (*new, *old) for folder in Path(name).parents}
    assert not folders & {*new, *old}
    service.use(environment(SETUPS[0]))
    service.run("alembic", "upgrade", "head")
    assert re.search(r"\d+ passed", service.test())


# --- Before the machinery was a package of its own ----------------------------------------------

BEFORE_THE_PACKAGE = "6c76c1c"

# What the owner of such a service has edited, and before which line.
EDITED = {
    "src/my_service/migrations/guard.py": "class Guard",
    "src/my_service/migrations/settings.py": "def read_settings",
    "src/my_service/migrations/schema.py": "def snapshot",
    "src/my_service/settings.py": "class Settings",
    "migrations/env.py": "context.configure(",
    "migrations/others.txt": "table",
    "README.md": "## Settings",
}

OWN_REVISION = """
import sqlalchemy as sa

from my_service.migrations.backfill import backfill

revision = "own"
down_revision = "0001"


def upgrade() -> None:
    customers = sa.table("customers", sa.column("id"), sa.column("name"))
    backfill(customers.update().values(name="?").where(customers.c.name == ""), customers.c.id)


def downgrade() -> None:
    pass
"""

OWN_INDEX = """
from my_service.migrations.indexes import create_index_concurrently, drop_index_concurrently

revision = "own_index"
down_revision = "own"


def upgrade() -> None:
    create_index_concurrently("ix_customers_name", "customers", ["name"])


def downgrade() -> None:
    drop_index_concurrently("ix_customers_name", "customers")
"""
OWN_DROP = (
    OWN_INDEX.replace('= "own"', '= "own_index"')
    .replace('revision = "own_index"', 'revision = "own_drop"', 1)
    .replace("def upgrade", "def other")
    .replace("def downgrade", "def upgrade")
    .replace("def other", "def downgrade")
)

# Where it is now.
NOW = {"migrations/others.txt": "migrations/ignore.txt"}

BASELINE = '''"""The schema as it was found; expect_no_rows runs before DROP."""

from collections.abc import Sequence

from my_service.migrations.literal import expect_no_rows, expect_no_tables, run

revision: str = "0001"
down_revision: str | Sequence[str] | None = None

CREATE = ("CREATE TABLE run (n int)",)
DROP = ("DROP TABLE run",)


def upgrade() -> None:
    expect_no_tables(DROP)
    run(CREATE)


def downgrade() -> None:
    expect_no_rows(DROP)
    run(DROP)
'''
BASELINE_NOW = (
    BASELINE.replace("expect_no_rows", "require_empty_tables")
    .replace("expect_no_tables", "require_missing_tables")
    .replace("    run(", "    run_sql(")
    .replace(", run\n", ", run_sql\n")
    .replace("my_service.migrations.literal", "alembic_guardrails.op")
)
PLACE = """
from sqlalchemy.orm import Mapped, mapped_column

from my_service.db.base import Base
from my_service.db.types import OtherType


class Place(Base):
    __tablename__ = "places"

    id: Mapped[int] = mapped_column(primary_key=True)
    point: Mapped[str] = mapped_column(OtherType("point"))
"""
PLACE_NOW = PLACE.replace("from my_service.db.types import OtherType\n", "").replace(
    "from sqlalchemy.orm", "from alembic_guardrails import OtherType\nfrom sqlalchemy.orm"
)


def uv_run(command: str) -> str:
    """A command for an environment that is there."""
    return command.replace("uv run ", "")


@pytest.fixture
def history(tmp_path: Path) -> Template:
    """A clone of this repository with its whole history."""
    template = Template(tmp_path / "template")
    Project(tmp_path, {}).git("clone", "--quiet", str(ROOT), str(template.path))
    found = Project(template.path, {}).git("cat-file", "-t", BEFORE_THE_PACKAGE, check=False)
    if found.strip() != "commit":
        pytest.skip(f"this clone is shallow and lacks {BEFORE_THE_PACKAGE}: git fetch --unshallow")
    return template


def after_update(project: Project) -> str:
    """Update a project; return what Copier says, with commands."""
    with redirect_stderr(StringIO()) as said:
        run_update(project.path, vcs_ref="HEAD", overwrite=True, defaults=True, unsafe=True)
    return said.getvalue()


@pytest.mark.parametrize("setup", setups(FIRST[:1], pytest.mark.sweep, among=PROGRAMS))
def test_a_service_from_before_the_package_is_updated(
    history: Template,
    environment: Callable[[Setup], Path],
    setup: Setup,
    database: URL,
    tmp_path: Path,
) -> None:
    answers = setup.answers(database_url=text_of(database))
    service = history.copy(tmp_path / "service", BEFORE_THE_PACKAGE, **answers)
    service.use(environment(setup))
    versions = service.path / "migrations/versions"
    own = {"own": OWN_REVISION, "own_index": OWN_INDEX, "own_drop": OWN_DROP}
    for name, text in own.items():
        (versions / f"{name}.py").write_text(text, encoding="utf-8")
    service.run("alembic", "upgrade", "own")
    edits = {name: edit(service, name, anchor) for name, anchor in EDITED.items()}
    with (service.path / "migrations/others.txt").open("a", encoding="utf-8") as file:
        file.write("table queue_*\n")
    service.run("python", "-m", "my_service.migrations", "mend")
    service.commit("Live")

    said = after_update(service)

    conflicts = {line[3:]: line[:2] for line in service.git("status", "--porcelain").splitlines()}
    machinery = "src/my_service/migrations/"
    for name, comment in edits.items():
        if name.startswith(machinery):
            assert conflicts[name] == "UD"
            assert comment in service.text(name)
        else:
            assert comment in service.text(NOW.get(name, name))
    assert "table queue_*\n" in service.text("migrations/ignore.txt")
    assert not (service.path / "migrations/others.txt").exists()
    # The owner takes what the template has.
    service.git("rm", "--quiet", *(name for name in edits if name.startswith(machinery)))
    service.git("checkout", "--theirs", "migrations/env.py")
    [rename] = re.findall(r"(?ms)^ +(perl -pi .*?)\n\n", said)
    service.run("sh", "-e", "-c", uv_run(rename))
    service.commit("Update")

    service.run("alembic", "upgrade", "head")
    service.run("alembic", "check")
    service.run("migrations", "repair")
    service.run("migrations", "verify")
    assert re.search(r"\d+ passed", service.test())
    service.run("ruff", "check")
    service.commit("Repair")
    assert "perl" not in after_update(service)


def test_imports_in_raw_sql_are_renamed(history: Template, tmp_path: Path) -> None:
    """Also in the baseline and the models of a service that was adopted."""
    service = history.copy(tmp_path / "service", BEFORE_THE_PACKAGE, existing_database=True)
    (service.path / "migrations/versions/0001.py").write_text(BASELINE, encoding="utf-8")
    (service.path / "src/my_service/models/place.py").write_text(PLACE, encoding="utf-8")
    service.commit("Live")

    said = after_update(service)

    [rename] = re.findall(r"(?ms)^ +(perl -pi .*?)\n\n", said)
    service.run("sh", "-e", "-c", uv_run(rename))
    assert service.text("migrations/versions/0001.py") == BASELINE_NOW
    assert service.text("src/my_service/models/place.py") == PLACE_NOW
