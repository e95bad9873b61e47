"""Run `alembic upgrade head` in ten processes at once, and compare with a single run."""

import os

import pytest
from runner import LOG, drop_all, read_state, run_alembic, run_at_once

ROUNDS = int(os.environ["ROUNDS"])


def reset(revision: str) -> None:
    """Drop everything, and upgrade to the revision from which the race begins."""
    LOG.unlink(missing_ok=True)
    drop_all()
    if revision != "base":
        assert run_alembic("upgrade", revision) == 0, LOG.read_text()


@pytest.mark.parametrize("revision", ["base", "0002"])
def test_ten_runs_build_what_one_builds(revision: str) -> None:
    reset(revision)
    assert run_alembic("upgrade", "head") == 0, LOG.read_text()
    expected = read_state()
    for _ in range(ROUNDS):
        reset(revision)
        assert run_at_once(10, "upgrade", "head") == [0] * 10, LOG.read_text()
        assert read_state() ^ expected == set()
