"""The schema of a SQLite database."""

import re
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import TypeAlias

from alembic_guardrails.revisions import OWN_TABLES
from alembic_guardrails.schema import StoredObject
from sqlalchemy import Connection, text

OBJECTS = text("""
SELECT type, name, iif(name = tbl_name, '',
    (SELECT ' on ' || type || ' ' || name FROM sqlite_master WHERE name = stored.tbl_name)), sql
FROM sqlite_master stored WHERE sql <> '' AND name NOT GLOB 'sqlite_*' ORDER BY rowid
""")

# https://www.sqlite.org/lang_keywords.html says which quotes SQLite takes around names.
TOKEN = re.compile(
    r"""(?P<ignored>\s+|--[^\n]*|/\*.*?\*/)|(?P<string>'(?:[^']|'')*')
    |"(?P<a>(?:[^"]|"")*)"|`(?P<b>(?:[^`]|``)*)`|\[(?P<c>[^]]*)\]
    |\d[\d.]*|[\w$\u0080-\U0010ffff]+|\|\||[<>=!]=|<>|->>?|.""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)

# What an application writes into the header of a file: https://www.sqlite.org/pragma.html
HEADER = ("application_id", "user_version")

# The first words of a constraint: at a column it means the same as at the end of the table.
CONSTRAINTS = ("constraint", "primary", "unique", "check", "foreign", "references")

# The first words of what can stand behind the type of a column.
CLAUSES = (*CONSTRAINTS, "not null", "null", "default", "collate", "generated", "as")

Tokens: TypeAlias = list["str | Tokens"]


def read_objects(connection: Connection) -> Iterator[StoredObject]:
    """Read each object but Alembic's tables, in the order in which they were created."""
    for kind, name, parent, statement in connection.execute(OBJECTS).all():
        if name not in OWN_TABLES:
            yield StoredObject(kind, name, parent, statement)


def read_header(connection: Connection) -> Iterator[tuple[str, int]]:
    """Read what an application has written into the header of the file."""
    for setting in HEADER:
        if value := connection.exec_driver_sql(f"PRAGMA {setting}").scalar():
            yield setting, int(value)


def read(connection: Connection) -> Iterator[tuple[str, str]]:
    """Read the statements that SQLite keeps; how they are spelt and ordered does not count."""
    for stored in read_objects(connection):
        tokens = parse(stored.statement)
        if stored.kind == "table" and tokens[1] != "virtual":
            yield from table_parts(stored.name, tokens)
        else:
            yield stored.full_name, render(tokens)
    for setting, value in read_header(connection):
        yield f"setting {setting}", str(value)


def table_parts(table: str, tokens: Tokens) -> Iterator[tuple[str, str]]:
    """Split a CREATE TABLE statement into options, columns and constraints."""
    _, _, _, body, *options = tokens
    yield f"table {table}", ", ".join(sorted(map(render, split(options))))
    parts = split([*body])
    for first, *rest in parts:
        if first in CONSTRAINTS:
            yield name_constraint([first, *rest], table)
            continue
        type_, *clauses = split_clauses(rest)
        if type_ == ["int"] and not is_in_primary_key(first, parts):
            type_ = ["integer"]
        own = sorted(
            render(clause)
            for clause in clauses
            if clause[0] not in CONSTRAINTS and clause != ["null"]  # which goes without saying
        )
        yield f"column {first} of table {table}", " ".join((render(type_), *own))
        for clause in clauses:
            if clause[0] in CONSTRAINTS:
                yield name_constraint(clause, table, [first])


def is_in_primary_key(column: "str | Tokens", parts: list[Tokens]) -> bool:
    """Whether a column is in the primary key, where INT is not the same as INTEGER.

    https://www.sqlite.org/lang_createtable.html#rowid
    """
    keys = [part for part in parts if "primary" in part]
    return any(
        part[0] == column or any(isinstance(token, list) and column in token for token in part)
        for part in keys
    )


def parse(sql: str) -> Tokens:
    """Split SQL into tokens in lower case; what stands in brackets is a list of its own.

    Comments are left out. Only strings, and names that are keywords here, stay quoted.
    """
    levels: list[Tokens] = [[]]
    for match in TOKEN.finditer(sql):
        word = " ".join((match["a"] or match["b"] or match["c"] or match[0]).lower().split())
        if match["ignored"]:
            continue
        if match["string"]:
            levels[-1].append(match[0])
        elif match["a"] and levels[-1][-1:] == ["default"]:  # is a string there
            levels[-1].append("'" + match["a"].replace("'", "''").replace('""', '"') + "'")
        elif word == "(":
            levels.append([])
        elif word == ")":
            inner = levels.pop()
            levels[-1].append(inner)
        elif word == "null" and not match.lastgroup and levels[-1][-1:] == ["not"]:
            levels[-1][-1] = "not null"
        else:
            is_quoted_keyword = match.lastgroup and word in CLAUSES
            levels[-1].append(f'"{word}"' if is_quoted_keyword else word)
    return levels[0]


def render(tokens: Tokens) -> str:
    """Write tokens as SQL, always in the same way."""
    return ", ".join(
        " ".join(f"({render(token)})" if isinstance(token, list) else token for token in part)
        for part in split(tokens)
    )


def split(tokens: Tokens) -> list[Tokens]:
    """Split tokens at the commas."""
    groups = groupby(tokens, lambda part: part == ",")
    return [list(group) for is_comma, group in groups if not is_comma]


def split_clauses(tokens: Tokens) -> list[Tokens]:
    """Split the definition of a column into its type and the clauses behind it."""
    clauses: list[Tokens] = [[]]
    for before, token in pairwise(["", *tokens]):
        is_name = clauses[-1][:1] == ["constraint"] and len(clauses[-1]) < 3
        if token in CLAUSES and not is_name and before not in ("always", "default", "set"):
            clauses.append([])
        if clauses[-1] == ["default"] and isinstance(token, list):
            clauses[-1] += token
        else:
            clauses[-1].append(token)
    return clauses


def name_constraint(tokens: Tokens, table: str, column: Tokens | None = None) -> tuple[str, str]:
    """Return the name and the definition of a constraint; one at a column is written at the table.

    A constraint without a name has its definition for one.
    """
    name, tokens = (tokens[1], tokens[2:]) if tokens[0] == "constraint" else ("", tokens)
    if column and tokens[0] == "references":
        tokens = ["foreign", "key", column, *tokens]
    elif column and tokens[0] in ("primary", "unique"):
        words = 2 if tokens[0] == "primary" else 1
        tokens = [*tokens[:words], column, *tokens[words:]]
    definition = render(tokens)
    return f"constraint {name or definition} on table {table}", definition


def reword_view(connection: Connection, definition: str) -> str:
    """Return the definition as it is: SQLite keeps it so."""
    return definition


def makes_up(name: str, definition: str) -> bool:
    """Whether a constraint has no name, for which its definition stands."""
    return name == definition
