-- Columns without a type, and types that only SQLite takes for what they are.
PRAGMA application_id = 7;
CREATE TABLE loose (
    id INTEGER PRIMARY KEY,
    anything,
    must NOT NULL DEFAULT 'x',
    spot GEOPOINT,
    size UNSIGNED BIG INT NOT NULL DEFAULT (1 + 1),
    name nvarchar(40) COLLATE NOCASE,
    at "timestamp without time zone" DEFAULT CURRENT_TIMESTAMP,
    price double precision CHECK (price > 0),
    label varchar(10, 2),
    ratio float(7, 3),
    doubled real GENERATED ALWAYS AS ("price" * 2) STORED, UNIQUE (size, name)
);
CREATE INDEX by_name ON loose (name COLLATE RTRIM, "size" DESC, lower("must") ASC) WHERE size > 0
    AND name <> 'a:b)%';
CREATE TABLE keyed (a, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO loose (anything, spot, name) VALUES (x'00', 'here', 'it''s');
INSERT INTO keyed VALUES (1, 'x');
