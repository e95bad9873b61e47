"""What the file of a revision assigns and creates, read and changed without running it."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

NAME = r"""((?:"[^"]+"|`[^`]+`|\[[^]]+\]|[\w.$])+)"""

CREATE_TABLE = re.compile(
    rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{NAME}(?!\s+PARTITION\s+OF)",
    re.IGNORECASE,
)

CREATE_ENUM = re.compile(rf"CREATE\s+TYPE\s+{NAME}\s+AS\s+ENUM", re.IGNORECASE)

PARTITION = re.compile(rf"ATTACH\s+PARTITION\s+{NAME}", re.IGNORECASE)


def find_values(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    """Find the values that a module assigns to a name at its top level."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                yield value
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if (
                found == name
            ):
                yield value


def find_id(source: bytes) -> str | None:
    """Return the id that the file of a revision assigns, or None if it takes running to know."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for value in find_values(tree, "revision"):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None


def assign(source: bytes, values: Mapping[str, object]) -> bytes:
    """Return the file of a revision with other values for these names.

    Raises:
        ValueError: The file does not assign a literal to a name, once.
    """
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    places: list[tuple[int, int, bytes]] = []
    for name, new in values.items():
        found = [*find_values(tree, name)]
        if len(found) != 1 or not is_literal(found[0]):
            raise ValueError(name)
        [old] = found
        end = starts[(old.end_lineno or old.lineno) - 1] + (old.end_col_offset or 0)
        places.append((starts[old.lineno - 1] + old.col_offset, end, write(new)))
    for start, end, text in sorted(places, reverse=True):
        source = source[:start] + text + source[end:]
    return source


def is_literal(value: ast.expr) -> bool:
    """Whether an expression is a constant, or a tuple or the like of constants."""
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def insert_after(source: bytes, name: str, lines: bytes) -> bytes:
    """Return the file of a revision with more lines behind the first assignment to a name."""
    [value, *_] = find_values(ast.parse(source), name)
    parts = source.splitlines(keepends=True)
    ends = b"\r\n" if parts[0].endswith(b"\r\n") else b"\n"
    place = value.end_lineno or value.lineno
    return b"".join([*parts[:place], lines.replace(b"\n", ends), *parts[place:]])


def write(value: object) -> bytes:
    """Write a constant as Ruff formats it: in double quotes, if it is a text without any."""
    text = repr(value)
    if isinstance(value, str) and text == f"'{value}'" and '"' not in value:
        text = f'"{value}"'
    if isinstance(value, dict) and value:
        items = [b"%s: %s" % (write(key), write(item)) for key, item in value.items()]
        if len(items) == 1:
            return b"{" + items[0] + b"}"
        return b"{\n" + b"".join(b"    %s,\n" % item for item in items) + b"}"
    return text.encode()


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


def created_tables(revisions: Iterable[str]) -> set[str]:
    """Return the tables that revisions create or rename, read from their source.

    Where a name is computed, every text in the revision may be it. Partitions are not tables of
    their own.
    """
    created: set[str] = set()
    for source in revisions:
        nodes = [*ast.walk(ast.parse(source))]
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and node.value}
        for node in nodes:
            match node:
                case ast.Call(func=ast.Attribute(attr="create_table" | "Table"), args=[name, *_]):
                    created.update(full_names(name, node.keywords, texts))
                case ast.Call(func=ast.Attribute(attr="rename_table"), args=[_, name, *_]):
                    created.update(full_names(name, node.keywords, texts))
                case ast.Constant(value=str(sql)):
                    created |= set(map(unquoted, CREATE_TABLE.findall(sql)))
                    created -= set(map(unquoted, PARTITION.findall(sql)))
    return created


def created_enums(revisions: Iterable[str]) -> set[str]:
    """Return the types of enums that revisions create, without schemas, read from their source.

    A table creates those of its columns. Where a revision calls any `create()`, it may be that of
    any type.
    """
    created: set[str] = set()
    for source in revisions:
        nodes = [*ast.walk(ast.parse(source))]
        is_called = any(isinstance(node, ast.Attribute) and node.attr == "create" for node in nodes)
        if is_called:
            created.update(name for name, _ in enum_names(nodes))
        for node in nodes:
            match node:
                case ast.Call(func=ast.Attribute(attr="create_table" | "Table")):
                    created.update(name for name, is_made in enum_names(ast.walk(node)) if is_made)
                case ast.Constant(value=str(sql)):
                    created |= {unquoted(name.split(".")[-1]) for name in CREATE_ENUM.findall(sql)}
    return created


def enum_names(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, bool]]:
    """Yield the names of the enums among nodes, and whether a table creates them."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="Enum" | "ENUM") | ast.Name(id="Enum" | "ENUM")):
                given = {
                    keyword.arg: keyword.value.value
                    for keyword in node.keywords
                    if isinstance(keyword.value, ast.Constant)
                }
                if isinstance(given.get("name"), str):
                    yield str(given["name"]), given.get("create_type", True) is not False


def full_names(
    name: ast.expr, keywords: Iterable[ast.keyword], texts: Iterable[Any]
) -> Iterator[str]:
    """Yield the name of a table that a call gives, with its schema."""
    schemas = [keyword.value for keyword in keywords if keyword.arg == "schema"]
    schema = [
        str(given.value) for given in schemas if isinstance(given, ast.Constant) and given.value
    ]
    for text in [name.value] if isinstance(name, ast.Constant) else texts:
        yield ".".join([*schema, str(text)])


def unquoted(name: str) -> str:
    """Return a table's name without quotes, and without the schema that goes without saying."""
    return re.sub(r'[`"\[\]]', "", name).removeprefix("public.")
