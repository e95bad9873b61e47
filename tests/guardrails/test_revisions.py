"""The revisions that the code needs, and whether a database is at them."""

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails import CURRENT, Revisions, read_revisions
from alembic_guardrails.revisions import read_superseded
from hypothesis import given
from hypothesis import strategies as st

from .conftest import Project

IDS = st.sets(st.sampled_from("abcdef"))


def add_history(project: Project) -> None:
    """Add the revisions a and b, of which a replaces two older ones."""
    path = project.revision("a", "pass")
    text = path.read_text("utf-8") + '\nreplaces: tuple[str, ...] = ("old", "older")\n'
    path.write_text(text, encoding="utf-8")
    project.revision("b", "pass", down="a")


def test_no_revisions(project: Project) -> None:
    assert read_revisions(project.path / "alembic.ini") == Revisions(frozenset(), frozenset())


def test_known_and_heads(project: Project) -> None:
    add_history(project)

    revisions = read_revisions(project.path / "alembic.ini")

    assert revisions == Revisions(frozenset({"a", "b", "old", "older"}), frozenset({"b"}))
    assert revisions.fit({"b"})
    assert not revisions.fit({"a"})
    assert not revisions.fit({"older"})
    assert not revisions.fit(set())
    assert revisions.fit({"of the next release"})


def test_what_is_superseded_and_by_which(project: Project) -> None:
    add_history(project)

    superseded = read_superseded(ScriptDirectory.from_config(project.config()))

    assert {old: new.revision for old, new in superseded.items()} == {"old": "a", "older": "a"}


def test_a_parent_that_does_not_exist(project: Project) -> None:
    project.revision("b", "pass", down="missing")

    message = r"Revision 'missing' does not exist.*migrations repair"
    with pytest.raises(CommandError, match=message), pytest.warns(UserWarning, match="missing"):
        read_superseded(ScriptDirectory.from_config(project.config()))


def test_the_statement_returns_the_revisions_of_a_database(project: Project) -> None:
    add_history(project)
    command.upgrade(project.config(), "a")

    with project.engine().connect() as connection:
        assert list(connection.scalars(CURRENT)) == ["a"]


@given(known=IDS, heads=IDS, current=IDS)
def test_a_database_fits_at_the_heads_or_beyond_what_is_known(
    known: set[str], heads: set[str], current: set[str]
) -> None:
    revisions = Revisions(frozenset(known | heads), frozenset(heads))

    assert revisions.fit(heads)
    assert revisions.fit(current | {"unknown"})
    if current != heads and current <= known | heads:
        assert not revisions.fit(current)
