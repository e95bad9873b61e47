"""The schema of a SQLite database."""

import re
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import TypeAlias

from alembic_guardrails.own_tables import OWN_TABLES
from sqlalchemy import Connection, text

SQLITE = """
SELECT type, name, iif(name = tbl_name, '',
    (SELECT ' on ' || type || ' ' || name FROM sqlite_master WHERE name = thing.tbl_name)), sql
FROM sqlite_master thing WHERE sql <> '' AND name NOT GLOB 'sqlite_*'
"""

TOKEN = re.compile(
    r"""(?P<nothing>\s+|--[^\n]*|/\*.*?\*/)|(?P<string>'(?:[^']|'')*')
    |"(?P<a>(?:[^"]|"")*)"|`(?P<b>(?:[^`]|``)*)`|\[(?P<c>[^]]*)\]
    |not\s+null\b|\d[\d.]*|[\w$\u0080-\U0010ffff]+|\|\||[<>=!]=|<>|->>?|.""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)

# How a clause of a column begins; those in the first line are as good as one of the table.
CONSTRAINTS = ("constraint", "primary", "unique", "check", "foreign", "references")

CLAUSES = (*CONSTRAINTS, "not null", "null", "default", "collate", "generated", "as")

Tokens: TypeAlias = list["str | Tokens"]


def read(connection: Connection) -> Iterator[tuple[str, str]]:
    """Read the statements that SQLite keeps, so that spelling and order do not matter."""
    for kind, name, place, sql in connection.execute(text(SQLITE)).all():
        tokens = parse(sql)
        if name in OWN_TABLES:
            continue
        if kind != "table" or tokens[1] == "virtual":
            yield f"{kind} {name}{place}", written(tokens)
            continue
        _, _, _, body, *options = tokens
        yield f"table {name}", ", ".join(sorted(map(written, split(options))))
        for column, *definition in split(list(body)):
            if column in CONSTRAINTS:
                yield constraint([column, *definition], name)
                continue
            kind, *parts = clauses(definition)
            own = sorted(written(part) for part in parts if part[0] not in CONSTRAINTS)
            yield f"column {column} of table {name}", " ".join((written(kind), *own))
            for part in parts:
                if part[0] in CONSTRAINTS:
                    yield constraint(part, name, [column])


def parse(sql: str) -> Tokens:
    """Split SQL into words and signs, with what is in brackets as a list of its own.

    Comments are left out; only strings, and names that are keywords here, stay quoted.
    """
    levels: list[Tokens] = [[]]
    for match in TOKEN.finditer(sql):
        word = " ".join((match["a"] or match["b"] or match["c"] or match[0]).lower().split())
        if match["nothing"]:
            continue
        if match["string"]:
            levels[-1].append(match[0])
        elif word == "(":
            levels.append([])
        elif word == ")":
            inner = levels.pop()
            levels[-1].append(inner)
        else:
            quoted = match.lastgroup and word in CLAUSES
            levels[-1].append(f'"{word}"' if quoted else word)
    return levels[0]


def written(tokens: Tokens) -> str:
    """Write tokens as SQL again, always in the same way."""
    return ", ".join(
        " ".join(f"({written(it)})" if isinstance(it, list) else it for it in part)
        for part in split(tokens)
    )


def split(tokens: Tokens) -> list[Tokens]:
    """Split at the commas."""
    return [list(part) for comma, part in groupby(tokens, lambda it: it == ",") if not comma]


def clauses(tokens: Tokens) -> list[Tokens]:
    """Split a column's definition into its type and the clauses after it."""
    parts: list[Tokens] = [[]]
    for before, token in pairwise(["", *tokens]):
        named = parts[-1][:1] == ["constraint"] and len(parts[-1]) < 3
        if token in CLAUSES and not named and before not in ("always", "default", "set"):
            parts.append([])
        if parts[-1] == ["default"] and isinstance(token, list):
            parts[-1] += token
        else:
            parts[-1].append(token)
    return parts


def constraint(tokens: Tokens, table: str, column: Tokens | None = None) -> tuple[str, str]:
    """Name a constraint, and write it as one of the table where it stands at a column."""
    name, tokens = (tokens[1], tokens[2:]) if tokens[0] == "constraint" else ("", tokens)
    if column and tokens[0] == "references":
        tokens = ["foreign", "key", column, *tokens]
    elif column and tokens[0] in ("primary", "unique"):
        words = 2 if tokens[0] == "primary" else 1
        tokens = [*tokens[:words], column, *tokens[words:]]
    definition = written(tokens)
    return f"constraint {name or definition} on table {table}", definition
