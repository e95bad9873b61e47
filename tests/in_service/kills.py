"""Kill `alembic upgrade` before and after every statement, upgrade again, and compare."""

import os
import signal

from runner import LOG, alembic, alembic_killed, empty, state

# Every point, or a slice of them: "3:40" is the third of each forty.
FIRST, STEP = map(int, os.environ["POINTS"].split(":"))


def test_every_kill_is_recovered() -> None:
    empty()
    assert alembic("upgrade", "head") == 0, LOG.read_text()
    expected = state()
    killed = 0
    for point in range(FIRST, 10_000, STEP):
        LOG.unlink(missing_ok=True)
        empty()
        code = alembic_killed(point, "upgrade", "head")
        if code == 0:
            break
        assert code == -signal.SIGKILL, LOG.read_text()
        assert alembic("upgrade", "head") == 0, f"point {point}: {LOG.read_text()}"
        assert state() ^ expected == set(), f"point {point}"
        killed += 1
    assert killed >= 100 // STEP
    print(f"killed {killed} times")
