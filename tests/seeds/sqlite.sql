CREATE TABLE parent (id INTEGER PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE);

CREATE TABLE thing (
    id INTEGER NOT NULL,
    a VARCHAR(10) NOT NULL,
    b VARCHAR(10),
    c INTEGER DEFAULT 1,
    d TEXT COLLATE NOCASE,
    e NUMERIC(10, 2),
    f INTEGER GENERATED ALWAYS AS (c + 1) STORED,
    g DATETIME,
    h INTEGER,
    j VARCHAR(4),
    k TEXT,
    l TEXT,
    m TEXT,
    n TEXT,
    parent_id INTEGER,
    other_id INTEGER,
    third_id INTEGER,
    CONSTRAINT pk_thing PRIMARY KEY (id),
    CONSTRAINT ck_c CHECK (c > 0),
    CONSTRAINT ck_j CHECK (j IN ('sad', 'fine')),
    CONSTRAINT ck_h CHECK (h > 0),
    CONSTRAINT uq_a UNIQUE (a),
    CONSTRAINT fk_parent FOREIGN KEY(parent_id) REFERENCES parent (id),
    CONSTRAINT fk_other FOREIGN KEY(other_id) REFERENCES parent (id),
    CONSTRAINT fk_third FOREIGN KEY(third_id) REFERENCES parent (id));

CREATE TABLE counted (id INTEGER PRIMARY KEY, a INTEGER);

CREATE TABLE loose (id INTEGER PRIMARY KEY, a INTEGER);

CREATE TABLE rowed (id INTEGER PRIMARY KEY, a INTEGER);

CREATE TABLE keyed (id INTEGER, a INTEGER, PRIMARY KEY (id));

CREATE TABLE named (id INTEGER, a INTEGER, CONSTRAINT uq_old UNIQUE (a));

CREATE TABLE gone (id INTEGER PRIMARY KEY);

CREATE INDEX ix_partial ON thing (a) WHERE c > 1;

CREATE INDEX ix_order ON thing (a, b);

CREATE INDEX ix_direction ON thing (a);

CREATE INDEX ix_unique ON thing (b);

CREATE INDEX ix_expression ON thing (lower(a));

CREATE INDEX ix_collated ON thing (a);

CREATE INDEX ix_gone ON thing (h);

CREATE VIEW seen AS SELECT id FROM thing;

CREATE VIEW lost AS SELECT id FROM thing;

CREATE TRIGGER moved AFTER UPDATE ON thing BEGIN DELETE FROM gone; END;

CREATE TRIGGER dropped AFTER UPDATE ON thing BEGIN DELETE FROM gone; END;

CREATE VIRTUAL TABLE words USING fts5(a);

-- column b of table thing
UPDATE sqlite_master SET sql = replace(sql, 'b VARCHAR(10)',
    'b VARCHAR(10) NOT NULL') WHERE name = 'thing';

-- column a of table thing
UPDATE sqlite_master SET sql = replace(sql, 'a VARCHAR(10)',
    'a VARCHAR(20)') WHERE name = 'thing';

-- column c of table thing
UPDATE sqlite_master SET sql = replace(sql, 'DEFAULT 1',
    'DEFAULT 2') WHERE name = 'thing';

-- column d of table thing
UPDATE sqlite_master SET sql = replace(sql, 'COLLATE NOCASE',
    'COLLATE BINARY') WHERE name = 'thing';

-- column e of table thing
UPDATE sqlite_master SET sql = replace(sql, 'NUMERIC(10, 2)',
    'NUMERIC(12, 3)') WHERE name = 'thing';

-- column f of table thing
UPDATE sqlite_master SET sql = replace(sql, 'c + 1',
    'c + 2') WHERE name = 'thing';

-- column g of table thing
UPDATE sqlite_master SET sql = replace(sql, 'g DATETIME',
    'g DATE') WHERE name = 'thing';

-- column k of table thing
UPDATE sqlite_master SET sql = replace(sql, 'k TEXT',
    'k TEXT COLLATE NOCASE') WHERE name = 'thing';

-- column l of table thing
UPDATE sqlite_master SET sql = replace(sql, 'l TEXT',
    'l TEXT DEFAULT ''x''') WHERE name = 'thing';

-- column m of table thing
ALTER TABLE thing DROP COLUMN m;

-- column n of table thing
ALTER TABLE thing RENAME COLUMN n TO nn;

-- column new of table thing
ALTER TABLE thing ADD COLUMN new INTEGER;

-- constraint ck_c on table thing
UPDATE sqlite_master SET sql = replace(sql, 'CHECK (c > 0)',
    'CHECK (c > 1)') WHERE name = 'thing';

-- constraint ck_j on table thing
UPDATE sqlite_master SET sql = replace(sql, '''fine'')',
    '''fine'', ''glad'')') WHERE name = 'thing';

-- constraint ck_h on table thing
UPDATE sqlite_master SET sql = replace(sql, 'CONSTRAINT ck_h CHECK (h > 0),',
    '') WHERE name = 'thing';

-- constraint uq_new on table named
UPDATE sqlite_master SET sql = replace(sql, 'uq_old',
    'uq_new') WHERE name = 'named';

-- constraint fk_parent on table thing
UPDATE sqlite_master SET sql = replace(sql, '(parent_id) REFERENCES parent (id)',
    '(parent_id) REFERENCES parent (id) ON DELETE CASCADE') WHERE name = 'thing';

-- constraint fk_other on table thing
UPDATE sqlite_master SET sql = replace(sql, '(other_id) REFERENCES parent (id)',
    '(other_id) REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED') WHERE name = 'thing';

-- constraint fk_third on table thing
UPDATE sqlite_master SET sql = replace(
    sql, ', CONSTRAINT fk_third FOREIGN KEY(third_id) REFERENCES parent (id)', ''
) WHERE name = 'thing';

-- constraint primary key (id) autoincrement on table counted
UPDATE sqlite_master SET sql = replace(sql, 'PRIMARY KEY',
    'PRIMARY KEY AUTOINCREMENT') WHERE name = 'counted';

-- table loose
DROP TABLE loose;
CREATE TABLE loose (id INTEGER PRIMARY KEY, a INTEGER) STRICT;

-- table rowed
DROP TABLE rowed;
CREATE TABLE rowed (id INTEGER PRIMARY KEY, a INTEGER) WITHOUT ROWID;

-- constraint primary key (id, a) on table keyed
DROP TABLE keyed;
CREATE TABLE keyed (id INTEGER, a INTEGER, PRIMARY KEY (id, a));

-- constraint unique (code) on table parent
DROP TABLE parent;
CREATE TABLE parent (id INTEGER PRIMARY KEY, code VARCHAR(10) NOT NULL);

-- table gone
DROP TABLE gone;

-- table extra
CREATE TABLE extra (id INTEGER);

-- index ix_partial on table thing
DROP INDEX ix_partial;
CREATE INDEX ix_partial ON thing (a) WHERE c > 2;

-- index ix_order on table thing
DROP INDEX ix_order;
CREATE INDEX ix_order ON thing (b, a);

-- index ix_direction on table thing
DROP INDEX ix_direction;
CREATE INDEX ix_direction ON thing (a DESC);

-- index ix_unique on table thing
DROP INDEX ix_unique;
CREATE UNIQUE INDEX ix_unique ON thing (b);

-- index ix_expression on table thing
DROP INDEX ix_expression;
CREATE INDEX ix_expression ON thing (upper(a));

-- index ix_collated on table thing
DROP INDEX ix_collated;
CREATE INDEX ix_collated ON thing (a COLLATE NOCASE);

-- index ix_gone on table thing
DROP INDEX ix_gone;

-- index ix_new on table thing
CREATE INDEX ix_new ON thing (c);

-- view seen
DROP VIEW seen;
CREATE VIEW seen AS SELECT id FROM thing WHERE c > 5;

-- view lost
DROP VIEW lost;

-- view more
CREATE VIEW more AS SELECT id FROM thing;

-- trigger moved on table thing
DROP TRIGGER moved;
CREATE TRIGGER moved AFTER UPDATE ON thing BEGIN DELETE FROM counted; END;

-- trigger dropped on table thing
DROP TRIGGER dropped;

-- trigger new on table thing
CREATE TRIGGER new AFTER INSERT ON thing BEGIN DELETE FROM counted; END;

-- table words
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5(a, b);
