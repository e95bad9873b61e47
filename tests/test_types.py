"""The type checker's opinion; test_render.py shows that there are no other kinds of Python."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render
from matrix import KINDS, Setup


@pytest.mark.slow
@pytest.mark.parametrize("include_example", [True, False])
@pytest.mark.parametrize("setup", KINDS.values(), ids=str)
def test_strict_typing(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, include_example: bool
) -> None:
    project = render(**setup.answers(include_example=include_example))
    project.use(environment(setup))

    assert "Success: no issues found" in project.run("mypy")
