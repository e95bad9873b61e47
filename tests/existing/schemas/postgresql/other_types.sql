-- Types that SQLAlchemy does not know, beside those that it does.
CREATE TABLE places (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    spot point NOT NULL,
    area polygon,
    notes xml,
    position pg_lsn NOT NULL DEFAULT '0/0',
    name varchar(20)
);
INSERT INTO places (spot, name) VALUES ('(1,2)', 'here');
