"""Edits of a table's definition: each takes the text and returns it, changed in one place.

What is not named stays letter for letter, comments included.
"""

import re
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

from alembic.util import CommandError
from alembic_guardrails.rebuild.definition import (
    Clause,
    ColumnDefinition,
    Name,
    TableDefinition,
    fold,
    parse_table,
    read_tokens,
)

# A place in a text, and what comes there.
Change = tuple[int, int, str]

# A comment on the line of what it is about.
COMMENT_BEHIND = re.compile(r"[ \t]*(?:--[^\n]*|/\*.*?\*/(?=[ \t]*(?:\n|\Z)))", re.DOTALL)


def apply(text: str, *changes: Change) -> str:
    """Change a text in several places, which do not overlap."""
    for begin, end, new in sorted(changes, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def cut(table: TableDefinition, begin: int, end: int) -> Change:
    """Cut a part, and the white space before it unless there is a comment in it."""
    before = max((token.end for token in read_tokens(table.text) if token.end <= begin), default=0)
    return (begin if table.text[before:begin].strip() else before, end, "")


def end_of_comment(text: str, place: int) -> int:
    """Return the place behind a comment that is on the line of what ends here."""
    comment = COMMENT_BEHIND.match(text, place)
    return comment.end() if comment else place


def cut_element(table: TableDefinition, element: ColumnDefinition | Clause) -> list[Change]:
    """Cut a column or a constraint, with its comma and the comment on its line."""
    text = table.text
    elements = table.elements
    place = elements.index(element)
    if element.comma is not None:
        end = end_of_comment(text, element.comma + 1)
        behind = text[end : elements[place + 1].begin]
        return [(element.begin, end + len(behind) - len(behind.lstrip()), "")]
    changes = [cut(table, element.begin, element.end)]
    if place == len(elements) - 1:
        begin, end, _ = changes[0]
        changes = [(begin, end_of_comment(text, end), "")]
        comma = elements[place - 1].comma if place else None
        if comma is not None and begin <= comma + 1:
            changes = [(comma, changes[0][1], "")]
        elif comma is not None:
            # What follows may have to end the line of a comment.
            if text[end_of_comment(text, end) :].lstrip(" \t").startswith("\n"):
                begin = len(text[:begin].rstrip())
            changes = [(begin, changes[0][1], ""), (comma, comma + 1, "")]
    return changes


def add_column(text: str, definition: str, before: str = "") -> str:
    """Add a column before another one, or else behind the last one."""
    table = parse_table(text)
    elements = table.elements
    place = len(table.columns)
    if before:
        place = table.folded_names.index(fold(before))
    return insert_element(table, definition, elements, place)


def insert_element(
    table: TableDefinition,
    definition: str,
    elements: Sequence[ColumnDefinition | Clause],
    place: int,
) -> str:
    """Insert an element before the one at a place, or at the end."""
    text = table.text
    if place < len(elements):
        begin = elements[place].begin
        white = text[:begin][len(text[:begin].rstrip()) :] or " "
        return apply(text, (begin, begin, f"{definition},{white}"))
    last = elements[-1]
    behind = text[last.end : table.body_end]
    if not behind.strip():
        between = text[elements[-2].end : last.begin] if len(elements) > 1 else ", "
        gap = between.partition(",")[2] if not between.replace(",", "", 1).strip() else " "
        return apply(text, (last.end, last.end, f",{gap or ' '}{definition}"))
    # A comment stays on the line of the element before.
    end = table.body_end
    line = text[: last.begin].rpartition("\n")[2]
    indent = line if not line.strip() else ""
    return apply(text, (last.end, last.end, ","), (end, end, f"{indent}{definition}\n"))


def add_constraint(text: str, definition: str) -> str:
    """Add a constraint behind all others."""
    table = parse_table(text)
    return insert_element(table, definition, table.elements, len(table.elements))


def require_column(table: TableDefinition, name: str) -> ColumnDefinition:
    """Return a column.

    Raises:
        CommandError: There is none with this name.
    """
    column = table.column(name)
    if column is None:
        raise CommandError(f"Table {table.name} has no column {name}.")
    return column


def set_type(text: str, name: str, type_: str) -> str:
    """Give a column a type."""
    column = require_column(parse_table(text), name)
    space = "" if column.type else " "
    return apply(text, (column.type_begin, column.type_end, space + type_))


def set_clause(text: str, name: str, kind: str, definition: str) -> str:
    """Put a clause in the place of the one that a column has of this kind, or add it."""
    column = require_column(parse_table(text), name)
    # Of several defaults the last one counts.
    clause = next((one for one in reversed(column.clauses) if one.kind == kind), None)
    if clause is None:
        # Behind the type no clause can be taken for a part of it.
        return apply(text, (column.type_end, column.type_end, f" {definition}"))
    begin = clause.tokens[0].begin
    return apply(text, (begin, clause.end, definition))


def drop_clause(text: str, name: str, *kinds: str) -> str:
    """Drop all clauses that a column has of some kinds, with their names."""
    table = parse_table(text)
    column = require_column(table, name)
    found = [clause for clause in column.clauses if clause.kind in kinds]
    return apply(text, *(cut(table, clause.begin, clause.end) for clause in found))


def set_nullable(text: str, name: str, *, nullable: bool) -> str:
    """Allow NULL in a column, or forbid it."""
    if nullable:
        return drop_clause(text, name, "NOT NULL")
    if require_column(parse_table(text), name).clause("NOT NULL"):
        return text
    return set_clause(drop_clause(text, name, "NULL"), name, "NOT NULL", "NOT NULL")


def drop_constraint(text: str, find: Callable[[Clause], bool]) -> str:
    """Drop the first constraint that a function accepts, wherever it stands."""
    table = parse_table(text)
    clause, column = next(pair for pair in table.all_clauses() if find(pair[0]))
    if column is None:
        return apply(text, *cut_element(table, clause))
    changes = [cut(table, clause.begin, clause.end)]
    keys = [one for one in column.clauses if one.kind == "REFERENCES"]
    if clause.kind == "REFERENCES" and len(keys) == 1:
        loose = [one for one in column.clauses if one.kind == "DEFERRABLE"]
        changes += [cut(table, one.begin, one.end) for one in loose]
    return apply(text, *changes)


def drop_primary_key(text: str) -> str:
    """Drop the primary key, if there is one."""
    is_key = [clause.kind == "PRIMARY KEY" for clause, _ in parse_table(text).all_clauses()]
    return drop_constraint(text, lambda one: one.kind == "PRIMARY KEY") if any(is_key) else text


def drop_column(text: str, name: str) -> tuple[str, list[str]]:
    """Drop a column, and the constraints that cannot be without it.

    Returns:
        The text, and the keys that went along although they name other columns, too.

    Raises:
        CommandError: Something else needs the column.
    """
    lost: list[str] = []
    dropped = fold(name)
    while True:
        table = parse_table(text)
        column = require_column(table, name)
        clause, owner, used = find_user(table, column)
        if clause is None:
            break
        others = used - {dropped}
        if clause.kind == "AS" and owner:
            raise needed(name, f"column {owner.name} is computed from it", f"column {owner.name}")
        if clause.kind == "CHECK" and others:
            constraint = clause.name or clause.text
            raise needed(name, f"{constraint} names other columns, too", constraint)
        if clause.kind == "PRIMARY KEY" and others:
            lost.append(f"Its place in {clause.text}")
            text = apply(text, cut_name(clause.columns, dropped))
        else:
            lost += [clause.text] if others else []
            text = remove(text, table, clause, owner)
    if len(table.columns) == 1:
        raise CommandError(f"Column {name} is the only one of table {table.name}: drop the table.")
    return apply(text, *cut_element(table, column)), lost


def needed(name: str, reason: str, other: str) -> CommandError:
    """Return the error that something needs a column."""
    return CommandError(
        f"Column {name} cannot be dropped, because {reason}: drop {other} first, in the same"
        " revision."
    )


def remove(
    text: str, table: TableDefinition, clause: Clause, owner: ColumnDefinition | None
) -> str:
    """Remove a clause of a column, or a constraint."""
    if owner is None:
        return apply(text, *cut_element(table, clause))
    return apply(text, cut(table, clause.begin, clause.end))


def find_user(
    table: TableDefinition, column: ColumnDefinition
) -> tuple[Clause | None, ColumnDefinition | None, set[str]]:
    """Return the first clause of anything else that names a column, whose it is, and all it names.

    The clauses of the column itself go with it, unless they name others.
    """
    dropped = fold(column.name)
    for clause, owner in table.all_clauses():
        used = clause.names(table.folded_names) | {fold(one.name) for one in clause.columns}
        is_own = owner is not None and fold(owner.name) == dropped
        if is_own and clause.kind == "CHECK" and used - {dropped}:
            return clause, owner, used | {dropped}
        if not is_own and dropped in used:
            return clause, owner, used
    return None, None, set()


def cut_name(names: list[Name], dropped: str) -> Change:
    """Cut a column out of a list."""
    place = next(place for place, entry in enumerate(names) if fold(entry.name) == dropped)
    if place + 1 < len(names):
        return (names[place].begin, names[place + 1].begin, "")
    return (names[place - 1].end, names[place].end, "")


def reorder(text: str, order: Sequence[str]) -> str:
    """Bring the columns in another order; `order` has the folded names of all."""
    table = parse_table(text)
    columns = {fold(column.name): column for column in table.columns}
    changes = []
    for column, name in zip(table.columns, order, strict=True):
        other = columns[name]
        changes.append((column.begin, column.end, text[other.begin : other.end]))
    return apply(text, *changes)


def set_option(text: str, option: str) -> str:
    """Add WITHOUT ROWID or STRICT, if the table does not have it."""
    table = parse_table(text)
    if option.split()[-1] in table.options:
        return text
    end = max(token.end for token in read_tokens(text))
    return apply(text, (end, end, f"{',' if table.options else ''} {option}"))


def set_autoincrement(text: str) -> str:
    """Have SQLite never use the number of a row again.

    Raises:
        CommandError: The table has no column that is the number of the row.
    """
    table = parse_table(text)
    clause, column = next(
        ((one, owner) for one, owner in table.all_clauses() if one.kind == "PRIMARY KEY"),
        (None, None),
    )
    if clause is None or not table.row_number:
        raise CommandError(f"Table {table.name} cannot have AUTOINCREMENT: it has no INTEGER key.")
    if "AUTOINCREMENT" in clause.words:
        return text
    end = clause.end if column else clause.body[-1].end
    return apply(text, (end, end, " AUTOINCREMENT"))


def topological(names: Sequence[str], pairs: Collection[tuple[str, str]]) -> list[str]:
    """Sort names so that the first of each pair is before the second; else keep their order.

    Raises:
        CommandError: The pairs contradict each other.
    """
    left = list(names)
    ordered: list[str] = []
    while left:
        blocked = {second for first, second in pairs if first in left and first != second}
        ready = next((name for name in left if name not in blocked), None)
        if ready is None:
            raise CommandError(f"The order of these columns is a circle: {', '.join(left)}.")
        ordered.append(ready)
        left.remove(ready)
    return ordered


def pairs_of(orders: Collection[Sequence[str]]) -> list[tuple[str, str]]:
    """Return which name is before which, in partial orders."""
    return [(fold(a), fold(b)) for order in orders for a, b in pairwise(order)]
