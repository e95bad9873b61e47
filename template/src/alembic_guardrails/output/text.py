"""Findings for people: the place, the marked lines, and what to do."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from textwrap import TextWrapper, indent
from typing import Any

from alembic.config import Config
from alembic_guardrails.output import Finding, Help, Report, Span, relative

# https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters
CODES = {
    "error": "1;31",
    "warning": "1;33",
    "help": "1;36",
    "place": "34",
    "strong": "1",
    "good": "32",
}

Paint = Callable[[str, str], str]

# A longer excerpt has its first and its last lines.
LINES = 7
SHOWN = 3

# Longer sentences are wrapped on a terminal, also where it is wider.
WIDTH = 100


def has_colors(stream: Any) -> bool:
    """Whether to write colors: to a terminal, unless NO_COLOR is set (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def painter(stream: Any) -> Paint:
    """Return a function that gives a text the color of a role, or leaves it as it is."""
    if not has_colors(stream):
        return lambda role, text: text
    return lambda role, text: f"\x1b[{CODES[role]}m{text}\x1b[0m" if text else text


def width_of(stream: Any) -> int:
    """Return how wide sentences may be: on a terminal as it is, elsewhere 0 for no limit."""
    return min(shutil.get_terminal_size().columns, WIDTH) if stream.isatty() else 0


def wrap(text: str, width: int, before: str = "", after: str = "") -> str:
    """Return a text in lines: `before` stands before the first one, `after` before the others."""
    if not width:
        return f"{before}{text}"
    wrapper = TextWrapper(width, before, after, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)


def render_text(report: Report, config: Config) -> str:
    """Return the findings one after the other, and the closing line."""
    paint, width = painter(config.stdout), width_of(config.stdout)
    parts = ["\n".join(describe(finding, paint, width)) for finding in report.findings]
    role = "error" if report.errors else "warning" if report.warnings else "good"
    return "\n\n".join([*parts, paint(role, wrap(report.summary, width))])


def describe(finding: Finding, paint: Paint, width: int) -> Iterator[str]:
    """Yield the lines of a finding."""
    head = f"{finding.severity}[{finding.rule}]"
    message = wrap(f": {finding.message}", width, head, "    ").removeprefix(head)
    yield f"{paint(finding.severity, head)}{paint('strong', message)}"
    if finding.path:
        span = finding.span
        yield f"  {paint('place', '-->')} {relative(finding.path)}:{span.line}:{span.column}"
        yield from excerpt(finding, read_lines(finding.path), paint)
    if finding.details:
        yield indent(finding.details, "    ")
    if finding.help:
        yield from describe_help(finding.help, paint, width)


def describe_help(advice: Help, paint: Paint, width: int) -> Iterator[str]:
    """Yield the lines that say what to do instead; code is as wide as it is."""
    sentence = wrap(f": {advice.advice}", width, "help", "      ").removeprefix("help")
    yield f"{paint('help', 'help')}{sentence}"
    for code in advice.code:
        yield ""
        yield f"    {paint('help', f'# {code.where}')}"
        yield indent(code.text, "    ")


@cache
def read_lines(path: str) -> list[str]:
    """Return the lines of a file, none if there is no such file."""
    file = Path(path)
    return file.read_text("utf-8", errors="replace").splitlines() if file.is_file() else []


def excerpt(finding: Finding, lines: list[str], paint: Paint) -> Iterator[str]:
    """Yield the lines of a file that a finding is about, with marks below."""
    span = finding.span
    numbers = [*range(span.line, max(span.line, span.end_line) + 1)]
    numbers = [number for number in numbers if number <= len(lines)]
    if not numbers:
        return
    width = len(str(numbers[-1]))
    margin = paint("place", f"{'':{width}} |")
    yield margin
    for number in numbers:
        if len(numbers) > LINES and SHOWN <= number - span.line < len(numbers) - SHOWN:
            if number - span.line == SHOWN:
                yield paint("place", f"{'...':{width}}")
            continue
        text = lines[number - 1].expandtabs(1)
        yield f"{paint('place', f'{number:{width}} |')} {text}".rstrip()
        if marks := marks_below(span, number, text):
            yield f"{margin} {paint(finding.severity, marks)}"
    yield margin


def marks_below(span: Span, number: int, text: str) -> str:
    """Return what stands below a line: a caret for each character of the span, blanks aside."""
    if not span.end_line:
        return ""
    begin = span.column - 1 if number == span.line else len(text) - len(text.lstrip())
    end = span.end_column - 1 if number == span.end_line else len(text.rstrip())
    return " " * begin + "^" * (end - begin) if end > begin else ""
