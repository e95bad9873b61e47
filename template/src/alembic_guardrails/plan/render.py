"""A plan as text for a terminal, as Markdown for a pull request, as JSON, and as findings."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from alembic.config import Config
from alembic_guardrails.output import Finding, Report, Severity, Span, count, relative
from alembic_guardrails.output.programs import VERSION, describe_finding
from alembic_guardrails.output.text import Paint, painter, width_of, wrap
from alembic_guardrails.plan import Effect, Planned, PlannedRevision, Size, Stops

HEADINGS = ("statement", "table", "rows", "size", "lock", "stops", "does")

# A statement is shortened to this many characters at most.
LONGEST = 160

# What is measured of a statement, as rules of findings.
RULES = {
    "blocking-scan": "A statement reads all rows of a table while others wait.",
    "table-rewrite": "A statement writes all rows of a table anew.",
}

ROLES = {Stops.EVERYBODY: "error", Stops.WRITERS: "warning"}


@dataclass(frozen=True)
class Plan:
    """The pending revisions of a database, and what they do there.

    `current` are the revisions of the database, or those that new revisions follow. `note` says why
    nothing was measured; it is empty where all of it was.
    """

    dialect: str
    current: Sequence[str]
    revisions: Sequence[PlannedRevision]
    sizes: Mapping[str, Size]
    note: str = ""
    is_of_new: bool = False


def as_text(plan: Plan, config: Config) -> str:
    """Return a plan as lists, which fit a terminal of 80 columns."""
    paint = painter(config.stdout)
    fold = partial(wrap, width=width_of(config.stdout))
    parts = [fold(headline(plan))]
    for revision in plan.revisions:
        named = ", ".join(filter(None, (revision.revision, revision.message)))
        parts.append(f"{paint('place', relative(revision.path))}\n{paint('strong', named)}")
        for number, statement in enumerate(revision.statements, 1):
            sql = shorten(statement.sql)
            lines = [fold(sql, before=f"{number:3}. ", after=" " * 5)]
            lines += describe_effects(plan, statement, paint)
            parts.append("\n".join(lines))
        said = (fold(sentence, before="  ", after=" " * 4) for sentence in remarks(revision))
        parts.append("\n".join(said))
    return "\n\n".join(filter(None, parts))


def describe_effects(plan: Plan, statement: Planned, paint: Paint) -> Iterator[str]:
    """Yield the lines about the effects of a statement."""
    if not statement.effects and not plan.note:
        yield f"     {paint('good', f'stops {Stops.NOBODY}')}"
    for effect in statement.effects:
        table = ", ".join(filter(None, (effect.table, describe_size(plan, effect))))
        stops = paint(ROLES.get(effect.stops, "good"), f"stops {effect.stops}")
        yield f"     {table}: {stops}" if table else f"     {stops}"
        if work := ", ".join(filter(None, (effect.lock, describe(effect)))):
            yield f"       {work}"


def as_markdown(plan: Plan, config: Config) -> str:
    """Return a plan as tables of Markdown."""
    parts = [headline(plan)]
    for revision in plan.revisions:
        parts.append(f"**`{revision.revision}`** {escape(revision.message)}")
        rows = [HEADINGS, ["---"] * len(HEADINGS)]
        rows += [[code(row[0]), *map(escape, row[1:])] for row in cells(plan, revision)]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
        parts += ["\n".join(f"- {escape(sentence)}" for sentence in remarks(revision))]
    return "\n\n".join(parts)


def as_json(plan: Plan, config: Config) -> str:
    """Return a plan as JSON; docs/output.md has the schema."""
    fields = {
        "version": VERSION,
        "command": "plan",
        "dialect": plan.dialect,
        "current": [*plan.current],
        "note": plan.note,
        "revisions": [describe_revision(plan, revision) for revision in plan.revisions],
    }
    return json.dumps(fields, indent=2, ensure_ascii=False)


def describe_revision(plan: Plan, revision: PlannedRevision) -> dict[str, Any]:
    """Return a revision as a dictionary."""
    return {
        "revision": revision.revision,
        "message": revision.message,
        "path": relative(revision.path),
        "way_back": revision.way_back,
        "findings": [describe_finding(finding) for finding in revision.findings],
        "statements": [
            {
                "sql": statement.sql,
                "line": statement.span and statement.span.line,
                "effects": [
                    asdict(effect) | asdict(size_of(plan, effect)) for effect in statement.effects
                ],
            }
            for statement in revision.statements
        ],
    }


def as_report(plan: Plan, rules: Mapping[str, str]) -> Report:
    """Return what lint finds and what is measured as findings, by revision and line.

    `rules` says of each rule in one sentence what it is about.
    """
    found: list[Finding] = []
    for revision in plan.revisions:
        findings = (*revision.findings, *find_slow(plan, revision))
        found += sorted(findings, key=lambda finding: finding.order)
    return Report("plan", found, headline(plan), {}, rules)


def find_slow(plan: Plan, revision: PlannedRevision) -> Iterator[Finding]:
    """Yield a finding for each statement that writes all rows, or reads them while others wait."""
    for statement in revision.statements:
        for effect in statement.effects:
            rule = "table-rewrite" if effect.rewrites else "blocking-scan"
            if not effect.rewrites and not (effect.reads and effect.stops in ROLES):
                continue
            work = "writes all rows anew" if effect.rewrites else "reads all rows"
            message = f"This statement stops {effect.stops} of {effect.table}, and {work}."
            details = (effect.lock, effect.how, describe_size(plan, effect))
            yield Finding(
                rule,
                message,
                Severity.WARNING,
                revision.path,
                statement.span or Span(1),
                details=", ".join(filter(None, details)),
            )


def size_of(plan: Plan, effect: Effect) -> Size:
    """Return the size of the table of an effect."""
    return plan.sizes.get(effect.table, Size())


def describe_size(plan: Plan, effect: Effect) -> str:
    """Return the rows and the size of the table of an effect for people, as far as known."""
    size = size_of(plan, effect)
    rows = "" if size.rows is None else f"{size.rows:,} row{'s'[: size.rows != 1]}"
    return ", ".join(filter(None, (rows, show_bytes(size.bytes))))


def headline(plan: Plan) -> str:
    """Say how many revisions are pending or new, and which ones they follow."""
    at = " and ".join(plan.current) or "base"
    number = len(plan.revisions)
    if plan.is_of_new:
        new = f"{count(number, 'new revision')} after {at}." if number else "No revision is new."
        return f"{new} {plan.note}".strip()
    if not number:
        return f"Nothing is pending: the database is at {at}."
    pending = f"{count(number, 'revision')} {'is' if number == 1 else 'are'} pending"
    return f"{pending}; the database is at {at}. {plan.note}".strip()


def remarks(revision: PlannedRevision) -> Iterator[str]:
    """Yield what is to be said of a whole revision."""
    if not revision.statements:
        yield "It runs no statement that changes anything."
    for finding in revision.findings:
        found = f"{finding.severity}[{finding.rule}] in line {finding.line}"
        yield f"Lint finds {found}: {finding.message}"
    if revision.way_back:
        yield f"Can it be taken back? {revision.way_back[:1].upper()}{revision.way_back[1:]}."


def cells(plan: Plan, revision: PlannedRevision) -> Iterator[list[str]]:
    """Yield a row for each effect of each statement, and one for a statement without any."""
    for number, statement in enumerate(revision.statements, 1):
        yield from rows_of(plan, statement, shorten(f"{number}. {statement.sql}"))


def rows_of(plan: Plan, statement: Planned, text: str) -> Iterator[list[str]]:
    """Yield the rows of a statement."""
    if not statement.effects:
        is_measured = not plan.note
        yield [text, *[""] * 4, Stops.NOBODY.value if is_measured else "", ""]
    for effect in statement.effects:
        size = size_of(plan, effect)
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


def shorten(text: str) -> str:
    """Return a text, cut off with an ellipsis if it is too long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def code(text: str) -> str:
    """Return a text as code in a cell of Markdown."""
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""


def escape(text: str) -> str:
    """Return a text as it is in a cell of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;")


# The forms that only plans have, or have in a way of their own.
WRITE: dict[str, Callable[[Plan, Config], str]] = {
    "json": as_json,
    "markdown": as_markdown,
    "text": as_text,
}
