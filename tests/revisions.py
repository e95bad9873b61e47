"""Pieces that revisions for MySQL and MariaDB are composed of at random."""

import re
from dataclasses import dataclass
from random import Random

# What is in the database before.
BEFORE = [
    "CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, n INT)",
    "INSERT INTO a (n) VALUES (1), (2), (3)",
    "CREATE TABLE b (id INT PRIMARY KEY)",
    "INSERT INTO b VALUES (1), (2), (3)",
    "CREATE TABLE c (id INT PRIMARY KEY AUTO_INCREMENT, n INT, x INT, y INT)",
    "INSERT INTO c (n, x, y) VALUES (1, 10, 20), (2, 30, 40)",
    "CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, n BIGINT)",
    "CREATE TABLE m (id INT PRIMARY KEY, n INT) ENGINE=MyISAM",
    "INSERT INTO m VALUES (1, 1)",
    "CREATE TABLE watched (id INT PRIMARY KEY AUTO_INCREMENT, n INT)",
    "CREATE TRIGGER watch AFTER INSERT ON watched FOR EACH ROW UPDATE m SET n = n + 1",
    "CREATE TABLE parent (id INT PRIMARY KEY)",
    "INSERT INTO parent VALUES (1), (2), (3), (4)",
    "CREATE TABLE child (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES parent (id)"
    " ON DELETE CASCADE)",
    "INSERT INTO child VALUES (1), (2), (3), (4)",
    "CREATE FUNCTION f() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN"
    " INSERT INTO log (n) VALUES (9); RETURN 1; END",
    "CREATE PROCEDURE writes() INSERT INTO log (n) VALUES (8)",
    "CREATE PROCEDURE changes() ALTER TABLE log COMMENT 'changed'",
    "CREATE PROCEDURE shows() SELECT n FROM c",
    "CREATE VIEW calls AS SELECT f() AS n",
    "CREATE TABLE pair (id INT PRIMARY KEY, x INT, y INT)",
    "INSERT INTO pair VALUES (1, 10, 20)",
    # An index is a shorter way to all ids than this table is.
    "CREATE TABLE wide (id INT PRIMARY KEY AUTO_INCREMENT, n INT, name VARCHAR(50))",
    "INSERT INTO wide (n) VALUES (3), (2), (1)",
    *(f"CREATE TABLE old{number} (id INT PRIMARY KEY, n INT)" for number in range(8)),
    *(f"INSERT INTO old{number} VALUES (1, {number})" for number in range(8)),
]

# What only MariaDB has.
BEFORE_ON_MARIADB = ["CREATE SEQUENCE s"]

# One of these is a piece; {i} is a number that no other piece has.
PIECES = r"""
op.execute("CREATE TABLE t{i} (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
op.execute("INSERT INTO t{i} (n) VALUES ({i})")
---
columns = sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer)
t = op.create_table("u{i}", *columns)
op.bulk_insert(t, [{{"id": 1, "n": 1}}, {{"id": 2, "n": {i}}}])
op.execute(t.insert().values(id=3, n=3))
---
op.execute("INSERT INTO a (n) VALUES ({i})")
---
op.execute("UPDATE a SET n = n + {i}")
---
op.execute("/* all */ UPDATE c SET x = x * 2 + {i}")
---
assert bind.execute(text("-- all\nUPDATE b SET id = id + 10 ORDER BY id DESC")).rowcount == 3
---
assert bind.exec_driver_sql("UPDATE c SET x = x + 1 WHERE id < 3").rowcount == 2
---
new = bind.execute(sa.table("log", sa.column("n")).insert().values(n={i}))
insert = text("INSERT INTO log (n) SELECT n + 1 FROM log WHERE id = :id")
bind.execute(insert, {{"id": new.lastrowid}})
---
new = bind.execute(text("INSERT INTO log (n) VALUES ({i})"))
op.execute("CREATE TABLE w{i} (id INT PRIMARY KEY)")
insert = text("INSERT INTO log (n) SELECT n + 1 FROM log WHERE id = :id")
bind.execute(insert, {{"id": new.lastrowid}})
---
op.add_column("a", sa.Column("c{i}", sa.Integer, server_default="{i}"))
---
op.execute("ALTER TABLE a ADD INDEX (n)")
---
op.execute("ALTER TABLE c ADD UNIQUE (id, n, x, y)")
---
op.execute("ALTER TABLE c ADD CHECK (n > -{i})")
---
op.execute("ALTER TABLE c ADD COLUMN r{i} INT, ADD FOREIGN KEY (r{i}) REFERENCES parent (id)")
---
op.execute("ALTER TABLE c CHANGE x y INT, CHANGE y x INT")
---
op.execute("ALTER TABLE c RENAME COLUMN x TO z{i}, ADD COLUMN x INT")
---
op.execute("CREATE INDEX i{i} ON c (n)")
op.execute("DROP INDEX i{i} ON c")
---
op.execute("CREATE TEMPORARY TABLE tmp{i} AS SELECT * FROM a")
op.execute("CREATE TABLE kept{i} AS SELECT n FROM tmp{i}")
---
op.execute("CREATE TEMPORARY TABLE tmp{i} (n INT)")
op.execute("INSERT INTO tmp{i} VALUES ({i})")
op.execute("CREATE TABLE v{i} (id INT)")
op.execute("INSERT INTO log (n) SELECT n FROM tmp{i}")
---
op.execute("CREATE TABLE copy{i} AS SELECT n, SLEEP(0.002) AS s FROM a")
---
op.execute("SET @m{i} = (SELECT COALESCE(MAX(n), 0) + 1 FROM a)")
op.execute("INSERT INTO a (n) VALUES (@m{i})")
op.execute("CREATE TABLE x{i} (n INT)")
op.execute("INSERT INTO x{i} VALUES (@m{i})")
---
bind.execute(text("SET @p{i} = :p"), {{"p": bind.scalar(text("SELECT COUNT(*) FROM log"))}})
op.execute("INSERT INTO log (n) VALUES (1)")
op.execute("CREATE TABLE x{i} (n INT)")
op.execute("INSERT INTO x{i} VALUES (@p{i})")
---
op.execute("SET @k = {i}, SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI')")
op.execute('CREATE TABLE "y{i}" (n INT)')
op.execute('INSERT INTO "y{i}" VALUES (@k)')
---
op.execute("SELECT COUNT(*) INTO @q{i} FROM a")
op.execute("CREATE TABLE z{i} (n INT)")
op.execute("INSERT INTO z{i} VALUES (@q{i})")
---
op.execute("SELECT @r{i} := MAX(n) FROM a")
op.execute("CREATE TABLE z{i} (n INT)")
op.execute("INSERT INTO z{i} VALUES (@r{i})")
---
op.execute("INSERT INTO a (n) VALUES ({i})")
op.execute("CREATE TABLE l{i} (n INT)")
op.execute("INSERT INTO l{i} (n) SELECT n FROM a WHERE id = LAST_INSERT_ID()")
---
op.execute("INSERT INTO a (n) VALUES ({i})")
op.execute("INSERT INTO log (n) SELECT n FROM a WHERE id = LAST_INSERT_ID()")
---
op.execute("INSERT INTO a (n) VALUES ({i}), ({i})")
op.execute("INSERT INTO log (n) SELECT ROW_COUNT()")
---
op.execute("SELECT f()")
---
op.execute("DO f()")
---
op.execute("SELECT * FROM calls")
---
op.execute("INSERT INTO a (n) VALUES (f())")
---
op.execute("CALL writes()")
---
op.execute("CALL changes()")
---
assert len(bind.execute(text("CALL shows()")).all()) == 2
---
with op.get_context().autocommit_block():
    op.execute("-- one\nINSERT INTO a (n) VALUES ({i})")
---
with op.get_context().autocommit_block():
    op.execute("UPDATE a SET n = n * 2")
    op.execute("CREATE TABLE q{i} (n INT)")
    bind.execute(text("INSERT INTO q{i} VALUES (:n)"), [{{"n": 1}}, {{"n": 2}}])
---
class Base(orm.DeclarativeBase): pass
class A(Base):
    __tablename__ = "a"
    id = sa.Column(sa.Integer, primary_key=True)
    n = sa.Column(sa.Integer)
session = orm.Session(bind)
session.add_all([A(n={i} + k) for k in range(5)])
session.commit()
---
class Base(orm.DeclarativeBase): pass
class A(Base):
    __tablename__ = "a"
    id = sa.Column(sa.Integer, primary_key=True)
    n = sa.Column(sa.Integer)
session = orm.Session(bind)
for row in session.scalars(sa.select(A)):
    row.n += {i}
session.flush()
session.add(A(n=7))
session.flush()
---
op.execute("UPDATE m SET n = n + {i}")
---
op.execute("INSERT INTO watched (n) VALUES ({i})")
---
op.execute("LOCK TABLES a WRITE")
op.execute("INSERT INTO a (n) VALUES ({i})")
op.execute("UNLOCK TABLES")
---
op.execute("CREATE TABLE s{i} LIKE old2")
op.execute("RENAME TABLE old2 TO t{i}, s{i} TO old2, t{i} TO s{i}")
---
op.execute("CREATE TABLE s{i} LIKE b")
op.execute("RENAME TABLE s{i} TO r{i}")
op.rename_table("r{i}", "q{i}")
---
op.execute("INSERT INTO log (n) WITH x AS (SELECT n FROM c) SELECT SUM(n) FROM x")
---
op.execute("INSERT INTO log (n) VALUES ({i})")
bind.commit()
op.execute("INSERT INTO log (n) VALUES ({i})")
---
op.execute("INSERT INTO log (n) VALUES ({i})")
op.execute("COMMIT")
op.execute("UPDATE log SET n = n + 1")
---
op.execute("START TRANSACTION")
op.execute("UPDATE log SET n = n + 1")
---
with bind.begin_nested() as nested:
    op.execute("UPDATE log SET n = n + 1")
    nested.rollback()
with bind.begin_nested():
    op.execute("UPDATE log SET n = n + 2")
---
n = bind.scalar(text("SELECT COUNT(*) FROM log"))
op.execute(f"INSERT INTO log (n) VALUES ({{n}})")
---
n = bind.scalar(text("SELECT COUNT(*) FROM log"))
op.execute("INSERT INTO log (n) VALUES (1)")
op.execute("CREATE TABLE n{i} (n INT)")
op.execute(f"INSERT INTO n{i} VALUES ({{n}})")
---
n = bind.scalar(text("SELECT COUNT(*) FROM child"))
op.execute("DELETE FROM parent WHERE id > 3")
op.execute("CREATE TABLE n{i} (n INT)")
op.execute(f"INSERT INTO n{i} VALUES ({{n}})")
---
names = sa.inspect(bind).get_table_names()
op.execute("CREATE TABLE n{i} (n INT)")
op.execute(f"INSERT INTO n{i} VALUES ({{len({{*names}} - {{'alembic_journal'}})}})")
---
if "g{i}" not in {{column["name"] for column in sa.inspect(bind).get_columns("c")}}:
    op.add_column("c", sa.Column("g{i}", sa.Integer))
op.execute("UPDATE c SET g{i} = {i}")
---
assert bind.execute(text("CHECK TABLE a")).all()
---
op.execute("INSERT INTO log (n) VALUES ({i})")
assert bind.execute(text("ANALYZE TABLE log")).all()
op.execute("INSERT INTO log (n) VALUES ({i})")
---
op.execute("CREATE OR REPLACE VIEW view{i} AS SELECT n FROM a")
op.execute("CREATE OR REPLACE VIEW view{i} AS SELECT n + 1 AS n FROM a")
---
op.execute("CREATE PROCEDURE proc{i}() BEGIN IF 1 THEN SELECT 1; END IF; SELECT ';'; END")
op.execute("CREATE TRIGGER tr{i} AFTER UPDATE ON old0 FOR EACH ROW INSERT INTO log (n) VALUES (5)")
op.execute("UPDATE old0 SET n = n + 1")
op.execute("DROP TRIGGER tr{i}")
---
t = sa.table("c", sa.column("id"), sa.column("n"))
backfill(sa.update(t).where(t.c.n < 1000 * {i}).values(n=t.c.n + 1000 * {i}), t.c.id, size=1)
---
op.execute("CREATE TABLE bf{i} (id INT PRIMARY KEY, n INT)")
op.execute("INSERT INTO bf{i} (id, n) VALUES (1, 0), (2, 0), (3, 0)")
t = sa.table("bf{i}", sa.column("id"), sa.column("n"))
backfill(sa.update(t).where(t.c.n == 0).values(n=1), t.c.id, size=2)
op.execute("UPDATE bf{i} SET n = 0")
op.drop_column("bf{i}", "n")
---
op.execute("TRUNCATE TABLE old1")
op.execute("INSERT INTO old1 VALUES ({i}, 1)")
---
op.execute("SET foreign_key_checks = 0, NAMES utf8mb4")
op.execute("CREATE TABLE fk{i} (id INT PRIMARY KEY)")
---
other = sa.create_engine(bind.engine.url)
with other.begin() as elsewhere:
    elsewhere.execute(text("UPDATE old2 SET n = n + 1"))
---
try:
    op.execute("INSERT INTO parent VALUES (1)")
except sa.exc.IntegrityError:
    op.execute("INSERT INTO log (n) VALUES ({i})")
---
try:
    op.execute("DROP TABLE nothing{i}")
except sa.exc.DBAPIError:
    op.execute("CREATE TABLE something{i} (n INT)")
---
op.execute("PREPARE p FROM 'UPDATE log SET n = n + 1'")
op.execute("EXECUTE p")
---
bind.execute(text("INSERT INTO log (n) VALUES (:n)"), [{{"n": {i}}}, {{"n": {i}}}])
---
op.execute("DELETE FROM log WHERE n % 2 = 0")
---
op.execute("CREATE TABLE p{i} (n INT)")
op.execute("CREATE TABLE pp{i} (n INT)")
op.execute("DROP TABLE p{i}, pp{i}")
---
op.execute("ALTER TABLE old3 RENAME TO older{i}")
op.execute("ALTER TABLE older{i} RENAME TO old3, ADD COLUMN k{i} INT")
---
op.execute("CREATE TABLE IF NOT EXISTS log (id INT)")
op.execute("DROP TABLE IF EXISTS nothing{i}")
---
op.execute("ALTER TABLE old4 MODIFY n VARCHAR(20)")
op.execute("UPDATE old4 SET n = CONCAT(n, '{i}')")
---
op.execute("SET autocommit = 1")
op.execute("UPDATE log SET n = n + {i}")
op.execute("SET autocommit = 0")
---
op.execute("UPDATE log SET n = n + 1")
op.execute("ROLLBACK")
---
op.execute("CREATE TABLE mi{i} (n INT) ENGINE=MyISAM")
op.execute("INSERT INTO mi{i} VALUES (1)")
---
op.execute("ALTER TABLE old5 ADD COLUMN (j{i} INT DEFAULT 1, h{i} INT), ENGINE=InnoDB")
---
op.execute("ALTER TABLE pair DROP COLUMN x, CHANGE y x INT, ADD COLUMN y INT")
---
op.execute("ALTER TABLE pair RENAME COLUMN x TO z")
op.execute("ALTER TABLE pair RENAME COLUMN y TO x")
op.execute("ALTER TABLE pair RENAME COLUMN z TO y")
---
op.execute("ALTER TABLE c MODIFY COLUMN n INT AFTER y, MODIFY COLUMN x BIGINT FIRST")
---
op.execute("CREATE TABLE kid{i} (id INT, FOREIGN KEY (id) REFERENCES parent (id))")
op.execute("ALTER TABLE kid{i} ADD FOREIGN KEY (id) REFERENCES c (id)")
---
with op.batch_alter_table("old6") as batch:
    batch.add_column(sa.Column("b{i}", sa.Integer, sa.CheckConstraint("b{i} > 0")))
    batch.create_index("ib{i}", ["b{i}"])
---
op.execute("# all of them\nUPDATE log SET n = n + {i} -- really")
---
op.execute("/*!40101 SET @old_mode = @@sql_mode, sql_mode = '' */")
op.execute("/*!40000 UPDATE log SET n = n + {i} */")
op.execute("CREATE TABLE dumped{i} (n INT) /*!50100 COMMENT='dumped' */")
op.execute("/*!40101 SET sql_mode = @old_mode */")
---
options = "/*!40100 DEFAULT CHARSET=utf8mb4 */"
op.execute(f"CREATE TABLE /*!32312 IF NOT EXISTS */ dump{i} (n INT) {{options}}")
op.execute("INSERT INTO dump{i} VALUES (1) /*!99999 , (2) */")
---
op.execute("UPDATE log SET n = n /* + 1 */ + {i} /* ; CALL writes() */")
---
n = bind.scalar(text("WITH x AS (SELECT n FROM c) SELECT COUNT(*) FROM x"))
op.execute(f"INSERT INTO log (n) VALUES ({{n}})")
---
query = "WITH x AS (SELECT n FROM log), y AS (SELECT COUNT(*) AS k FROM x) SELECT k FROM y"
n = bind.scalar(text(query))
op.execute("INSERT INTO log (n) VALUES (1)")
op.execute("CREATE TABLE cte{i} (n INT)")
op.execute(f"INSERT INTO cte{i} VALUES ({{n}})")
---
numbers = "WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 3)"
op.execute(f"INSERT INTO log (n) {{numbers}} SELECT n FROM k")
---
bind.execute(text("WITH x AS (SELECT f() AS n) SELECT n FROM x")).all()
---
x = sa.select(sa.table("c", sa.column("n"))).cte("x")
op.execute(sa.table("log", sa.column("n")).insert().from_select(["n"], sa.select(x.c.n)))
---
op.execute("DROP PROCEDURE IF EXISTS compound{i}")
loop = "WHILE k < 3 DO INSERT INTO log (n) VALUES (k); SET k = k + 1; END WHILE;"
op.execute(f"CREATE PROCEDURE compound{i}() BEGIN DECLARE k INT DEFAULT 0; {{loop}} END")
op.execute("CALL compound{i}()")
op.execute("DROP PROCEDURE compound{i}")
---
op.execute("CREATE FUNCTION pure{i}(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n + 1")
op.execute("UPDATE log SET n = pure{i}(n)")
---
bind.execute(text("SELECT n FROM c WHERE n > f() OR TRUE")).all()
---
op.execute("CREATE VIEW vf{i} AS SELECT f() AS n")
op.execute("INSERT INTO old7 (id, n) SELECT 2000 + {i}, n FROM vf{i}")
---
op.execute("UPDATE a, c SET a.n = a.n + c.n WHERE a.id = c.id")
---
op.execute("DELETE a FROM a JOIN c ON a.id = c.id WHERE c.n > 1000")
---
op.execute("INSERT INTO old7 (id, n) VALUES (1, 2) ON DUPLICATE KEY UPDATE n = n + {i}")
op.execute("REPLACE INTO old7 (id, n) SELECT id, n + 1 FROM old7")
---
op.execute("DROP TABLE old7")
op.execute("CREATE TABLE old7 (id INT PRIMARY KEY, n INT)")
op.execute("INSERT INTO old7 VALUES (1, {i})")
---
op.execute("CREATE TEMPORARY TABLE a{i} LIKE a")
op.execute("ALTER TABLE a{i} ADD COLUMN k INT")
op.execute("DROP TEMPORARY TABLE a{i}")
---
op.execute("CREATE TEMPORARY TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, n BIGINT)")
op.execute("INSERT INTO log (n) VALUES ({i})")
op.execute("ALTER TABLE log ADD COLUMN hidden INT")
op.execute("DROP TABLE log")
op.execute("INSERT INTO log (n) VALUES ({i})")
---
op.execute("SET SESSION auto_increment_increment = 5")
op.execute("INSERT INTO log (n) VALUES ({i})")
op.execute("SET SESSION auto_increment_increment = 1")
---
op.execute("SET @n{i} = 5")
op.execute("UPDATE log SET n = n + (@n{i} := 6)")
op.execute("CREATE TABLE var{i} (n INT)")
op.execute("INSERT INTO var{i} VALUES (@n{i})")
---
op.execute("SET @t{i} = NOW(6)")
op.execute("CREATE TABLE now{i} (n INT)")
op.execute("INSERT INTO now{i} VALUES (@t{i} IS NOT NULL)")
---
op.execute("INSERT INTO a (n) VALUES ({i})")
last = bind.scalar(text("SELECT LAST_INSERT_ID()"))
op.execute("CREATE TABLE last{i} (n INT)")
bind.execute(text("INSERT INTO last{i} SELECT n FROM a WHERE id = :id"), {{"id": last}})
---
op.execute("UPDATE c SET n = LAST_INSERT_ID(n + 1) WHERE id = 1")
op.execute("CREATE TABLE last{i} (n INT)")
op.execute("INSERT INTO last{i} VALUES (LAST_INSERT_ID())")
---
op.execute("INSERT INTO a (n) VALUES ({i})")
op.execute("CREATE TABLE identity{i} (n INT)")
op.execute("INSERT INTO identity{i} SELECT n FROM a WHERE id = @@identity")
---
with op.get_context().autocommit_block():
    new = bind.execute(text("INSERT INTO a (n) VALUES ({i})"))
    bind.execute(text("UPDATE a SET n = n + 1 WHERE id = :id"), {{"id": new.lastrowid}})
    op.execute("UPDATE m SET n = n + 1")
---
with op.get_context().autocommit_block():
    for n in range(3):
        op.execute(f"INSERT INTO log (n) VALUES ({{n}})")
    op.execute("ALTER TABLE log ADD INDEX (n)")
---
class Base(orm.DeclarativeBase): pass
class Parent(Base):
    __tablename__ = "log"
    id = sa.Column(sa.Integer, primary_key=True)
    n = sa.Column(sa.BigInteger)
with orm.Session(bind) as session:
    session.add_all([Parent(n={i} + k) for k in range(3)])
    session.commit()
    op.execute("CREATE TABLE orm{i} (id INT)")
    session.add(Parent(n={i}))
    session.commit()
---
class Base(orm.DeclarativeBase): pass
class Log(Base):
    __tablename__ = "log"
    id = sa.Column(sa.Integer, primary_key=True)
    n = sa.Column(sa.BigInteger)
session = orm.Session(bind)
session.execute(sa.insert(Log), [{{"n": {i}}}, {{"n": {i} + 1}}])
session.execute(sa.update(Log).values(n=Log.n + 1))
session.commit()
---
many = sa.table("log", sa.column("id", sa.Integer), sa.column("n", sa.BigInteger))
bind.execute(many.insert(), [{{"n": n}} for n in range(5)])
update = many.update().where(many.c.n == sa.bindparam("old")).values(n={i})
bind.execute(update, [{{"old": 1}}, {{"old": 2}}])
---
op.execute("INSERT INTO m (id, n) SELECT MAX(id) + 1, {i} FROM m")
op.execute("UPDATE log SET n = n + 1")
---
op.execute("UPDATE child JOIN m ON child.id = m.id SET m.n = m.n + 1")
---
op.execute("ALTER TABLE m ENGINE=InnoDB")
op.execute("UPDATE m SET n = n + {i}")
---
op.execute("SELECT GET_LOCK('mine', 0)")
op.execute("UPDATE log SET n = n + 1")
op.execute("SELECT RELEASE_LOCK('mine')")
---
op.execute("COMMIT")
op.execute("XA START 'x{i}'")
op.execute("UPDATE old2 SET n = n + 1")
op.execute("XA END 'x{i}'")
op.execute("XA COMMIT 'x{i}' ONE PHASE")
---
op.execute("SELECT n FROM c FOR UPDATE")
op.execute("UPDATE c SET n = n + {i}")
---
op.alter_column("old4", "n", existing_type=sa.Integer, type_=sa.BigInteger, nullable=False)
op.execute("UPDATE old4 SET n = n + 1")
---
columns = "a INT, b INT AS (a + 1) STORED, KEY (b), CHECK (a > 0), UNIQUE (a)"
op.execute(f"CREATE TABLE gen{i} ({{columns}})")
op.execute("INSERT INTO gen{i} (a) VALUES ({i})")
op.execute("ALTER TABLE gen{i} ADD CHECK (b < 1000), ADD INDEX (a, b), ADD UNIQUE (b)")
---
key = "pk{i} INT PRIMARY KEY AUTO_INCREMENT FIRST"
op.execute(f"ALTER TABLE old5 DROP PRIMARY KEY, ADD COLUMN {{key}}")
---
op.execute("COMMIT")
op.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
op.execute("UPDATE log SET n = n + 1")
---
first = bind.scalar(text("SELECT id FROM wide LIMIT 1"))
op.execute("CREATE INDEX w{i} ON wide (n)")
op.execute("CREATE TABLE first{i} (n INT)")
op.execute(f"INSERT INTO first{i} VALUES ({{first}})")
---
first = bind.execute(text("SELECT id FROM wide")).first()[0]
op.execute("UPDATE wide SET n = -n")
op.execute("CREATE TABLE first{i} (n INT)")
op.execute(f"INSERT INTO first{i} VALUES ({{first}})")
---
op.execute("INSERT INTO log (n) SELECT n FROM c LIMIT 1")
op.execute("UPDATE wide SET name = '{i}' LIMIT 2")
op.execute("CREATE TABLE limit{i} (n INT)")
op.execute("DELETE FROM wide WHERE n > 1 LIMIT 1")
---
op.execute("CREATE TABLE number{i} (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
op.execute("INSERT INTO number{i} (n) VALUES (1), (2)")
op.execute("CREATE TABLE refers{i} (n INT)")
op.execute("INSERT INTO refers{i} SELECT MAX(id) FROM number{i}")
---
n = bind.scalar(text("SELECT COUNT(*) FROM log"))
op.execute("SET @s{i} = 1")
bind.execute(text("INSERT INTO log (n) SELECT @s{i} + :n"), {{"n": n}})
op.execute("CREATE TABLE s2{i} (n INT)")
"""

# Pieces that only MariaDB takes.
ON_MARIADB = r"""
op.execute("BEGIN NOT ATOMIC INSERT INTO log (n) VALUES ({i}); UPDATE log SET n = n + 1; END")
---
op.execute("CREATE TABLE copy{i} AS SELECT f() AS n")
---
op.execute("IF EXISTS (SELECT 1 FROM log) THEN UPDATE log SET n = n + 1; END IF")
---
assert bind.execute(text("INSERT INTO log (n) VALUES ({i}) RETURNING n")).scalar() == {i}
---
op.execute("INSERT INTO log (n) SELECT NEXTVAL(s) * 0 + {i}")
---
op.execute("CREATE OR REPLACE TABLE old6 (id INT PRIMARY KEY, n INT)")
op.execute("INSERT INTO old6 VALUES (1, {i})")
---
op.execute("/*M!100100 UPDATE log SET n = n + {i} */")
---
many = sa.table("log", sa.column("id", sa.Integer), sa.column("n", sa.BigInteger))
found = bind.execute(many.insert().returning(many.c.n), [{{"n": n}} for n in range(3)])
assert [*found.scalars()] == [0, 1, 2]
---
assert bind.execute(text("DELETE FROM log WHERE n > 1000000 RETURNING n")).all() == []
---
op.execute("SET STATEMENT max_statement_time = 10 FOR UPDATE log SET n = n + 1")
"""

# Pieces that only MySQL takes.
ON_MYSQL = r"""
parts = "PARTITION BY RANGE (n) (PARTITION p VALUES LESS THAN (10))"
op.execute(f"CREATE TABLE parts{i} (n INT) {{parts}}")
op.execute("CREATE TABLE whole{i} (n INT)")
op.execute("INSERT INTO whole{i} VALUES (1)")
op.execute("ALTER TABLE parts{i} EXCHANGE PARTITION p WITH TABLE whole{i}")
---
op.execute("WITH x AS (SELECT MIN(id) AS id FROM c) UPDATE a SET n = n + (SELECT id FROM x)")
---
op.execute("WITH x AS (SELECT 100000 AS n) DELETE FROM log WHERE n > (SELECT n FROM x)")
---
op.execute("UPDATE log SET n = n + 1 ORDER BY id LIMIT 1 /*+ none */")
---
op.execute("INSERT INTO old7 (id, n) VALUES ROW(900 + {i}, 1), ROW(1000 + {i}, 2)")
---
op.execute("SELECT /*+ SET_VAR(sql_mode = '') */ 1")
op.execute("UPDATE /*+ SET_VAR(foreign_key_checks = 0) */ log SET n = n + 1")
---
op.execute("ALTER TABLE c ADD INDEX ((n + 1)), ADD INDEX (x DESC)")
---
op.execute("TABLE c")
op.execute("INSERT INTO old7 SELECT MAX(id) + 1, 1 FROM old7")
---
op.execute("CREATE TABLE invisible{i} (n INT, k INT INVISIBLE)")
op.execute("INSERT INTO invisible{i} (n, k) VALUES (1, {i})")
---
op.execute("SET PERSIST max_connections = @@max_connections")
op.execute("UPDATE log SET n = n + 1")
"""


@dataclass(frozen=True)
class Composed:
    """A revision that is composed of pieces."""

    pieces: tuple[str, ...]

    @property
    def body(self) -> str:
        """The body of upgrade()."""
        return "\n".join(self.pieces)

    def broken(self, after: int) -> str:
        """The body with a statement that fails after some of the pieces."""
        return "\n".join((*self.pieces[:after], 'op.execute("nonsense")', *self.pieces[after:]))


def split_pieces(pieces: str) -> list[str]:
    """Return the pieces in a text."""
    return [piece.strip("\n") for piece in pieces.split("\n---\n")]


OF_BOTH = split_pieces(PIECES)
# Most are ordinary, as in revisions that people write.
ORDINARY = OF_BOTH[:14]
OWN = {"mariadb": split_pieces(ON_MARIADB), "mysql": split_pieces(ON_MYSQL)}

# What has to be in many of the revisions, and how to find it in one.
KINDS = {
    "a comment": r"/\*(?!!)|-- |# ",
    "a comment that the server runs": r"/\*M?!",
    "a common table expression": r"WITH \w+|cte\(",
    "a compound statement": r"BEGIN |THEN ",
    "a procedure": r"CALL ",
    "a function that writes": r"\bf\(\)",
    "a session variable": r"[^@]@\w",
    "a temporary table": r"TEMPORARY TABLE",
    "the last number that was given out": r"LAST_INSERT_ID|@@identity|lastrowid",
    "a table without transactions": r"MyISAM|(?:UPDATE|INTO|JOIN|TABLE) m\b|watched",
    "an autocommit_block": r"autocommit_block",
    "a session": r"orm\.Session",
    "many rows": r"bulk_insert|add_all|, \[\{",
    "an index without a name": r"ADD INDEX \(|, KEY \(",
    "a key without a name": r"(?:FOREIGN KEY|UNIQUE) \(",
    "a check without a name": r"ADD CHECK|CheckConstraint",
    "a program": r"CREATE (?:FUNCTION|PROCEDURE|TRIGGER|VIEW|OR REPLACE VIEW)",
    "a query before what it would see": r"n = bind\.scalar|get_table_names|get_columns",
    "a limit": r"LIMIT",
    "a transaction by hand": r'"(?:COMMIT|ROLLBACK|START TRANSACTION)"|bind\.commit|begin_nested',
    "another connection": r"create_engine",
    "an error that is caught": r"except ",
}


def prepare(backend: str) -> list[str]:
    """Return the statements that prepare a database of a server."""
    return [*BEFORE, *(BEFORE_ON_MARIADB if backend == "mariadb" else [])]


def compose(random: Random, backend: str) -> Composed:
    """Compose a revision for a server at random."""
    chosen = random.sample([*OF_BOTH, *OWN[backend]], random.randint(1, 5))
    chosen += random.sample(ORDINARY, random.randint(0, 2))
    random.shuffle(chosen)
    if any("bind.commit" in piece for piece in chosen):  # then Alembic has no such block
        chosen = [piece for piece in chosen if not re.search("autocommit_block|backfill", piece)]
    return Composed(tuple(piece.format(i=number) for number, piece in enumerate(chosen, 11)))
