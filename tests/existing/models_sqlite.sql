CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email VARCHAR(100) NOT NULL UNIQUE COLLATE NOCASE,
    name NVARCHAR(40) NOT NULL DEFAULT 'it''s: 100% :new' CHECK (name <> ''),
    manager_id INTEGER REFERENCES users ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    changed_at TIMESTAMP DEFAULT (datetime('now', 'utc')),
    day DATE DEFAULT CURRENT_DATE,
    at TIME,
    note TEXT DEFAULT 'two
lines',
    code TEXT DEFAULT (lower(hex(randomblob(4)))),
    lower_name TEXT GENERATED ALWAYS AS (lower(name)) VIRTUAL,
    stored INTEGER AS (id + 1) STORED,
    CONSTRAINT name_short CHECK (length(name) < 100 AND name NOT LIKE '%:x%')
);
CREATE TABLE kinds (
    id TEXT PRIMARY KEY,
    untyped,
    untyped_default DEFAULT 1,
    "string" STRING,
    money MONEY DEFAULT 0.5,
    exact DECIMAL(10, 2) NOT NULL DEFAULT 0,
    numeric NUMERIC DEFAULT -1,
    big BIGINT UNSIGNED DEFAULT 1e3,
    unsigned UNSIGNED BIG INT,
    small SMALLINT DEFAULT (1 + 2),
    tiny TINYINT(1) DEFAULT 1,
    int8 INT8,
    flag BOOLEAN NOT NULL DEFAULT FALSE,
    other_flag BOOL DEFAULT 1 CHECK (other_flag IN (0, 1)),
    color VARCHAR(5) CHECK (color IN ('red', 'blue')),
    real REAL DEFAULT 1.5,
    double DOUBLE PRECISION,
    floating FLOAT,
    data BLOB DEFAULT X'00ff',
    json JSON DEFAULT '{"a":1}',
    jsonb JSONB,
    uuid UUID,
    char CHARACTER(20),
    varying VARYING CHARACTER(255),
    native NATIVE CHARACTER(70),
    clob CLOB,
    nvarchar NVARCHAR(160),
    xml XML,
    strange "my type (1)",
    "default" TEXT DEFAULT "double quoted",
    "null" TEXT DEFAULT NULL,
    empty TEXT DEFAULT '',
    blank TEXT DEFAULT ' '
);
CREATE TABLE indexed (
    Id INTEGER NOT NULL PRIMARY KEY,
    name TEXT, email TEXT, a INTEGER, b INTEGER,
    UNIQUE (a, b),
    CONSTRAINT "named unique" UNIQUE (name)
);
CREATE INDEX indexed_lower ON indexed (lower(name), a);
CREATE UNIQUE INDEX indexed_partial ON indexed (email) WHERE a > 0 AND email LIKE 'a:b%';
CREATE INDEX indexed_descending ON indexed (a DESC, b COLLATE NOCASE);
CREATE UNIQUE INDEX "Odd Index" ON indexed (email, "name");
CREATE TABLE "Order Lines" (
    OrderID INTEGER NOT NULL, "Line-No" INTEGER NOT NULL,
    class TEXT, "from" TEXT, metadata TEXT, registry TEXT, self TEXT, "select" TEXT, text TEXT DEFAULT 'x', date DATE,
    datetime DATETIME, int INT, list TEXT, "Any" TEXT, "Index" TEXT, mapped_column INTEGER, "2nd" TEXT, größe NUMERIC, URLPath TEXT,
    "Ship to" INTEGER REFERENCES users (id), bill_to INTEGER REFERENCES users,
    PRIMARY KEY ("Line-No", OrderID)
);
CREATE TABLE shipments (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, line_no INTEGER NOT NULL,
    email TEXT REFERENCES users (email),
    CONSTRAINT shipments_line FOREIGN KEY (line_no, order_id) REFERENCES "Order Lines" ("Line-No", OrderID)
);
CREATE TABLE profiles (user_id INTEGER PRIMARY KEY REFERENCES users ON DELETE CASCADE, about TEXT);
CREATE TABLE tags (id INTEGER PRIMARY KEY, tag TEXT) STRICT;
CREATE TABLE user_tags (user_id INTEGER NOT NULL REFERENCES users, tag_id INTEGER NOT NULL REFERENCES tags, PRIMARY KEY (user_id, tag_id)) WITHOUT ROWID;
CREATE TABLE friends (user_id INTEGER REFERENCES users, friend_id INTEGER REFERENCES users);
CREATE TABLE chickens (id INTEGER PRIMARY KEY, egg_id INTEGER REFERENCES eggs);
CREATE TABLE eggs (id INTEGER PRIMARY KEY, chicken_id INTEGER REFERENCES chickens);
CREATE TABLE log (at TEXT, what);
CREATE TABLE "index" (id INT PRIMARY KEY NOT NULL, "Base" TEXT);
CREATE TABLE "order" (id INTEGER PRIMARY KEY ASC, status TEXT, gone_id INTEGER REFERENCES gone (id));
CREATE TABLE strict_kinds (id INTEGER PRIMARY KEY, value ANY, number INT) STRICT, WITHOUT ROWID;
CREATE VIEW active_users AS SELECT id, name FROM users;
INSERT INTO users (id, email, name) VALUES (1, 'a@example.com', 'Ann'), (2, 'b@example.com', 'Ben');
UPDATE users SET manager_id = 1 WHERE id = 2;
INSERT INTO tags (tag) VALUES ('red'), ('blue');
INSERT INTO user_tags VALUES (1, 1), (1, 2), (2, 1);
