"""Colors of a terminal."""

import os
from collections.abc import Callable
from typing import Any

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
