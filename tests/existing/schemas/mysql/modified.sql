-- What MODIFY has to say again of a column, or the server forgets it.
CREATE TABLE places (
    id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    spot point NOT NULL,
    area geometry,
    code char(5) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT 'x''y' COMMENT 'it''s a code',
    size int(5) unsigned zerofill DEFAULT 7,
    kind enum('a', 'b''c') CHARACTER SET ascii NOT NULL DEFAULT 'a',
    marks set('x', 'y') DEFAULT 'x,y',
    made timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    seen datetime NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    opened timestamp NOT NULL DEFAULT '2001-02-03 04:05:06' ON UPDATE CURRENT_TIMESTAMP,
    touched datetime NOT NULL ON UPDATE CURRENT_TIMESTAMP COMMENT 'touched',
    due datetime DEFAULT (now() + interval 1 day) ON UPDATE CURRENT_TIMESTAMP,
    flags bit(3) NOT NULL DEFAULT b'101',
    price decimal(10,2) unsigned DEFAULT 0.10,
    half decimal(10,2) DEFAULT ((1 + 2) * 0.5) COMMENT 'half (or so)',
    uid varchar(36) DEFAULT (uuid()),
    doubled int AS (size * 2) STORED,
    body mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    raw varbinary(7) NOT NULL DEFAULT 'ab',
    year_of year NOT NULL DEFAULT 2000,
    data json DEFAULT NULL,
    CONSTRAINT size_is_small CHECK (size < 1000),
    SPATIAL KEY (spot),
    FULLTEXT KEY body_text (body),
    KEY code_part (code(3))
) DEFAULT CHARSET=utf8mb4 COMMENT='All of it';
CREATE TABLE counted (
    number int NOT NULL AUTO_INCREMENT,
    name varchar(10),
    UNIQUE KEY (number)
);
INSERT INTO places (spot, size, touched) VALUES (POINT(1, 2), 3, '2001-02-03');
