"""What the source of a revision says beside what it does: comments, and loops over rows."""

import ast
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from typing import NamedTuple

from alembic_guardrails.places import Span, span_of_node

ALLOW = re.compile(r"# allow: ([a-z-]+(?:, [a-z-]+)*)")

CHANGES_ROWS = re.compile(r"\s*(?:DELETE|INSERT|MERGE|REPLACE|UPDATE)\b", re.IGNORECASE)

STATEMENT_MAKERS = {"delete", "insert", "merge", "update"}

WRITERS = {"add", "add_all", "bulk_insert", "exec_driver_sql", "execute", "scalar", "scalars"}

LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


class Allow(NamedTuple):
    """A comment that allows what a rule forbids: in these lines, or in all of the revision."""

    rule: str
    span: Span
    lines: range | None

    def covers(self, rule: str, line: int) -> bool:
        """Whether a finding is allowed."""
        return rule == self.rule and (self.lines is None or line in self.lines)


@dataclass(frozen=True)
class Source:
    """The source of a revision."""

    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def allows(self) -> list[Allow]:
        """The comments `# allow: rule`.

        One on a line of its own counts for the revision, one behind code for its statement.
        """
        found: list[Allow] = []
        for token in tokenize.generate_tokens(StringIO(self.text).readline):
            if token.type != tokenize.COMMENT:
                continue
            line, column = token.start
            is_alone = not token.line[:column].strip()
            lines = None if is_alone else self.statement_at(line)
            span = Span(line, column + 1, line, token.end[1] + 1)
            for rules in ALLOW.findall(token.string):
                found += [Allow(rule, span, lines) for rule in rules.split(", ")]
        return found

    def statement_at(self, line: int) -> range:
        """Return the lines of the statement at a line; of a block, those of its first line."""
        spans: list[range] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt):
                body = getattr(node, "body", None)
                end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
                spans.append(range(node.lineno, max(end, node.lineno) + 1))
        around = [span for span in spans if line in span]
        return max(around, key=lambda span: span.start, default=range(line, line + 1))

    def unreached_writes(self, reached: Collection[int], direction: str) -> Iterator[Span]:
        """Yield where loops write rows that no line in `reached` belongs to.

        A loop over rows has nothing to do where there are none, so that a recorder sees none of it.
        Functions that are about the other direction are left out.
        """
        opposite = {"upgrade": "downgrade", "downgrade": "upgrade"}[direction]
        for function in self.tree.body:
            if isinstance(function, ast.FunctionDef) and function.name != opposite:
                for node in ast.walk(function):
                    if isinstance(node, LOOPS) and self.writes_rows(node):
                        inside = range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
                        if not any(line in inside for line in reached):
                            yield span_of_node(node, self.text.splitlines())

    def writes_rows(self, loop: ast.AST) -> bool:
        """Whether a loop changes rows: by a statement, or by an attribute of an object."""
        targets = {
            target.id
            for target in ast.walk(getattr(loop, "target", loop))
            if isinstance(loop, ast.For) and isinstance(target, ast.Name)
        }
        for node in ast.walk(loop):
            if isinstance(node, ast.Call) and self.is_write(node):
                return True
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id in targets
            ):
                return True
        return False

    def is_write(self, call: ast.Call) -> bool:
        """Whether a call executes a statement that changes rows."""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name not in WRITERS:
            return False
        if name in {"add_all", "bulk_insert"}:
            return True
        return any(self.changes_rows(argument) for argument in call.args)

    def changes_rows(self, argument: ast.expr) -> bool:
        """Whether an argument is a statement that changes rows, also by the name of a variable."""
        names = {node.id for node in ast.walk(argument) if isinstance(node, ast.Name)}
        values = [argument]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id in names for target in node.targets
            ):
                values.append(node.value)
        return any(makes_change(node) for value in values for node in ast.walk(value))


def makes_change(node: ast.AST) -> bool:
    """Whether a node is SQL that changes rows, or a call that makes such a statement."""
    match node:
        case ast.Constant(value=str(text)):
            return bool(CHANGES_ROWS.match(text))
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in STATEMENT_MAKERS
    return False
