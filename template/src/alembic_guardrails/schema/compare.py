"""The differences between two schemas."""

import re
from textwrap import indent

# The table that an object belongs to, at the end of the name of the object.
TABLE = re.compile(r" o[nf] (table .+)")


def differences(
    live: dict[str, str],
    expected: dict[str, str],
    names: tuple[str, str] = ("database", "migrations"),
) -> list[str]:
    """Return what only one of two schemas has, and what they define differently, one text each.

    `names` are what the texts call the two schemas.
    """
    here, there = names
    return [
        *(f"only in the {here}: {name}{block(live[name])}" for name in missing(expected, live)),
        *(
            f"only in the {there}: {name}{block(expected[name])}"
            for name in missing(live, expected)
        ),
        *(
            f"different: {name}\n  {here}{block(live[name])}\n  {there}{block(expected[name])}"
            for name in live
            if expected.get(name, live[name]) != live[name]
        ),
    ]


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
