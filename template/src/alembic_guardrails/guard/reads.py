"""What a revision has read before it skips statements that an earlier run executed.

A query that runs again sees what those statements changed. Nobody knows what the revision does with
its result, so the revision cannot continue if the result may differ from that of the earlier run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from alembic_guardrails.guard.catalog import Catalog
from alembic_guardrails.guard.effects import Action, Effect, split_at_commas
from alembic_guardrails.statements import Statement

# Words after the tables that a change of rows is about.
AFTER_TARGET = {"(", "SELECT", "SET", "VALUE", "VALUES", "WHERE"}

# What can stand before an asterisk that means all columns.
BEFORE_ALL = {",", ".", "ALL", "DISTINCT", "SELECT"}

# Clauses of ALTER TABLE that change no value of a column that is there before and after.
KEEP_VALUES = {"ADD", "ALGORITHM", "AUTO_INCREMENT", "COMMENT", "DROP", "ENGINE", "FORCE", "LOCK"}


@dataclass(frozen=True)
class Read:
    """A query: the names in it, and whether it is about all columns or about definitions."""

    names: frozenset[str]
    has_all_columns: bool
    is_definition: bool


class Reads:
    """The queries of a revision that skips statements."""

    def __init__(self) -> None:
        self.reads: set[Read] = set()

    def note(self, effect: Effect, parameters: Any, catalog: Catalog) -> None:
        """Remember a query."""
        behind = catalog.statements_behind(effect.statement)
        words = effect.statement.words
        names = catalog.names_behind(effect.statement)
        is_definition = words[:1] != ("SELECT",) or "INFORMATION_SCHEMA" in words
        self.reads.add(
            Read(
                frozenset(names | {name.lower() for name in strings_in(parameters)}),
                any(reads_all_columns(statement) for statement in behind),
                is_definition or "information_schema" in names,
            )
        )

    def can_differ(self, effect: Effect, catalog: Catalog) -> bool:
        """Whether a statement that is skipped can have changed the result of a query before it."""
        if effect.action is Action.SCHEMA:
            return any(self.can_differ_by_schema(effect, read) for read in self.reads)
        tables, columns = changed_by(effect.statement, catalog)
        return any(
            read.names & tables
            and (columns is None or read.has_all_columns or bool(read.names & columns))
            for read in self.reads
        )

    def can_differ_by_schema(self, effect: Effect, read: Read) -> bool:
        """Whether a change of the schema can have changed the result of a query."""
        if read.is_definition:
            return True
        words = effect.statement.words
        tables = {item.name.rpartition(".")[2].strip("`").lower() for item in effect.objects}
        if not read.names & tables or "INDEX" in words[:3]:
            return False
        return read.has_all_columns or not keeps_values(effect.statement)


def keeps_values(statement: Statement) -> bool:
    """Whether a change of the schema leaves the values of other columns as they are."""
    words = statement.words
    if words[0] != "ALTER" or "TABLE" not in words:
        return False
    # The first clause begins after ALTER TABLE and a name, which may have a schema.
    first, *others = split_at_commas(statement.tokens)
    after = 5 if words[3:4] == (".",) else 3
    clauses = [first[after:], *others]
    return words[1] == "TABLE" and all(
        clause and clause[0].word in KEEP_VALUES for clause in clauses
    )


def reads_all_columns(statement: Statement) -> bool:
    """Whether a query asks for all columns by an asterisk."""
    return any(after == "*" and before in BEFORE_ALL for before, after in pairwise(statement.words))


def changed_by(statement: Statement, catalog: Catalog) -> tuple[set[str], set[str] | None]:
    """Return the tables that a change of rows is about, and the columns if not all of them."""
    words = statement.words
    end = next((at for at, word in enumerate(words) if word in AFTER_TARGET), len(words))
    end = len(words) if words[0] == "WITH" else end
    target = replace(statement, tokens=statement.tokens[:end])
    has_programs = len(catalog.statements_behind(target)) > 1
    tables = catalog.with_cascades(catalog.names_behind(target), words[0] == "UPDATE")
    if words[0] != "UPDATE" or has_programs or words[end : end + 1] != ("SET",):
        return tables, None
    return tables, {*assigned_columns(statement, end + 1), *catalog.touched_columns}


def assigned_columns(statement: Statement, begin: int) -> Iterator[str]:
    """Yield the columns that SET assigns, whose first token is at a place."""
    for part in split_at_commas(statement.tokens[begin:]):
        words = [token.word for token in part]
        if "=" in words and words.index("="):
            yield part[words.index("=") - 1].identifier.lower()


def strings_in(parameters: Any) -> Iterator[str]:
    """Yield the strings in the parameters of a statement."""
    if isinstance(parameters, str):
        yield parameters
    elif isinstance(parameters, dict):
        yield from strings_in([*parameters.values()])
    elif isinstance(parameters, list | tuple):
        for item in parameters:
            yield from strings_in(item)
