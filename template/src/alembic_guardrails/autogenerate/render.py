"""How types are written into revisions."""

import re
from typing import Any, Literal

import sqlalchemy
from alembic.autogenerate.api import AutogenContext
from alembic_guardrails._alembic import render_type, variants_of
from sqlalchemy import Dialect, Interval
from sqlalchemy.types import TypeDecorator, TypeEngine

DIALECT = re.compile(r"sqlalchemy\.dialects\.(\w+)")

# SQLAlchemy's own types among the arguments of another type.
TYPE = re.compile(r"(?<![\w.])[A-Z]\w*(?=\()")


def render_item(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """Write the type that the database stores, not the model's: revisions outlive the models.

    This is a hook of `context.configure()`. SQLAlchemy's own `Interval` stays, because it is
    another type on each database.
    """
    if kind != "type" or not isinstance(item, TypeEngine):
        return False
    if isinstance(item, TypeDecorator) and not isinstance(item, Interval):
        stored = stored_type(item, context.migration_context.dialect)
        add_import(stored, context)
        return render_type(stored, context)
    if dialect := foreign_dialect(item, context):
        return render_foreign(item, dialect, context)
    add_import(item, context)
    return False


def foreign_dialect(type_: TypeEngine[Any], context: AutogenContext) -> str:
    """Return the dialect that a type belongs to, if it is not the one of the database."""
    match = DIALECT.match(type(type_).__module__)
    is_foreign = match and match[1] != context.migration_context.dialect.name
    return match[1] if match and is_foreign else ""


def render_foreign(type_: TypeEngine[Any], dialect: str, context: AutogenContext) -> str:
    """Write a type of another dialect; Alembic leaves the names in its arguments undefined."""
    context.imports.add(f"from sqlalchemy.dialects import {dialect}")
    name, _, arguments = repr(type_).partition("(")
    prefix = context.opts["sqlalchemy_module_prefix"] or ""
    qualified = TYPE.sub(lambda match: f"{prefix}{match[0]}", arguments)
    text = f"{dialect}.{name}({qualified}"
    for variant, of_dialect in variants_of(type_):
        text += f".with_variant({render_type(variant, context)}, {of_dialect!r})"
    return text


def stored_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type that the dialect stores in the place of a type decorator.

    Where the decorator leaves it to SQLAlchemy, its `impl` is the same text on all databases.
    """
    while isinstance(type_, TypeDecorator) and not isinstance(type_, Interval):
        is_same_everywhere = type(type_).load_dialect_impl is TypeDecorator.load_dialect_impl
        if is_same_everywhere:
            type_ = type_.impl_instance
        else:
            type_ = public_type(type_.load_dialect_impl(dialect), dialect)
    return type_


def public_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type that users write, in the place of the one of a driver."""
    package = getattr(sqlalchemy.dialects, dialect.name, sqlalchemy)
    for class_ in type(type_).__mro__:
        is_others = not class_.__module__.startswith("sqlalchemy.")
        name = class_.__name__
        if is_others or class_ in (getattr(package, name, None), getattr(sqlalchemy, name, None)):
            return type_ if class_ is type(type_) else type_.adapt(class_)
    return type_


def add_import(type_: TypeEngine[Any], context: AutogenContext) -> None:
    """Import the module of a type that is not SQLAlchemy's, which Alembic leaves to its user."""
    module = type(type_).__module__
    if not module.startswith("sqlalchemy.") and not context.opts.get("user_module_prefix"):
        context.imports.add(f"import {module}")
