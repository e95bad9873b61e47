"""The databases that revisions build, and whether two are the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from alembic.config import Config
from alembic.runtime.migration import RevisionStep
from alembic.util import CommandError
from alembic_guardrails.connection import run_with_connection
from alembic_guardrails.dump import read_content, read_dump
from alembic_guardrails.dump.base import Dump
from alembic_guardrails.errors import reason
from alembic_guardrails.ignore import read_ignore_list
from alembic_guardrails.schema.compare import differences
from alembic_guardrails.temporary import temporary_database_beside
from alembic_guardrails.temporary.build import build_schema
from sqlalchemy import URL, Connection


@dataclass(frozen=True)
class Built:
    """What a database held that revisions built: at the revision that stays, and at the head."""

    schema: dict[str, str]
    content: dict[str, list[str]]
    at_head: dict[str, str]
    dump: Dump


@dataclass
class Climb:
    """An upgrade of a temporary database, and the revision that it is at work on."""

    config: Config
    url: URL
    running: str = field(default="the first", init=False)

    def note(self, step: RevisionStep) -> None:
        """Remember the revision that runs next."""
        self.running = step.revision.revision

    def upgrade(self, revision: str) -> dict[str, str]:
        """Upgrade the database; return its schema.

        Raises:
            CommandError: A revision does not run.
        """

        def run(connection: Connection) -> dict[str, str]:
            return build_schema(self.config, connection, revision, self.note)

        try:
            return run_with_connection(self.url, run)
        except Exception as error:
            raise CommandError(
                f"Revision {self.running} does not run on an empty database: {reason(error)}"
            ) from error


def build(config: Config, url: URL, revision: str) -> Built:
    """Build an empty database up to a revision, read it, and go on to the head.

    Raises:
        CommandError: No database can be made next to that of `url`, a revision does not run, or
            rows cannot be written as SQL.
    """
    ignore_list = read_ignore_list(config)
    with temporary_database_beside(config, url) as temporary:
        climb = Climb(config, temporary)
        schema = climb.upgrade(revision)

        def read(connection: Connection) -> tuple[Dump, dict[str, list[str]]]:
            dump = read_dump(connection, ignore_list, with_rows=True)
            return dump, read_content(connection, ignore_list)

        dump, content = run_with_connection(temporary, read)
        at_head = climb.upgrade("head")
    return Built(ignore_list.filter(schema), content, ignore_list.filter(at_head), dump)


def compare(old: Built, new: Built) -> Iterator[str]:
    """Say in which respects two databases differ: schema, rows and the next numbers of keys."""
    names = ("old revisions", "new one")
    yield from differences(old.schema, new.schema, names) or differences(
        old.at_head, new.at_head, names
    )
    for name in sorted(old.content.keys() | new.content.keys()):
        if old.content.get(name) != new.content.get(name):
            yield f"different: {name}"
