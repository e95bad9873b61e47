"""What the source of revisions says that they create."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

# Calls that create a schema or an extension; where an argument is no text, it is computed.
CALLS = {"CreateSchema": "schema", "PGExtension": "extension"}


class RevisionSource:
    """The source of a revision, read without importing it."""

    def __init__(self, text: str) -> None:
        nodes = [*ast.walk(ast.parse(text))]
        self.texts = {
            node.value
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        self.calls = {kind for node in nodes for kind in called_kinds(node)}

    def creates(self, kind: str, name: str) -> bool:
        """Whether the revision creates a schema or an extension.

        Where it computes a name, each text in it can be the name.
        """
        head = rf"\bCREATE\s+{kind}\s+(?:IF\s+NOT\s+EXISTS\s+)?"
        if self.has(rf'{head}(?:"{re.escape(name)}"|{re.escape(name)}(?![\w$-]))'):
            return True
        is_computed = kind in self.calls or self.has(head + r'"?(?:\Z|[%{])')
        return is_computed and name in self.texts

    def drops_public(self) -> bool:
        """Whether the revision drops the schema `public`."""
        return self.has(r'\bDROP\s+SCHEMA\s+(?:IF\s+EXISTS\s+)?"?public\b')

    def has(self, pattern: str) -> bool:
        """Whether a pattern is in one of the texts."""
        return any(re.search(pattern, text, re.IGNORECASE) for text in self.texts)


def is_mentioned(sources: Sequence[RevisionSource], name: str) -> bool:
    """Whether a text in one of some revisions has a name in it."""
    return any(source.has(rf"(?<![\w$]){re.escape(name)}(?![\w$])") for source in sources)


def called_kinds(node: ast.AST) -> Iterator[str]:
    """Return the kind of object that a call creates, if it is one that creates something."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in CALLS:
            yield CALLS[name]


def read_sources(config: Config) -> list[RevisionSource]:
    """Read the source of all revisions."""
    revisions = ScriptDirectory.from_config(config).walk_revisions()
    return [RevisionSource(Path(script.path).read_text("utf-8")) for script in revisions]


def is_created(sources: Sequence[RevisionSource], kind: str, name: str) -> bool:
    """Whether one of some revisions creates a schema or an extension."""
    return any(source.creates(kind, name) for source in sources)
