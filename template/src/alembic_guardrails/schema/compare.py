"""What differs between two schemas, in words."""

import re
from collections.abc import Iterator
from textwrap import indent


def differences(
    live: dict[str, str],
    expected: dict[str, str],
    names: tuple[str, str] = ("database", "migrations"),
) -> list[str]:
    """Say in words what only one of two schemas has, and what they define differently."""
    here, there = names
    return [
        *(f"only in the {here}: {it}{block(live[it])}" for it in lacking(expected, live)),
        *(f"only in the {there}: {it}{block(expected[it])}" for it in lacking(live, expected)),
        *(
            f"different: {it}\n  {here}{block(live[it])}\n  {there}{block(expected[it])}"
            for it in live
            if expected.get(it, live[it]) != live[it]
        ),
    ]


def lacking(schema: dict[str, str], other: dict[str, str]) -> Iterator[str]:
    """What a schema lacks of another one: of whole tables the names alone."""
    for name in other:
        table = re.search(r" o[nf] (table .+)", name)
        if name not in schema and (table is None or table[1] in schema):
            yield name


def block(definition: str) -> str:
    """Write a definition below its name."""
    return f":\n{indent(definition, '    ')}" if definition else ""
