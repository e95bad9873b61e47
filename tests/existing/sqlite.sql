-- The database of a shop with a warehouse, as many hands and years have left it: what SQLite has
-- and models cannot say is here once. A line of two semicolons ends a statement.
CREATE TABLE countries (code CHAR(2) PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE) WITHOUT ROWID
;;
CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- it's never used again
    uuid CHAR(32) DEFAULT (lower(hex(randomblob(16)))) NOT NULL,
    name VARCHAR(80) NOT NULL COLLATE NOCASE, /* first and last; "Ada :name" */
    email TEXT CONSTRAINT has_at CHECK (email LIKE '%@%'),
    country CHAR(2) DEFAULT 'DE' REFERENCES countries ON UPDATE CASCADE,
    metadata JSON DEFAULT '{"a": "b:c", "percent": "100%"}' CHECK (json_valid(metadata)),
    class TINYINT DEFAULT 1 NOT NULL,
    date DATE DEFAULT CURRENT_DATE,
    datetime DATETIME DEFAULT CURRENT_TIMESTAMP,
    "time" TIME DEFAULT CURRENT_TIME,
    timestamp TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    text TEXT DEFAULT 'it''s a \ :name %s',
    registry UNSIGNED INT(7) DEFAULT +42,
    credit DECIMAL(12, 2) DEFAULT 0.00 NOT NULL CONSTRAINT "not negative" CHECK (credit >= 0),
    rate DOUBLE PRECISION DEFAULT -1.5e3,
    active BOOLEAN DEFAULT TRUE,
    picture BLOB DEFAULT x'DEADBEEF',
    salutation TEXT CHECK (salutation IN ('Mr', 'Ms', 'it''s')),
    anything,
    odd UNSIGNED BIG INT,
    odder LONG NVARCHAR(20) DEFAULT NULL,
    first_name TEXT GENERATED ALWAYS AS (substr(name, 1, instr(name || ' ', ' ') - 1)) STORED,
    percent TEXT AS (json_extract(metadata, '$.percent')) VIRTUAL,
    recommended_by INTEGER,
    favourite_order INTEGER REFERENCES "Order" ("Id") DEFERRABLE INITIALLY DEFERRED,
    UNIQUE (email, country),
    CONSTRAINT known_class CHECK (class IN (0, 1, 2) AND name <> '%'),
    CONSTRAINT recommends FOREIGN KEY (recommended_by) REFERENCES customers (id) ON DELETE SET NULL
)
;;
CREATE TABLE "Order" (
    "Id" INTEGER NOT NULL PRIMARY KEY,
    [customer ID] INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE,
    `select` TEXT DEFAULT "new" NOT NULL,
    'from' TIMESTAMP,
    "100%" NUMERIC(5, 2) DEFAULT 100.00,
    "a:b" TEXT,
    [back\slash] TEXT DEFAULT '\',
    "q""uote" REAL,
    "größe" FLOAT CHECK ("größe" > 0),
    CONSTRAINT [ünique] UNIQUE ([customer ID], "a:b") ON CONFLICT IGNORE
)
;;
CREATE TABLE products (
    sku TEXT,
    variant INTEGER DEFAULT 0,
    title TEXT NOT NULL,
    net NUMERIC NOT NULL,
    tax REAL DEFAULT 0.19,
    gross NUMERIC GENERATED ALWAYS AS (net * (1 + tax)) VIRTUAL,
    successor_sku TEXT,
    successor_variant INTEGER,
    PRIMARY KEY (sku, variant),
    FOREIGN KEY (successor_sku, successor_variant) REFERENCES products (sku, variant) DEFERRABLE INITIALLY IMMEDIATE
)
;;
CREATE TABLE [order line] (
    "order" INTEGER REFERENCES "Order" ON DELETE CASCADE,
    position INTEGER CHECK (position > 0),
    sku TEXT NOT NULL,
    variant INTEGER,
    quantity INTEGER DEFAULT 1 NOT NULL,
    price NUMERIC NOT NULL,
    CONSTRAINT pk_line PRIMARY KEY ("order", position) ON CONFLICT ABORT,
    CONSTRAINT product FOREIGN KEY (sku, variant) REFERENCES products (sku, variant)
        MATCH SIMPLE ON UPDATE CASCADE ON DELETE SET NULL
) WITHOUT ROWID
;;
CREATE TABLE invoices (
    number INTEGER PRIMARY KEY DESC,
    "order" INTEGER UNIQUE REFERENCES "Order",
    paid INT CHECK (paid IN (0, 1)) DEFAULT 0,
    total ANY
)
;;
CREATE TABLE import_log (line, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, raw)
;;
CREATE TABLE readings (id INTEGER PRIMARY KEY, value REAL, note TEXT, what ANY, raw BLOB) STRICT
;;
CREATE TABLE bins (code TEXT PRIMARY KEY, zone TEXT NOT NULL DEFAULT 'dry', twin TEXT REFERENCES bins) STRICT, WITHOUT ROWID
;;
CREATE TABLE "Größen" ("名前" TEXT PRIMARY KEY, "Länge" NUMERIC, [Straße & Nr.] TEXT DEFAULT 'Hauptstraße 1; 50 %')
;;
CREATE TABLE stock(bin TEXT REFERENCES bins(code),sku TEXT,variant INT,quantity INT,FOREIGN KEY(sku,variant)REFERENCES products)
;;
CREATE TABLE renamed (id INTEGER PRIMARY KEY, old_name TEXT)
;;
ALTER TABLE renamed RENAME TO "new name"
;;
ALTER TABLE "new name" RENAME COLUMN old_name TO "name; new"
;;
ALTER TABLE "new name" ADD COLUMN added TEXT DEFAULT 'x' COLLATE RTRIM
;;
CREATE VIRTUAL TABLE search USING fts5 (title, body, tokenize = 'porter unicode61', prefix = '2 3')
;;
CREATE VIRTUAL TABLE "places" USING rtree (id, min_x, max_x, min_y, max_y, +label TEXT)
;;
CREATE INDEX customers_name ON customers (name COLLATE BINARY DESC, country)
;;
CREATE UNIQUE INDEX [Customers, first class] ON customers (email) WHERE class = 1 AND text LIKE '%:name%'
;;
CREATE INDEX customers_percent ON customers (json_extract(metadata, '$.percent'), lower(name))
;;
CREATE INDEX by_generated ON customers (first_name)
;;
CREATE INDEX "by %" ON "Order" ("100%")
;;
CREATE INDEX IF NOT EXISTS bins_zone ON bins (zone) -- dry first
;;

-- Views: one comes before the one that it reads, by its name ------------------------------------------
CREATE VIEW first_class AS
    SELECT id, name, email, json_extract(metadata, '$.percent') AS "100%", '12:30 \ %s :id' AS "a:b"
    FROM customers WHERE class = 1 AND name NOT LIKE '\%%' ESCAPE '\'
;;
CREATE VIEW a_summary (name, orders, "total %") AS
    WITH totals AS (SELECT "order", sum(price * quantity) AS total FROM [order line] GROUP BY "order")
    SELECT f.name, count(o."Id"), sum(t.total) FROM first_class f
    LEFT JOIN "Order" o ON o.[customer ID] = f.id LEFT JOIN totals t ON t."order" = o."Id"
    GROUP BY f.id
;;
CREATE VIEW `Cold & dry` AS SELECT * FROM bins WHERE zone IN ('cold', 'dry') -- the yard is open
;;

-- Triggers --------------------------------------------------------------------------------------------
CREATE TRIGGER touch AFTER UPDATE OF name, email ON customers WHEN old.name <> new.name BEGIN
    INSERT INTO import_log (line) VALUES (old.name || ' -> ' || new.name || ' \ 100% :name; it''s');
    UPDATE customers SET datetime = CURRENT_TIMESTAMP WHERE id = new.id;
END
;;
CREATE TRIGGER "credit?" BEFORE INSERT ON customers BEGIN
    SELECT CASE WHEN new.credit > 1e6 THEN RAISE (ABORT, 'That is 100% too much; :name') END;
END
;;
CREATE TRIGGER add_first_class INSTEAD OF INSERT ON first_class BEGIN
    INSERT INTO customers (name, email, class) VALUES (new.name, new.email, 1);
END
;;
CREATE TRIGGER searchable AFTER INSERT ON products BEGIN
    INSERT INTO search (title, body) VALUES (new.title, new.sku);
END
;;

-- Rows ------------------------------------------------------------------------------------------------
INSERT INTO countries VALUES ('DE', 'Germany'), ('AT', 'Austria'), ('FR', 'France')
;;
INSERT INTO customers (name, email, class, credit, salutation, anything, odd, odder) VALUES
    ('Ada Lovelace', 'ada@example.com', 1, 12.5, 'it''s', x'00FF', 18446744073709551615, 'x'),
    ('Bob "100%" O''Hara	\', NULL, 0, 0, NULL, 1.5, NULL, NULL)
;;
DELETE FROM customers WHERE id = 2
;;
INSERT INTO customers (name, class, recommended_by) VALUES ('Bob "100%" O''Hara', 2, 1)
;;
INSERT INTO "Order" ([customer ID], [select], "from", "a:b", "größe") VALUES
    (1, 'new', '2026-01-01 00:00:00', 'x:y', 1.5), (1, 'paid', NULL, NULL, NULL), (3, 'paid', NULL, '%s', 0.1)
;;
UPDATE customers SET favourite_order = 1, name = 'Ada King' WHERE id = 1
;;
INSERT INTO products (sku, variant, title, net, successor_sku, successor_variant) VALUES
    ('A-1', 0, 'Anvil', 99.9, NULL, NULL), ('A-1', 1, 'Anvil, red', 109.9, 'A-1', 0)
;;
INSERT INTO [order line] VALUES (1, 1, 'A-1', 0, 2, 99.9), (1, 2, 'A-1', 1, 1, 109.9), (2, 1, 'A-1', 0, 1, 89)
;;
INSERT INTO invoices VALUES (10, 1, 0, 309.7), (20, 2, 1, 'eighty-nine')
;;
INSERT INTO import_log VALUES ('a;b\c
;; ', '2026-01-01 00:00:00', x'00'), (1, NULL, 3.5)
;;
INSERT INTO readings VALUES (1, 2.5, 'a note', 'text', x'0102'), (2, NULL, NULL, 7, NULL)
;;
INSERT INTO bins VALUES ('A-1', 'cold', NULL), ('B-12', 'dry', 'A-1')
;;
INSERT INTO "Größen" VALUES ('小', 1.25, 'Nr. 3')
;;
INSERT INTO stock VALUES ('A-1', 'A-1', 0, 3), ('B-12', 'A-1', 1, 6)
;;
INSERT INTO "new name" (added) VALUES ('y')
;;
INSERT INTO places VALUES (1, 0, 1, 0, 1, 'yard')
;;
CREATE TABLE visits (
    id integer PRIMARY KEY,
    customer integer REFERENCES customers (id) ON DELETE CASCADE ON UPDATE SET NULL,
    "at" datetime(6) NOT NULL,
    cost$net int,
    cost$gross text
)
;;
INSERT INTO visits VALUES (1, NULL, '2026-01-01 00:00:00.000000', 1, '2')
