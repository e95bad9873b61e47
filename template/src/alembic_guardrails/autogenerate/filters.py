"""Which tables of a database autogenerate compares."""

import ast
import re
from collections.abc import Iterable, Iterator, MutableMapping
from functools import cached_property
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic_guardrails.ignore import read_ignore_list
from alembic_guardrails.own_tables import OWN_TABLES
from sqlalchemy import MetaData

NAME = r"""((?:"[^"]+"|`[^`]+`|\[[^]]+\]|[\w.$])+)"""

CREATE_TABLE = re.compile(
    rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{NAME}(?!\s+PARTITION\s+OF)",
    re.IGNORECASE,
)

PARTITION = re.compile(rf"ATTACH\s+PARTITION\s+{NAME}", re.IGNORECASE)


class Scope:
    """Which tables of a database are the service's: not those of others, nor any that it never had.

    `include_name` and `include_object` are Alembic's filters, `has_schemas` is whether it has to
    look into more schemas than the default one.
    """

    def __init__(self, config: Config, *models: MetaData) -> None:
        self.config = config
        self.ignore_list = read_ignore_list(config)
        self.schemas = {table.schema for model in models for table in model.tables.values()}
        self.schemas.add(None)
        self.has_schemas = len(self.schemas) > 1

    @cached_property
    def created(self) -> set[str]:
        """Return the tables that revisions have created."""
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


def created_tables(revisions: Iterable[str]) -> set[str]:
    """Return the tables that revisions create or rename, read from their source.

    Where a name is computed, every text in the revision may be it. Partitions are not tables of
    their own.
    """
    created: set[str] = set()
    for source in revisions:
        nodes = [*ast.walk(ast.parse(source))]
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and node.value}
        for node in nodes:
            match node:
                case ast.Call(func=ast.Attribute(attr="create_table" | "Table"), args=[name, *_]):
                    created.update(full_names(name, node.keywords, texts))
                case ast.Call(func=ast.Attribute(attr="rename_table"), args=[_, name, *_]):
                    created.update(full_names(name, node.keywords, texts))
                case ast.Constant(value=str(sql)):
                    created |= set(map(unquoted, CREATE_TABLE.findall(sql)))
                    created -= set(map(unquoted, PARTITION.findall(sql)))
    return created


def full_names(
    name: ast.expr, keywords: Iterable[ast.keyword], texts: Iterable[Any]
) -> Iterator[str]:
    """Yield the name of a table that a call gives, with its schema."""
    schemas = [keyword.value for keyword in keywords if keyword.arg == "schema"]
    schema = [
        str(given.value) for given in schemas if isinstance(given, ast.Constant) and given.value
    ]
    for text in [name.value] if isinstance(name, ast.Constant) else texts:
        yield ".".join([*schema, str(text)])


def unquoted(name: str) -> str:
    """Return a table's name without quotes, and without the schema that goes without saying."""
    return re.sub(r'[`"\[\]]', "", name).removeprefix("public.")
