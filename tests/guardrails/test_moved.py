"""Databases that ran a revision before it was moved, at each stage of merges and rebases."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic_guardrails import read_revisions
from alembic_guardrails.commands.drift import drift
from alembic_guardrails.commands.squash import squash
from alembic_guardrails.commands.verify import verify
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Project
from .team import Team, moved_ids
from .test_history import commit


@pytest.fixture
def team(project: Project, monkeypatch: pytest.MonkeyPatch) -> Team:
    return Team(project, monkeypatch)


@pytest.fixture(params=["merge", "rebase"])
def after(request: pytest.FixtureRequest, team: Team) -> Team:
    """Two revisions of a branch, of which databases have run none to both; then A is released."""
    team.add("b", "r0")
    team.add("more", "b")
    for stage in ("r0", "b", "more"):
        team.build(f"at_{stage}", stage)
    team.release("a", "r0")
    said = getattr(team, request.param)()
    assert "b follows a now, no longer r0, and has a new id" in said
    return team


TELLING: dict[str, tuple[Callable[..., object], ...]] = {
    "upgrade": (command.upgrade, "head"),  # type: ignore[dict-item]
    "downgrade": (command.downgrade, "-1"),  # type: ignore[dict-item]
    "current": (command.current,),
    "check": (command.check,),
    "stamp": (command.stamp, "head"),  # type: ignore[dict-item]
    "drift": (drift,),
}


def test_the_history_after_it(after: Team) -> None:
    """New ids, new names of files, the old ones remembered; nothing left to do."""
    old = moved_ids(after)
    assert after.ids() == ["r0", "a", old["b"], old["more"]]
    assert after.say(verify) == f"4 revisions, head {old['more']}, 2 released (main)\n"
    assert not after.git("status", "--porcelain")
    names = {file.name for file in after.folder.glob("*.py")}
    assert names == {f"2026_01_01_0000_{name}_slug.py" for name in after.ids()}
    text = (after.folder / f"2026_01_01_0000_{old['more']}_slug.py").read_text("utf-8")
    assert f"Revision ID: {old['more']}\nRevises: {old['b']}\n" in text
    assert 'moved_from: dict[str, str | None] = {"more": "b"}\n' in text
    before = {file.name: file.read_bytes() for file in after.folder.glob("*.*")}
    assert after.repair() == f"4 revisions, head {old['more']}\n"
    assert {file.name: file.read_bytes() for file in after.folder.glob("*.*")} == before


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["b", "more"])
def test_every_command_tells_what_the_database_lacks(after: Team, stage: str) -> None:
    after.use(f"at_{stage}")
    before = after.look(f"at_{stage}")
    for name, (function, *arguments) in TELLING.items():
        said = after.say(function, *arguments)
        assert said.startswith(f"refused: The database is at {stage}: {stage} was moved"), name
        assert "It lacks a: run `alembic upgrade a`" in said, name
        assert "or `alembic downgrade r0`" in said, name
    assert after.look(f"at_{stage}") == before
    revisions = read_revisions(after.project.path / "alembic.ini")
    assert not revisions.fit({stage})
    assert revisions.fit({after.ids()[-1]})
    assert after.say(command.upgrade, stage) == (
        f"refused: Revision {stage} was moved, and is {moved_ids(after)[stage]} now"
    )


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["r0", "b", "more"])
@pytest.mark.parametrize("way", ["upgrade", "downgrade"])
def test_both_ways_lead_to_the_head(after: Team, stage: str, way: str) -> None:
    after.use(f"at_{stage}")
    said = after.say(command.upgrade, "head")
    if stage == "r0":
        assert said == ""
    else:
        [advice] = re.findall(f"`(alembic {way} (?!head).*?)`", said)
        assert after.run(advice) == ""
        assert after.run("alembic upgrade head") == ""

    assert after.look(f"at_{stage}") == ({"r0", "a", "b", "more"}, {after.ids()[-1]})
    assert after.say(command.downgrade, "base") == ""
    assert after.look(f"at_{stage}") == (set(), set())


def test_a_second_move_and_a_half_mended_database(team: Team) -> None:
    """Databases at each id that a revision has had, and between the steps of the advice."""
    team.add("b", "r0")
    team.build("first", "b")
    team.build("half", "b")
    team.release("a", "r0")
    team.release("a2", "a")
    team.merge()
    once = moved_ids(team)["b"]
    team.build("second", once)
    assert team.say(command.current) == f"{once} (head)\n"
    team.use("half")
    assert team.say(command.upgrade, "a") == ""
    assert team.look("half") == ({"r0", "a", "b"}, {"a", "b"})
    assert "It lacks a2: run `alembic upgrade a2`" in team.say(command.current)

    team.release("c", "a2")
    team.merge()
    twice = moved_ids(team)["b"]
    assert team.ids() == ["r0", "a", "a2", "c", twice]
    assert moved_ids(team) == {"b": twice, once: twice}
    for name, lacking, fork in [
        ("first", "a and a2 and c", "r0"),
        ("second", "c", "a2"),
        ("half", "a2 and c", "a"),
    ]:
        team.use(name)
        said = team.say(command.upgrade, "head")
        assert f"It lacks {lacking}: run `alembic upgrade c`" in said
        assert f"or `alembic downgrade {fork}`" in said
        way = "upgrade c" if name == "first" else f"downgrade {fork}"
        assert team.run(f"alembic {way}") == ""
        assert team.run("alembic upgrade head") == ""
        assert team.look(name) == ({"r0", "a", "a2", "b", "c"}, {twice})


def test_what_lies_between_moved_revisions(team: Team) -> None:
    """B was released after A, and what follows B was moved behind one more."""
    team.add("b", "r0")
    team.add("more", "b")
    for name in ("up", "down"):
        team.build(name, "more")
    team.release("a", "r0")
    team.git("switch", "--quiet", "--create", "short", "feature~1")
    with pytest.raises(subprocess.CalledProcessError):
        team.git("merge", "main")
    team.repair()
    commit(team.project.path)
    team.git("branch", "--force", "main")
    team.git("switch", "--quiet", "feature")
    new = {"b": moved_ids_at(team, "main")["b"]}
    team.release("n", new["b"])
    team.merge()
    assert [each for each in team.ids() if len(each) < 4] == ["r0", "a", "n"]
    head = team.ids()[-1]

    team.use("up")
    said = team.say(command.current)
    assert "It lacks a and n: run `alembic upgrade n`" in said
    assert team.run("alembic upgrade a") == ""
    assert team.look("up")[1] == {"more", "a"}
    assert "It lacks n: run `alembic upgrade n`" in team.say(command.check)
    assert team.run("alembic upgrade n") == ""
    assert team.look("up") == ({"r0", "a", "b", "more", "n"}, {head})
    team.use("down")
    assert team.run("alembic downgrade r0") == ""
    assert team.look("down") == ({"r0"}, {"r0"})


def moved_ids_at(team: Team, branch: str) -> dict[str, str]:
    """What revisions are on another branch, by the ids that they had."""
    team.git("switch", "--quiet", branch)
    found = moved_ids(team)
    team.git("switch", "--quiet", "feature")
    return found


def test_a_database_that_lacks_nothing_gets_the_new_id(team: Team) -> None:
    """What came before is gone again: the branch was not released after all."""
    team.add("b", "r0")
    team.build("old", "b")
    team.release("a", "r0")
    team.merge()
    new = moved_ids(team)["b"]
    file = next(team.folder.glob(f"*{new}*"))
    file.write_text(file.read_text("utf-8").replace('revision = "a"', 'revision = "r0"'), "utf-8")
    next(team.folder.glob("*_a_*")).unlink()
    team.use("old")
    assert f"It lacks nothing: run `alembic upgrade {new}`" in team.say(command.current)
    assert team.say(command.upgrade, "head") == ""
    assert team.look("old") == ({"r0", "b"}, {new})


def test_an_interrupted_repair_is_finished(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when the new files are there and the old ones, too."""
    team.add("b", "r0")
    team.add("more", "b")
    team.release("a", "r0")
    with pytest.raises(subprocess.CalledProcessError):
        team.git("merge", "main")
    unlink, calls = Path.unlink, iter(range(9))

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".py" and next(calls) == 1:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            team.repair()
    assert "Run `migrations repair`: more has moved, and is" in team.say(verify)
    assert "4 revisions, head" in team.repair()
    old = moved_ids(team)
    assert team.ids() == ["r0", "a", old["b"], old["more"]]
    file = team.project.revision("more", "pass", down="b")
    assert "their files differ" in team.repair()
    file.unlink()
    assert "4 revisions, head" in team.say(verify)


def test_tests_that_name_a_moved_revision_are_named(team: Team) -> None:
    team.add("b", "r0")
    folder = team.project.path / "tests"
    folder.mkdir()
    (folder / "test_b.py").write_text('upgrade("b")\n', encoding="utf-8")
    team.release("a", "r0")

    assert "These name revisions that have a new id: tests/test_b.py\n" in team.merge()


def test_the_same_move_gives_the_same_id(team: Team) -> None:
    """By a merge on one machine and by a rebase on another; back again, the old id."""
    team.add("b", "r0")
    team.release("a", "r0")
    team.git("branch", "copy")
    team.merge()
    merged = moved_ids(team)["b"]
    team.git("switch", "--quiet", "-C", "feature", "copy")
    team.rebase()
    assert moved_ids(team)["b"] == merged


@pytest.mark.slow
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    releases=st.lists(st.integers(0, 2), min_size=1, max_size=3),
    ways=st.lists(st.sampled_from(["upgrade", "downgrade"]), min_size=12, max_size=12),
)
def test_any_moves_leave_no_database_behind(
    tmp_path_factory: pytest.TempPathFactory, releases: list[int], ways: list[str]
) -> None:
    """Upstream releases some revisions, the branch gets one; and so on. All databases arrive."""
    with pytest.MonkeyPatch.context() as patch:
        for team in teams(tmp_path_factory, patch):
            names, databases, head, upstream = ["r0"], [], "r0", "r0"
            for turn, count in enumerate(releases):
                team.add(f"b{turn}", head)
                names.append(f"b{turn}")
                for revision in team.ids():
                    databases.append(f"db{turn}_{revision}")
                    team.build(databases[-1], revision)
                for number in range(count):
                    team.release(f"a{turn}{number}", upstream)
                    upstream = f"a{turn}{number}"
                    names.append(upstream)
                if count:
                    team.merge()
                head = team.ids()[-1]
            way = iter(ways * 9)
            for name in databases:
                team.use(name)
                while said := team.say(command.upgrade, "head"):
                    advice = re.findall("`(alembic (?:up|down)grade (?!head).*?)`", said)
                    assert advice, said
                    assert team.run(advice[next(way) == "downgrade"]) == ""
                assert team.look(name) == ({*names}, {head})


def teams(factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Iterator[Team]:
    """Make one team in a folder of its own."""
    from . import conftest

    path = factory.mktemp("team")
    patch.chdir(path)
    for name in conftest.VARIABLES:
        patch.delenv(name, raising=False)
    files = {"alembic.ini": conftest.INI, "migrations/env.py": conftest.ENV}
    (path / "migrations" / "versions").mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_text(content, encoding="utf-8")
    yield Team(Project(path), patch)


@pytest.mark.slow
@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize("database", ["at_b", pytest.param("at_more", marks=pytest.mark.sweep)])
def test_moved_and_then_squashed(after: Team, name: str, database: str) -> None:
    """The code from before knows the way; here it is gone."""
    squash(after.project.config(), "a")
    commit(after.project.path)
    after.use(database)
    before = after.look(database)

    said = after.say(*TELLING[name])

    old = database.removeprefix("at_")
    assert f"The database is at revision {old}, which ran after r0, and a replaces that:" in said
    (found,) = re.findall(r"`git worktree add (\S+) (.+?)`", said)
    folder = after.project.path / "old"
    command_line = f"git worktree add --quiet {folder} {found[1]}"
    subprocess.run(command_line, shell=True, check=True, cwd=after.project.path)
    names = {file.name for file in (folder / "migrations" / "versions").glob("*.py")}
    assert "2026_01_01_0000_r0_slug.py" in names
    assert f"2026_01_01_0000_{moved_ids(after)[old]}_slug.py" in names
    assert after.look(database) == before
