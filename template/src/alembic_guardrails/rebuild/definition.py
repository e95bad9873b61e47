"""The definition of a table: where its columns, their clauses and its constraints stand in it.

The grammar is SQLite's: https://www.sqlite.org/lang_createtable.html and, of an index,
https://www.sqlite.org/lang_createindex.html
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from alembic.util import CommandError
from alembic_guardrails.statements import Token, after_parentheses, split_at_commas, tokens

# SQLite takes no other letters for the same.
ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}

# The first word of what can stand behind the type of a column.
CLAUSES = frozenset(
    [
        *("AS", "CHECK", "COLLATE", "CONSTRAINT", "DEFAULT", "DEFERRABLE", "GENERATED", "NOT"),
        *("NULL", "PRIMARY", "REFERENCES", "UNIQUE"),
    ]
)

# The first word of a constraint of the table; none of them can be the name of a column.
CONSTRAINTS = frozenset(["CHECK", "CONSTRAINT", "FOREIGN", "PRIMARY", "UNIQUE"])

# Words that are names only in quotes: https://www.sqlite.org/lang_keywords.html.
RESERVED = frozenset(
    [
        *("ADD", "ALL", "ALTER", "AND", "AS", "AUTOINCREMENT", "BETWEEN", "CASE", "CHECK"),
        *("COLLATE", "COMMIT", "CONSTRAINT", "CREATE", "DEFAULT", "DEFERRABLE", "DELETE"),
        *("DISTINCT", "DROP", "ELSE", "ESCAPE", "EXISTS", "FOREIGN", "FROM", "GROUP", "HAVING"),
        *("IN", "INDEX", "INSERT", "INTO", "IS", "ISNULL", "JOIN", "LIMIT", "NOT", "NOTHING"),
        *("NOTNULL", "NULL", "ON", "OR", "ORDER", "PRIMARY", "REFERENCES", "RETURNING", "SELECT"),
        *("SET", "TABLE", "THEN", "TO", "TRANSACTION", "UNION", "UNIQUE", "UPDATE", "USING"),
        *("VALUES", "WHEN", "WHERE"),
    ]
)

# What names local columns in parentheses.
KEYS = ("FOREIGN KEY", "PRIMARY KEY", "UNIQUE")


class UnreadableError(CommandError):
    """A definition is not written in the grammar that this module knows."""


def fold(name: str) -> str:
    """Return a name as SQLite compares it."""
    return name.translate(ASCII_LOWER)


def name_of(token: Token) -> str:
    """Return the name that a token stands for where there is a name; strings can be names."""
    if token.kind == "string":
        return token.text[1:-1].replace("''", "'")
    return token.identifier


def column_of(token: Token) -> str:
    """Return the column, folded, that a token of an expression can stand for; nothing if none."""
    return "" if token.word in RESERVED else fold(token.identifier)


def read_tokens(text: str) -> tuple[Token, ...]:
    """Take SQL of SQLite apart, which has no parameters."""
    found: list[Token] = []
    for token in tokens(text, "sqlite"):
        if token.kind == "parameter":
            first = token.begin + 1
            found.append(Token("sign", "%", token.begin, first))
            rest = tokens(token.text[1:], "sqlite")
            found += [
                Token(part.kind, part.text, first + part.begin, first + part.end) for part in rest
            ]
        else:
            found.append(token)
    return (*found,)


def normalise(text: str) -> list[str]:
    """Return what SQL says, however it is written: names without quotes, words in lower case."""
    return [
        fold(token.identifier) if token.identifier else token.text for token in read_tokens(text)
    ]


def same(first: str, second: str) -> bool:
    """Whether two texts of SQL say the same, apart from quotes, comments and capitals."""
    return normalise(first) == normalise(second)


class Name(NamedTuple):
    """The name of a column in a list, and where its entry begins and ends."""

    name: str
    begin: int
    end: int


@dataclass(frozen=True)
class Clause:
    """A clause of a column, or a constraint of the table.

    `kind` is its first word or words; `name` that of its CONSTRAINT. `comma` is where the comma
    behind a constraint of the table stands, if there is one.
    """

    kind: str
    name: str
    tokens: tuple[Token, ...]
    begin: int
    end: int
    text: str
    comma: int | None = None

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the clause behind its name, in capitals."""
        return tuple(token.word for token in self.tokens)

    @cached_property
    def body(self) -> tuple[Token, ...]:
        """What stands in the first parentheses: an expression, or local columns."""
        if "(" not in self.words:
            return ()
        first = self.words.index("(")
        return self.tokens[first + 1 : after_parentheses(self.tokens, first) - 1]

    @cached_property
    def columns(self) -> list[Name]:
        """The local columns that a key of the table names."""
        return read_names(self.body) if self.kind in KEYS else []

    @cached_property
    def referred(self) -> tuple[str, tuple[str, ...]]:
        """The table that a foreign key refers to, and its columns, if they are named."""
        if "REFERENCES" not in self.words:
            return "", ()
        first = self.words.index("REFERENCES") + 1
        behind = self.tokens[first + 1 :]
        inside = behind[1 : after_parentheses(behind, 0) - 1] if behind else ()
        return name_of(self.tokens[first]), tuple(
            name_of(token) for token in inside if token.text != ","
        )

    def names(self, columns: Collection[str]) -> set[str]:
        """Return which of these columns, by their folded names, an expression names."""
        return find_columns(self.body, columns) if self.kind in ("CHECK", "AS") else set()


@dataclass(frozen=True)
class ColumnDefinition:
    """A column: its name, where its type stands, its clauses."""

    name: str
    begin: int
    end: int
    type_begin: int
    type_end: int
    type: str
    clauses: tuple[Clause, ...]
    comma: int | None = None

    def clause(self, kind: str) -> Clause | None:
        """Return the first clause of a kind."""
        return next((clause for clause in self.clauses if clause.kind == kind), None)


@dataclass
class TableDefinition:
    """A CREATE TABLE statement, taken apart."""

    text: str
    name: str = ""
    columns: list[ColumnDefinition] = field(default_factory=list)
    constraints: list[Clause] = field(default_factory=list)
    # Where the name and the parentheses stand.
    name_begin: int = 0
    name_end: int = 0
    body_begin: int = 0
    body_end: int = 0

    @property
    def elements(self) -> list[ColumnDefinition | Clause]:
        """The columns and the constraints, in their order."""
        return [*self.columns, *self.constraints]

    @property
    def options(self) -> tuple[str, ...]:
        """The words behind the parentheses: WITHOUT ROWID, STRICT."""
        return tuple(token.word for token in read_tokens(self.text[self.body_end + 1 :]))

    @property
    def has_rowid(self) -> bool:
        """Whether the table has numbers of rows."""
        return "ROWID" not in self.options

    @property
    def is_strict(self) -> bool:
        """Whether the types of columns are enforced."""
        return "STRICT" in self.options

    @property
    def folded_names(self) -> list[str]:
        """The names of the columns, as SQLite compares them."""
        return [fold(column.name) for column in self.columns]

    @property
    def has_comments(self) -> bool:
        """Whether there are comments among the columns."""
        parts = read_tokens(self.text)
        return any(self.text[a.end : b.begin].strip() for a, b in pairwise(parts))

    def column(self, name: str) -> ColumnDefinition | None:
        """Return the column with a name."""
        return next((one for one in self.columns if fold(one.name) == fold(name)), None)

    def all_clauses(self) -> Iterator[tuple[Clause, ColumnDefinition | None]]:
        """Yield each clause of a column, with the column, and each constraint of the table."""
        for column in self.columns:
            for clause in column.clauses:
                yield clause, column
        for constraint in self.constraints:
            yield constraint, None

    @property
    def primary_key(self) -> list[str]:
        """The columns of the primary key."""
        for clause, column in self.all_clauses():
            if clause.kind == "PRIMARY KEY":
                return [column.name] if column else [entry.name for entry in clause.columns]
        return []

    @property
    def row_number(self) -> str:
        """The column that is the number of the row, folded; empty if there is none.

        https://www.sqlite.org/lang_createtable.html#rowids_and_the_integer_primary_key
        """
        key = self.primary_key
        column = self.column(key[0]) if len(key) == 1 and self.has_rowid else None
        if column is None or normalise(column.type) != ["integer"]:
            return ""
        clause = column.clause("PRIMARY KEY")
        return "" if clause and "DESC" in clause.words else fold(column.name)

    @property
    def counts(self) -> bool:
        """Whether the table never uses the number of a row again."""
        return any(
            clause.kind == "PRIMARY KEY" and "AUTOINCREMENT" in clause.words
            for clause, _ in self.all_clauses()
        )

    @property
    def stored_columns(self) -> list[str]:
        """The columns that have values of their own, because they are not computed."""
        return [column.name for column in self.columns if not column.clause("AS")]


def read_names(parts: tuple[Token, ...]) -> list[Name]:
    """Read a list of columns, each with what stands behind its name."""
    found: list[Name] = []
    begins = True
    for token in parts:
        if token.text == "," and token.kind == "sign":
            begins = True
        elif begins:
            found.append(Name(name_of(token), token.begin, token.end))
            begins = False
        else:
            found[-1] = found[-1]._replace(end=token.end)
    return found


def find_columns(parts: tuple[Token, ...], columns: Collection[str]) -> set[str]:
    """Return which of these columns, by their folded names, an expression names."""
    found = set()
    for place, token in enumerate(parts):
        before = parts[place - 1].word if place else ""
        behind = parts[place + 1].word if place + 1 < len(parts) else ""
        name = column_of(token)
        if name in columns and before not in ("AS", "COLLATE") and behind not in ("(", "."):
            found.add(name)
    return found


class Parser:
    """Reads a CREATE TABLE statement."""

    def __init__(self, text: str) -> None:
        """Prepare to read a statement as SQLite keeps it: without IF NOT EXISTS and a schema."""
        self.text = text
        self.tokens = read_tokens(text)
        self.place = 0
        self.result = TableDefinition(text)

    def word(self, ahead: int = 0) -> str:
        """Return a word that follows, in capitals; nothing for a quoted name, or at the end."""
        place = self.place + ahead
        return self.tokens[place].word if place < len(self.tokens) else ""

    def token(self) -> Token:
        """Return the next token.

        Raises:
            UnreadableError: The statement ends here.
        """
        if self.place >= len(self.tokens):
            raise UnreadableError(f"A definition ends too early: {self.text[:200]}")
        return self.tokens[self.place]

    def take(self, *words: str) -> None:
        """Go on behind these words.

        Raises:
            UnreadableError: They do not follow.
        """
        for word in words:
            if self.word() != word:
                found = self.text[self.token().begin :][:40]
                raise UnreadableError(f"A definition has {found!r} where {word} is expected")
            self.place += 1

    def skip(self, *words: str) -> bool:
        """Go on behind the next word if it is one of these."""
        found = self.word() in words
        self.place += found
        return found

    def take_name(self) -> str:
        """Go on behind a name, and return it."""
        name = name_of(self.token())
        self.place += 1
        return name

    def take_parentheses(self) -> None:
        """Go on behind parentheses."""
        if self.word() != "(":
            self.take("(")
        self.place = after_parentheses(self.tokens, self.place)

    def read(self) -> TableDefinition:
        """Read the statement.

        Raises:
            UnreadableError: It is not understood.
        """
        result = self.result
        self.take("CREATE", "TABLE")
        result.name_begin, result.name_end = self.token().begin, self.token().end
        result.name = self.take_name()
        result.body_begin = self.token().begin
        self.take("(")
        while True:
            if self.word() in CONSTRAINTS:
                result.constraints.append(self.read_constraint())
            elif result.constraints:
                self.take("CONSTRAINT")
            else:
                result.columns.append(self.read_column())
            if self.word() == ")":
                break
        result.body_end = self.token().begin
        if unknown := {*result.options} - {"WITHOUT", "ROWID", "STRICT", ","}:
            raise UnreadableError(f"A definition has the option {' '.join(sorted(unknown))}")
        return result

    def read_column(self) -> ColumnDefinition:
        """Read a column, and the comma behind it."""
        begin = self.token().begin
        name = self.take_name()
        end = type_begin = type_end = self.tokens[self.place - 1].end
        if self.begins_type():
            type_begin = self.token().begin
        while self.begins_type():
            self.place += 1
            if self.word() == "(":
                self.take_parentheses()
            type_end = end = self.tokens[self.place - 1].end
        clauses = []
        while self.word() not in (",", ")"):
            clauses.append(self.read_clause(self.read_clause_of_column))
            end = clauses[-1].end
        type_ = self.text[type_begin:type_end]
        return ColumnDefinition(
            name, begin, end, type_begin, type_end, type_, (*clauses,), self.read_comma()
        )

    def begins_type(self) -> bool:
        """Whether a part of the type of a column follows."""
        word = self.word()
        if word == "GENERATED":
            return self.word(1) != "ALWAYS"
        is_name = self.token().kind in ("word", "name", "string")
        return is_name and word not in CLAUSES

    def read_comma(self) -> int | None:
        """Go on behind a comma, and return where it is; SQLite needs none between constraints."""
        begin = self.token().begin
        return begin if self.skip(",") else None

    def read_constraint(self) -> Clause:
        """Read a constraint of the table, and the comma behind it."""
        clause = self.read_clause(self.read_clause_of_table)
        return replace(clause, comma=self.read_comma())

    def read_clause(self, read_kind: Callable[[], str]) -> Clause:
        """Read a clause with its name. A name may have no clause; it then has the kind NAME."""
        begin = self.token().begin
        name = ""
        kind = "NAME"
        if self.skip("CONSTRAINT"):
            name = self.take_name()
        first = self.place
        if self.word() not in (",", ")", "CONSTRAINT"):
            kind = read_kind()
        end = self.tokens[self.place - 1].end
        parts = self.tokens[first : self.place]
        return Clause(kind, name, parts, begin, end, self.text[begin:end])

    def read_clause_of_table(self) -> str:
        """Go on behind a constraint of the table, and return its kind."""
        if self.skip("FOREIGN"):
            self.take("KEY")
            self.take_parentheses()
            self.take_reference()
            return "FOREIGN KEY"
        if self.skip("PRIMARY"):
            self.take("KEY")
            self.take_parentheses()
            self.take_conflict()
            return "PRIMARY KEY"
        kind = self.word()
        if kind not in ("UNIQUE", "CHECK"):
            self.take("UNIQUE")
        self.place += 1
        self.take_parentheses()
        self.take_conflict()
        return kind

    def read_clause_of_column(self) -> str:
        """Go on behind a clause of a column, and return its kind."""
        kind = self.word()
        if kind == "NOT" and self.word(1) == "NULL":
            self.place += 1
            kind = "NOT NULL"
        if kind == "REFERENCES":
            self.take_reference()
        elif kind in ("NOT", "DEFERRABLE"):
            self.take_deferral()
            kind = "DEFERRABLE"
        elif kind in ("GENERATED", "AS"):
            if self.skip("GENERATED"):
                self.take("ALWAYS")
            self.take("AS")
            self.take_parentheses()
            self.skip("STORED", "VIRTUAL")
            kind = "AS"
        elif kind in CLAUSES or kind == "NOT NULL":
            self.place += 1
            getattr(self, f"take_{kind.split()[0].lower()}")()
            kind = "PRIMARY KEY" if kind == "PRIMARY" else kind
        else:
            found = self.text[self.token().begin :][:40]
            raise UnreadableError(f"A definition has {found!r} behind the type of a column")
        return kind

    def take_primary(self) -> None:
        """Go on behind what follows PRIMARY."""
        self.take("KEY")
        self.skip("ASC", "DESC")
        self.take_conflict()
        self.skip("AUTOINCREMENT")

    def take_conflict(self) -> None:
        """Go on behind ON CONFLICT, if it follows."""
        if self.word() == "ON" and self.word(1) == "CONFLICT":
            self.place += 3

    take_not = take_null = take_unique = take_conflict

    def take_check(self) -> None:
        """Go on behind what follows CHECK."""
        self.take_parentheses()
        self.take_conflict()

    def take_collate(self) -> None:
        """Go on behind the name of a collation."""
        self.take_name()

    def take_default(self) -> None:
        """Go on behind a default: an expression in parentheses, or one literal."""
        if self.word() == "(":
            self.take_parentheses()
            return
        self.skip("+", "-")
        before = self.token()
        self.place += 1
        is_blob = before.word == "X" and self.place < len(self.tokens)
        if is_blob and self.token().kind == "string" and self.token().begin == before.end:
            self.place += 1

    def take_reference(self) -> None:
        """Go on behind REFERENCES and what belongs to it."""
        self.take("REFERENCES")
        self.take_name()
        if self.word() == "(":
            self.take_parentheses()
        while self.word() in ("ON", "MATCH"):
            if self.skip("MATCH"):
                self.take_name()
                continue
            self.place += 2
            self.place += 2 if self.word() in ("SET", "NO") else 1
        if self.word() == "DEFERRABLE" or (self.word(), self.word(1)) == ("NOT", "DEFERRABLE"):
            self.take_deferral()

    def take_deferral(self) -> None:
        """Go on behind [NOT] DEFERRABLE [INITIALLY ...]."""
        self.skip("NOT")
        self.take("DEFERRABLE")
        if self.skip("INITIALLY"):
            self.place += 1


def parse_table(text: str) -> TableDefinition:
    """Take a CREATE TABLE statement apart.

    Raises:
        UnreadableError: It is not understood.
    """
    return Parser(text).read()


@dataclass(frozen=True)
class IndexElement:
    """A part of an index, with its order; `is_bare` if it is one name and no expression."""

    text: str
    is_bare: bool
    is_descending: bool


@dataclass(frozen=True)
class IndexDefinition:
    """A CREATE INDEX statement, taken apart."""

    is_unique: bool
    elements: tuple[IndexElement, ...]
    where: str
    normalised: str
    """What it says but for its names, however it is written."""


def read_index(statement: str) -> IndexDefinition:
    """Take a CREATE INDEX statement apart, as SQLite keeps it."""
    parts = read_tokens(statement)
    first = next(place for place, token in enumerate(parts) if token.text == "(")
    behind = after_parentheses(parts, first)
    elements = tuple(
        read_element(element, statement)
        for element in split_at_commas(parts[first + 1 : behind - 1])
    )
    is_unique = parts[1].word == "UNIQUE"
    where = statement[parts[behind + 1].begin : parts[-1].end] if behind < len(parts) else ""
    said = [normalise(element.text) for element in elements]
    return IndexDefinition(is_unique, elements, where, f"{is_unique} {said} {normalise(where)}")


def read_element(parts: tuple[Token, ...], statement: str) -> IndexElement:
    """Read a part of an index; ASC goes without saying."""
    order = parts[-1].word if len(parts) > 1 else ""
    is_bare = len(parts) - (order in ("ASC", "DESC")) == 1
    last = parts[-2] if order == "ASC" else parts[-1]
    return IndexElement(statement[parts[0].begin : last.end], is_bare, order == "DESC")
