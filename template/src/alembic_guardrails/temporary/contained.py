"""Whether a statement of MySQL or MariaDB stays inside of its database.

An allow-list: what is not known to stay inside may change the whole server. That a statement names
another database is found elsewhere.
"""

from dataclasses import replace
from itertools import pairwise

from alembic_guardrails.statements import COMPOUNDS, Kind, Statement

# Objects of a database, and of a server.
OBJECTS = {
    *("DATABASE", "EVENT", "FUNCTION", "INDEX", "PACKAGE", "PREPARE", "PROCEDURE", "SCHEMA"),
    *("SEQUENCE", "TABLE", "TABLES", "TRIGGER", "VIEW"),
}
OBJECTS_OF_SERVER = {
    *("INSTANCE", "LOGFILE", "REFERENCE", "RESOURCE", "ROLE", "SERVER", "TABLESPACE", "USER"),
}

# Other statements that stay inside, by their first words. SELECT comes here if it has an INTO.
FIRST_WORDS = {
    *("(", "ANALYZE", "BEGIN", "CALL", "CHECK", "CHECKSUM", "DEALLOCATE", "DESC", "DESCRIBE", "DO"),
    *("EXECUTE", "EXPLAIN", "FLUSH", "GET", "HANDLER", "HELP", "LOAD", "LOCK", "OPTIMIZE"),
    *("PREPARE", "REPAIR", "RESIGNAL", "SELECT", "SIGNAL", "TABLE", "UNLOCK", "VALUES", "WITH"),
    *("XA", *COMPOUNDS),
}

# Engines whose tables have their rows elsewhere.
ENGINES = {"CONNECT", "FEDERATED", "S3", "SPIDER"}

# What a program can contain that reaches further, or that no reading of it can follow.
FAR_WORDS = {
    *(
        "DUMPFILE",
        "EXECUTE",
        "GLOBAL",
        "GRANT",
        "INSTALL",
        "KILL",
        "OUTFILE",
        "PASSWORD",
        "PERSIST",
    ),
    *("PREPARE", "REVOKE"),
}

SCOPES = {"GLOBAL", "PERSIST", "PERSIST_ONLY"}


def is_about_accounts(statement: Statement) -> bool:
    """Whether a statement changes accounts, roles or privileges, of which no schema has any."""
    words = tuple(word for word in statement.words[:6] if word not in ("IF", "OR", "REPLACE"))
    match words:
        case ("GRANT" | "REVOKE", *_):
            return True
        case ("ALTER" | "CREATE" | "DROP" | "RENAME", "USER" | "ROLE", *_):
            return True
        case ("SET", "PASSWORD", *_) | ("SET", "DEFAULT", "ROLE", *_):
            return True
    return False


def is_contained(statement: Statement) -> bool:
    """Whether a statement is known to stay inside of the server's database."""
    words = statement.words
    if {"OUTFILE", "DUMPFILE"} & {*words}:
        return False
    if words[:2] == ("SET", "STATEMENT") and "FOR" in words:
        inner = replace(statement, tokens=statement.tokens[words.index("FOR") + 1 :])
        return inner.kind in (Kind.READ, Kind.ROWS) and is_contained(inner)
    match statement.kind:
        case Kind.READ | Kind.ROWS | Kind.TRANSACTION:
            return True
        case Kind.SESSION:
            return words[0] != "RESET" and not sets_for_all(statement)
        case Kind.SCHEMA:
            return is_contained_definition(statement)
    return words[0] in FIRST_WORDS and not (
        statement.is_compound and reaches_far(statement, "CALL")
    )


def is_contained_definition(statement: Statement) -> bool:
    """Whether a statement that changes definitions stays inside of the server's database."""
    words = statement.words
    if words[0] == "TRUNCATE":
        return True
    kind = next((word for word in words[1:] if word in OBJECTS | OBJECTS_OF_SERVER), "")
    engines = {
        after for before, after in pairwise(w for w in words if w != "=") if before == "ENGINE"
    }
    is_far = "SONAME" in words or bool(ENGINES & engines)
    # The server runs an event by itself.
    is_far |= kind == "EVENT" and reaches_far(statement, "CALL")
    return kind in OBJECTS and not is_far


def sets_for_all(statement: Statement) -> bool:
    """Whether SET changes a variable for other sessions."""
    words = (*statement.words, "")
    return any(
        (word in SCOPES or word.removeprefix("@@").partition(".")[0] in SCOPES)
        and before in ("SET", ",")
        for before, word in pairwise(words)
    )


def reaches_far(statement: Statement, *others: str) -> bool:
    """Whether a program can do more than changes of its database, or has one of other words."""
    words = statement.words
    of_server = {"ROLE", "SERVER", "USER"}
    has_object = any(
        before in ("ALTER", "CREATE", "DROP", "RENAME") and after in of_server
        for before, after in pairwise(words)
    )
    variables = {word for word in words if word.startswith(("@@GLOBAL.", "@@PERSIST"))}
    far = {*FAR_WORDS, *others}
    return has_object or bool(variables or far & {*words})
