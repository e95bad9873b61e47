"""What a statement of MySQL or MariaDB means for a revision that is interrupted.

Everything here is an allow-list: a statement that is not known to be safe is `Action.UNKNOWN`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from alembic_guardrails.statements import (
    Kind,
    Statement,
    Token,
    after_parentheses,
    split,
    split_at_commas,
)


class Action(Enum):
    """What the journal does about a statement."""

    READ = "runs each time, and may read what the revision has changed"
    SETTING = "runs each time, because the next session needs it as well"
    COMMIT = "runs each time, and commits what was done before it"
    ROLLBACK = "runs each time, and undoes what was not committed"
    ROWS = "runs once: it is committed together with the journal's entry"
    SCHEMA = "runs once: its effect can be looked up"
    AGAIN = "runs once, or twice with the same effect"
    SESSION = "has an effect that is gone with the session"
    UNKNOWN = "may do anything"


class DatabaseObject(NamedTuple):
    """A table, a view or a routine: the word in SHOW CREATE, and its name as SQL."""

    kind: str
    name: str


@dataclass(frozen=True)
class Effect:
    """What a statement does.

    `objects` are those whose definitions a statement of the schema changes. It has run when
    `gone` do not exist and `there` do.
    """

    action: Action
    statement: Statement
    gone: tuple[DatabaseObject, ...] = ()
    there: tuple[DatabaseObject, ...] = ()

    @property
    def objects(self) -> tuple[DatabaseObject, ...]:
        """The objects that the statement names as those that it changes."""
        return (*self.gone, *self.there)


def words_in(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


# Expressions that read what an earlier statement of the session left.
SESSION_FUNCTIONS = {"FOUND_ROWS", "LAST_INSERT_ID", "ROW_COUNT"}
SESSION_VARIABLES = {"ERROR_COUNT", "IDENTITY", "INSERT_ID", "LAST_INSERT_ID", "WARNING_COUNT"}

# Variables of the session that revisions set, and that a new session can set again.
SETTINGS = words_in(
    """
    ALTER_ALGORITHM CHARACTER_SET_CLIENT CHARACTER_SET_CONNECTION CHARACTER_SET_RESULTS
    CHECK_CONSTRAINT_CHECKS COLLATION_CONNECTION CTE_MAX_RECURSION_DEPTH DEFAULT_STORAGE_ENGINE
    EXPLICIT_DEFAULTS_FOR_TIMESTAMP FOREIGN_KEY_CHECKS GROUP_CONCAT_MAX_LEN
    INNODB_LOCK_WAIT_TIMEOUT INNODB_STRICT_MODE INTERACTIVE_TIMEOUT LOCK_WAIT_TIMEOUT
    LONG_QUERY_TIME MAX_EXECUTION_TIME MAX_RECURSIVE_ITERATIONS MAX_STATEMENT_TIME
    NET_READ_TIMEOUT NET_WRITE_TIMEOUT OLD_ALTER_TABLE SORT_BUFFER_SIZE
    SQL_GENERATE_INVISIBLE_PRIMARY_KEY SQL_LOG_BIN SQL_MODE SQL_NOTES SQL_REQUIRE_PRIMARY_KEY
    SQL_SAFE_UPDATES STORAGE_ENGINE TIME_ZONE TMP_TABLE_SIZE UNIQUE_CHECKS WAIT_TIMEOUT
    """
)

# What values may consist of that are the same in the next session, beside literals and variables.
CONSTANTS = words_in("( ) , + - CONCAT DEFAULT FALSE NULL OFF ON REPLACE SELECT TRUE")

SCOPES = {"GLOBAL", "LOCAL", "PERSIST", "SESSION"}

# Commands for tables that change no definition and no row, and commit.
UPKEEP = {"ANALYZE", "CHECK", "CHECKSUM", "OPTIMIZE", "REPAIR"}

# What a clause of ALTER TABLE can begin with, so that SHOW CREATE TABLE shows it or it may run
# twice. Not EXCHANGE PARTITION, for example, which swaps rows.
CLAUSES = words_in(
    """
    ADD ALGORITHM ALTER AUTO_INCREMENT CHANGE CHARACTER CHARSET COLLATE COMMENT CONVERT DEFAULT
    DROP ENGINE FORCE LOCK MODIFY ORDER RENAME ROW_FORMAT
    """
)

# Objects that SHOW CREATE TABLE shows, and those that have a SHOW CREATE of their own.
TABLES = {"SEQUENCE", "TABLE", "VIEW"}
PROGRAMS = {"EVENT", "FUNCTION", "PROCEDURE", "TRIGGER"}

# What can fill a table that CREATE TABLE makes, or be there because it has made none.
WITH_ROWS = {"IF", "LIKE", "SELECT", "VALUES"}
FIRST_NUMBER = re.compile(r"\bAUTO_INCREMENT\s*=?\s*(\d+)", re.IGNORECASE)

# Words that a name with a list of columns can follow.
BEFORE_NAMES = words_in(
    """
    AS DELAYED IGNORE INSERT INTO KEY INDEX LOW_PRIORITY QUICK REFERENCES REPLACE TABLE UNIQUE
    VIEW
    """
)

# Words that a parenthesis can follow, and that are no functions; types among them.
NOT_FUNCTIONS = words_in(
    """
    ALL AND ANY AS BETWEEN BIGINT BINARY BIT BLOB BY CASE CHAR CHARACTER CHECK COLUMN COLUMNS
    CONSTRAINT DATETIME DEC DECIMAL DIV DOUBLE ELSE ELSEIF ENUM EXCEPT EXISTS FILTER FLOAT FROM
    FULLTEXT GENERATED GROUP HAVING IN INDEX INT INTEGER INTERSECT IS JOIN KEY LATERAL LIKE
    LIMIT MEDIUMINT NESTED NOT NUMERIC ON OR OVER PARTITION PATH PRIMARY RECURSIVE REGEXP RETURN
    RETURNING RLIKE ROW SELECT SET SIGNED SMALLINT SOME TEXT THEN TIMESTAMP TINYINT UNION UNIQUE
    UNSIGNED UNTIL USING VALUE VALUES VARBINARY VARCHAR WHEN WHERE WHILE WINDOW WITH WITHIN XOR
    """
)

# Functions of the server that change nothing, neither in the database nor in the session.
FUNCTIONS = words_in(
    """
    ABS ACOS ADDDATE ADDTIME ASCII ASIN ATAN ATAN2 AVG BIN BIN_TO_UUID BIT_AND BIT_COUNT
    BIT_LENGTH BIT_OR BIT_XOR CAST CEIL CEILING CHARSET CHAR_LENGTH CHARACTER_LENGTH COALESCE
    COLLATION CONCAT CONCAT_WS CONNECTION_ID CONV CONVERT CONVERT_TZ COS COT COUNT CRC32
    CUME_DIST CURDATE CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURTIME DATABASE
    DATE DATEDIFF DATE_ADD DATE_FORMAT DATE_SUB DAY DAYNAME DAYOFMONTH DAYOFWEEK DAYOFYEAR
    DEFAULT DEGREES DENSE_RANK ELT EXP EXPORT_SET EXTRACT FIELD FIND_IN_SET FIRST_VALUE FLOOR
    FORMAT FOUND_ROWS FROM_BASE64 FROM_DAYS FROM_UNIXTIME GREATEST GROUPING GROUP_CONCAT HEX
    HOUR IF IFNULL INET6_ATON INET6_NTOA INET_ATON INET_NTOA INSERT INSTR INTERVAL ISNULL
    JSON_ARRAY JSON_ARRAYAGG JSON_ARRAY_APPEND JSON_ARRAY_INSERT JSON_CONTAINS
    JSON_CONTAINS_PATH JSON_DEPTH JSON_EXTRACT JSON_INSERT JSON_KEYS JSON_LENGTH JSON_MERGE
    JSON_MERGE_PATCH JSON_MERGE_PRESERVE JSON_OBJECT JSON_OBJECTAGG JSON_OVERLAPS JSON_PRETTY
    JSON_QUERY JSON_QUOTE JSON_REMOVE JSON_REPLACE JSON_SEARCH JSON_SET JSON_TABLE JSON_TYPE
    JSON_UNQUOTE JSON_VALID JSON_VALUE LAG LAST_DAY LAST_INSERT_ID LAST_VALUE LCASE LEAD LEAST
    LEFT LENGTH LN LOCALTIME LOCALTIMESTAMP LOCATE LOG LOG10 LOG2 LOWER LPAD LTRIM MAKEDATE
    MAKETIME MATCH AGAINST MAX MD5 MICROSECOND MID MIN MINUTE MOD MONTH MONTHNAME NOW NTH_VALUE
    NTILE NULLIF OCT OCTET_LENGTH ORD PERCENT_RANK PERIOD_ADD PERIOD_DIFF PI POINT POSITION POW
    POWER QUARTER QUOTE RADIANS RAND RANK REGEXP_INSTR REGEXP_LIKE REGEXP_REPLACE REGEXP_SUBSTR
    REPEAT REPLACE REVERSE RIGHT ROUND ROW_COUNT ROW_NUMBER RPAD RTRIM SCHEMA SECOND SEC_TO_TIME
    SESSION_USER SHA SHA1 SHA2 SIGN SIN SLEEP SOUNDEX SPACE SQRT STD STDDEV STDDEV_POP
    STDDEV_SAMP STRCMP STR_TO_DATE SUBDATE SUBSTR SUBSTRING SUBSTRING_INDEX SUBTIME SUM SYSDATE
    SYSTEM_USER TAN TIME TIMEDIFF TIMESTAMPADD TIMESTAMPDIFF TIME_FORMAT TIME_TO_SEC TO_BASE64
    TO_DAYS TO_SECONDS TRIM TRUNCATE UCASE UNHEX UNIX_TIMESTAMP UPPER USER UTC_DATE UTC_TIME
    UTC_TIMESTAMP UUID UUID_SHORT UUID_TO_BIN VARIANCE VAR_POP VAR_SAMP VERSION WEEK WEEKDAY
    WEEKOFYEAR WEIGHT_STRING YEAR YEARWEEK ST_GEOMFROMTEXT ST_ASTEXT ST_X ST_Y ST_DISTANCE
    ST_CONTAINS
    """
)


class Parser:
    """Reads a statement from left to right."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.words = statement.words
        self.place = 0

    def accept(self, *words: str) -> bool:
        """Read these words if they come next."""
        is_next = self.words[self.place : self.place + len(words)] == words
        self.place += len(words) * is_next
        return is_next

    def skip_until(self, words: set[str]) -> str:
        """Read until after one of these words; return it, or nothing."""
        while self.place < len(self.words):
            self.place += 1
            if self.words[self.place - 1] in words:
                return self.words[self.place - 1]
        return ""

    def skip_condition(self) -> None:
        """Read IF EXISTS or IF NOT EXISTS."""
        self.accept("IF", "EXISTS") or self.accept("IF", "NOT", "EXISTS")

    def name(self) -> str:
        """Read a name, which may have a schema; return it as SQL, or nothing."""
        parts: list[str] = []
        while self.place < len(self.words):
            token = self.statement.tokens[self.place]
            if not token.identifier:
                return ""
            parts.append(token.text)
            self.place += 1
            if not self.accept("."):
                break
        return ".".join(parts)

    def names(self) -> list[str]:
        """Read names with commas between them, to the end of the statement or before a word."""
        found = [self.name()]
        while self.accept(","):
            found.append(self.name())
        return found

    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self.place >= len(self.words)


def read_effect(sql: str) -> Effect:
    """Return what SQL does that is sent to the server in one piece."""
    return read_short_effect(sql) if len(sql) < 10_000 else read_any_effect(sql)


@lru_cache(maxsize=256)
def read_short_effect(sql: str) -> Effect:
    """Return what SQL does, and remember it, because programs repeat statements."""
    return read_any_effect(sql)


def read_any_effect(sql: str) -> Effect:
    """Return what SQL does."""
    statements = split(sql, "mysql")
    if not statements:
        return Effect(Action.READ, Statement(sql, ()))
    if len(statements) > 1:
        tokens = tuple(token for statement in statements for token in statement.tokens)
        return Effect(Action.UNKNOWN, Statement(sql, tokens))
    (statement,) = statements
    match statement.kind:
        case Kind.READ:
            return Effect(read_action(statement), statement)
        case Kind.ROWS:
            is_known = statement.verb != "MERGE" and not sets_variable(statement)
            return Effect(Action.ROWS if is_known else Action.UNKNOWN, statement)
        case Kind.SESSION:
            return Effect(setting_action(statement), statement)
        case Kind.TRANSACTION:
            return Effect(transaction_action(statement), statement)
        case Kind.SCHEMA:
            return schema_effect(statement)
        case _:
            return Effect(other_action(statement), statement)


def read_action(statement: Statement) -> Action:
    """Return what to do about a query."""
    return Action.SESSION if sets_variable(statement) else Action.READ


def sets_variable(statement: Statement) -> bool:
    """Whether a query or a change of rows can leave a value in a variable of the session."""
    words = statement.words
    return ":=" in words or (statement.kind is Kind.READ and "INTO" in words)


def other_action(statement: Statement) -> Action:
    """Return what to do about a statement that is no query and changes no definition."""
    words = statement.words
    match words[0]:
        case "DO":
            return read_action(statement)
        case "GRANT":
            return Action.AGAIN
        case verb if verb in UPKEEP and {"TABLE", "TABLES"} & {*words[1:3]}:
            return Action.COMMIT
    if statement.verb == "SELECT" and "INTO" in words and not {"OUTFILE", "DUMPFILE"} & {*words}:
        return Action.SESSION  # variables, because there is no other target
    return Action.UNKNOWN


def transaction_action(statement: Statement) -> Action:
    """Return what to do about the begin or end of a transaction."""
    match statement.words[0]:
        case "BEGIN" | "COMMIT" | "START":
            return Action.COMMIT
        case "ROLLBACK":
            return Action.ROLLBACK
        case "SAVEPOINT" | "RELEASE":
            return Action.READ
        case _:
            return Action.UNKNOWN


def setting_action(statement: Statement) -> Action:
    """Return what to do about SET and USE."""
    if statement.verb == "USE":
        return Action.SETTING
    if statement.verb != "SET":
        return Action.UNKNOWN
    words = statement.words[1:]
    if words[:1] in (("NAMES",), ("CHARSET",)) or words[:2] == ("CHARACTER", "SET"):
        return Action.SETTING
    if "TRANSACTION" in words[:2]:
        return Action.SETTING
    parts = [*split_at_commas(statement.tokens[1:])]
    actions = {assignment_action(part) for part in parts}
    return max(actions, key=[Action.SETTING, Action.SESSION, Action.UNKNOWN].index)


def assignment_action(parts: tuple[Token, ...]) -> Action:
    """Return what to do about an assignment of SET."""
    words = [part.word for part in parts]
    if words[:1] and words[0] in SCOPES:
        words, parts = words[1:], parts[1:]
    if len(words) < 3 or words[1] not in ("=", ":="):
        return Action.UNKNOWN
    name = words[0].removeprefix("@@")
    if name.partition(".")[0] in SCOPES:
        name = name.partition(".")[2]
    is_constant = all(is_same_in_next_session(part) for part in parts[2:])
    if name.startswith("@"):
        return Action.SETTING if is_constant else Action.SESSION
    is_word = len(parts) == 3 and parts[2].kind == "word"
    is_known = name in SETTINGS and (is_constant or is_word)
    return Action.SETTING if is_known else Action.UNKNOWN


def is_same_in_next_session(part: Token) -> bool:
    """Whether a part of a value is the same in the next session.

    A variable of the server is not, if a statement before has set it.
    """
    name = part.word.removeprefix("@@").removeprefix("SESSION.").removeprefix("LOCAL.")
    if part.kind == "variable" and part.text.startswith("@@"):
        return name in SETTINGS
    return part.kind in ("string", "number", "variable", "parameter") or part.word in CONSTANTS


def schema_effect(statement: Statement) -> Effect:
    """Return what a statement does that changes definitions."""
    parser = Parser(statement)
    verb = statement.words[0]
    unknown = Effect(Action.UNKNOWN, statement)
    parser.place = 1
    if "TEMPORARY" in statement.words[1:4]:
        return Effect(Action.SESSION, statement)
    if verb == "TRUNCATE" or (verb == "ALTER" and statement.words[1] in ("DATABASE", "SCHEMA")):
        return Effect(Action.AGAIN, statement)
    read = {"ALTER": alter_effect, "CREATE": create_effect, "DROP": drop_effect}
    effect = rename_effect(parser) if verb == "RENAME" else read.get(verb, no_effect)(parser)
    return effect if effect and all(item.name for item in effect.objects) else unknown


def no_effect(parser: Parser) -> None:
    """Know nothing of a statement."""


def create_effect(parser: Parser) -> Effect | None:
    """Return what CREATE does."""
    kind = parser.skip_until({"INDEX", "DATABASE", "SCHEMA", "USER", "ROLE", *TABLES, *PROGRAMS})
    if kind == "INDEX":
        return index_effect(parser)
    if kind not in TABLES | PROGRAMS or "SONAME" in parser.words:
        return None
    if kind == "TABLE" and sets_variable(parser.statement):
        return None
    if kind == "EVENT" and not stays(parser.statement):
        return None
    parser.skip_condition()
    shown = DatabaseObject("TABLE" if kind in TABLES else kind, parser.name())
    return Effect(Action.SCHEMA, parser.statement, there=(shown,))


def stays(event: Statement) -> bool:
    """Whether an event is there until it is dropped; others are gone when they have happened."""
    schedule = event.words[: event.words.index("DO")] if "DO" in event.words else ()
    return ("SCHEDULE", "EVERY") in pairwise(schedule) and "ENDS" not in schedule


def index_effect(parser: Parser) -> Effect:
    """Return what CREATE INDEX or DROP INDEX does."""
    parser.skip_until({"ON"})
    parser.accept("TABLE")
    table = DatabaseObject("TABLE", parser.name())
    return Effect(Action.SCHEMA, parser.statement, there=(table,))


def drop_effect(parser: Parser) -> Effect | None:
    """Return what DROP does."""
    kind = parser.words[1] if len(parser.words) > 1 else ""
    parser.place = 2
    if kind == "INDEX":
        return index_effect(parser)
    if kind not in TABLES | PROGRAMS:
        return None
    parser.skip_condition()
    shown = "TABLE" if kind in TABLES else kind
    names = tuple(DatabaseObject(shown, name) for name in parser.names())
    parser.accept("CASCADE") or parser.accept("RESTRICT")
    return Effect(Action.SCHEMA, parser.statement, gone=names) if parser.is_at_end() else None


def rename_effect(parser: Parser) -> Effect | None:
    """Return what RENAME TABLE does; a swap of names cannot be seen afterwards."""
    if not (parser.accept("TABLE") or parser.accept("TABLES")):
        return None
    parser.accept("IF", "EXISTS")
    gone, there = [], []
    while True:
        gone.append(parser.name())
        if not parser.accept("TO"):
            return None
        there.append(parser.name())
        if not parser.accept(","):
            break
    names = [plain_name(name) for name in (*gone, *there)]
    if len({*names}) < len(names) or not parser.is_at_end():
        return None
    old, new = (tuple(DatabaseObject("TABLE", name) for name in part) for part in (gone, there))
    return Effect(Action.SCHEMA, parser.statement, gone=old, there=new)


def alter_effect(parser: Parser) -> Effect | None:
    """Return what ALTER does."""
    kind = parser.skip_until({"DATABASE", "SCHEMA", "USER", *TABLES, *PROGRAMS})
    parser.skip_condition()
    altered = DatabaseObject("TABLE" if kind in TABLES else kind, parser.name())
    if kind == "TABLE":
        return alter_table_effect(parser, altered)
    if kind not in TABLES | PROGRAMS or "RENAME" in parser.words:
        return None
    return Effect(Action.SCHEMA, parser.statement, there=(altered,))


def alter_table_effect(parser: Parser, table: DatabaseObject) -> Effect | None:
    """Return what ALTER TABLE does.

    That a column took the name of another one cannot be seen afterwards.
    """
    if parser.accept("WAIT"):
        parser.place += 1
    parser.accept("NOWAIT")
    old: list[str] = []
    new: list[str] = []
    dropped: list[str] = []
    renamed = ""
    for clause in split_at_commas(parser.statement.tokens[parser.place :]):
        words = [token.word for token in clause]
        if not words or words[0] not in CLAUSES or "PARTITION" in words[:2]:
            return None
        if words[0] in ("CHANGE", "RENAME"):
            renaming = read_renaming(clause)
            if not renaming:
                return None
            if not renaming[0]:
                renamed = renaming[1]
            elif renaming[0] != renaming[1]:
                old.append(renaming[0])
                new.append(renaming[1])
        if words[0] == "DROP":
            dropped += [plain_name(token.identifier) for token in clause[1:]]
    if {*old, *dropped} & {*new}:
        return None
    if renamed:
        moved = DatabaseObject("TABLE", renamed)
        return Effect(Action.SCHEMA, parser.statement, gone=(table,), there=(moved,))
    return Effect(Action.SCHEMA, parser.statement, there=(table,))


def read_renaming(clause: tuple[Token, ...]) -> tuple[str, str] | None:
    """Return the old and the new name in a clause of ALTER TABLE; no old one for a table."""
    parser = Parser(Statement("", clause))
    if parser.accept("CHANGE"):
        parser.accept("COLUMN")
        parser.skip_condition()
        names = (plain_name(parser.name()), plain_name(parser.name()))
        return names if all(names) else None
    parser.accept("RENAME")
    kinds = (parser.accept("COLUMN"), parser.accept("INDEX"), parser.accept("KEY"))
    if any(kinds):
        parser.skip_condition()
        old = plain_name(parser.name())
        return (old, plain_name(parser.name())) if parser.accept("TO") else None
    parser.accept("TO") or parser.accept("AS") or parser.accept("=")
    name = parser.name()
    return ("", name) if name and parser.is_at_end() else None


def plain_name(name: str) -> str:
    """Return a name without its quotes, in small letters, so that names can be compared."""
    return name.replace("`", "").lower()


def reads_session(statement: Statement) -> bool:
    """Whether a statement reads what an earlier one left in the session."""
    words = statement.words
    variables = {word.removeprefix("@@").rpartition(".")[2] for word in words if word[:2] == "@@"}
    return bool(
        SESSION_FUNCTIONS & {*words}
        or SESSION_VARIABLES & variables
        or (words[:1] == ("SHOW",) and {"WARNINGS", "ERRORS"} & {*words})
        or words[:3] == ("GET", "DIAGNOSTICS")
    )


def locks_tables(statement: Statement) -> bool:
    """Whether the session can write only to chosen tables after a statement."""
    words = statement.words
    return words[:1] == ("LOCK",) or (words[:1] == ("FLUSH",) and len(words) > 2)


def first_number(statement: Statement) -> int:
    """Return the number that the first row gets in a table which a statement makes; 0 if none."""
    words = statement.words
    is_empty = words[:2] == ("CREATE", "TABLE") and words.count("TABLE") == 1
    if not is_empty or "AUTO_INCREMENT" not in words or WITH_ROWS & {*words}:
        return 0
    option = FIRST_NUMBER.search(statement.code)
    return int(option[1]) if option else 1


def called_functions(statement: Statement) -> Iterator[str]:
    """Yield the functions that a statement calls, in capitals, if they are not known to be pure."""
    tokens, words = statement.tokens, statement.words
    for place, token in enumerate(tokens[:-1]):
        # A string can be a name, in the mode ANSI_QUOTES.
        is_name = token.identifier or token.text.startswith('"')
        if words[place + 1] != "(" or not is_name or token.word in NOT_FUNCTIONS:
            continue
        first = place
        while first > 1 and words[first - 1] == ".":
            first -= 2
        if first and words[first - 1] in BEFORE_NAMES:
            continue
        after = after_parentheses(tokens, place + 1)
        is_common_table = words[after : after + 2] == ("AS", "(")
        if not is_common_table and (first < place or token.word not in FUNCTIONS):
            yield token.text.upper()
    if ("VALUE", "FOR") in pairwise(words):  # of a sequence
        yield "NEXTVAL"
