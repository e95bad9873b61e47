"""Kill `alembic upgrade` before and after every statement, upgrade again, and compare schemas."""

import os
import signal

from runner import LOG, drop_all, read_state, run_alembic, run_and_kill

# The first point and the step: "3:40" is the third point of each forty, "0:1" is every point.
FIRST, STEP = map(int, os.environ["POINTS"].split(":"))


def test_every_kill_is_recovered() -> None:
    drop_all()
    assert run_alembic("upgrade", "head") == 0, LOG.read_text()
    expected = read_state()
    killed = 0
    for point in range(FIRST, 10_000, STEP):
        LOG.unlink(missing_ok=True)
        drop_all()
        code = run_and_kill(point, "upgrade", "head")
        if code == 0:
            break
        assert code == -signal.SIGKILL, LOG.read_text()
        assert run_alembic("upgrade", "head") == 0, f"point {point}: {LOG.read_text()}"
        assert read_state() ^ expected == set(), f"point {point}"
        killed += 1
    assert killed >= 100 // STEP
    print(f"killed {killed} times")
