"""What a database of MySQL or MariaDB has that makes ordinary statements do more than they say."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import pairwise, zip_longest
from typing import Any

from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.effects import (
    FUNCTIONS,
    Action,
    DatabaseObject,
    Effect,
    called_functions,
)
from alembic_guardrails.statements import (
    Statement,
    Token,
    after_parentheses,
    split,
    split_at_commas,
)
from sqlalchemy import Connection
from sqlalchemy.dialects.mysql.reserved_words import (
    RESERVED_WORDS_MARIADB,
    RESERVED_WORDS_MYSQL,
)
from sqlalchemy.exc import DBAPIError

# Tables whose rows do not roll back, other databases, the programs behind the names of tables and
# columns, columns that change by themselves, and tables whose rows change by a foreign key.
CATALOG = """
SELECT 'rows', t.table_name, '' FROM information_schema.tables t
WHERE t.table_schema = DATABASE() AND t.engine IS NOT NULL AND t.engine NOT IN
(SELECT e.engine FROM information_schema.engines e WHERE e.transactions = 'YES')
UNION ALL SELECT 'database', schema_name, '' FROM information_schema.schemata
WHERE schema_name <> DATABASE()
UNION ALL SELECT 'program', event_object_table, action_statement FROM information_schema.triggers
WHERE trigger_schema = DATABASE()
UNION ALL SELECT 'program', table_name, view_definition FROM information_schema.views
WHERE table_schema = DATABASE()
UNION ALL SELECT 'program', routine_name, routine_definition FROM information_schema.routines
WHERE routine_schema = DATABASE()
UNION ALL SELECT 'program', column_name, generation_expression FROM information_schema.columns
WHERE table_schema = DATABASE() AND generation_expression <> ''
UNION ALL SELECT 'touched', column_name, '' FROM information_schema.columns
WHERE table_schema = DATABASE() AND extra LIKE '%on update%'
UNION ALL SELECT 'delete', referenced_table_name, table_name
FROM information_schema.referential_constraints
WHERE constraint_schema = DATABASE() AND delete_rule NOT IN ('RESTRICT', 'NO ACTION')
UNION ALL SELECT 'update', referenced_table_name, table_name
FROM information_schema.referential_constraints
WHERE constraint_schema = DATABASE() AND update_rule NOT IN ('RESTRICT', 'NO ACTION')
UNION ALL SELECT 'rows', '', '' FROM information_schema.engines
WHERE engine = @@default_storage_engine AND transactions <> 'YES'
UNION ALL SELECT 'mode', @@sql_mode, ''
"""

# Which columns are in an index; an expression has no name. Only an interrupted revision asks.
INDEXES = """
SELECT 'index', table_name, column_name FROM information_schema.statistics
WHERE table_schema = DATABASE()
"""

# Words that name nothing unless they are quoted.
RESERVED_WORDS = RESERVED_WORDS_MARIADB & RESERVED_WORDS_MYSQL

# ER_LOCK_WAIT_TIMEOUT and ER_LOCK_DEADLOCK:
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
LOCK_ERRORS = (1205, 1213)

# What a program can contain that no reading of it can follow.
OPAQUE = {"CALL", "EXECUTE", "PREPARE"}

# ER_NO_SUCH_TABLE, ER_SP_DOES_NOT_EXIST, ER_TRG_DOES_NOT_EXIST, ER_EVENT_DOES_NOT_EXIST and
# ER_BAD_DB_ERROR.
MISSING = {1049, 1146, 1305, 1360, 1539}

# Words after the tables that a change of rows is about; those of the first two can have queries in
# parentheses among their tables.
AFTER_TARGET = {"UPDATE": {"SET"}, "DELETE": {"WHERE"}}
AFTER_TABLE = {"(", "SELECT", "SET", "VALUE", "VALUES", "WHERE"}

# What can stand before or behind an asterisk that means all columns.
BEFORE_ALL = {",", ".", "ALL", "DISTINCT", "SELECT"}
AFTER_ALL = {",", "FROM"}

# Clauses that drop a foreign key, or can.
DROP_KEY = {("DROP", "FOREIGN"), ("DROP", "CONSTRAINT")}

# Clauses of ALTER TABLE that change no value of a column that is there before and after.
KEEP_VALUES = {"ADD", "ALGORITHM", "AUTO_INCREMENT", "COMMENT", "DROP", "ENGINE", "FORCE", "LOCK"}

# Those that leave the indexes and the place of each row as they are, without one of these words.
KEEP_ORDER = {"ADD", "ALGORITHM", "AUTO_INCREMENT", "COMMENT", "LOCK"}
KEYS = {"CONSTRAINT", "FOREIGN", "FULLTEXT", "INDEX", "KEY", "PRIMARY", "SPATIAL", "UNIQUE"}

# Functions of all rows whose value is the same in whatever order they come, and what can make one
# of them depend on that.
WHOLE = {"COUNT", "MAX", "MIN"}
CHOOSE_ROWS = {"FETCH", "GROUP", "GROUP_CONCAT", "JSON_ARRAYAGG", "LIMIT", "OVER"}


class Catalog:
    """What a database has, read once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows = self.read(CATALOG)

    def read(self, query: str) -> list[tuple[str, str, str]]:
        """Return what there is: its kind, its name in small letters, and a text."""
        options = {"no_parameters": True}
        rows = self.connection.exec_driver_sql(query, execution_options=options).all()
        return [(str(kind), str(name).lower(), str(text or "")) for kind, name, text in rows]

    @cached_property
    def databases(self) -> set[str]:
        """The names of the other databases."""
        return {name for kind, name, _ in self.rows if kind == "database"}

    @cached_property
    def tables_without_transactions(self) -> set[str]:
        """The tables whose rows do not roll back; one without a name stands for new tables."""
        return {name for kind, name, _ in self.rows if kind == "rows"}

    @cached_property
    def touched_columns(self) -> set[str]:
        """The columns that change with any other column of their row."""
        return {name for kind, name, _ in self.rows if kind == "touched"}

    @cached_property
    def indexes(self) -> list[tuple[str, str, str]]:
        """The columns of indexes, which do not change while statements are skipped."""
        return self.read(INDEXES)

    def moves_rows(self, tables: set[str], columns: set[str]) -> bool:
        """Whether an index has one of these columns of tables, or what is computed of one."""
        indexed = {
            text.lower() for kind, name, text in self.indexes if kind == "index" and name in tables
        }
        behind = (item for name in indexed for item in self.programs.get(name, ()))
        indexed |= {name for item in behind for name in identifiers(item)}
        return "" in indexed or bool(indexed & columns)

    def with_cascades(self, tables: set[str], rules: set[str]) -> set[str]:
        """Return tables, and those whose rows change with theirs by a rule of a foreign key."""
        found = {*tables}
        while new := {
            text.lower()
            for rule, name, text in self.rows
            if rule in rules and name in found and text.lower() not in found
        }:
            found |= new
        return found

    def can_misread(self, statement: Statement) -> bool:
        """Whether the mode of the session makes strings end elsewhere than they seem to."""
        modes = {name for kind, name, _ in self.rows if kind == "mode"}
        return "\\" in statement.text and any("no_backslash_escapes" in mode for mode in modes)

    @cached_property
    def programs(self) -> dict[str, list[Statement]]:
        """The statements that using a name can run: triggers, views, routines, cascades."""
        found: dict[str, list[Statement]] = {}
        for kind, name, text in self.rows:
            if kind == "program":
                found.setdefault(name, []).extend(split(text, "mysql"))
        return found

    def statements_behind(self, statement: Statement) -> list[Statement]:
        """Return a statement, and those that it can run through triggers, views and routines."""
        found = [statement]
        names = identifiers(statement)
        left = {*names}
        while left:
            behind = [item for name in left for item in self.programs.get(name, ())]
            found += behind
            left = {name for item in behind for name in identifiers(item)} - names
            names |= left
        return found

    def names_behind(self, statement: Statement) -> set[str]:
        """Return all identifiers that matter to a statement, in small letters."""
        return {name for item in self.statements_behind(statement) for name in identifiers(item)}

    def calls_unknown(self, statement: Statement) -> bool:
        """Whether a statement can run a function that is not known to be pure."""
        behind = self.statements_behind(statement)
        return any(next(called_functions(item), None) or OPAQUE & {*item.words} for item in behind)

    def outlives_rollback(self, statement: Statement) -> bool:
        """Whether a statement can change what a rollback leaves as it is."""
        names = self.names_behind(statement)
        behind = self.statements_behind(statement)
        return bool(
            names & self.tables_without_transactions
            or names & self.databases
            or any({"EXECUTE", "PREPARE"} & {*item.words} for item in behind)
        )

    def can_roll_back(self, statement: Statement) -> bool:
        """Whether a statement can undo what was done before it."""
        return any("ROLLBACK" in item.words for item in self.statements_behind(statement))


def identifiers(statement: Statement) -> set[str]:
    """Return the identifiers in a statement, in small letters; words and strings are among them.

    A string can be the name of a table that a query of information_schema asks for.
    """
    names = set()
    for token, after in zip_longest(statement.tokens, statement.words[1:]):
        name = token.identifier.lower()
        is_call = after == "(" and token.word in FUNCTIONS
        if token.kind == "string":
            names.add(token.text[1:-1].lower())
        elif token.kind == "name" or (name not in RESERVED_WORDS and not is_call):
            names.add(name)
    return names - {""}


def read_definition(connection: Connection, item: DatabaseObject) -> str | None:
    """Return how the server defines an object; None if there is none.

    Raises:
        DBAPIError: The server did not say so.
    """
    # Commands that continue no revision do without what reads schemas.
    from alembic_guardrails.schema.mysql import without_counter

    try:
        query = f"SHOW CREATE {item.kind} {item.name}"
        row = connection.exec_driver_sql(query, execution_options={"no_parameters": True}).one()
    except DBAPIError as error:
        if error_code(error) not in MISSING:
            raise
        return None
    # Triggers have the time of their creation in the last column, which is no definition. A counter
    # changes with the rows, which other sessions may write.
    return without_counter(" ".join(str(value) for value in row[1:4]))


def fingerprint(definitions: Iterable[str | None]) -> str:
    """Return a digest of definitions."""
    return sha256(repr([*definitions]).encode()).hexdigest()


@dataclass(frozen=True)
class Read:
    """A query: the names in it, and whether it is about all columns or about definitions.

    One that `has_order` can give other rows first, or choose other rows, by another index.
    """

    names: frozenset[str]
    has_all_columns: bool
    is_definition: bool
    has_order: bool


class Reads:
    """The queries of a revision that skips statements which an earlier run executed.

    A query that runs again sees what those statements changed. Nobody knows what the revision does
    with its result, so the revision cannot continue if the result may differ from that of the
    earlier run.
    """

    def __init__(self) -> None:
        self.reads: set[Read] = set()
        # Whether rows were changed after a query.
        self.has_changed_rows = False

    def note(self, effect: Effect, parameters: Any, catalog: Catalog) -> None:
        """Remember a query."""
        behind = catalog.statements_behind(effect.statement)
        names = catalog.names_behind(effect.statement)
        is_of_catalog = "information_schema" in names
        is_of_rows = effect.statement.verb in ("SELECT", "TABLE") and not is_of_catalog
        self.reads.add(
            Read(
                frozenset(names | {name.lower() for name in strings_in(parameters)}),
                any(reads_all_columns(statement) for statement in behind),
                is_of_catalog or effect.statement.words[:1] != ("SELECT",),
                is_of_rows and not is_whole(behind),
            )
        )

    def can_differ(self, effect: Effect, catalog: Catalog) -> bool:
        """Whether a statement that is skipped can have changed the result of a query before it."""
        if effect.action is Action.SCHEMA:
            is_unknown = self.has_changed_rows and removes_program(effect)
            return is_unknown or any(self.can_differ_by_schema(effect, read) for read in self.reads)
        self.has_changed_rows = bool(self.reads)
        tables, columns = changed_by(effect.statement, catalog)
        return any(
            read.names & tables
            and (
                columns is None
                or read.has_all_columns
                or bool(read.names & columns)
                or (read.has_order and catalog.moves_rows(tables, columns))
            )
            for read in self.reads
        )

    def can_differ_by_schema(self, effect: Effect, read: Read) -> bool:
        """Whether a change of the schema can have changed the result of a query."""
        if read.is_definition:
            return True
        words = effect.statement.words
        tables = {item.name.rpartition(".")[2].strip("`").lower() for item in effect.objects}
        if not read.names & tables:
            return False
        if read.has_order and not keeps_order(effect.statement):
            return True
        if "INDEX" in words[:3]:
            return False
        is_kept = keeps_values(effect.statement) and not read.names & dropped_by(effect.statement)
        return read.has_all_columns or not is_kept


def removes_program(effect: Effect) -> bool:
    """Whether a change of the schema can remove what made a change of rows do more than it says.

    What that did cannot be read from the database any more.
    """
    words = effect.statement.words
    is_replaced = "REPLACE" in words[:3] or (words[0] == "ALTER" and "VIEW" in words[:12])
    return bool(effect.gone) or is_replaced or bool(DROP_KEY & {*pairwise(words)})


def dropped_by(statement: Statement) -> set[str]:
    """Return the names behind each DROP in a statement, in small letters."""
    parts = [token.identifier.lower() for token in statement.tokens]
    dropped = {at for at, word in enumerate(statement.words) if word == "DROP"}
    return {name for at in dropped for name in parts[at + 1 : at + 5] if name}


def keeps_values(statement: Statement) -> bool:
    """Whether a change of the schema leaves the values of other columns as they are."""
    clauses = [*clauses_of(statement)]
    return bool(clauses) and all(part and part[0].word in KEEP_VALUES for part in clauses)


def keeps_order(statement: Statement) -> bool:
    """Whether a change of the schema leaves the order as it is in which the server finds rows."""
    clauses = [[token.word for token in part] for part in clauses_of(statement)]
    return bool(clauses) and all(
        part and part[0] in KEEP_ORDER and not KEYS & {*part} for part in clauses
    )


def clauses_of(statement: Statement) -> Iterator[tuple[Token, ...]]:
    """Yield the clauses of ALTER TABLE; none of another statement."""
    words = statement.words
    if words[:2] == ("ALTER", "TABLE"):
        # The first clause begins after ALTER TABLE and a name, which may have a schema.
        first, *others = split_at_commas(statement.tokens)
        yield first[5 if words[3:4] == (".",) else 3 :]
        yield from others


def is_whole(behind: Sequence[Statement]) -> bool:
    """Whether a query has one row, for which it does not matter how the server finds others.

    `behind` has the query first, then what is behind the names in it.
    """
    words = behind[0].words
    after = words[after_parentheses(behind[0].tokens, 2) :]
    after = after[2:] if after[:1] == ("AS",) else after
    is_function = words[:1] == ("SELECT",) and {*words[1:2]} <= WHOLE and words[2:3] == ("(",)
    is_alone = is_function and after[:1] == ("FROM",)
    return is_alone and not any(CHOOSE_ROWS & {*statement.words} for statement in behind)


def reads_all_columns(statement: Statement) -> bool:
    """Whether a query is about all columns, by an asterisk or without one."""
    words = statement.words
    if words[:1] in (("CHECKSUM",), ("TABLE",)) or "NATURAL" in words:
        return True
    return any(
        word == "*" and before != "(" and (before in BEFORE_ALL or after in AFTER_ALL)
        for before, word, after in zip(words, words[1:], words[2:], strict=False)
    )


def changed_by(statement: Statement, catalog: Catalog) -> tuple[set[str], set[str] | None]:
    """Return the tables that a change of rows is about, and the columns if not all of them."""
    words = statement.words
    end = end_of_target(statement)
    target = replace(statement, tokens=statement.tokens[:end])
    has_programs = len(catalog.statements_behind(target)) > 1
    is_update = words[0] == "UPDATE" and not has_programs
    names = catalog.names_behind(target)
    tables = catalog.with_cascades(names, {"update"} if is_update else {"delete", "update"})
    if not is_update or tables != names or words[end : end + 1] != ("SET",):
        return tables, None
    return tables, {*assigned_columns(statement, end + 1), *catalog.touched_columns}


def end_of_target(statement: Statement) -> int:
    """Return the place behind the tables that a change of rows is about."""
    words = statement.words
    if words[0] == "WITH":
        return len(words)
    ends, depth = AFTER_TARGET.get(words[0], AFTER_TABLE), 0
    for place, word in enumerate(words):
        if word in ends and depth == 0:
            return place
        depth += {"(": 1, ")": -1}.get(word, 0)
    return len(words)


def assigned_columns(statement: Statement, begin: int) -> Iterator[str]:
    """Yield the columns that SET assigns, whose first token is at a place."""
    for part in split_at_commas(statement.tokens[begin:]):
        words = [token.word for token in part]
        if "=" in words and words.index("="):
            named = part[words.index("=") - 1]
            # A string can be a name, in the mode ANSI_QUOTES.
            is_string = named.kind == "string"
            yield (named.text[1:-1] if is_string else named.identifier).lower()


def strings_in(parameters: Any) -> Iterator[str]:
    """Yield the strings in the parameters of a statement."""
    if isinstance(parameters, str):
        yield parameters
    elif isinstance(parameters, dict):
        yield from strings_in([*parameters.values()])
    elif isinstance(parameters, list | tuple):
        for item in parameters:
            yield from strings_in(item)
