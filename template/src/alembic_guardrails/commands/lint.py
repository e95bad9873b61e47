"""Name the operations that lock, lose data or break the previous release."""

from argparse import ArgumentParser
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic_guardrails.history.released import choose_revisions
from alembic_guardrails.lint import apply_comments, lint_revision, read_ignored
from alembic_guardrails.lint.rule import Reading, Source
from alembic_guardrails.lint.rules import BY_NAME
from alembic_guardrails.offline import run_offline
from alembic_guardrails.offline.recorder import Recorder
from alembic_guardrails.output import Finding, Report, add_format_argument, count, publish
from alembic_guardrails.revisions import read_bases

# What each rule is about.
SUMMARIES = {rule.name: rule.message("this") for rule in BY_NAME.values()}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "-r", "--rev-range", metavar="START:END", help="default: what is not released"
    )
    parser.add_argument("--downgrade", action="store_true", help="look at the way back, too")
    add_format_argument(parser)


def lint(
    config: Config, rev_range: str | None = None, downgrade: bool = False, form: str = "text"
) -> int:
    """Name the operations that lock, lose data or break the previous release.

    Reads the revisions of the range, START included, or else those that are not released, all if
    git cannot tell; needs no database. `migrations explain RULE` says more about a rule. A comment
    `# allow: rule (reason)` allows what the rule forbids: in the statement behind which it stands,
    or in all of the revision if it stands on a line of its own. `ignore` in pyproject.toml turns
    rules off.

    Raises:
        CommandError: A revision is missing, or squawk is where it is needed, or pyproject.toml
            names an unknown rule.
    """
    ignored = read_ignored(config)
    directory = ScriptDirectory.from_config(config)
    bases = [script.revision for script in read_bases(directory)]
    chosen, released = choose_revisions(config, directory, rev_range)
    # The first of all revisions runs on empty databases alone.
    wanted = {script.revision for script in chosen if [script.revision] != bases}
    findings: list[Finding] = []

    def read(context: MigrationContext) -> list[Any]:
        findings.extend(read_revisions(directory, context, wanted, ignored, downgrade=downgrade))
        return []

    run_offline(config, directory, read)
    facts = {"revisions": [script.revision for script in chosen], "released": len(released)}
    facts["ignored"] = sorted(ignored)
    summary = summarize(findings, len(chosen), len(released))
    return publish(config, Report("lint", findings, summary, facts, SUMMARIES), form)


def summarize(findings: Collection[Finding], read: int, released: int) -> str:
    """Return the line that closes the output."""
    report = Report("lint", [*findings], "")
    if not findings:
        return f"Nothing unsafe: {count(read, 'revision')} read, {released} released and left out."
    numbers = {"error": report.errors, "warning": report.warnings}
    found = " and ".join(count(number, noun) for noun, number in numbers.items() if number)
    first = min(findings, key=lambda finding: finding.severity).rule
    return f"Found {found} in {count(read, 'revision')}; `migrations explain {first}` says more."


def read_revisions(
    directory: ScriptDirectory,
    context: MigrationContext,
    wanted: Collection[str],
    ignored: Collection[str],
    *,
    downgrade: bool,
) -> Iterator[Finding]:
    """Yield what is found in the wanted revisions.

    All revisions are run, because one can look at the schema that those before it have built.
    """
    recorder = Recorder(context)
    for script in reversed([*directory.walk_revisions()]):
        up = recorder.record_upgrade(script)
        if script.revision not in wanted:
            continue
        source = Source(Path(script.path).read_text(encoding="utf-8"))
        down = recorder.record_downgrade(script)
        findings = lint_revision(Reading(up, context.dialect, source, down))
        if downgrade:
            findings += lint_revision(Reading(down, context.dialect, source, up, is_downgrade=True))
        yield from apply_comments(findings, source, script.path, ignored)
