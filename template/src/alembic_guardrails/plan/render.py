"""A plan as text for a terminal, as Markdown for a pull request, and as JSON for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from alembic_guardrails.output import count, relative
from alembic_guardrails.plan.base import Effect, Planned, PlannedRevision, Size, Stops

HEADINGS = ("statement", "table", "rows", "size", "lock", "stops", "does")

# A statement is shortened to this many characters at most, and at least.
LONGEST, SHORTEST = 100, 30


@dataclass(frozen=True)
class Plan:
    """The pending revisions of a database, and what they do there.

    `current` are the revisions of the database. `note` says why nothing was measured; it is empty
    where all of it was.
    """

    dialect: str
    current: Sequence[str]
    revisions: Sequence[PlannedRevision]
    sizes: Mapping[str, Size]
    note: str = ""


def as_text(plan: Plan, width: int) -> str:
    """Return a plan as tables that are `width` columns wide, if possible."""
    parts = [headline(plan)]
    for revision in plan.revisions:
        path = relative(revision.path)
        named = ", ".join(filter(None, (revision.revision, revision.message)))
        parts.append(f"{path}: {named}")
        rows = [HEADINGS, *cells(plan, revision, LONGEST)]
        parts.append("\n".join(f"  {line}" for line in align(rows, width - 2)))
        parts[-1] += "".join(f"\n  {sentence}" for sentence in remarks(revision))
    return "\n\n".join(parts)


def as_markdown(plan: Plan) -> str:
    """Return a plan as tables of Markdown."""
    parts = [headline(plan)]
    for revision in plan.revisions:
        parts.append(f"**`{revision.revision}`** {escape(revision.message)}")
        rows = [HEADINGS, ["---"] * len(HEADINGS)]
        rows += [[code(row[0]), *map(escape, row[1:])] for row in cells(plan, revision, LONGEST)]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
        parts += ["\n".join(f"- {escape(sentence)}" for sentence in remarks(revision))]
    return "\n\n".join(parts)


def as_json(plan: Plan) -> str:
    """Return a plan as JSON; docs/migrating.md describes it."""
    revisions = []
    for revision in plan.revisions:
        described = asdict(revision)
        for statement in described["statements"]:
            for effect in statement["effects"]:
                effect |= size_of(plan, effect["table"])
        revisions.append(described | {"path": relative(revision.path)})
    fields = {"dialect": plan.dialect, "current": [*plan.current], "note": plan.note}
    return json.dumps(fields | {"revisions": revisions}, indent=2)


def size_of(plan: Plan, table: str) -> dict[str, int | None]:
    """Return the size of a table, None for what is not known."""
    return asdict(plan.sizes.get(table, Size()))


def headline(plan: Plan) -> str:
    """Say how many revisions are pending, and where the database is."""
    at = " and ".join(plan.current) or "base"
    if not plan.revisions:
        return f"Nothing is pending: the database is at {at}."
    number = len(plan.revisions)
    pending = f"{count(number, 'revision')} {'is' if number == 1 else 'are'} pending"
    return f"{pending}; the database is at {at}. {plan.note}".strip()


def remarks(revision: PlannedRevision) -> Iterator[str]:
    """Yield what is to be said of a whole revision."""
    if not revision.statements:
        yield "It runs no statement that changes anything."
    yield from (f"Lint finds {finding}" for finding in revision.findings)
    if revision.way_back:
        yield f"Can it be taken back? {revision.way_back[:1].upper()}{revision.way_back[1:]}."


def cells(plan: Plan, revision: PlannedRevision, longest: int) -> Iterator[list[str]]:
    """Yield a row for each effect of each statement, and one for a statement without any."""
    for number, statement in enumerate(revision.statements, 1):
        text = shorten(f"{number}. {statement.sql}", longest)
        yield from rows_of(plan, statement, text)


def rows_of(plan: Plan, statement: Planned, text: str) -> Iterator[list[str]]:
    """Yield the rows of a statement."""
    if not statement.effects:
        is_measured = not plan.note
        yield [text, *[""] * 4, Stops.NOBODY.value if is_measured else "", ""]
    for effect in statement.effects:
        size = plan.sizes.get(effect.table, Size())
        yield [
            text,
            effect.table,
            "" if size.rows is None else f"{size.rows:,}",
            show_bytes(size.bytes),
            effect.lock,
            effect.stops.value,
            describe(effect),
        ]
        text = ""


def describe(effect: Effect) -> str:
    """Say what a statement does to the rows of a table."""
    work = "writes all rows anew" if effect.rewrites else "reads all rows" if effect.reads else ""
    return ", ".join(part for part in (effect.how, work) if part)


def show_bytes(number: int | None) -> str:
    """Write a number of bytes for people."""
    if number is None:
        return ""
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, max(0, (int(number).bit_length() - 1) // 10))
    return f"{number / 1024**power:.0f} {units[power]}"


def align(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield rows as lines of one width; only the first column is shortened."""
    columns = [[row[place] for row in rows] for place in range(1, len(HEADINGS))]
    others = [max(map(len, column)) for column in columns]
    first = max(SHORTEST, min(LONGEST, width - sum(others) - 2 * len(others)))
    for row in rows:
        widths = [min(first, max(len(each[0]) for each in rows)), *others]
        texts = [shorten(row[0], first), *row[1:]]
        padded = zip(texts, widths, HEADINGS, strict=True)
        yield "  ".join(
            text.rjust(size) if heading in ("rows", "size") else text.ljust(size)
            for text, size, heading in padded
        ).rstrip()


def shorten(text: str, length: int) -> str:
    """Return a text, cut off with an ellipsis if it is longer."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def code(text: str) -> str:
    """Return a text as code in a cell of Markdown."""
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""


def escape(text: str) -> str:
    """Return a text as it is in a cell of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;")
