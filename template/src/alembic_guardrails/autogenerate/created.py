"""Which tables revisions create, read from their source."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

NAME = r"""((?:"[^"]+"|`[^`]+`|\[[^]]+\]|[\w.$])+)"""

CREATE_TABLE = re.compile(
    rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{NAME}(?!\s+PARTITION\s+OF)",
    re.IGNORECASE,
)

PARTITION = re.compile(rf"ATTACH\s+PARTITION\s+{NAME}", re.IGNORECASE)


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
