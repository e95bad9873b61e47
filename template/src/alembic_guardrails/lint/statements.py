"""Statements that a revision wrote itself, as the rules look at them."""

import re

# Comments and texts, where any word can stand.
SILENT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$\$.*?\$\$", re.DOTALL)

ROUTINE = re.compile(r"\s*(?:CREATE\b.*\b(?:FUNCTION|PROCEDURE|TRIGGER)|DO)\b", re.IGNORECASE)


def split_statements(text: str) -> list[str]:
    """Split SQL into statements, without comments and texts; a routine's body stays whole."""
    text = SILENT.sub(" ", text)
    parts = [text] if ROUTINE.match(text) else text.split(";")
    return [part.strip() for part in parts]
