"""Changes of tables, and what each database does for them, as `migrations plan` should find it.

The expectations were compared with the documentation of the servers:
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES,
https://dev.mysql.com/doc/refman/9.7/en/innodb-online-ddl-operations.html,
https://mariadb.com/kb/en/innodb-online-ddl-operations-with-the-instant-alter-algorithm/ and
https://www.sqlite.org/lang_altertable.html.
"""

from dataclasses import dataclass, field

KEY = "CONSTRAINT fk_other FOREIGN KEY (other_id) REFERENCES parents (id)"

# The tables that are there before.
TABLES = (
    "CREATE TABLE parents (id int PRIMARY KEY, code varchar(20), n int, note text,"
    " d int NOT NULL DEFAULT 1)",
    f"CREATE TABLE children (id int PRIMARY KEY, parent_id int, other_id int, {KEY})",
    "CREATE INDEX ix_n ON parents (n)",
)
# And what only one of the databases has.
MORE = {
    "postgresql": ("ALTER TABLE parents ADD CONSTRAINT n_positive CHECK (n > 0) NOT VALID",),
}

# What is found, in short.
EXCLUSIVE = "parents: AccessExclusiveLock, readers and writers"
INSTANT = "parents: metadata lock, nobody, ALGORITHM=INSTANT"
INPLACE = "parents: metadata lock, nobody, ALGORITHM=INPLACE"
NOCOPY = "parents: metadata lock, nobody, ALGORITHM=NOCOPY"
COPY = "parents: metadata lock, writers, ALGORITHM=COPY, writes all rows anew"
MOMENT = "parents: metadata lock, readers and writers, for a moment"
REBUILD = f"{INPLACE}, writes all rows anew"
RESERVED = "parents: RESERVED, writers"
ROWS = "parents: row locks, writers of the same rows"
CHILDREN = {
    name: text.replace("parents", "children")
    for name, text in {
        "COPY": COPY,
        "EXCLUSIVE": EXCLUSIVE,
        "INPLACE": INPLACE,
        "INSTANT": INSTANT,
        "MOMENT": MOMENT,
        "RESERVED": RESERVED,
    }.items()
}


@dataclass(frozen=True)
class Operation:
    """A change, in the SQL of each database, and what each server does for it."""

    name: str
    sql: str = ""
    postgresql: str = ""
    mysql: str = ""
    mariadb: str = ""
    sqlite: str = ""
    in_words_of: dict[str, str] = field(default_factory=dict, kw_only=True)

    def expected(self, server: str) -> str:
        """What a server does; empty if it has no such change."""
        return str(getattr(self, server))

    def statement(self, server: str) -> str:
        """The SQL for a server."""
        family = "mysql" if server == "mariadb" else server
        return self.in_words_of.get(family, self.sql)


def alter(name: str, postgresql: str, mysql: str, *found: str) -> Operation:
    """A change of the table `parents` that PostgreSQL and MySQL word differently."""
    words = {
        "postgresql": f"ALTER TABLE parents {postgresql}",
        "mysql": f"ALTER TABLE parents {mysql}",
    }
    return Operation(name, "", *found, in_words_of=words)


OPERATIONS = [
    Operation(
        "add a column",
        "ALTER TABLE parents ADD COLUMN x int",
        *(EXCLUSIVE, INSTANT, INSTANT, RESERVED),
    ),
    Operation(
        "add a column with a default",
        "ALTER TABLE parents ADD COLUMN x int NOT NULL DEFAULT 5",
        *(EXCLUSIVE, INSTANT, INSTANT, RESERVED),
    ),
    alter(
        "add a column with a computed default",
        "ADD COLUMN x float DEFAULT random()",
        "ADD COLUMN x varchar(36) DEFAULT (uuid())",
        *(f"{EXCLUSIVE}, writes all rows anew", "", COPY),
    ),
    Operation(
        "add a stored generated column",
        "ALTER TABLE parents ADD COLUMN x int GENERATED ALWAYS AS (n + 1) STORED",
        *(f"{EXCLUSIVE}, writes all rows anew", COPY, COPY),
    ),
    Operation(
        "add a virtual generated column",
        "ALTER TABLE parents ADD COLUMN x int GENERATED ALWAYS AS (n + 1) VIRTUAL",
        *("", INSTANT, INSTANT, RESERVED),
    ),
    Operation(
        "drop a column",
        "ALTER TABLE parents DROP COLUMN note",
        *(EXCLUSIVE, INSTANT, INSTANT, f"{RESERVED}, writes all rows anew"),
    ),
    Operation(
        "rename a column",
        "ALTER TABLE parents RENAME COLUMN note TO remark",
        *(EXCLUSIVE, INSTANT, INSTANT, RESERVED),
    ),
    Operation(
        "rename a table",
        "ALTER TABLE parents RENAME TO elders",
        *(EXCLUSIVE, INSTANT, INSTANT, RESERVED),
    ),
    alter(
        "make a text longer",
        "ALTER COLUMN code TYPE varchar(40)",
        "MODIFY code varchar(40)",
        *(EXCLUSIVE, INPLACE, INSTANT),
    ),
    alter(
        "make a text longer than 255 bytes",
        "ALTER COLUMN code TYPE varchar(300)",
        "MODIFY code varchar(300)",
        *(EXCLUSIVE, COPY, INSTANT),
    ),
    alter(
        "make a text shorter",
        "ALTER COLUMN code TYPE varchar(10)",
        "MODIFY code varchar(10)",
        *(f"{EXCLUSIVE}, writes all rows anew", COPY, COPY),
    ),
    alter(
        "make a text unlimited",
        "ALTER COLUMN code TYPE text",
        "MODIFY code text",
        *(EXCLUSIVE, COPY, COPY),
    ),
    alter(
        "make an integer wider",
        "ALTER COLUMN n TYPE bigint",
        "MODIFY n bigint",
        *(f"{EXCLUSIVE}, writes all rows anew", COPY, COPY),
    ),
    alter(
        "forbid NULL",
        "ALTER COLUMN n SET NOT NULL",
        "MODIFY n int NOT NULL",
        *(f"{EXCLUSIVE}, reads all rows", REBUILD, REBUILD),
    ),
    alter(
        "allow NULL",
        "ALTER COLUMN d DROP NOT NULL",
        "MODIFY d int DEFAULT 1",
        *(EXCLUSIVE, REBUILD, REBUILD),
    ),
    alter(
        "set a default",
        "ALTER COLUMN n SET DEFAULT 7",
        "ALTER COLUMN n SET DEFAULT 7",
        *(EXCLUSIVE, INSTANT, INSTANT),
    ),
    alter(
        "drop a default",
        "ALTER COLUMN d DROP DEFAULT",
        "ALTER COLUMN d DROP DEFAULT",
        *(EXCLUSIVE, INSTANT, INSTANT),
    ),
    alter(
        "add a check",
        "ADD CONSTRAINT ck CHECK (n > 0)",
        "ADD CONSTRAINT ck CHECK (n > 0)",
        *(f"{EXCLUSIVE}, reads all rows", COPY, COPY),
    ),
    alter(
        "add a check that is not validated",
        "ADD CONSTRAINT ck CHECK (n > 0) NOT VALID",
        "",
        EXCLUSIVE,
    ),
    alter(
        "validate a check",
        "VALIDATE CONSTRAINT n_positive",
        "",
        "parents: ShareUpdateExclusiveLock, nobody, reads all rows",
    ),
    Operation(
        "add a foreign key",
        "ALTER TABLE children ADD CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES parents (id)",
        "children: ShareRowExclusiveLock, writers, reads all rows;"
        " parents: ShareRowExclusiveLock, writers",
        *(CHILDREN["COPY"], CHILDREN["COPY"]),
    ),
    Operation(
        "drop a foreign key",
        "",
        f"{CHILDREN['EXCLUSIVE']}; {EXCLUSIVE}",
        *(CHILDREN["INPLACE"], CHILDREN["INSTANT"]),
        in_words_of={
            "postgresql": "ALTER TABLE children DROP CONSTRAINT fk_other",
            "mysql": "ALTER TABLE children DROP FOREIGN KEY fk_other",
        },
    ),
    alter(
        "add a unique constraint",
        "ADD CONSTRAINT uq UNIQUE (code)",
        "ADD CONSTRAINT uq UNIQUE (code)",
        f"{EXCLUSIVE}, reads all rows",
        *(f"{INPLACE}, reads all rows", f"{NOCOPY}, reads all rows"),
    ),
    Operation(
        "create an index",
        "CREATE INDEX ix_code ON parents (code)",
        "parents: ShareLock, writers, reads all rows",
        *(f"{INPLACE}, reads all rows", f"{NOCOPY}, reads all rows"),
        f"{RESERVED}, reads all rows",
    ),
    Operation(
        "create a full-text index",
        "CREATE FULLTEXT INDEX ft_code ON parents (code)",
        *("", *(["parents: metadata lock, writers, ALGORITHM=INPLACE, writes all rows anew"] * 2)),
    ),
    Operation(
        "create an index concurrently",
        "CREATE INDEX CONCURRENTLY ix_code ON parents (code)",
        "parents: ShareUpdateExclusiveLock, nobody, concurrently, reads all rows",
    ),
    Operation(
        "drop an index",
        "DROP INDEX ix_n",
        *(EXCLUSIVE, INPLACE, NOCOPY, ": RESERVED, writers"),
        in_words_of={"mysql": "DROP INDEX ix_n ON parents"},
    ),
    Operation(
        "drop a table",
        "DROP TABLE children",
        f"{CHILDREN['EXCLUSIVE']}; {EXCLUSIVE}",
        *(CHILDREN["MOMENT"], CHILDREN["MOMENT"], CHILDREN["RESERVED"]),
    ),
    Operation(
        "create a table that refers to another",
        "CREATE TABLE more (parent_id int, FOREIGN KEY (parent_id) REFERENCES parents (id))",
        "parents: ShareRowExclusiveLock, writers",
        *(MOMENT, MOMENT, ": RESERVED, writers"),
    ),
    Operation(
        "comment on a column",
        "COMMENT ON COLUMN parents.note IS 'x'",
        "parents: ShareUpdateExclusiveLock, nobody",
        *(INSTANT, INSTANT),
        in_words_of={"mysql": "ALTER TABLE parents MODIFY note text COMMENT 'x'"},
    ),
    Operation(
        "convert to another character set",
        "ALTER TABLE parents CONVERT TO CHARACTER SET latin1",
        *("", COPY, COPY),
    ),
    Operation(
        "change the format of rows",
        "ALTER TABLE parents ROW_FORMAT=COMPRESSED",
        *("", REBUILD, REBUILD),
    ),
    Operation(
        "create a trigger",
        "",
        "parents: ShareRowExclusiveLock, writers",
        *(MOMENT, MOMENT),
        in_words_of={
            "postgresql": "CREATE TRIGGER t BEFORE UPDATE ON parents FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "mysql": "CREATE TRIGGER t BEFORE UPDATE ON parents FOR EACH ROW SET NEW.n = 1",
        },
    ),
    Operation(
        "update rows",
        "UPDATE parents SET n = 1",
        "parents: RowExclusiveLock, writers of the same rows, reads all rows",
        *(ROWS, ROWS, RESERVED),
    ),
    Operation(
        "remove all rows",
        "TRUNCATE TABLE children",
        *(CHILDREN["EXCLUSIVE"], CHILDREN["MOMENT"], CHILDREN["MOMENT"]),
    ),
]
