"""Which object a statement creates or drops."""

from collections.abc import Iterator

from alembic_guardrails.statements import Statement, split

# What can stand between CREATE and the kind of the object.
MODIFIERS = {
    "FOREIGN",
    "GLOBAL",
    "LOCAL",
    "OR",
    "REPLACE",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "VIRTUAL",
}

EXISTENCE = {"IF", "NOT", "EXISTS"}


def find_object(statement: Statement, kind: str) -> tuple[str | None, str] | None:
    """Return the schema and the name of the object that a statement creates or drops.

    `kind` is the word for what the object is, such as TABLE; None if the statement does neither, or
    is about something else. The schema `public` goes without saying.
    """
    words = statement.words
    if statement.verb not in ("CREATE", "DROP") or kind not in words:
        return None
    place = words.index(kind)
    if not MODIFIERS.issuperset(words[1:place]):
        return None
    names: list[str] = []
    for token in statement.tokens[place + 1 :]:
        if token.word in EXISTENCE:
            continue
        # Names and the dots between them take turns.
        if not (token.text == "." if len(names) % 2 else token.identifier):
            break
        names.append(token.identifier)
    if not names:
        return None
    schema = names[-3] if len(names) > 2 else None
    return (None if schema == "public" else schema), names[-1]


def find_types(sql: str, dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the types that SQL creates or drops, each after the verb."""
    for statement in split(sql, dialect):
        if found := find_object(statement, "TYPE"):
            yield statement.verb, found[1]
