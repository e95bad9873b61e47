"""SQL statements: where they begin and end, and what they do.

The one place of this package that classifies SQL. It reads tokens and no grammar: enough to find
the verb of a statement behind comments, parentheses and WITH, and to tell words from strings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from itertools import takewhile
from typing import NamedTuple


class Kind(Enum):
    """What a statement does."""

    READ = "reads rows or definitions and changes nothing by itself; functions in it may"
    ROWS = "changes rows"
    SCHEMA = "changes definitions"
    SESSION = "sets variables of the session"
    TRANSACTION = "begins or ends a transaction, or a part of one"
    OTHER = "anything else"


HARMLESS = (Kind.READ, Kind.SESSION, Kind.TRANSACTION)

KINDS = {
    **dict.fromkeys(["DELETE", "INSERT", "MERGE", "REPLACE", "UPDATE"], Kind.ROWS),
    **dict.fromkeys(
        ["DESC", "DESCRIBE", "EXPLAIN", "SELECT", "SHOW", "TABLE", "VALUES"], Kind.READ
    ),
    **dict.fromkeys(["ALTER", "COMMENT", "CREATE", "DROP", "RENAME", "TRUNCATE"], Kind.SCHEMA),
    **dict.fromkeys(["RESET", "SET", "USE"], Kind.SESSION),
    **dict.fromkeys(
        ["ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START"],
        Kind.TRANSACTION,
    ),
}

# What a common table expression can stand in front of, or consist of.
QUERIES = {"DELETE", "INSERT", "MERGE", "REPLACE", "SELECT", "TABLE", "UPDATE", "VALUES"}

# What stands in front of the parentheses of a common table expression.
AS = ("AS", "MATERIALIZED")

# The objects whose definition is a program, in which semicolons end no statement.
ROUTINES = {"EVENT", "FUNCTION", "PACKAGE", "PROCEDURE", "TRIGGER"}

# MariaDB runs these outside of routines, too.
COMPOUNDS = {"CASE", "FOR", "IF", "LOOP", "REPEAT", "WHILE"}

# What opens or closes a block of a program.
BLOCKS = {"ATOMIC", "BEGIN", "END", *COMPOUNDS}

# What can stand before the IF of a program, which is no function there.
BEFORE_STATEMENT = {
    *[
        ";",
        ":",
        ")",
        "BEGIN",
        "DATA",
        "DETERMINISTIC",
        "DO",
        "ELSE",
        "LOOP",
        "REPEAT",
        "ROW",
        "SQL",
        "THEN",
    ],
    "",
}

# A text without one of these words ends no transaction.
END_OF_TRANSACTION = re.compile(r"\b(?:ABORT|COMMIT|END|PREPARE|ROLLBACK)\b", re.IGNORECASE)

# Backslashes escape in MySQL's strings, and in those of PostgreSQL that begin with an E.
ESCAPED = r"'[^'\\]*(?:(?:\\.|'')[^'\\]*)*(?:'|\Z)"
PLAIN = r"'[^']*(?:''[^']*)*(?:'|\Z)"
DOUBLE = r'"[^"]*(?:""[^"]*)*(?:"|\Z)'
DOLLARS = r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)"
BACKTICKS = r"`[^`]*(?:``[^`]*)*(?:`|\Z)"

MYSQL = {
    # https://dev.mysql.com/doc/refman/8.4/en/comments.html: the server runs what is in /*! */.
    "comment": r"\#[^\n]*|--(?=\s|\Z)[^\n]*|/\*(?!M?!).*?(?:\*/|\Z)|/\*M?!(?:\d{5,6})?|\*/",
    "string": ESCAPED + "|" + ESCAPED.replace("'", '"'),
    "name": BACKTICKS,
    "variable": rf"@@?[\w.$]+|@(?:{ESCAPED}|{DOUBLE}|{BACKTICKS})",
}

# What is a token in a dialect; the first that matches is taken. PostgreSQL nests comments.
TOKENS = {
    "postgresql": {
        "comment": r"--[^\n]*|/\*",
        "string": rf"[eE]{ESCAPED}|(?:[uU]&)?{PLAIN}|{DOLLARS}",
        "name": rf"(?:[uU]&)?{DOUBLE}",
    },
    "sqlite": {
        "comment": r"--[^\n]*|/\*.*?(?:\*/|\Z)",
        "string": PLAIN,
        "name": rf"{DOUBLE}|{BACKTICKS}|\[[^\]]*(?:\]|\Z)",
    },
    "mysql": MYSQL,
    "mariadb": MYSQL,
}

# What is alike in all dialects.
COMMON = {
    "space": r"\s+",
    "parameter": r"%s\b|%\(\w+\)s",
    "number": r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w$])",
    "word": r"[\w$]+",
    "sign": r":=|.",
}

COMMENT_MARK = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """A part of SQL, and where it is in the text: the place of its begin and of its end."""

    kind: str
    text: str
    begin: int
    end: int

    @property
    def word(self) -> str:
        """The token in capitals; nothing for a string or a quoted name."""
        return "" if self.kind in ("string", "name") else self.text.upper()

    @property
    def identifier(self) -> str:
        """The name that a word or a quoted name stands for; nothing for other tokens."""
        if self.kind == "name":
            quoted = self.text.removeprefix("U&").removeprefix("u&")
            return quoted[1:-1].replace(quoted[-1] * 2, quoted[-1])
        return self.text if self.kind == "word" else ""


@cache
def pattern(dialect: str) -> re.Pattern[str]:
    """Return what matches the next token of a dialect; one that is not known is like SQLite's."""
    kinds = {**TOKENS.get(dialect, TOKENS["sqlite"]), **COMMON}
    return re.compile("|".join(f"(?P<{name}>{kind})" for name, kind in kinds.items()), re.DOTALL)


def tokens(text: str, dialect: str) -> Iterator[Token]:
    """Take SQL apart, without white space and comments."""
    place, next_token = 0, pattern(dialect).match
    while match := next_token(text, place):
        place = match.end()
        # Of the groups only that of PostgreSQL's dollar quotes is inside of another.
        kind = "string" if match.lastgroup == "tag" else str(match.lastgroup)
        if match[0] == "/*" and dialect == "postgresql":
            place = end_of_comment(text, place)
        elif kind not in ("comment", "space"):
            yield Token(kind, match[0], match.start(), place)


def end_of_comment(text: str, place: int) -> int:
    """Return where a comment of PostgreSQL ends that is open at a place; it has others inside."""
    depth = 1
    for mark in COMMENT_MARK.finditer(text, place):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def after_parentheses(parts: tuple[Token, ...], place: int) -> int:
    """Return the place after the parentheses that begin at a place; the same if none do."""
    depth = 0
    for index in range(place, len(parts)):
        depth += {"(": 1, ")": -1}.get(parts[index].word, 0)
        if depth == 0:
            return index + 1 if index > place else place
    return len(parts)


def split_at_commas(parts: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    """Split tokens at the commas that are in no parentheses."""
    begin = depth = 0
    for place, token in enumerate(parts):
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if token.word == "," and depth == 0:
            yield parts[begin:place]
            begin = place + 1
    yield parts[begin:]


@dataclass(frozen=True)
class Statement:
    """One SQL statement."""

    text: str
    tokens: tuple[Token, ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The tokens in capitals; strings and quoted names are empty."""
        return tuple(token.word for token in self.tokens)

    @cached_property
    def verb(self) -> str:
        """The word that says what the statement does, such as UPDATE, behind parentheses and WITH.

        A common table expression that changes rows decides, because the statement then does.
        """
        first = next((index for index, word in enumerate(self.words) if word != "("), None)
        if first is None:
            return ""
        return self.words[first] if self.words[first] != "WITH" else self.verb_after_with(first)

    def verb_after_with(self, place: int) -> str:
        """Return the verb of a statement whose WITH is at a place."""
        found = ""
        while place < len(self.words) and not found:
            if self.words[place] == "(":
                inside = next((word for word in self.words[place:] if word != "("), "")
                if KINDS.get(inside) is Kind.ROWS and self.words[place - 1] in AS:
                    return inside
                place = after_parentheses(self.tokens, place)
            else:
                is_name = self.words[place + 1 : place + 2] in (("AS",), ("(",), (",",))
                found = self.words[place] if self.words[place] in QUERIES and not is_name else ""
                place += 1
        return found or "SELECT"

    @cached_property
    def kind(self) -> Kind:
        """What the statement does."""
        first = self.words[:3]
        if self.is_compound:
            return Kind.OTHER
        kind = KINDS.get(self.verb, Kind.OTHER)
        if kind is Kind.READ and first[:1] in (("EXPLAIN",), ("DESC",), ("DESCRIBE",)):
            return Kind.OTHER if "ANALYZE" in self.words else Kind.READ
        if first[:1] == ("START",) and first[1:2] != ("TRANSACTION",):
            return Kind.OTHER
        return Kind.OTHER if self.verb == "SELECT" and "INTO" in self.words else kind

    @cached_property
    def is_compound(self) -> bool:
        """Whether this is a program outside of a routine, as MariaDB takes them."""
        first = self.words[:1]
        return self.words[:3] == ("BEGIN", "NOT", "ATOMIC") or bool(COMPOUNDS & {*first})

    @cached_property
    def code(self) -> str:
        """The statement without comments, and with empty strings; what is between is one space."""
        end = self.tokens[0].begin if self.tokens else 0
        parts = []
        for token in self.tokens:
            parts += [" "] if token.begin > end else []
            parts.append("''" if token.kind == "string" else token.text)
            end = token.end
        return "".join(parts)


def split(text: str, dialect: str) -> list[Statement]:
    """Take a text apart into statements. The definition of a routine stays whole."""
    found: list[Statement] = []
    current: list[Token] = []
    depth = 0
    for token in tokens(text, dialect):
        if token.text == ";" and depth <= 0:
            found.append(statement_of(text, current))
            current, depth = [], 0
            continue
        current.append(token)
        if token.word in BLOCKS:
            depth += change_of_depth(current)
    found.append(statement_of(text, current))
    return [statement for statement in found if statement.tokens]


def changes_nothing(text: str, dialect: str) -> bool:
    """Whether all statements of a text are known to change nothing, on whatever database."""
    return all(statement.kind in HARMLESS for statement in split(text, dialect))


def ends_transaction(text: str, dialect: str) -> bool:
    """Whether a text has a statement that commits the transaction, or rolls all of it back."""
    if not END_OF_TRANSACTION.search(text):
        return False
    return any(
        statement.verb in ("ABORT", "COMMIT", "END")
        or statement.words[:2] == ("PREPARE", "TRANSACTION")
        or (statement.verb == "ROLLBACK" and "TO" not in statement.words)
        for statement in split(text, dialect)
    )


def statement_of(text: str, parts: list[Token]) -> Statement:
    """Return the statement that is made of these tokens of a text."""
    return Statement(text[parts[0].begin : parts[-1].end] if parts else "", (*parts,))


def change_of_depth(parts: list[Token]) -> int:
    """Say whether the last of these tokens opens (1) or closes (-1) a block of a program."""
    word = parts[-1].word
    if word == "ATOMIC":
        return int([token.word for token in parts] == ["BEGIN", "NOT", "ATOMIC"])
    if not is_program(parts):
        return 0
    before = parts[-2].word if len(parts) > 1 else ""
    if word == "END":
        return -1
    if before == "END" or (word == "FOR" and before != ";"):
        return 0
    return int(word not in ("IF", "REPEAT") or before in BEFORE_STATEMENT)


def is_program(parts: list[Token]) -> bool:
    """Whether a statement with these first tokens defines a routine, or is a program itself."""
    first = [token.word for token in parts[:14]]
    if first[0] == "CREATE":
        return any(word in ROUTINES for word in takewhile(lambda word: word != "(", first))
    return first[0] in COMPOUNDS or first[:3] == ["BEGIN", "NOT", "ATOMIC"]
