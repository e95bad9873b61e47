-- The database of a shop with a warehouse, as many hands and years have left it: what MySQL has
-- and models cannot say is here once. A line of two semicolons ends a statement.
SET sql_mode = 'NO_ENGINE_SUBSTITUTION'
;;
CREATE TABLE countries (
    code char(2) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
    name varchar(60) NOT NULL UNIQUE
) COMMENT 'ISO 3166; it''s 100% of :them \\ "quoted"'
;;
CREATE TABLE customers (
    id int UNSIGNED AUTO_INCREMENT PRIMARY KEY,
    uuid char(36) DEFAULT (uuid()) NOT NULL,
    salutation enum('Mr', 'Ms', 'it''s', 'a,b', 'außer', '100%', ':c', '') DEFAULT 'Mr' NOT NULL,
    interests set('tools', 'toys', 'größe') DEFAULT 'tools,toys',
    name varchar(80) NOT NULL COMMENT 'First and last: "Ada\tLovelace"',
    email varchar(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    country char(2) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'DE',
    metadata json DEFAULT ('{"a": "b:c", "percent": "100%"}'),
    class tinyint(1) DEFAULT 1 NOT NULL,
    grade tinyint UNSIGNED DEFAULT 3,
    date date DEFAULT (curdate()),
    datetime datetime(3) DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    time time(6),
    timestamp timestamp DEFAULT current_timestamp() ON UPDATE current_timestamp(),
    born year DEFAULT 1990,
    last_visit datetime DEFAULT '0000-00-00 00:00:00' NOT NULL,
    last_day date DEFAULT '0000-00-00' NOT NULL,
    text text DEFAULT ('it''s a \\ :name %s'),
    long_text mediumtext COLLATE latin1_german1_ci,
    registry int(7) UNSIGNED ZEROFILL DEFAULT 42,
    flags bit(5) DEFAULT b'10101',
    yes bit(1) DEFAULT b'1',
    credit decimal(12, 2) UNSIGNED DEFAULT 0.00 NOT NULL,
    rate float(7, 3),
    weight double UNSIGNED,
    hash binary(16),
    secret varbinary(64) DEFAULT (unhex('DEADBEEF')),
    picture mediumblob,
    address varbinary(16),
    first_name varchar(80) AS (substring_index(name, ' ', 1)) STORED,
    last_name varchar(80) AS (substring_index(name, ' ', -1)) VIRTUAL COMMENT 'Not for "van der X"',
    percent varchar(10) AS (json_unquote(json_extract(metadata, '$.percent'))) VIRTUAL INVISIBLE,
    recommended_by int UNSIGNED,
    favourite_order bigint UNSIGNED,
    UNIQUE KEY `customers: one e-mail` (email, country),
    KEY by_name (name(10), country),
    KEY newest (datetime DESC) COMMENT 'For the shop''s page',
    KEY by_last_name (last_name),
    KEY unused (grade) INVISIBLE,
    KEY computed ((lower(name)), (credit * 2) DESC),
    CONSTRAINT `known class` CHECK (class IN (0, 1) AND name <> '%'),
    CONSTRAINT `not enforced` CHECK (rate < 100) NOT ENFORCED,
    CONSTRAINT FOREIGN KEY (country) REFERENCES countries (code) ON UPDATE CASCADE,
    CONSTRAINT recommends FOREIGN KEY (recommended_by) REFERENCES customers (id) ON DELETE SET NULL
) AUTO_INCREMENT = 100 ROW_FORMAT = DYNAMIC COMMENT 'Everyone who ever bought'
;;
CREATE TABLE `Order` (
    `Id` bigint UNSIGNED AUTO_INCREMENT PRIMARY KEY,
    `customer ID` int UNSIGNED NOT NULL,
    `select` enum('new', 'paid') DEFAULT 'new' NOT NULL,
    `from` timestamp(2) DEFAULT current_timestamp(2),
    `100%` decimal(5, 2) DEFAULT 100.00 COMMENT 'Per cent (%), at 12:30',
    `a:b` varchar(20),
    `back\slash` varchar(20) DEFAULT '\\',
    `back quote` varchar(20) DEFAULT '`',
    `q"uote` double DEFAULT -1.5e10,
    `größe` float CHECK (`größe` > 0),
    tags json,
    KEY tagged ((cast(tags AS unsigned array))),
    `a%b` int INVISIBLE DEFAULT 7,
    UNIQUE KEY `ünique` (`customer ID`, `a:b`),
    KEY `by %` (`100%`),
    CONSTRAINT `customer: of the order` FOREIGN KEY (`customer ID`) REFERENCES customers (id)
        ON DELETE CASCADE ON UPDATE CASCADE
)
;;
ALTER TABLE customers ADD CONSTRAINT favourite FOREIGN KEY (favourite_order)
    REFERENCES `Order` (`Id`) ON DELETE SET NULL
;;
CREATE TABLE products (
    sku varchar(20),
    variant smallint DEFAULT 0,
    title varchar(200) NOT NULL,
    description longtext,
    net decimal(10, 2) NOT NULL,
    tax decimal(4, 3) DEFAULT 0.190,
    gross decimal(12, 2) GENERATED ALWAYS AS (net * (1 + tax)) STORED,
    successor_sku varchar(20),
    successor_variant smallint,
    PRIMARY KEY (sku, variant),
    FULLTEXT KEY searched (title, description),
    KEY successor (successor_sku, successor_variant),
    CONSTRAINT succeeds FOREIGN KEY (successor_sku, successor_variant)
        REFERENCES products (sku, variant) ON DELETE RESTRICT
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
;;
CREATE TABLE `order line` (
    `order` bigint UNSIGNED,
    position smallint UNSIGNED CHECK (position > 0),
    sku varchar(20) COLLATE utf8mb4_unicode_ci NOT NULL,
    variant smallint,
    quantity int DEFAULT 1 NOT NULL,
    price decimal(10, 2) NOT NULL,
    PRIMARY KEY (`order`, position),
    CONSTRAINT product FOREIGN KEY (sku, variant) REFERENCES products (sku, variant) ON UPDATE NO ACTION,
    CONSTRAINT `in order` FOREIGN KEY (`order`) REFERENCES `Order` (`Id`) ON DELETE CASCADE
)
;;
CREATE TABLE invoices (
    number bigint AUTO_INCREMENT PRIMARY KEY,
    `order` bigint UNSIGNED,
    paid boolean DEFAULT false,
    UNIQUE (`order`),
    FOREIGN KEY (`order`) REFERENCES `Order` (`Id`)
)
;;
CREATE TABLE import_log (line text, at timestamp NULL, raw json)
;;
CREATE TABLE audit (
    id int AUTO_INCREMENT PRIMARY KEY,
    entry varchar(255),
    FULLTEXT KEY words (entry) WITH PARSER ngram
) ENGINE = MyISAM CHECKSUM = 1 DELAY_KEY_WRITE = 1 COMMENT = 'Survives rollbacks'
;;
CREATE TABLE `Größen` (
    `名前` varchar(10) PRIMARY KEY,
    `Länge` decimal(10, 2),
    `Straße & Nr.` varchar(50) DEFAULT 'Hauptstraße 1; 50 %'
) DEFAULT CHARSET = utf8mb4 COMMENT = 'Größen in Zoll – 尺寸'
;;
CREATE TABLE old_notes (
    id int NOT NULL,
    note varchar(200) DEFAULT 'für',
    code varchar(10) COLLATE latin1_bin
) DEFAULT CHARSET = latin1 COLLATE = latin1_german2_ci
;;
CREATE TABLE docks (
    id int AUTO_INCREMENT PRIMARY KEY,
    spot point NOT NULL SRID 4326,
    area polygon,
    road linestring DEFAULT NULL,
    SPATIAL KEY spot (spot)
)
;;
CREATE TABLE movements (
    id bigint AUTO_INCREMENT,
    at date NOT NULL,
    zone varchar(10) NOT NULL,
    quantity int NOT NULL,
    PRIMARY KEY (id, at),
    KEY zone (zone)
) PARTITION BY RANGE (year(at)) SUBPARTITION BY HASH (to_days(at)) SUBPARTITIONS 2 (
    PARTITION y2025 VALUES LESS THAN (2026) COMMENT = 'Last year',
    PARTITION y2026 VALUES LESS THAN (2027),
    PARTITION rest VALUES LESS THAN MAXVALUE
)
;;
CREATE TABLE tariffs (
    country char(2) NOT NULL,
    weight int NOT NULL,
    price decimal(8, 2),
    PRIMARY KEY (country, weight)
) PARTITION BY LIST COLUMNS (country) (
    PARTITION home VALUES IN ('DE', 'AT'),
    PARTITION abroad VALUES IN ('FR', 'it')
)
;;
CREATE TABLE clicks (id bigint, page varchar(100)) PARTITION BY KEY (id) PARTITIONS 3
;;
CREATE TABLE sessions (token char(32) PRIMARY KEY, data varchar(500)) ENGINE = InnoDB STATS_PERSISTENT = 0
;;
CREATE TABLE archive (id int, line varchar(100)) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8
;;

-- Functions and procedures ------------------------------------------------------------------------
CREATE FUNCTION clean(value varchar(200) CHARSET utf8mb4) RETURNS varchar(200) CHARSET utf8mb4
    DETERMINISTIC NO SQL COMMENT 'Cuts blanks; beware of :name and of 100%'
BEGIN
    -- "Smith :id" and 12:30:45 stay; so do C:\new\table, 50 % and ''; a ; is no end
    DECLARE quoted varchar(50) DEFAULT 'it''s "100%" :name \\ %(name)s %s {{ jinja }} `x`';
    /* neither is
    ; here */
    IF value LIKE '%:name%' THEN
        RETURN concat(quoted, "\\'", 'a\'b', date_format('2026-01-01', '%Y-%m-%d'));
    END IF;
    RETURN trim(value);
END
;;
CREATE FUNCTION total_of(customer int UNSIGNED) RETURNS decimal(12, 2) READS SQL DATA
RETURN (
    SELECT sum(line.price * line.quantity) FROM `order line` line
    JOIN `Order` o ON o.`Id` = line.`order` WHERE o.`customer ID` = customer
)
;;
CREATE PROCEDURE `close month`(IN month date, OUT moved int, INOUT `a%b` int)
    MODIFIES SQL DATA SQL SECURITY INVOKER COMMENT 'Monthly'
BEGIN
    DECLARE done boolean DEFAULT false;
    DECLARE it varchar(20);
    DECLARE skus CURSOR FOR SELECT sku FROM products;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = true;
    OPEN skus;
    all_skus: LOOP
        FETCH skus INTO it;
        IF done THEN LEAVE all_skus; END IF;
    END LOOP;
    CLOSE skus;
    SELECT count(*) INTO moved FROM movements WHERE last_day(at) = last_day(month);
    SET `a%b` = moved % 7;
END
;;

-- Views -------------------------------------------------------------------------------------------
CREATE DEFINER = CURRENT_USER SQL SECURITY INVOKER VIEW first_class AS
    SELECT id, name, email, json_unquote(json_extract(metadata, '$.percent')) AS `100%`, '12:30 \\ %s :id' AS `a:b`
    FROM customers WHERE class = 1 AND name NOT LIKE '\%%'
;;
-- It comes before the view that it reads, by its name.
CREATE ALGORITHM = TEMPTABLE VIEW a_summary AS
    SELECT f.name, count(o.`Id`) AS orders, total_of(f.id) AS total
    FROM first_class f LEFT JOIN `Order` o ON o.`customer ID` = f.id GROUP BY f.id, f.name
;;
CREATE ALGORITHM = MERGE VIEW `Cold & dry` AS SELECT id, at, zone, quantity FROM movements
    WHERE zone IN ('cold', 'dry') WITH CASCADED CHECK OPTION
;;

-- Triggers and events -----------------------------------------------------------------------------
CREATE TRIGGER z_first BEFORE INSERT ON customers FOR EACH ROW SET NEW.name = clean(NEW.name)
;;
CREATE TRIGGER a_second BEFORE INSERT ON customers FOR EACH ROW FOLLOWS z_first
BEGIN
    IF NEW.credit > 1000000 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'That is 100% too much; :name';
    END IF;
END
;;
CREATE TRIGGER m_between BEFORE INSERT ON customers FOR EACH ROW PRECEDES a_second
    SET NEW.country = coalesce(NEW.country, 'DE')
;;
CREATE TRIGGER `after update; of customers` AFTER UPDATE ON customers FOR EACH ROW
    INSERT INTO audit (entry) VALUES (concat(OLD.name, ' -> ', NEW.name, ' \\ 100%'))
;;
CREATE TRIGGER lines_of_orders BEFORE DELETE ON `order line` FOR EACH ROW
    INSERT INTO import_log (line) VALUES (concat('deleted: ', OLD.sku))
;;
CREATE EVENT `clean up` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00' ON COMPLETION PRESERVE
    DISABLE COMMENT 'At night; 100%' DO
BEGIN
    DELETE FROM sessions WHERE data LIKE '%"old"%';
    DELETE FROM import_log WHERE line = ':name';
END
;;
CREATE EVENT once ON SCHEDULE AT '2037-01-01 00:00:00' DO SET @done = 1
;;

-- Rows --------------------------------------------------------------------------------------------
INSERT INTO countries VALUES ('DE', 'Germany'), ('AT', 'Austria'), ('FR', 'France')
;;
INSERT INTO customers (salutation, interests, name, email, class, time, long_text, rate, weight, hash,
    picture, address)
VALUES
    ('it''s', 'größe', ' Ada Lovelace ', 'ada@example.com', 1, '838:59:59.999999', 'für', 1.5, 2.25,
        unhex('000102030405060708090A0B0C0D0E0F'), x'FF00', inet6_aton('::1')),
    ('', '', 'Bob "100%" O''Hara\t\\', NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
;;
UPDATE customers SET recommended_by = 100 WHERE id = 101
;;
INSERT INTO `Order` (`customer ID`, `select`, `from`, `a:b`, `größe`) VALUES
    (100, 'new', '2026-01-01', 'x:y', 1.5), (100, 'paid', NULL, NULL, NULL), (101, 'paid', NULL, '%s', 0.1)
;;
UPDATE customers SET favourite_order = 1 WHERE id = 100
;;
INSERT INTO products (sku, variant, title, net, successor_sku, successor_variant) VALUES
    ('A-1', 0, 'Anvil', 99.90, NULL, NULL), ('A-1', 1, 'Anvil, red', 109.90, 'A-1', 0)
;;
INSERT INTO `order line` VALUES (1, 1, 'A-1', 0, 2, 99.90), (1, 2, 'A-1', 1, 1, 109.90), (2, 1, 'A-1', 0, 1, 89)
;;
INSERT INTO invoices (number, `order`) VALUES (1000, 1), (1010, 2)
;;
INSERT INTO import_log VALUES ('a;b\\c\n;;', '2026-01-01', '{"a":  1}')
;;
INSERT INTO audit (entry) VALUES ('opened')
;;
INSERT INTO `Größen` VALUES ('小', 1.25, DEFAULT)
;;
INSERT INTO old_notes VALUES (1, DEFAULT, 'Ä'), (1, 'again', NULL)
;;
INSERT INTO docks (spot, area) VALUES (st_pointfromtext('POINT(1 2)', 4326), st_polyfromtext('POLYGON((0 0,1 0,1 1,0 0))'))
;;
INSERT INTO movements (at, zone, quantity) VALUES
    ('2025-05-05', 'cold', 5), ('2026-02-15', 'dry', -2), ('2030-01-01', 'yard', 9)
;;
INSERT INTO tariffs VALUES ('DE', 1, 4.90), ('FR', 2, 9.90)
;;
INSERT INTO clicks VALUES (1, '/'), (2, '/cart?x=100%25')
;;
INSERT INTO sessions VALUES (repeat('a', 32), '{"cart": [1, 2]}')
;;
INSERT INTO archive VALUES (1, 'closed'), (1, 'closed')
;;
CREATE VIEW costs AS SELECT 1 AS price
;;
CREATE VIEW prices_of AS SELECT price AS costs FROM costs
