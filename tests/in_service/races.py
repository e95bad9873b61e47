"""Run `alembic upgrade head` in ten processes at once, and compare with one run."""

import os

import pytest
from runner import LOG, alembic, at_once, empty, state

ROUNDS = int(os.environ["ROUNDS"])


def prepare(revision: str) -> None:
    """Have the database at the revision to race from."""
    LOG.unlink(missing_ok=True)
    empty()
    if revision != "base":
        assert alembic("upgrade", revision) == 0, LOG.read_text()


@pytest.mark.parametrize("revision", ["base", "0002"])
def test_all_end_where_one_would(revision: str) -> None:
    prepare(revision)
    assert alembic("upgrade", "head") == 0, LOG.read_text()
    expected = state()
    for _ in range(ROUNDS):
        prepare(revision)
        assert at_once(10, "upgrade", "head") == [0] * 10, LOG.read_text()
        assert state() ^ expected == set()
