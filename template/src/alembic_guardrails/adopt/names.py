"""Names of Python for names of a database."""

import re
from collections.abc import Collection
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec
from keyword import iskeyword
from typing import Any
from unicodedata import normalize
from unittest.mock import patch


def unchecked(target: Any = None, **options: object) -> Any:
    """Decorate as typeguard's decorator does, with options or without, and change nothing."""
    return unchecked if target is None else target


# typeguard would rewrite each method of inflect now, which takes longer than most adoptions.
with patch("typeguard.typechecked", unchecked) if find_spec("typeguard") else nullcontext():
    import inflect

# Words that are no plurals, or whose singular is another word.
KEPT = re.compile(
    r".*(?:ss|us|is|ys|news|series|species|data|media|alias|atlas|bias|canvas|chaos|lens)"
    r"|aws|dns|gas|has|os|sms|was"
)

# Windows takes these names for devices, whatever follows a dot.
DEVICES = re.compile(r"aux|con|nul|prn|(?:com|lpt)\d")

# Windows takes 260 characters for a whole path.
LONGEST_FILE_NAME = 80


def identifier(name: str) -> str:
    """Write a name in snake_case, as an identifier that Python does not normalize further."""
    name = normalize("NFKC", name)
    if not name.isupper():
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    name = normalize("NFKC", name.lower())
    name = "".join(sign if f"_{sign}".isidentifier() else "_" for sign in name)
    name = re.sub("_+", "_", name).strip("_") or "unnamed"
    return name if name.isidentifier() else f"_{name}"


def class_name(name: str) -> str:
    """Write an identifier in CamelCase."""
    parts = name.strip("_").split("_")
    return normalize("NFKC", "".join(upper_first(part) for part in parts))


def upper_first(word: str) -> str:
    """Begin a word with a capital letter, unless that makes several signs or none of Python's."""
    first = normalize("NFKC", word[:1].upper())
    return first + word[1:] if first.isidentifier() and len(first) == 1 else word


def module_name(name: str) -> str:
    """Write an identifier as the name of a module, which every file system can store."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().strip("_")
    plain = plain[:LONGEST_FILE_NAME].strip("_")
    plain = plain if plain.isidentifier() else f"table_{plain}".rstrip("_")
    return f"{plain}_" if DEVICES.fullmatch(plain) else plain


def unused(name: str, used: Collection[str]) -> str:
    """Append underscores to a name until it is neither used nor a keyword."""
    while name in used or iskeyword(name):
        name += "_"
    return name


@cache
def inflector() -> inflect.engine:
    """Return the engine that knows English plurals."""
    return inflect.engine()


@cache
def singular(name: str) -> str:
    """Return a name with its last word in the singular."""
    rest, underscore, word = name.rpartition("_")
    if KEPT.fullmatch(word):
        return name
    return rest + underscore + (inflector().singular_noun(word) or word)


@cache
def plural(name: str) -> str:
    """Return a name with its last word in the plural."""
    rest, underscore, word = name.rstrip("_").rpartition("_")
    return rest + underscore + inflector().plural_noun(word)
