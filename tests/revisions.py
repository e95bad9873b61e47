"""Pieces that revisions for MySQL and MariaDB are composed of at random."""

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
    "CREATE FUNCTION f() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO log (n) VALUES (9);"
    " RETURN 1; END",
    "CREATE PROCEDURE writes() INSERT INTO log (n) VALUES (8)",
    "CREATE PROCEDURE changes() ALTER TABLE log COMMENT 'changed'",
    "CREATE PROCEDURE shows() SELECT n FROM c",
    "CREATE VIEW calls AS SELECT f() AS n",
    "CREATE SEQUENCE s",
    *(f"CREATE TABLE old{number} (id INT PRIMARY KEY, n INT)" for number in range(8)),
    *(f"INSERT INTO old{number} VALUES (1, {number})" for number in range(8)),
]

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
assert bind.exec_driver_sql("UPDATE c SET x = x + 1 WHERE n < 3").rowcount == 2
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
op.execute("ALTER TABLE c ADD CHECK (x > -{i})")
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
op.execute("CREATE TABLE copy{i} AS SELECT f() AS n")
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
op.execute("CREATE TABLE s{i} LIKE b")
op.execute("RENAME TABLE b TO t{i}, s{i} TO b, t{i} TO s{i}")
---
op.execute("CREATE TABLE s{i} LIKE b")
op.execute("RENAME TABLE s{i} TO r{i}")
op.rename_table("r{i}", "q{i}")
---
op.execute("INSERT INTO log (n) WITH x AS (SELECT n FROM c) SELECT SUM(n) FROM x")
---
op.execute("BEGIN NOT ATOMIC INSERT INTO log (n) VALUES ({i}); UPDATE log SET n = n + 1; END")
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
    op.execute("INSERT INTO b VALUES (1)")
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
assert bind.execute(text("INSERT INTO log (n) VALUES ({i}) RETURNING n")).scalar() == {i}
---
op.execute("DELETE FROM log WHERE n % 2 = 0")
---
op.execute("INSERT INTO log (n) SELECT NEXTVAL(s) * 0 + {i}")
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


ALL = [piece.strip("\n") for piece in PIECES.split("\n---\n")]


def compose(random: Random) -> Composed:
    """Compose a revision at random."""
    chosen = random.sample(ALL, random.randint(1, 5))
    # Most are ordinary, as in revisions that people write.
    chosen += random.sample(ALL[:14], random.randint(0, 2))
    random.shuffle(chosen)
    return Composed(tuple(piece.format(i=number) for number, piece in enumerate(chosen, 11)))
