-- What adopting once stumbled over on SQLite. A line of two semicolons ends a statement.
-- What is in the header of the file
PRAGMA user_version = 7
;;
PRAGMA application_id = 99
;;
CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER)
;;
-- Two foreign keys, of which one alone is the key
CREATE TABLE operations (id INTEGER PRIMARY KEY)
;;
CREATE TABLE commands (
    operation_id INTEGER PRIMARY KEY REFERENCES operations, post_id INTEGER NOT NULL REFERENCES posts
)
;;
CREATE INDEX by_expression ON commands (post_id + 1) WHERE post_id > 0
