"""What the file of a revision assigns to its names, read and changed without running it."""

import ast
from collections.abc import Iterator, Mapping


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
