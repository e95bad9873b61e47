"""The type checker's opinion; test_render.py shows that there are no other kinds of Python."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render
from matrix import KINDS, Setup


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setup", "include_example"),
    [
        *[(setup, True) for setup in KINDS.values()],
        # How a driver encodes passwords and whether there is an example meet nowhere.
        *[(setup, False) for setup in KINDS.values() if not setup.driver.latin1_password],
    ],
    ids=str,
)
def test_strict_typing(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, include_example: bool
) -> None:
    project = render(**setup.answers(include_example=include_example))
    project.use(environment(setup))

    assert "Success: no issues found" in project.run("mypy")
