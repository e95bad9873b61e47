-- What adopting once stumbled over on MariaDB. A line of two semicolons ends a statement.
-- Dates that a stricter sql_mode forbids, as a default and in a row
CREATE TABLE posts (id int PRIMARY KEY, author int, made datetime NOT NULL DEFAULT '0000-00-00 00:00:00')
;;
CREATE TABLE remarks (id int PRIMARY KEY, made date, author int)
;;
INSERT INTO remarks VALUES (1, '0000-00-00', 1)
;;
-- Two foreign keys, of which one alone is the key
CREATE TABLE operations (id int PRIMARY KEY)
;;
CREATE TABLE commands (
    operation_id int PRIMARY KEY, post_id int NOT NULL,
    FOREIGN KEY (operation_id) REFERENCES operations (id), FOREIGN KEY (post_id) REFERENCES posts (id)
)
;;
-- Indexes of which SQLAlchemy does not read all
CREATE TABLE sales (
    id int PRIMARY KEY, day date, amount int,
    KEY newest (day DESC, amount), UNIQUE KEY largest (amount DESC, id) COMMENT 'by amount', KEY unused (amount) IGNORED
)
;;
CREATE TABLE log (day date, line varchar(20), KEY newest (day DESC))
