"""The differences between two schemas."""

import re
from collections.abc import Iterator
from textwrap import indent
from typing import NamedTuple

# The table that an object belongs to, at the end of the name of the object.
TABLE = re.compile(r" o[nf] (table .+)")


class Difference(NamedTuple):
    """An object that is in one of two schemas alone, or that they define differently.

    `here` and `there` are its definitions in the two; None where it is not.
    """

    name: str
    here: str | None
    there: str | None


def find_differences(here: dict[str, str], there: dict[str, str]) -> Iterator[Difference]:
    """Yield what only one of two schemas has, and what they define differently."""
    for name in missing(there, here):
        yield Difference(name, here[name], None)
    for name in missing(here, there):
        yield Difference(name, None, there[name])
    for name, definition in here.items():
        if there.get(name, definition) != definition:
            yield Difference(name, definition, there[name])


def differences(
    live: dict[str, str],
    expected: dict[str, str],
    names: tuple[str, str] = ("database", "migrations"),
) -> list[str]:
    """Return the differences between two schemas as texts.

    `names` are what the texts call the two schemas.
    """
    return [describe(difference, names) for difference in find_differences(live, expected)]


def describe(difference: Difference, names: tuple[str, str]) -> str:
    """Return a difference as a text."""
    name, here, there = difference
    if there is None:
        return f"only in the {names[0]}: {name}{block(here or '')}"
    if here is None:
        return f"only in the {names[1]}: {name}{block(there)}"
    return f"different: {name}\n  {names[0]}{block(here)}\n  {names[1]}{block(there)}"


def missing(schema: dict[str, str], other: dict[str, str]) -> list[str]:
    """Return what a schema lacks of another one; of a table that it lacks, the table alone."""
    return [
        name
        for name in other
        if name not in schema and ((table := TABLE.search(name)) is None or table[1] in schema)
    ]


def block(definition: str) -> str:
    """Write a definition below its name."""
    return f":\n{indent(definition, '    ')}" if definition else ""
