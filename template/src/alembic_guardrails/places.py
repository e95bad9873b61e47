"""Where in a file something stands: lines and columns, counted from 1 as editors do."""

import ast
import linecache
from collections.abc import Sequence
from itertools import islice
from types import CodeType, FrameType
from typing import NamedTuple


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
    # Two bytes are an instruction.
    position = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    first, last, begin, end = position
    if first is None or last is None or begin is None or end is None:
        return Span(line)
    texts = [linecache.getline(code.co_filename, number) for number in (first, last)]
    return Span(first, column_of(texts[0], begin), last, column_of(texts[1], end))


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
