"""What a command finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from alembic_guardrails.places import Span

# For what has no place in its file.
START = Span(1)


class Severity(StrEnum):
    """How much a finding weighs: an error fails the command, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Code(NamedTuple):
    """Code that takes the place of what was found: where it belongs, and the lines of it."""

    where: str
    text: str


class Help(NamedTuple):
    """What to do instead: a sentence, and the code for it."""

    advice: str
    code: tuple[Code, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What is wrong, and where.

    `message` is a whole sentence. `path` names a file, and `span` what is marked in it; both are
    left out for what is in no file. `details` are further lines, such as a definition.
    """

    rule: str
    message: str
    severity: Severity = Severity.ERROR
    path: str = ""
    span: Span = START
    help: Help | None = None
    details: str = ""

    @property
    def line(self) -> int:
        """The first line."""
        return self.span.line

    @property
    def order(self) -> tuple[str, Span, str]:
        """What findings are sorted by, and what no two findings share."""
        return self.path, self.span, self.rule


@dataclass(frozen=True)
class Report:
    """All that a command has found, the line that closes its output, and further facts.

    `facts` are what a program wants to know beside the findings; `rules` says of each rule in one
    sentence what it is about.
    """

    command: str
    findings: Sequence[Finding]
    summary: str
    facts: Mapping[str, object] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return len(self.findings) - self.errors


def count(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s unless there is one of it."""
    return f"{number} {noun}{'s'[: number != 1]}"


def sentence(text: str) -> str:
    """Return a text with a capital at its beginning and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"
