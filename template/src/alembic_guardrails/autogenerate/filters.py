"""Which tables of a database autogenerate compares."""

from collections.abc import MutableMapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic_guardrails.own_tables import OWN_TABLES
from sqlalchemy import MetaData

if TYPE_CHECKING:
    from alembic_guardrails.ignore import IgnoreList


class Scope:
    """Which tables of a database are the service's: not those of others, nor any that it never had.

    `include_name` and `include_object` are Alembic's filters, `has_schemas` is whether it has to
    look into more schemas than the default one.
    """

    def __init__(self, config: Config, *models: MetaData) -> None:
        self.config = config
        self.schemas = {table.schema for model in models for table in model.tables.values()}
        self.schemas.add(None)
        self.has_schemas = len(self.schemas) > 1

    @cached_property
    def ignore_list(self) -> "IgnoreList":
        """Return the objects of other applications."""
        from alembic_guardrails.ignore import read_ignore_list

        return read_ignore_list(self.config)

    @cached_property
    def created(self) -> set[str]:
        """Return the tables that revisions have created."""
        from alembic_guardrails.autogenerate.created import created_tables

        revisions = ScriptDirectory.from_config(self.config).walk_revisions()
        return created_tables(Path(script.path).read_text("utf-8") for script in revisions)

    def include_name(self, name: str | None, kind: str, parents: MutableMapping[Any, Any]) -> bool:
        """Leave out the tables of Alembic and of others, and schemas that no model is in."""
        if kind == "schema":
            return name in self.schemas
        return self.include_table(name, kind, parents)

    def include_table(self, name: str | None, kind: str, parents: MutableMapping[Any, Any]) -> bool:
        """Leave out the tables of Alembic and of others."""
        if kind != "table":
            return True
        full_name = parents.get("schema_qualified_table_name") or name
        return name not in OWN_TABLES and not self.ignore_list.matches(f"table {full_name}")

    def include_object(
        self, inspected: object, name: str | None, kind: str, is_reflected: bool, model: object
    ) -> bool:
        """Leave out tables without a model that no revision has created: they are not ours."""
        is_lonely = kind == "table" and is_reflected and model is None
        return not is_lonely or str(inspected) in self.created
