"""What other applications keep in the same database: `migrations/ignore.txt` lists it."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

FILE = "ignore.txt"

COMMENT = re.compile(r"(?:^|\s)#.*")

# What something belongs to, at the end of its name.
PLACE = re.compile(r" o[nf] ((?:table|type|view|materialized view) .+)$")


@dataclass(frozen=True)
class IgnoreList:
    """Patterns for things in a database, each the kind of thing and its name: `table queue_*`."""

    patterns: tuple[str, ...] = ()

    def include(self, item: str) -> bool:
        """Whether a thing, or the table or the schema that it is in, is somebody else's.

        It is named as in what `drift` prints: `column id of table queue_jobs`.
        """
        item = item.replace('"', "")
        place = PLACE.search(item)
        things = [item, place[1]] if place else [item]
        return any(fnmatchcase(thing, pattern) for pattern in self._patterns() for thing in things)

    def _patterns(self) -> list[str]:
        """The patterns, and those for what is in a schema."""
        schemas = [it.partition(" ")[2] for it in self.patterns if it.startswith("schema ")]
        return [*self.patterns, *(f"* {schema}.*" for schema in schemas)]

    def left_out(self, things: dict[str, str]) -> dict[str, str]:
        """The things that are not theirs."""
        return {item: it for item, it in things.items() if not self.include(item)}


def read_ignore_list(config: Config) -> IgnoreList:
    """Read the list of the service."""
    file = Path(ScriptDirectory.from_config(config).dir, FILE)
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    patterns = (COMMENT.sub("", line).strip().replace('"', "") for line in lines)
    return IgnoreList(tuple(filter(None, patterns)))
