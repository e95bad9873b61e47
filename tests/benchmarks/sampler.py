"""Runs a command of Python and samples its stack: `sampler.py FILE PROGRAM ARGUMENT...`.

Each sample stands for 4 ms of processor time, as the kernel counts it. Their stacks are appended to
the file as JSON, a line each: from the innermost function outwards, `module:function`.
"""

import atexit
import json
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType

INTERVAL = 0.004  # in seconds: a tick of most kernels
SAMPLES: list[list[str]] = []


def sample(signal_number: int, frame: FrameType | None) -> None:
    """Note the stack."""
    stack = []
    while frame:
        stack.append(f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_name}")
        frame = frame.f_back
    SAMPLES.append(stack)


def write(path: Path) -> None:
    """Append what was sampled."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(stack)}\n" for stack in SAMPLES)


if __name__ == "__main__":
    _, output, *sys.argv = sys.argv
    atexit.register(write, Path(output))
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    runpy.run_path(sys.argv[0], run_name="__main__")
