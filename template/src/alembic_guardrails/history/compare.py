"""Whether two files of a revision do the same, whatever they look like."""

import ast
from collections.abc import Collection

from alembic_guardrails.history.source import find_values


class Essence(ast.NodeTransformer):
    """Removes from a syntax tree what does nothing: docstrings, and how a text was written."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Remove statements without effect from the body of a node."""
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, [*filter(has_effect, statements)])
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Forget the prefix `u` of a text."""
        return ast.Constant(node.value)


def has_effect(statement: ast.stmt) -> bool:
    """Whether a statement is more than a docstring or `pass`."""
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return not (is_constant or isinstance(statement, ast.Pass))


def dump_code(source: bytes, ignored: Collection[str] = ()) -> str:
    """Return the syntax tree of a file as text, without what does nothing.

    The values of names that are ignored are left out.

    Raises:
        SyntaxError: The file is no Python.
        ValueError: It has a null byte.
    """
    tree = ast.parse(source)
    values = {value for name in ignored for value in find_values(tree, name)}
    tree.body = [each for each in tree.body if getattr(each, "value", None) not in values]
    return ast.dump(Essence().visit(tree))


def is_same_code(one: bytes, other: bytes, ignored: Collection[str] = ()) -> bool:
    """Whether two files differ in comments, docstrings, format and ignored names at most."""
    if one == other:
        return True
    try:
        return dump_code(one, ignored) == dump_code(other, ignored)
    except (SyntaxError, ValueError):
        return False
