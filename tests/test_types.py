"""The type checker's opinion; test_render.py shows that there are no other kinds of Python."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render
from matrix import KINDS, Setup, setups

# Files are async or sync, and one depends on how a driver encodes passwords: two kinds have all.
TWO = [setup for setup in KINDS.values() if setup.is_async != setup.driver.latin1_password]


@pytest.mark.slow
@pytest.mark.parametrize("setup", setups(TWO, pytest.mark.sweep, among=KINDS.values()))
def test_strict_typing(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, tmp_path: Path
) -> None:
    cache = f"--cache-dir={tmp_path / 'cache'}"  # what both install is read once
    for include_example in (True, False):
        project = render(**setup.answers(include_example=include_example))
        project.use(environment(setup))

        assert "Success: no issues found" in project.run("mypy", cache)
