"""Name the operations that lock, lose data or break the previous release."""

import os
from argparse import ArgumentParser
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.history.released import choose_revisions
from alembic_guardrails.lint import apply_comments, lint_revision
from alembic_guardrails.lint.rule import Finding, Reading
from alembic_guardrails.lint.source import Source
from alembic_guardrails.offline import run_offline
from alembic_guardrails.offline.recorder import Recorder
from alembic_guardrails.revisions import read_bases


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "-r", "--rev-range", help="START:END, START included; the default is what is not released"
    )
    parser.add_argument("--downgrade", action="store_true", help="look at the way back, too")


def lint(config: Config, rev_range: str | None = None, downgrade: bool = False) -> None:
    """Name the operations that lock, lose data or break the previous release.

    Reads the revisions of the range, START included, or else those that are not released, all if
    git cannot tell; needs no database. Prints a line for each finding. A comment `# allow: rule`,
    followed by the reason, allows what the rule forbids: in the statement behind which it stands,
    or in all of the revision if it stands on a line of its own. `--downgrade` reads the downgrade
    as well.

    Raises:
        CommandError: Something was found, a revision is missing, or squawk is where it is needed.
    """
    directory = ScriptDirectory.from_config(config)
    bases = [script.revision for script in read_bases(directory)]
    chosen, released = choose_revisions(config, directory, rev_range)
    # The first of all revisions runs on empty databases alone.
    wanted = {script.revision for script in chosen if [script.revision] != bases}
    found: list[str] = []

    def read(context: MigrationContext) -> list[Any]:
        for script, findings in read_revisions(directory, context, wanted, downgrade=downgrade):
            path = os.path.relpath(script.path)
            found.extend(
                f"{path}:{finding.line}: {finding.rule}: {finding.sentence}" for finding in findings
            )
        return []

    run_offline(config, directory, read)
    for line in found:
        config.print_stdout("%s", line)
    if found:
        raise CommandError(
            f"Found {len(found)}: make it safe, or write `# allow: rule` and why into the revision"
        )
    config.print_stdout(
        "Nothing unsafe; revisions read: %s, released and left out: %s", len(chosen), len(released)
    )


def read_revisions(
    directory: ScriptDirectory,
    context: MigrationContext,
    wanted: Collection[str],
    *,
    downgrade: bool,
) -> Iterator[tuple[Script, list[Finding]]]:
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
            findings |= lint_revision(Reading(down, context.dialect, source, up, is_downgrade=True))
        yield script, apply_comments(findings, source)
