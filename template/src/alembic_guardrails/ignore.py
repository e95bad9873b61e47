"""`migrations/ignore.txt`: the objects of other applications in the same database."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

FILE = "ignore.txt"

COMMENT = re.compile(r"(?:^|\s)#.*")

# The object that another one belongs to, at the end of its name.
PARENT = re.compile(r" o[nf] ((?:table|type|view|materialized view) .+)$")


@dataclass(frozen=True)
class IgnoreList:
    """Patterns of object names, each with the kind of object before it: `table queue_*`."""

    patterns: tuple[str, ...] = ()

    def matches(self, object_name: str) -> bool:
        """Whether the list names an object, the table that it belongs to, or its schema.

        The object is named as `migrations drift` prints it: `column id of table queue_jobs`.
        """
        name = object_name.replace('"', "")
        parent = PARENT.search(name)
        names = [name, parent[1]] if parent else [name]
        return any(fnmatchcase(name, pattern) for pattern in self._all_patterns() for name in names)

    def _all_patterns(self) -> list[str]:
        """Return the patterns, and one for the objects in each schema that a pattern names."""
        schemas = [
            pattern.removeprefix("schema ")
            for pattern in self.patterns
            if pattern.startswith("schema ")
        ]
        return [*self.patterns, *(f"* {schema}.*" for schema in schemas)]

    def filter(self, schema: dict[str, str]) -> dict[str, str]:
        """Return the objects of a schema that the list does not match."""
        return {name: schema[name] for name in schema if not self.matches(name)}


def read_ignore_list(config: Config) -> IgnoreList:
    """Read the ignore list of the service; it is empty without the file."""
    file = Path(ScriptDirectory.from_config(config).dir, FILE)
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    patterns = (COMMENT.sub("", line).strip().replace('"', "") for line in lines)
    return IgnoreList(tuple(filter(None, patterns)))
