-- What MODIFY has to say again of a column, of what MariaDB alone has.
CREATE TABLE readings (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    value int DEFAULT 5 CHECK (value > 0),
    hidden int NOT NULL INVISIBLE DEFAULT 1,
    packed varchar(200) COMPRESSED NOT NULL,
    document json DEFAULT '{}',
    address inet6 NOT NULL DEFAULT '::',
    token uuid,
    clock varchar(9) DEFAULT '12:30:00',
    odd varchar(20) DEFAULT ':x %y' INVISIBLE COMMENT 'it''s \\ a\nCHECK (no)',
    spot point REF_SYSTEM_ID=4326,
    note varchar(20) CHECK (note <> '')
);
