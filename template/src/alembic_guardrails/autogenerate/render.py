"""How types are written into revisions."""

from typing import Literal

from alembic.autogenerate.api import AutogenContext
from alembic_guardrails._alembic import render_type
from sqlalchemy.types import TypeDecorator


def render_item(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """Write the type that the database stores, not the model's: revisions outlive the models."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return render_type(item.impl_instance, context)
    return False
