-- Types that SQLAlchemy does not know, beside those that it does.
CREATE DOMAIN spot AS point;
CREATE DOMAIN fixed AS bpchar DEFAULT 'f';
CREATE TABLE places (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    spot point NOT NULL,
    area polygon,
    other spot,
    others spot[],
    code fixed,
    notes xml,
    position pg_lsn NOT NULL DEFAULT '0/0',
    name varchar(20)
);
INSERT INTO places (spot, name) VALUES ('(1,2)', 'here');
CREATE INDEX by_name ON places (name varchar_pattern_ops DESC, (name || '') COLLATE "C" text_pattern_ops NULLS FIRST);
