"""Tests that name revisions."""

import ast
from collections.abc import Collection
from pathlib import Path


def find_mentions(revisions: Collection[str]) -> list[str]:
    """Find the files in the service's folder of tests that name one of some revisions."""
    return [
        path.as_posix()
        for path in sorted(Path("tests").rglob("*.py"))
        if any(
            isinstance(node, ast.Constant) and node.value in revisions
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
    ]
