"""The differences between two schemas, and what they have under names by different rules.

A service that has moved in has names that its databases made up, and names by the convention of its
models. Databases of different age can have one thing under either.
"""

import re
from collections.abc import Collection, Iterator
from textwrap import indent
from typing import NamedTuple

from alembic_guardrails._alembic import find_convention_names
from alembic_guardrails.dialects import module_for
from alembic_guardrails.schema import SchemaReader
from sqlalchemy import Dialect, MetaData

# The table that an object belongs to, at the end of the name of the object.
TABLE = re.compile(r" o[nf] (table .+)")

KEY = re.compile(r"(?P<kind>constraint|index) (?P<name>.+) on (?P<table>table .+)", re.DOTALL)

# What stands before the name in a definition that has it.
BEFORE_NAME = r"((?:(?:CREATE|UNIQUE) )*(?:CONSTRAINT|INDEX|KEY) )([\"`]?)"


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


class Named(NamedTuple):
    """A constraint or an index: its name, and all that it is but for the name."""

    name: str
    essence: tuple[str, str, str]


def read_named(key: str, definition: str) -> Named | None:
    """Return the constraint or the index under a key of a schema; None if it is another object."""
    if not (found := KEY.fullmatch(key)):
        return None
    name = found["name"]
    own_name = re.compile(rf"{BEFORE_NAME}{re.escape(name)}\2", re.IGNORECASE)
    unnamed = own_name.sub(r"\1", definition, count=1) if own_name.match(definition) else definition
    return Named(name, (found["kind"], found["table"], unnamed))


def rename_alike(
    schema: dict[str, str], other: dict[str, str], models: Collection[MetaData], dialect: Dialect
) -> dict[str, str]:
    """Return a schema with the names of another one for what differs in nothing else.

    One of the two names has to be by the naming convention of the models, and the other what the
    database, or the revision without the convention, makes of it.
    """
    names = {name for model in models for name in find_convention_names(model, dialect)}
    reader: SchemaReader = module_for("schema", dialect.name)
    lacking = {key: read_named(key, other[key]) for key in other if key not in schema}
    renamed: dict[str, str] = {}
    for key, definition in schema.items():
        named = read_named(key, definition) if key not in other else None
        for candidate, wanted in lacking.items():
            if not (named and wanted and named.essence == wanted.essence):
                continue
            given = {named.name, wanted.name}
            if any(
                is_by_rules(reader, name, plain, definition)
                for name in given & names
                for plain in given - {name}
            ):
                key, definition = candidate, other[candidate]
                del lacking[candidate]
                break
        renamed[key] = definition
    return renamed


def is_by_rules(reader: SchemaReader, name: str, plain: str, definition: str) -> bool:
    """Whether something gets one name by the convention, and the other without it.

    The convention puts something before the name of a check.
    """
    return name.endswith(f"_{plain}") or reader.makes_up(plain, definition)
