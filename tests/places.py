"""Temporary files in memory: on a disk, to make a file can take longer than to render it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

FOLDER = Path("/dev/shm")  # a file system in memory, on Linux
NEEDED = 4 * 2**30  # in bytes: several times what a run has


def find_memory() -> Path | None:
    """Return a folder in memory from which programs can run, or None without one or its space."""
    if not os.access(FOLDER, os.W_OK | os.X_OK):
        return None
    system = os.statvfs(FOLDER)
    if system.f_flag & os.ST_NOEXEC or system.f_bavail * system.f_frsize < NEEDED:
        return None
    return FOLDER


@contextmanager
def temporary_files_in_memory() -> Iterator[Path]:
    """Have this process and its children make temporary files in memory, where that is possible.

    Yield a folder on the disk, for what is installed: there its files are links to uv's cache.
    """
    with ExitStack() as stack:
        disk = stack.enter_context(TemporaryDirectory(prefix="installed-"))
        if memory := find_memory():
            folder = stack.enter_context(TemporaryDirectory(prefix="tests-", dir=memory))
            Path(folder).chmod(0o711)  # servers run as another account, in a folder below
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("TMPDIR", folder)
            patch.setattr("tempfile.tempdir", folder)
            patch.setenv("PYTEST_DEBUG_TEMPROOT", str(memory))  # for pytest's own
            patch.setenv("UV_LINK_MODE", "copy")  # files on a disk have no links in memory
        yield Path(disk)
