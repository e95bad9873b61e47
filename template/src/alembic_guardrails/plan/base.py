"""What a plan says of a statement, and what the module of each database offers for it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from alembic_guardrails.output import Finding
from alembic_guardrails.places import Span
from alembic_guardrails.statements import Statement, split
from sqlalchemy import Connection


class Stops(StrEnum):
    """Who waits while a statement holds its lock."""

    NOBODY = "nobody"
    SAME_ROWS = "writers of the same rows"
    WRITERS = "writers"
    EVERYBODY = "readers and writers"


@dataclass(frozen=True)
class Effect:
    """What a statement does to one table that was there before the revision.

    `lock` is the lock in the words of the database, and `how` what the database does to the table,
    such as ``ALGORITHM=COPY``; both are empty where nothing is to be said. `rewrites` says that all
    rows are written anew, `reads` that all rows are read, while the lock is held.
    """

    table: str
    stops: Stops = Stops.NOBODY
    lock: str = ""
    how: str = ""
    rewrites: bool = False
    reads: bool = False


@dataclass(frozen=True)
class Size:
    """How large a table is, by the statistics of its database: rows, and bytes with its indexes.

    None stands for what the statistics do not say.
    """

    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Planned:
    """A statement of a revision, its effects on the tables that were there before, its place."""

    sql: str
    effects: Sequence[Effect] = ()
    span: Span | None = None


@dataclass
class PlannedRevision:
    """A revision that is pending: its statements, what lint finds, whether it can be taken back."""

    revision: str
    message: str
    path: str
    statements: list[Planned] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    way_back: str = ""


def first_statement(sql: str, dialect: str) -> Statement | None:
    """Return the first statement of a text; None if there is none."""
    return next(iter(split(sql, dialect)), None)


class Watcher(Protocol):
    """Looks at what statements do in the temporary database; one for each kind of database."""

    def __init__(self, connection: Connection) -> None: ...

    def begin(self) -> None:
        """Remember the tables that are there before a revision."""

    def before(self, sql: str) -> None:
        """Remember what is held and stored before a statement."""

    def after(self, sql: str) -> list[Effect]:
        """Return what the statement has done."""


class PlanModule(Protocol):
    """What the module of each database in this package offers."""

    Watcher: type[Watcher]

    def read_sizes(self, connection: Connection, tables: Collection[str], /) -> dict[str, Size]:
        """Return the sizes of tables on the real database, by its statistics."""
