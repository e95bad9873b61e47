"""What lint prints of its seeds, whole.

``uv run python tests/lint_output.py`` writes it into ``tests/lint_output/``; a test compares it.
"""

import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "template" / "src")]

from alembic.config import Config  # noqa: E402
from alembic_guardrails.lint import apply_comments, lint_revision  # noqa: E402
from alembic_guardrails.lint.rule import Reading, Source  # noqa: E402
from alembic_guardrails.offline.recorder import Recorder  # noqa: E402
from alembic_guardrails.output import Finding, Report  # noqa: E402
from alembic_guardrails.output.text import render_text  # noqa: E402
from guardrails.offline_revisions import offline_context, write_script  # noqa: E402
from lint_seeds import UNSAFE, base_text, revision_text, seeds  # noqa: E402

DATABASES = ("postgresql", "mysql", "sqlite")


@dataclass
class History:
    """Revisions that lint reads one after the other, in the current folder."""

    dialect: str

    def __post_init__(self) -> None:
        self.context = offline_context(self.dialect)
        self.recorder = Recorder(self.context)
        self.recorder.record_upgrade(write_script(Path.cwd(), base_text(self.dialect), "base.py"))

    def lint(self, name: str, text: str) -> list[Finding]:
        """Return what is found in the next revision."""
        script = write_script(Path.cwd(), text, name)
        up = self.recorder.record_upgrade(script)
        down = self.recorder.record_downgrade(script)
        source = Source(text)
        found = lint_revision(Reading(up, self.context.dialect, source, down))
        return apply_comments(found, source, script.path)


def printed(findings: list[Finding], summary: str = "") -> str:
    """Return what people read of findings."""
    return render_text(Report("lint", findings, summary), Config(stdout=StringIO()))


def outputs(dialect: str) -> Iterator[str]:
    """Yield what lint prints of each seed that is unsafe on a database."""
    for number, (body, _) in enumerate(seeds(UNSAFE, dialect)):
        text = revision_text(f"seed{number}", "first", body)
        yield printed(History(dialect).lint(f"seed{number}.py", text))


def stored(dialect: str) -> Path:
    """Return where the output for a database is kept."""
    return ROOT / "tests" / "lint_output" / f"{dialect}.txt"


if __name__ == "__main__":
    for name in DATABASES:
        stored(name).parent.mkdir(exist_ok=True)
        with TemporaryDirectory() as folder, chdir(folder):
            text = "\n".join(outputs(name))
        stored(name).write_text(text, encoding="utf-8")
