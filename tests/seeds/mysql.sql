CREATE TABLE parent (id integer PRIMARY KEY, code varchar(10) NOT NULL UNIQUE);

CREATE TABLE thing (
    id integer AUTO_INCREMENT PRIMARY KEY,
    a varchar(10) NOT NULL,
    b varchar(10),
    c integer DEFAULT 1,
    d text,
    e numeric(10, 2),
    f integer AS (c + 1) STORED,
    g datetime,
    h integer UNSIGNED,
    i integer,
    j enum('sad', 'fine'),
    k varchar(20) COMMENT 'one',
    l varchar(20),
    m integer,
    n integer,
    o timestamp NULL,
    parent_id integer,
    other_id integer,
    CONSTRAINT ck_b CHECK (b <> ''),
    CONSTRAINT ck_c CHECK (c > 0),
    CONSTRAINT ck_h CHECK (h > 0),
    CONSTRAINT uq_a UNIQUE (a),
    CONSTRAINT fk_parent FOREIGN KEY (parent_id) REFERENCES parent (id),
    CONSTRAINT fk_other FOREIGN KEY (other_id) REFERENCES parent (id));

CREATE TABLE engine (id integer PRIMARY KEY);

CREATE TABLE charset (id integer PRIMARY KEY);

CREATE TABLE compared (id integer PRIMARY KEY);

CREATE TABLE noted (id integer PRIMARY KEY);

CREATE TABLE numbered (id integer AUTO_INCREMENT PRIMARY KEY);

CREATE TABLE keyed (id integer PRIMARY KEY, a integer NOT NULL);

CREATE TABLE formed (id integer PRIMARY KEY);

CREATE TABLE split (
    id integer PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10),
    PARTITION high VALUES LESS THAN (20));

CREATE TABLE gone (id integer PRIMARY KEY);

CREATE INDEX ix_prefix ON thing (d(10));

CREATE INDEX ix_order ON thing (a, b);

CREATE INDEX ix_unique ON thing (i);

CREATE INDEX ix_gone ON thing (h);

CREATE INDEX ix_ignored ON thing (i, h);

CREATE FULLTEXT INDEX ix_words ON thing (k);

CREATE INDEX ix_computed ON thing ((c + 1));

CREATE INDEX ix_descending ON thing (c DESC);

CREATE VIEW seen AS SELECT id FROM thing;

CREATE VIEW guarded AS SELECT id FROM thing;

CREATE TRIGGER moved BEFORE UPDATE ON thing FOR EACH ROW SET NEW.c = 1;

CREATE TRIGGER dropped BEFORE INSERT ON thing FOR EACH ROW SET NEW.c = 1;

CREATE FUNCTION doubled(n integer) RETURNS integer DETERMINISTIC RETURN n * 2;

CREATE PROCEDURE tidy_up() SELECT 1;

CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM gone;

-- column a of table thing
ALTER TABLE thing MODIFY a varchar(20) NOT NULL;

-- column b of table thing
ALTER TABLE thing MODIFY b varchar(10) NOT NULL;

-- column c of table thing
ALTER TABLE thing ALTER c SET DEFAULT 2;

-- column e of table thing
ALTER TABLE thing MODIFY e numeric(12, 3);

-- column f of table thing
ALTER TABLE thing DROP f, ADD f integer AS (c + 2) STORED;

-- column g of table thing
ALTER TABLE thing MODIFY g datetime(6);

-- column h of table thing
ALTER TABLE thing MODIFY h integer;

-- column j of table thing
ALTER TABLE thing MODIFY j enum('sad', 'fine', 'glad');

-- column k of table thing
ALTER TABLE thing MODIFY k varchar(20) COMMENT 'two';

-- column l of table thing
ALTER TABLE thing MODIFY l varchar(20) CHARACTER SET latin1;

-- column m of table thing
ALTER TABLE thing DROP m;

-- column n of table thing
ALTER TABLE thing ALTER COLUMN n SET INVISIBLE;

-- column o of table thing
ALTER TABLE thing MODIFY o timestamp NULL ON UPDATE current_timestamp();

-- column new of table thing
ALTER TABLE thing ADD new integer;

-- constraint ck_c on table thing
ALTER TABLE thing DROP CONSTRAINT ck_c, ADD CONSTRAINT ck_c CHECK (c > 1);

-- constraint ck_h on table thing
ALTER TABLE thing DROP CONSTRAINT ck_h;

-- index uq_a on table thing
ALTER TABLE thing DROP INDEX uq_a;

-- index uq_b on table thing
ALTER TABLE thing ADD CONSTRAINT uq_b UNIQUE (b);

-- constraint fk_parent on table thing
ALTER TABLE thing DROP CONSTRAINT fk_parent;
ALTER TABLE thing
    ADD CONSTRAINT fk_parent FOREIGN KEY (parent_id)
    REFERENCES parent (id)
    ON DELETE CASCADE;

-- constraint fk_other on table thing
ALTER TABLE thing DROP CONSTRAINT fk_other;

-- primary key on table keyed
ALTER TABLE keyed DROP PRIMARY KEY, ADD PRIMARY KEY (id, a);

-- index ix_prefix on table thing
ALTER TABLE thing DROP INDEX ix_prefix, ADD INDEX ix_prefix (d(5));

-- index ix_order on table thing
ALTER TABLE thing DROP INDEX ix_order, ADD INDEX ix_order (b, a);

-- index ix_unique on table thing
ALTER TABLE thing DROP INDEX ix_unique, ADD UNIQUE INDEX ix_unique (i);

-- index ix_gone on table thing
ALTER TABLE thing DROP INDEX ix_gone;

-- index ix_new on table thing
CREATE INDEX ix_new ON thing (c);

-- index ix_ignored on table thing
ALTER TABLE thing ALTER INDEX ix_ignored INVISIBLE;

-- index ix_words on table thing
ALTER TABLE thing DROP INDEX ix_words, ADD INDEX ix_words (k);

-- index ix_computed on table thing
ALTER TABLE thing DROP INDEX ix_computed, ADD INDEX ix_computed ((c + 2));

-- index ix_descending on table thing
ALTER TABLE thing DROP INDEX ix_descending, ADD INDEX ix_descending (c);

-- constraint ck_b on table thing
ALTER TABLE thing ALTER CHECK ck_b NOT ENFORCED;

-- table gone
DROP TABLE gone;

-- table extra
CREATE TABLE extra (id integer);

-- table engine
ALTER TABLE engine ENGINE = MyISAM;

-- table charset
ALTER TABLE charset DEFAULT CHARACTER SET latin1;

-- table compared
ALTER TABLE compared DEFAULT COLLATE utf8mb4_bin;

-- table noted
ALTER TABLE noted COMMENT 'one';

-- column id of table numbered
ALTER TABLE numbered MODIFY id integer;

-- table formed
ALTER TABLE formed ROW_FORMAT = COMPRESSED;

-- table split
ALTER TABLE split DROP PARTITION high;

-- view seen
CREATE OR REPLACE VIEW seen AS SELECT id FROM thing WHERE c > 5;

-- view guarded
CREATE OR REPLACE SQL SECURITY INVOKER VIEW guarded AS SELECT id FROM thing;

-- view lost
CREATE VIEW lost AS SELECT id FROM thing;

-- trigger moved on table thing
DROP TRIGGER moved;
CREATE TRIGGER moved BEFORE UPDATE ON thing FOR EACH ROW SET NEW.c = 2;

-- trigger dropped on table thing
DROP TRIGGER dropped;

-- function doubled
DROP FUNCTION doubled;
CREATE FUNCTION doubled(n integer) RETURNS integer DETERMINISTIC RETURN n * 3;

-- procedure tidy_up
DROP PROCEDURE tidy_up;

-- event nightly
ALTER EVENT nightly DISABLE;
