"""What commands find, and the forms in which it is printed: `text`, `json`, `github`, `sarif`.

A command makes a `Report` of `Finding`s and gives it to `publish()`; a module of this package
writes it for people, one for programs. Neither imports more than the standard library.
"""

import ast
import linecache
import os
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from alembic.config import Config

# The forms, and the module with the function `render_<form>(report, config) -> str` of each.
FORMATS = {"text": "text", "json": "programs", "github": "programs", "sarif": "programs"}


class Span(NamedTuple):
    """A stretch of a file; the end column is that of the first character behind it.

    Without an end it is a whole line.
    """

    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0


def span_of_frame(frame: FrameType) -> Span:
    """Return the expression that a frame evaluates."""
    return span_of_instruction(frame.f_code, frame.f_lasti, frame.f_lineno)


def span_of_error(error: BaseException, path: str) -> Span:
    """Return the last expression of a file that led to an error; its first line if none did."""
    traceback, span = error.__traceback__, Span(1)
    while traceback:
        code = traceback.tb_frame.f_code
        if code.co_filename == path:
            span = span_of_instruction(code, traceback.tb_lasti, traceback.tb_lineno)
        traceback = traceback.tb_next
    return span


def span_of_instruction(code: CodeType, instruction: int, line: int) -> Span:
    """Return the expression of an instruction, or its line where Python keeps no columns.

    https://docs.python.org/3/reference/datamodel.html#codeobject.co_positions
    """
    first, last, begin, end = positions_of(code)[instruction // 2]  # two bytes are an instruction
    if first is None or last is None or begin is None or end is None:
        return Span(line)
    texts = [linecache.getline(code.co_filename, number) for number in (first, last)]
    return Span(first, column_of(texts[0], begin), last, column_of(texts[1], end))


@lru_cache(maxsize=1)
def positions_of(code: CodeType) -> tuple[tuple[int | None, ...], ...]:
    """Return the place of each instruction, once for the many steps of a long revision."""
    return tuple(code.co_positions())


def span_of_node(node: ast.stmt | ast.expr, lines: Sequence[str]) -> Span:
    """Return where a node of a syntax tree is in its file; of a block, its first line."""
    first, last = node.lineno, node.end_lineno or node.lineno
    begin = column_of(lines[first - 1], node.col_offset)
    if getattr(node, "body", None):
        return Span(first, begin, first, len(lines[first - 1].rstrip()) + 1)
    return Span(first, begin, last, column_of(lines[last - 1], node.end_col_offset or 0))


def column_of(text: str, offset: int) -> int:
    """Return the column for an offset, which Python counts in bytes from 0."""
    return len(text.encode()[:offset].decode(errors="replace")) + 1 if text else offset + 1


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


def add_format_argument(parser: ArgumentParser, *more: str) -> None:
    """Add the option `--format`, with more forms than `FORMATS` if the command has them."""
    forms = (*FORMATS, *more)
    listed = f"{', '.join(forms[:-1])} or {forms[-1]}"
    parser.add_argument(
        "--format", choices=forms, default="text", dest="form", metavar="FORM", help=listed
    )


def publish(config: Config, report: Report, form: str = "text") -> int:
    """Print a report in one of the forms; return the exit code: 1 if it has an error, else 0."""
    module = import_module(f"{__name__}.{FORMATS[form]}")
    render = getattr(module, f"render_{form}")
    config.print_stdout("%s", render(report, config))
    return int(report.errors > 0)


def relative(path: str) -> str:
    """Return a path as it is seen from the current folder, with slashes."""
    return Path(os.path.relpath(path)).as_posix()
