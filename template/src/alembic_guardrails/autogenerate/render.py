"""How types are written into revisions."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import sqlalchemy
from alembic.autogenerate.api import AutogenContext
from alembic_guardrails._alembic import render_type, variants_of
from alembic_guardrails.autogenerate.mysql import default_of
from sqlalchemy import DefaultClause, Dialect, Interval
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.naming import conv
from sqlalchemy.types import SchemaType, TypeDecorator, TypeEngine

DIALECT = re.compile(r"sqlalchemy\.dialects\.(\w+)")

# The folders in which Python and Debian install libraries.
LIBRARIES = {"dist-packages", "site-packages"}

# SQLAlchemy's own types among the arguments of another type.
TYPE = re.compile(r"(?<![\w.])[A-Z]\w*(?=\()")


def render_item(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """Write the type that the database stores, not the model's: revisions outlive the models.

    Defaults are written as the database takes them.

    This is a hook of `context.configure()`. SQLAlchemy's own `Interval` stays, because it is
    another type on each database.
    """
    if kind == "server_default" and isinstance(item, DefaultClause):
        return render_default(item, context)
    if kind != "type" or not isinstance(item, TypeEngine):
        return False
    dialect = context.migration_context.dialect
    stored = stored_type(item, dialect)
    is_named = is_importable(stored) or context.opts.get("user_module_prefix")
    if not is_named and (text := sql_of(stored, dialect)):
        context.imports.add("from alembic_guardrails import OtherType")
        return f"OtherType({text!r})"
    if stored is not item:
        return render_type(stored, context)
    if isinstance(item, SchemaType) and isinstance(item.name, conv):
        add_import(item, context)
        return render_final_name(item, item.name, context)
    if foreign := foreign_dialect(item, context):
        return render_foreign(item, foreign, context)
    add_import(item, context)
    return False


def render_default(default: DefaultClause, context: AutogenContext) -> str | Literal[False]:
    """Write a default that is a text of Python; Alembic takes quotes at its ends for SQL's."""
    dialect = context.migration_context.dialect
    column = getattr(default, "column", None)
    value: Any = default.arg
    if column is not None:
        value = default_of(column.type, value, dialect)
    if isinstance(value, str):
        return repr(str.__str__(value))  # a member of an enumeration has a repr() of its own
    if value is default.arg:
        return False
    return f"{context.opts['sqlalchemy_module_prefix'] or ''}text({value.text!r})"


def is_importable(type_: TypeEngine[Any]) -> bool:
    """Whether a type is of an installed library; the service's own modules move."""
    module = sys.modules[type(type_).__module__]
    parts = Path(module.__file__ or "").parts
    return module.__name__.startswith("sqlalchemy.") or not LIBRARIES.isdisjoint(parts)


def render_final_name(type_: SchemaType, name: str, context: AutogenContext) -> str:
    """Write a type whose check has its final name, which no naming convention completes again."""
    plain: Any = type_.copy()  # type: ignore[no-untyped-call]
    plain.name = str(name)
    text = render_type(plain, context)
    prefix = context.opts["alembic_module_prefix"] or ""
    before, _, after = text.rpartition(f"name={plain.name!r}")
    return f"{before}name={prefix}f({plain.name!r}){after}"


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
    """Return the type that the dialect stores in the place of a type decorator or another class.

    Where the decorator leaves it to SQLAlchemy, its `impl` is the same text on all databases.
    """
    while isinstance(type_, TypeDecorator) and type(type_) is not Interval:
        variants = {name: variant for variant, name in variants_of(type_)}
        is_same_everywhere = type(type_).load_dialect_impl is TypeDecorator.load_dialect_impl
        if dialect.name in variants:
            type_ = variants[dialect.name]
        elif is_same_everywhere:
            type_ = type_.impl_instance
        else:
            return public_type(type_.load_dialect_impl(dialect), dialect)
    is_sqlalchemys = type(type_).__module__.startswith("sqlalchemy.")
    return type_ if is_sqlalchemys else public_type(type_, dialect)


def public_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type that users write, in the place of that of a driver or of a class of theirs.

    A class that has a name of its own in SQL stays.
    """
    packages = [sqlalchemy, *packages_of(dialect)]
    sql = sql_of(type_, dialect)
    for class_ in type(type_).__mro__:
        if issubclass(class_, TypeEngine) and any(
            class_ is getattr(package, class_.__name__, None) for package in packages
        ):
            public = type_ if class_ is type(type_) else type_.adapt(class_)
            return public if sql_of(public, dialect) == sql else type_
    return type_


def packages_of(dialect: Dialect) -> Iterator[ModuleType]:
    """Yield the packages in which the types of a dialect are: MariaDB's are MySQL's."""
    for class_ in type(dialect).__mro__:
        if match := DIALECT.match(class_.__module__):
            yield sys.modules[match[0]]


def sql_of(type_: TypeEngine[Any], dialect: Dialect) -> str | None:
    """Return a type as a dialect writes it into SQL; None if it does not."""
    try:
        return type_.compile(dialect)
    except (CompileError, AttributeError, NotImplementedError):
        return None


def add_import(type_: TypeEngine[Any], context: AutogenContext) -> None:
    """Import the module of a type that is not SQLAlchemy's, which Alembic leaves to its user."""
    module = type(type_).__module__
    if not module.startswith("sqlalchemy.") and not context.opts.get("user_module_prefix"):
        context.imports.add(f"import {module}")
