-- The database of a shop with a warehouse, as many hands and years have left it: what PostgreSQL
-- has and models cannot say is here once. A line of two semicolons ends a statement; what is "with"
-- an extension is there where the server has it.
-- with vector
CREATE EXTENSION vector
;;
CREATE SCHEMA warehouse
;;
CREATE SCHEMA "Alte Daten"
;;
COMMENT ON SCHEMA warehouse IS 'Bins, stock and what moves between them; 100% ours'
;;
COMMENT ON SCHEMA "Alte Daten" IS 'Übernommen aus C:\shop\old, nicht löschen!'
;;

-- Types ---------------------------------------------------------------------------------------
CREATE TYPE order_state AS ENUM ('new', 'paid', 'it''s late', 'außer Haus', '50% done', 'a:b')
;;
ALTER TYPE order_state ADD VALUE 'reserved' BEFORE 'paid'
;;
CREATE TYPE "Salutation" AS ENUM ('Mr', 'Ms', 'none')
;;
CREATE TYPE warehouse.zone AS ENUM ('cold', 'dry', 'yard')
;;
CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@ \t]+@[^@ ]+\.[a-z%]+$')
;;
CREATE DOMAIN amount AS numeric(12, 2) DEFAULT 0.00 NOT NULL CONSTRAINT "not negative" CHECK (VALUE >= 0)
;;
CREATE DOMAIN discount AS amount CHECK (VALUE < 100)
;;
CREATE DOMAIN labels AS text[]
;;
CREATE DOMAIN warehouse.bin_code AS varchar(12) COLLATE "C" CHECK (VALUE ~ '^[A-Z]{1,3}-\d+$')
;;
CREATE TYPE address AS (street text, "postal code" varchar(10), town text, country char(2))
;;
CREATE TYPE price_span AS RANGE (SUBTYPE = numeric, MULTIRANGE_TYPE_NAME = price_spans)
;;
COMMENT ON TYPE order_state IS 'The states of an order; ''reserved'' came later'
;;
COMMENT ON DOMAIN amount IS 'Money in euros'
;;
COMMENT ON CONSTRAINT "not negative" ON DOMAIN amount IS 'Nobody pays customers'
;;
COMMENT ON TYPE address IS E'Several lines:\n\tstreet, town'
;;

-- Sequences -----------------------------------------------------------------------------------
CREATE SEQUENCE document_number AS integer START 1000 INCREMENT 10 MINVALUE 1000 MAXVALUE 999990 CACHE 5 CYCLE
;;
COMMENT ON SEQUENCE document_number IS 'Invoices and credit notes share their numbers'
;;
CREATE SEQUENCE warehouse.scans MINVALUE -10 START -10
;;

-- Functions that tables need --------------------------------------------------------------------
CREATE FUNCTION next_document(prefix text DEFAULT 'R-') RETURNS text
    LANGUAGE sql AS $$ SELECT prefix || to_char(nextval('public.document_number'), 'FM000000') $$
;;
CREATE FUNCTION clean(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
DECLARE
    pattern CONSTANT text := '^\s+|\s+$';
    quoted CONSTANT text := $$it's "100%" :name \ %(name)s %s {brace} {{ jinja }}$$;
BEGIN
    -- "Smith :id" and 12:30:45 stay; so do C:\new\table, 50 % and ''; a ; is no end
    IF value LIKE '%:name%' OR value ~ E'\\:\\w+' THEN
        RETURN format('%s %% %I %L', value, quoted, E'a\'b\\c');
    END IF;
    RETURN regexp_replace(value, pattern, '', 'g') :: text;
END
$function$
;;
COMMENT ON FUNCTION clean(text) IS 'Cuts blanks; beware of :name and of 100%'
;;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_NARGS > 0 AND TG_ARGV[0] = '%:' THEN
        RAISE NOTICE 'touched % of %.%', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME;
    END IF;
    NEW.changed := '2026-01-02 03:04:05+00';
    RETURN NEW;
END $$
;;

-- Tables ----------------------------------------------------------------------------------------
CREATE TABLE countries (code char(2) PRIMARY KEY, name text NOT NULL COLLATE "C" UNIQUE)
;;
CREATE TABLE customers (
    id serial PRIMARY KEY,
    uuid uuid DEFAULT gen_random_uuid() NOT NULL,
    salutation "Salutation" DEFAULT 'none' NOT NULL,
    name varchar(80) NOT NULL,
    email email,
    home address,
    addresses address[],
    country char(2) DEFAULT 'DE' REFERENCES countries ON UPDATE CASCADE,
    metadata jsonb DEFAULT '{"a": "b:c", "percent": "100%"}' NOT NULL,
    class smallint DEFAULT 1 NOT NULL,
    date date DEFAULT CURRENT_DATE,
    datetime timestamp with time zone DEFAULT now(),
    time time(3),
    "timestamp" timestamp(0) without time zone,
    text text DEFAULT E'it''s a \\ :name',
    registry oid,
    type_annotation_map text,
    labels labels DEFAULT '{}',
    tags text[] DEFAULT ARRAY['new', 'x,y']::text[],
    matrix integer[][],
    credit amount,
    rebate discount,
    address_of inet,
    bits bit(4) DEFAULT B'1010',
    more_bits bit varying(8),
    wait interval DAY TO SECOND(0) DEFAULT '1 day',
    prices price_span,
    wishes price_spans,
    spot point,
    searched tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce(name, ''))) STORED,
    cash money DEFAULT 0,
    secret bytea DEFAULT '\xdeadbeef',
    recommended_by integer REFERENCES customers ON DELETE SET NULL,
    favourite_order bigint,
    changed timestamptz,
    CONSTRAINT "customers: one e-mail" UNIQUE (email, country) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT known_class CHECK (class IN (1, 2, 3) AND name <> '%'),
    CONSTRAINT not_self CHECK (recommended_by <> id) NO INHERIT
)
;;
CREATE TABLE "Order" (
    "Id" bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 5 CACHE 2) PRIMARY KEY,
    "customer ID" integer NOT NULL REFERENCES customers ON DELETE CASCADE DEFERRABLE,
    "select" order_state DEFAULT 'new' NOT NULL,
    "from" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "User" name DEFAULT CURRENT_USER,
    "100%" numeric(5, 2) DEFAULT 100.00,
    "a:b" text,
    "back\slash" text DEFAULT '\',
    "q""uote" double precision DEFAULT 'NaN',
    "größe" real CHECK ("größe" > 0),
    CONSTRAINT "ünique" UNIQUE NULLS NOT DISTINCT ("customer ID", "a:b")
)
;;
ALTER TABLE customers ADD CONSTRAINT favourite FOREIGN KEY (favourite_order) REFERENCES "Order"
    ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
;;
CREATE TABLE products (
    sku varchar(20),
    variant smallint DEFAULT 0,
    title text NOT NULL,
    net amount,
    tax numeric DEFAULT 0.19,
    gross numeric GENERATED ALWAYS AS (net * (1 + tax)) STORED,
    successor_sku varchar(20),
    successor_variant smallint,
    PRIMARY KEY (sku, variant) INCLUDE (title),
    FOREIGN KEY (successor_sku, successor_variant) REFERENCES products MATCH FULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_enabled = false)
;;
CREATE TABLE "order line" (
    "order" bigint REFERENCES "Order" ON DELETE CASCADE,
    position smallint CHECK (position > 0),
    sku varchar(20) NOT NULL,
    variant smallint,
    quantity integer DEFAULT 1 NOT NULL,
    price amount,
    PRIMARY KEY ("order", position),
    CONSTRAINT product FOREIGN KEY (sku, variant) REFERENCES products (sku, variant)
        ON UPDATE CASCADE ON DELETE SET NULL (variant)
)
;;
CREATE TABLE invoices (
    number integer DEFAULT nextval('document_number') PRIMARY KEY,
    label text DEFAULT next_document(),
    "order" bigint UNIQUE REFERENCES "Order",
    day integer GENERATED BY DEFAULT AS IDENTITY,
    paid boolean DEFAULT false
)
;;
CREATE TABLE credit_notes (
    number integer DEFAULT nextval('document_number') PRIMARY KEY,
    invoice integer NOT NULL REFERENCES invoices
)
;;
CREATE TABLE import_log (line text, at timestamptz DEFAULT clock_timestamp(), raw json)
;;
CREATE TABLE docks (
    dock integer NOT NULL,
    during tstzrange NOT NULL,
    cancelled boolean DEFAULT false NOT NULL,
    CONSTRAINT one_truck_per_dock
        EXCLUDE USING gist (int4range(dock, dock, '[]') WITH &&, during WITH &&) WHERE (NOT cancelled)
)
;;
CREATE UNLOGGED TABLE sessions (
    token char(32) PRIMARY KEY,
    data jsonb,
    class text,
    seen timestamptz
) WITH (fillfactor = 70, autovacuum_enabled = false)
;;
CREATE TABLE vehicles (id serial PRIMARY KEY, plate varchar(12) NOT NULL UNIQUE, weight integer CHECK (weight > 0))
;;
CREATE TABLE trucks (trailer boolean DEFAULT true NOT NULL, CHECK (weight > 3000)) INHERITS (vehicles)
;;
CREATE TABLE "Alte Daten"."Größen" (
    "名前" varchar(10) PRIMARY KEY,
    "Länge" numeric,
    "Straße & Nr." text DEFAULT 'Hauptstraße 1; 50 %'
)
;;
CREATE TABLE "Alte Daten".customers (id integer PRIMARY KEY, name text, "order" bigint REFERENCES public."Order")
;;
CREATE TABLE warehouse.bins (
    code warehouse.bin_code PRIMARY KEY,
    zone warehouse.zone NOT NULL,
    scan bigint DEFAULT nextval('warehouse.scans') NOT NULL,
    twin warehouse.bin_code REFERENCES warehouse.bins
)
;;
ALTER SEQUENCE warehouse.scans OWNED BY warehouse.bins.scan
;;
CREATE TABLE warehouse.stock (
    bin warehouse.bin_code REFERENCES warehouse.bins,
    sku varchar(20),
    variant smallint,
    quantity integer NOT NULL,
    note text,
    FOREIGN KEY (sku, variant) REFERENCES public.products,
    PRIMARY KEY (bin, sku, variant)
)
;;
-- Partitioned: by month with a rest, one month again by zone; by a list; by a hash.
CREATE TABLE warehouse.movements (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    zone warehouse.zone NOT NULL,
    bin warehouse.bin_code REFERENCES warehouse.bins,
    quantity integer NOT NULL CHECK (quantity <> 0),
    changed timestamptz,
    PRIMARY KEY (id, at, zone)
) PARTITION BY RANGE (at)
;;
CREATE TABLE warehouse.movements_2026_01 PARTITION OF warehouse.movements
    FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00')
;;
CREATE TABLE warehouse.movements_2026_02 PARTITION OF warehouse.movements
    FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00') PARTITION BY LIST (zone)
;;
CREATE TABLE warehouse.movements_2026_02_cold PARTITION OF warehouse.movements_2026_02 FOR VALUES IN ('cold')
;;
CREATE TABLE warehouse.movements_2026_02_rest PARTITION OF warehouse.movements_2026_02 DEFAULT
;;
CREATE TABLE warehouse.movements_rest PARTITION OF warehouse.movements DEFAULT WITH (fillfactor = 90)
;;
-- A table that was there before it became a partition.
CREATE TABLE tariffs (country char(2) NOT NULL, weight integer, price amount) PARTITION BY LIST (country)
;;
CREATE TABLE tariffs_home (price amount, country char(2) NOT NULL, weight integer)
;;
ALTER TABLE tariffs ATTACH PARTITION tariffs_home FOR VALUES IN ('DE', 'AT')
;;
CREATE TABLE tariffs_abroad PARTITION OF tariffs (weight DEFAULT 5) FOR VALUES IN ('FR', NULL)
;;
CREATE TABLE clicks (session char(32), page text) PARTITION BY HASH (session)
;;
CREATE TABLE clicks_0 PARTITION OF clicks FOR VALUES WITH (MODULUS 2, REMAINDER 0)
;;
CREATE TABLE clicks_1 PARTITION OF clicks FOR VALUES WITH (MODULUS 2, REMAINDER 1)
;;
CREATE TABLE counted (movement bigint, at timestamptz, zone warehouse.zone, by_whom text,
    FOREIGN KEY (movement, at, zone) REFERENCES warehouse.movements)
;;
CREATE TABLE "empty table" ()
;;

-- What came with later changes --------------------------------------------------------------------
ALTER TABLE customers DROP COLUMN registry
;;
ALTER TABLE customers ADD COLUMN registry integer DEFAULT 7
;;
ALTER TABLE customers ALTER COLUMN text SET COMPRESSION pglz, ALTER COLUMN name SET STATISTICS 500
;;
ALTER TABLE "Order" ADD CONSTRAINT "not yet" CHECK ("100%" <= 100) NOT VALID
;;
ALTER TABLE warehouse.stock ALTER COLUMN note SET STORAGE EXTERNAL
;;
ALTER TABLE import_log REPLICA IDENTITY FULL
;;
ALTER TABLE invoices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY
;;
CREATE POLICY "own rows: 100%" ON invoices AS PERMISSIVE FOR SELECT TO PUBLIC
    USING (paid OR CURRENT_USER = 'a:b%')
;;
CREATE POLICY nobody_deletes ON invoices AS RESTRICTIVE FOR DELETE TO PUBLIC USING (false)
;;

-- Extensions --------------------------------------------------------------------------------------
-- with hstore
CREATE SCHEMA extensions
;;
-- with hstore
CREATE EXTENSION hstore SCHEMA extensions
;;
-- with citext
CREATE EXTENSION citext
;;
-- with pg_trgm
CREATE EXTENSION pg_trgm
;;
-- with btree_gist
CREATE EXTENSION btree_gist
;;
-- with ltree
CREATE EXTENSION ltree
;;
-- with uuid-ossp
CREATE EXTENSION "uuid-ossp"
;;
-- with pg_stat_statements
CREATE EXTENSION pg_stat_statements
;;
-- with hstore
CREATE TABLE suppliers (
    id uuid DEFAULT uuid_generate_v4() PRIMARY KEY,
    name citext NOT NULL UNIQUE,
    attributes extensions.hstore DEFAULT 'a=>1',
    path ltree,
    during daterange NOT NULL,
    EXCLUDE USING gist ((name::text) WITH =, during WITH &&)
)
;;
-- with hstore
CREATE INDEX suppliers_name ON suppliers USING gin ((name::text) gin_trgm_ops)
;;
-- with hstore
CREATE INDEX suppliers_path ON suppliers USING gist (path)
;;
-- with hstore
INSERT INTO suppliers (name, path, during) VALUES ('Acme', 'eu.de', '[2026-01-01,2027-01-01)')
;;

-- Indexes -----------------------------------------------------------------------------------------
CREATE INDEX customers_by_name ON customers (lower(name) text_pattern_ops, country DESC NULLS LAST)
;;
CREATE UNIQUE INDEX customers_uuid ON customers (uuid) INCLUDE (name) WITH (fillfactor = 50)
;;
CREATE INDEX "Customers, first class" ON customers (id) WHERE class = 1 AND text LIKE '%:name%'
;;
CREATE INDEX customers_metadata ON customers USING gin (metadata jsonb_path_ops)
;;
CREATE INDEX customers_searched ON customers USING gin (searched) WITH (fastupdate = off)
;;
CREATE INDEX customers_tags ON customers USING gin (tags)
;;
CREATE INDEX customers_spot ON customers USING gist (spot)
;;
CREATE INDEX customers_metadata_percent ON customers ((metadata ->> 'percent'), clean(name))
;;
-- with vector
ALTER TABLE customers ADD COLUMN taste vector(3) DEFAULT '[1,2,3]'
;;
-- with vector
CREATE INDEX customers_taste ON customers USING hnsw (taste vector_l2_ops) WITH (m = 8)
;;
CREATE INDEX customers_c ON customers (name COLLATE "C")
;;
CREATE INDEX ON "Order" USING hash ("customer ID")
;;
CREATE INDEX import_log_at ON import_log USING brin (at) WITH (pages_per_range = 32)
;;
CREATE INDEX movements_bin ON warehouse.movements (bin)
;;
CREATE INDEX movements_only_rest ON warehouse.movements_rest (quantity)
;;
ALTER TABLE products CLUSTER ON products_pkey
;;
ALTER TABLE vehicles REPLICA IDENTITY USING INDEX vehicles_plate_key
;;
CREATE STATISTICS customers_country_class (dependencies, ndistinct) ON country, class FROM customers
;;
CREATE STATISTICS warehouse.by_expression ON (quantity % 10), zone FROM warehouse.movements
;;

-- Functions ---------------------------------------------------------------------------------------
CREATE FUNCTION total_of(customer integer) RETURNS numeric LANGUAGE sql STABLE
    BEGIN ATOMIC
    SELECT sum(line.price * line.quantity)
        FROM "order line" line JOIN "Order" ON "Id" = line."order" WHERE "customer ID" = customer;
    END
;;
CREATE FUNCTION total_of(customer email, VARIADIC states order_state[]) RETURNS numeric
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO public, pg_temp COST 500
    AS 'SELECT total_of(id) FROM customers WHERE email = customer AND ''%'' <> '':'''
;;
CREATE FUNCTION warehouse.low(few integer DEFAULT 5) RETURNS TABLE (sku text, "left" bigint)
    LANGUAGE plpgsql STABLE ROWS 50 AS $body$
BEGIN
    RETURN QUERY EXECUTE $query$
        SELECT s.sku::text, sum(s.quantity) FROM warehouse.stock s
        GROUP BY s.sku HAVING sum(s.quantity) % 7 < $1 $query$ USING few;
END $body$
;;
CREATE FUNCTION swap(INOUT a integer, INOUT b integer, OUT "a%b" integer) LANGUAGE sql IMMUTABLE
    AS $$ SELECT b, a, a % nullif(b, 0) $$
;;
CREATE PROCEDURE warehouse.close_month(IN month date, INOUT moved bigint DEFAULT 0)
    LANGUAGE plpgsql AS $$
BEGIN
    SELECT count(*) INTO moved FROM warehouse.movements m WHERE date_trunc('month', m.at) = month;
END $$
;;
CREATE FUNCTION concat_step(state text, value text) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT CASE WHEN state = '' THEN value ELSE state || ', ' || value END $$
;;
CREATE AGGREGATE listed(text) (SFUNC = concat_step, STYPE = text, INITCOND = '')
;;
CREATE FUNCTION same_town(address, address) RETURNS boolean LANGUAGE sql IMMUTABLE
    AS $$ SELECT ($1).town = ($2).town $$
;;
CREATE OPERATOR ~~~ (FUNCTION = same_town, LEFTARG = address, RIGHTARG = address, COMMUTATOR = ~~~)
;;
COMMENT ON FUNCTION total_of(integer) IS 'What a customer has spent'
;;
COMMENT ON PROCEDURE warehouse.close_month(date, bigint) IS 'Monthly'
;;
COMMENT ON AGGREGATE listed(text) IS 'string_agg of old'
;;

-- Views -------------------------------------------------------------------------------------------
CREATE VIEW first_class AS
    SELECT id, name, email, metadata ->> 'percent' AS "100%", '12:30 \ %s :id'::text AS "a:b"
    FROM customers WHERE class = 1 AND name NOT LIKE '\%%'
;;
CREATE VIEW first_class_orders WITH (security_barrier = true) AS
    SELECT c.name, count(o."Id") AS orders, total_of(c.id) AS total, listed(o."select"::text) AS states
    FROM first_class c LEFT JOIN "Order" o ON o."customer ID" = c.id GROUP BY c.id, c.name
;;
CREATE VIEW warehouse.cold_bins AS SELECT code, zone FROM warehouse.bins WHERE zone = 'cold'
    WITH LOCAL CHECK OPTION
;;
CREATE RECURSIVE VIEW recommendations (id, depth) AS
    SELECT id, 0 FROM customers WHERE recommended_by IS NULL
    UNION ALL SELECT c.id, r.depth + 1 FROM customers c JOIN recommendations r ON c.recommended_by = r.id
;;
CREATE MATERIALIZED VIEW warehouse.stock_by_zone AS
    SELECT b.zone, sum(s.quantity) AS quantity FROM warehouse.stock s
    JOIN warehouse.bins b ON b.code = s.bin GROUP BY b.zone
;;
CREATE UNIQUE INDEX stock_by_zone_zone ON warehouse.stock_by_zone (zone)
;;
CREATE MATERIALIZED VIEW best_customers WITH (fillfactor = 90) AS
    SELECT name, total FROM first_class_orders WHERE total > 10
;;
COMMENT ON VIEW first_class IS 'Those who never wait'
;;
COMMENT ON COLUMN first_class."100%" IS 'How much of it: 100%'
;;
COMMENT ON MATERIALIZED VIEW best_customers IS 'Refreshed at night'
;;

-- Rules and triggers ------------------------------------------------------------------------------
CREATE RULE keep_countries AS ON DELETE TO countries WHERE old.code = 'DE' DO INSTEAD NOTHING
;;
CREATE RULE new_low AS ON INSERT TO recommendations DO INSTEAD
    INSERT INTO import_log (line) VALUES ('100% :name ' || new.id)
;;
CREATE TRIGGER touch BEFORE UPDATE OF name, email ON customers
    FOR EACH ROW WHEN (old.name IS DISTINCT FROM new.name OR new.text = ':a %') EXECUTE FUNCTION touch('%:', 'it''s')
;;
CREATE TRIGGER a_second BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch()
;;
ALTER TABLE customers DISABLE TRIGGER a_second
;;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON warehouse.movements
    FOR EACH ROW EXECUTE FUNCTION touch()
;;
CREATE FUNCTION count_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO import_log (line) SELECT format('%s lines', count(*)) FROM added;
    RETURN NULL;
END $$
;;
CREATE TRIGGER count_lines AFTER INSERT ON "order line" REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_lines()
;;
CREATE FUNCTION check_credit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.credit > 1e6 THEN RAISE EXCEPTION '% is 100%% too much', NEW.credit; END IF;
    RETURN NULL;
END $$
;;
CREATE CONSTRAINT TRIGGER "Credit?" AFTER INSERT OR UPDATE ON customers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_credit()
;;
CREATE FUNCTION add_first_class() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO customers (name, email, class, credit, rebate) VALUES (NEW.name, NEW.email, 1, 0, 0);
    RETURN NEW;
END $$
;;
CREATE TRIGGER add_first_class INSTEAD OF INSERT ON first_class
    FOR EACH ROW EXECUTE FUNCTION add_first_class()
;;

-- Comments ----------------------------------------------------------------------------------------
COMMENT ON TABLE customers IS 'Everyone who ever bought; it''s 100% of :them \ "quoted"'
;;
COMMENT ON COLUMN customers.metadata IS 'JSON: {"a": 1}'
;;
COMMENT ON COLUMN "Order"."100%" IS 'Per cent (%), at 12:30'
;;
COMMENT ON CONSTRAINT known_class ON customers IS 'Three classes'
;;
COMMENT ON INDEX customers_uuid IS 'For the shop''s address bar'
;;
COMMENT ON TRIGGER touch ON customers IS 'Since 2019'
;;
COMMENT ON RULE keep_countries ON countries IS 'Home stays'
;;
COMMENT ON POLICY nobody_deletes ON invoices IS 'Audit'
;;
COMMENT ON STATISTICS customers_country_class IS 'For the planner'
;;
COMMENT ON TABLE "Alte Daten"."Größen" IS 'Größen in Zoll – 尺寸'
;;
COMMENT ON COLUMN warehouse.movements.zone IS 'Partitioned twice'
;;

-- Rows --------------------------------------------------------------------------------------------
INSERT INTO countries VALUES ('DE', 'Germany'), ('AT', 'Austria'), ('FR', 'France')
;;
INSERT INTO customers (salutation, name, email, home, addresses, class, "timestamp", matrix, credit,
    rebate, address_of, more_bits, prices, wishes, spot, time, type_annotation_map)
VALUES
    ('Ms', 'Ada Lovelace', 'ada@example.com', ROW ('Main St 1', '1000', 'London', 'GB'),
        ARRAY[ROW ('a', 'b', 'c', 'DE')]::address[], 1, '2026-01-01 10:00', '{{1,2},{3,4}}', 12.50,
        3, '10.0.0.1/8', B'101', '[1.5,9)', '{[1,2),[3,4)}', '(1,2)', '12:30:45.678',
        '<a b="c"/>'),
    ('Mr', E'Bob "100%" O''Hara\t\\', NULL, NULL, NULL, 2, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL)
;;
UPDATE customers SET recommended_by = 1 WHERE id = 2
;;
INSERT INTO "Order" ("customer ID", "select", "a:b", "größe") VALUES
    (1, 'it''s late', 'x:y', 1.5), (1, 'außer Haus', NULL, NULL), (2, 'reserved', '%s', 0.1)
;;
UPDATE customers SET favourite_order = 100 WHERE id = 1
;;
INSERT INTO products (sku, variant, title, net, successor_sku, successor_variant) VALUES
    ('A-1', 0, 'Anvil', 99.90, NULL, NULL), ('A-1', 1, 'Anvil, red', 109.90, 'A-1', 0)
;;
INSERT INTO "order line" VALUES (100, 1, 'A-1', 0, 2, 99.90), (100, 2, 'A-1', 1, 1, 109.90),
    (105, 1, 'A-1', 0, 1, 89)
;;
INSERT INTO invoices ("order") VALUES (100), (105)
;;
INSERT INTO credit_notes (invoice) SELECT min(number) FROM invoices
;;
INSERT INTO import_log VALUES ('a;b\c' || chr(10) || ';;', '2026-01-01', '{"a":  1}')
;;
INSERT INTO docks VALUES (1, '[2026-01-01 08:00+00,2026-01-01 09:00+00)', false),
    (2, '[2026-01-01 08:00+00,2026-01-01 09:00+00)', false)
;;
INSERT INTO sessions VALUES (repeat('a', 32), '{"cart": [1, 2]}', 'web', '2026-01-01')
;;
INSERT INTO vehicles (plate, weight) VALUES ('HH-A 1', 900)
;;
INSERT INTO trucks (plate, weight) VALUES ('HH-B 2', 7500)
;;
INSERT INTO "Alte Daten"."Größen" VALUES ('小', 1.25, DEFAULT)
;;
INSERT INTO "Alte Daten".customers VALUES (1, 'Ada', 100)
;;
INSERT INTO warehouse.bins (code, zone, twin) VALUES ('A-1', 'cold', NULL), ('B-12', 'dry', 'A-1')
;;
INSERT INTO warehouse.stock VALUES ('A-1', 'A-1', 0, 3, 'a note'), ('B-12', 'A-1', 1, 6, NULL)
;;
INSERT INTO warehouse.movements (at, zone, bin, quantity) VALUES
    ('2026-01-15 00:00+00', 'dry', 'A-1', 5), ('2026-02-15 00:00+00', 'cold', 'A-1', -2),
    ('2026-02-16 00:00+00', 'yard', NULL, 1), ('2030-01-01 00:00+00', 'dry', 'B-12', 9)
;;
INSERT INTO counted SELECT id, at, zone, 'me' FROM warehouse.movements WHERE quantity = 5
;;
INSERT INTO tariffs VALUES ('DE', 1, 4.90), ('FR', 2, 9.90)
;;
INSERT INTO clicks VALUES ('a', '/'), ('b', '/cart?x=100%25'), ('c', '/')
;;
REFRESH MATERIALIZED VIEW warehouse.stock_by_zone
;;
REFRESH MATERIALIZED VIEW best_customers
;;
CREATE FUNCTION from_windows() RETURNS integer LANGUAGE plpgsql AS E'BEGIN\r\n  RETURN 1;\r\nEND'
;;
CREATE TABLE none (id integer PRIMARY KEY, n integer)
;;
INSERT INTO none VALUES (1, -1)
;;
ALTER TABLE none ADD CONSTRAINT positive CHECK (n > 0) NOT VALID
