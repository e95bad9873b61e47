"""The type checker's opinion; test_render.py shows that there are no other kinds of Python."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render
from matrix import KINDS, Setup, setups
from test_render import python

# Each file is as one of these has it, as a test says.
TWO = [
    setup for setup in KINDS.values() if setup.kind in ((False, True, False), (True, False, True))
]


@pytest.mark.parametrize("include_example", [True, False])
def test_two_kinds_have_every_file(include_example: bool) -> None:
    files = {file for setup in TWO for file in python(setup, include_example).items()}

    for setup in KINDS.values():
        assert python(setup, include_example).items() <= files


@pytest.mark.slow
@pytest.mark.parametrize("setup", setups(TWO, pytest.mark.sweep, among=KINDS.values()))
def test_strict_typing(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, mypy_cache: Path
) -> None:
    for include_example in (True, False):
        project = render(**setup.answers(include_example=include_example))
        project.use(environment(setup))

        assert "Success: no issues found" in project.run("mypy", f"--cache-dir={mypy_cache}")
