"""Python for revisions, with the names of a table in it."""

import ast
import json
import keyword
import re
from collections.abc import Iterator, Sequence
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext
from alembic_guardrails._alembic import render_type
from alembic_guardrails.lint.rule import Reading, Subject
from alembic_guardrails.offline.recorder import Step
from alembic_guardrails.output import Span, column_of
from sqlalchemy import Dialect
from sqlalchemy.types import TypeEngine, to_instance

# A column collection has methods of these names, so that attributes do not reach the columns.
TAKEN = {"add", "as_readonly", "contains_column", "corresponding_column", "get", "items", "keys"}
TAKEN |= {"compare", "values"}

# Names that the code for a backfill has for something else.
USED = {"backfill", "op", "rows", "sa"}

# Names that every revision imports.
EVERYWHERE = {"op", "sa"}

IMPORTS = (ast.Import, ast.ImportFrom)


def quote(text: str) -> str:
    """Write a text as Python does, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def quote_all(names: Sequence[str]) -> str:
    """Write a list of texts."""
    return f"[{', '.join(map(quote, names))}]"


def schema_option(subject: Subject, name: str = "schema") -> str:
    """Write the option for the schema, if there is one."""
    return f", {name}={quote(subject.schema)}" if subject.schema else ""


def write_type(type_: TypeEngine[Any], dialect: Dialect) -> tuple[str, list[str]]:
    """Write a type as autogenerate does; return the imports that it needs as well."""
    # Rendering is imported when there is something to render, because it is slow to import.
    from alembic_guardrails.autogenerate.render import render_item

    context = MigrationContext.configure(dialect=dialect)
    options = {
        "sqlalchemy_module_prefix": "sa.",
        "alembic_module_prefix": "op.",
        "user_module_prefix": None,
        "render_item": render_item,
    }
    autogenerate = AutogenContext(context, opts=options)
    text = render_type(to_instance(type_), autogenerate)
    return text, sorted(autogenerate.imports)


def add_column(subject: Subject, type_: TypeEngine[Any], dialect: Dialect) -> str:
    """Write a call that adds a column that can be NULL and that nothing fills."""
    text, imports = write_type(type_, dialect)
    column = f"sa.Column({quote(subject.column)}, {text})"
    call = f"op.add_column({quote(subject.table)}, {column}{schema_option(subject)})"
    return "\n".join([*imports, *([""] if imports else []), call])


def execute(sql: str) -> str:
    """Write a call that executes a statement."""
    return f"op.execute({quote(sql)})"


def autocommit(sql: str) -> str:
    """Write a call that executes a statement outside of the transaction."""
    return f"with op.get_context().autocommit_block():\n    {execute(sql)}"


def variable(table: str) -> str:
    """Return the name of a variable for a table."""
    name = re.sub(r"\W", "_", table)
    is_free = name.isidentifier() and not keyword.iskeyword(name) and name not in USED
    return name if is_free else f"table_{name}"


def attribute(table: str, column: str) -> str:
    """Write a column of a table."""
    is_plain = column.isidentifier() and not keyword.iskeyword(column) and column not in TAKEN
    return f"{variable(table)}.c.{column}" if is_plain else f"{variable(table)}.c[{quote(column)}]"


def backfill(
    subject: Subject, key: str, *, where: str, value: str = "", others: Sequence[str] = ()
) -> str:
    """Write a backfill of a column, or of a DELETE if there is no value."""
    table = variable(subject.table)
    names = dict.fromkeys(name for name in (key, subject.column, *others) if name)
    columns = "".join(f", sa.column({quote(name)})" for name in names)
    verb = "update" if value else "delete"
    new = "{" + f"{quote(subject.column)}: {value}" + "}"
    values = f".values({new})" if value else ""
    return "\n".join(
        [
            "from alembic_guardrails.op import backfill",
            "",
            f"{table} = sa.table({quote(subject.table)}{columns}{schema_option(subject)})",
            f"rows = sa.{verb}({table}).where({where})",
            f"backfill(rows{values}, {attribute(subject.table, key)})",
        ]
    )


def key_of(subject: Subject, reading: Reading) -> str:
    """Return the column that is the primary key of a table; `id` if that is not known."""
    table = reading.recording.before.get((subject.schema, subject.table))
    columns = table.primary_key["constrained_columns"] if table else []
    return columns[0] if len(columns) == 1 else "id"


def type_of(subject: Subject, reading: Reading) -> TypeEngine[Any] | None:
    """Return the type of a column before the revision, if it is known."""
    table = reading.recording.before.get((subject.schema, subject.table))
    column = table.columns.get(subject.column) if table else None
    return column["type"] if column else None


def allow(step: Step, reading: Reading, rule: str, reason: str) -> str:
    """Return the statement of a step as it is in the revision, with a comment that allows it."""
    return copy_statement(step.span, reading, f"  # allow: {rule} ({reason})")


def copy_statement(span: Span, reading: Reading, comment: str = "") -> str:
    """Return the statement of a revision around a span, with the blocks and names that it needs."""
    lines = reading.source.text.splitlines()
    path = statements_around(span, reading.source.tree, lines)
    if not path:
        return lines[span.line - 1].strip() + comment
    *blocks, statement = path
    named = find_assignments(path, reading)
    while (
        blocks
        and isinstance(blocks[0], ast.With)
        and not any(uses_target(node, blocks[0]) for node in [statement, *named])
    ):
        del blocks[0]
    first = [*blocks, statement][0].lineno
    outside = [node for node in named if node.lineno < first]
    inside = [*blocks, *named[len(outside) :]]
    copied: list[str] = []
    for node in sorted(inside, key=lambda node: node.lineno):
        copied += header(node, lines) if node in blocks else own_lines(node, lines)
    last = statement.end_lineno or statement.lineno
    body = getattr(statement, "body", None)
    if body and not is_one_line(statement):
        top = header(statement, lines)
        copied += [*top[:-1], top[-1] + comment]
        copied += lines[body[0].lineno - 1 : last]
    else:
        own = own_lines(statement, lines)
        copied += [*own[:-1], own[-1] + comment]
    return "\n".join([*copy_outside(outside, lines), dedent(copied)])


def dedent(lines: Sequence[str]) -> str:
    """Join lines without the indentation of the first; a string can have lines with less."""
    indentation = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    return "\n".join(line if line[:indentation].strip() else line[indentation:] for line in lines)


def own_lines(statement: ast.stmt, lines: list[str]) -> list[str]:
    """Return the lines that a statement is in."""
    return lines[statement.lineno - 1 : statement.end_lineno]


def copy_outside(statements: list[ast.stmt], lines: list[str]) -> list[str]:
    """Return statements of different blocks without their indentation, imports first."""
    imports: list[str] = []
    others: list[str] = []
    for statement in statements:
        text = dedent(own_lines(statement, lines))
        (imports if isinstance(statement, IMPORTS) else others).append(text)
    return [*imports, *([""] if imports else []), *others]


def find_assignments(path: list[ast.stmt], reading: Reading) -> list[ast.stmt]:
    """Return the assignments and imports that give the names of the last statement of a path.

    Those that change the database are left out, because the revision has done that already.
    """
    *blocks, statement = path
    lines = reading.source.text.splitlines()
    changes = [step.span for step in reading.steps if not step.only_reads]
    used = names_in(statement).union(*(names_in(part) for part in headers(blocks)))
    found: list[ast.stmt] = []
    for node in reversed(statements_before(statement, reading.source.tree)):
        given = names_given(node) - EVERYWHERE
        if given.isdisjoint(used) or any(contains(node, span, lines) for span in changes):
            continue
        used -= set() if isinstance(node, ast.AugAssign) else given
        used |= names_in(node)
        found.insert(0, node)
    return found


def headers(blocks: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Yield what `with` and `for` blocks evaluate before their bodies."""
    for block in blocks:
        if isinstance(block, ast.With):
            yield from block.items
        elif isinstance(block, ast.For):
            yield block.iter


def names_in(node: ast.AST) -> set[str]:
    """Return the names that a node reads."""
    return {
        name.id
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)
    }


def names_given(node: ast.stmt) -> set[str]:
    """Return the names that an assignment or an import gives."""
    if isinstance(node, IMPORTS):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return set()
    return {
        name.id
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }


def statements_before(statement: ast.stmt, node: ast.AST) -> list[ast.stmt]:
    """Return the statements before a statement in each of the blocks around it, as they run."""
    for _, block in ast.iter_fields(node):
        nodes = block if isinstance(block, list) else []
        for place, child in enumerate(nodes):
            if child is statement or statement in descendants(child):
                before = [other for other in nodes[:place] if isinstance(other, ast.stmt)]
                before = [other for other in before if (other.end_lineno or 0) < statement.lineno]
                return before + statements_before(statement, child)
    return []


def descendants(node: object) -> Iterator[ast.AST]:
    """Yield a node and all that is in it."""
    return ast.walk(node) if isinstance(node, ast.AST) else iter(())


def uses_target(statement: ast.stmt, block: ast.With) -> bool:
    """Whether a statement uses a name that its `with` block gives; true if the block gives none."""
    given = {
        item.optional_vars.id for item in block.items if isinstance(item.optional_vars, ast.Name)
    }
    used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return not given or not given.isdisjoint(used)


def header(block: ast.stmt, lines: list[str]) -> list[str]:
    """Return the lines of a block before its body."""
    body: list[ast.stmt] = block.body  # type: ignore[attr-defined]
    return lines[block.lineno - 1 : max(body[0].lineno - 1, block.lineno)]


def statements_around(span: Span, tree: ast.Module, lines: Sequence[str]) -> list[ast.stmt]:
    """Return the statement around a span, after the `with` and `for` blocks that it is in.

    Other blocks, such as `if`, are left out with all that is around them.
    """
    path: list[ast.stmt] = []
    node: ast.AST = tree
    while inner := next((child for child in children(node) if contains(child, span, lines)), None):
        is_inside = path and isinstance(path[-1], ast.With | ast.For) and inner in path[-1].body
        path = [*path, inner] if is_inside else [inner]
        if is_one_line(inner):
            break
        node = inner
    return path


def split_block(span: Span, reading: Reading, spans: Sequence[Span]) -> tuple[str, str]:
    """Return the statements of a block that have one of `spans`, and the others.

    The block is the one with the largest statement that is around a span and has none of `spans`.
    """
    lines = reading.source.text.splitlines()
    node: ast.AST = reading.source.tree
    blocks: list[ast.With] = []
    while inner := next((child for child in children(node) if contains(child, span, lines)), None):
        apart: list[ast.stmt] = []
        rest: list[ast.stmt] = []
        for child in children(node):
            has_one = any(contains(child, other, lines) for other in spans)
            (apart if has_one else rest).append(child)
        if inner in rest:
            return copy_block(apart, blocks, lines), copy_block(rest, blocks, lines)
        if isinstance(inner, ast.With):
            blocks.append(inner)
        node = inner
    return "", copy_statement(span, reading)


def copy_block(statements: list[ast.stmt], blocks: Sequence[ast.With], lines: list[str]) -> str:
    """Return statements as they are in a revision, with the `with` blocks that they need."""
    needed = [
        block for block in blocks if any(uses_target(statement, block) for statement in statements)
    ]
    copied = [line for block in needed for line in header(block, lines)]
    for statement in statements:
        copied += lines[statement.lineno - 1 : statement.end_lineno]
    return dedent(copied)


def is_one_line(statement: ast.stmt) -> bool:
    """Whether a block has its body in the line of its header."""
    body = getattr(statement, "body", None)
    return isinstance(body, list) and body[0].lineno == statement.lineno


def children(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements directly in a node, whichever part of a block they are in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def contains(node: ast.stmt, span: Span, lines: Sequence[str]) -> bool:
    """Whether a span begins in a statement, of which a line can have several."""
    last = node.end_lineno or node.lineno
    first_column = column_of(lines[node.lineno - 1], node.col_offset)
    last_column = column_of(lines[last - 1], node.end_col_offset or 0)
    if not span.end_line:  # a line without columns
        return node.lineno <= span.line <= last
    return (node.lineno, first_column) <= (span.line, span.column) < (last, last_column)
