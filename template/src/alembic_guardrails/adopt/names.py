"""Names of models, modules and attributes."""

import re
from collections.abc import Collection
from functools import cache
from keyword import iskeyword
from unicodedata import normalize

import inflect

# Words that are no plurals, or whose singular is another word.
KEPT = re.compile(
    r".*(?:ss|us|is|ys|news|series|species|data|media)|aws|dns|gas|has|lens|os|sms|was"
)

DEVICES = re.compile(r"aux|con|nul|prn|(?:com|lpt)\d")


def words(name: str) -> str:
    """A name in snake_case, as an identifier."""
    name = normalize("NFKC", name)
    if not name.isupper():
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    name = re.sub(r"[\W_]+", "_", name).lower()
    name = name.strip("_") or "unnamed"
    return name if name.isidentifier() else f"_{name}"


def file_name(name: str) -> str:
    """A name for a module, which any file system can store."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().strip("_")
    plain = plain if plain.isidentifier() else f"table_{plain}".rstrip("_")
    return f"{plain}_" if DEVICES.fullmatch(plain) else plain


def free(name: str, used: Collection[str]) -> str:
    """A name that is neither used nor a keyword."""
    while name in used or iskeyword(name):
        name += "_"
    return name


@cache
def inflector() -> inflect.engine:
    """What knows English."""
    return inflect.engine()


@cache
def singular(name: str) -> str:
    """The singular of a name's last word."""
    rest, underscore, word = name.rpartition("_")
    if KEPT.fullmatch(word):
        return name
    return rest + underscore + (inflector().singular_noun(word) or word)


@cache
def plural(name: str) -> str:
    """The plural of a name's last word."""
    rest, underscore, word = name.rstrip("_").rpartition("_")
    return rest + underscore + inflector().plural_noun(word)
