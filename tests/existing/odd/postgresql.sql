-- What adopting once stumbled over on PostgreSQL. A line of two semicolons ends a statement.
-- PostgreSQL names the column of NULL when it reads its own words back.
CREATE TABLE posts (id int PRIMARY KEY, author int)
;;
CREATE VIEW latest AS
    SELECT q.id, q.c FROM (SELECT id, author AS c FROM posts UNION ALL SELECT id, NULL FROM posts) q
;;
COMMENT ON VIEW latest IS 'it''s; the newest'
;;
CREATE MATERIALIZED VIEW counted AS
    SELECT q.id, q.c FROM (SELECT id, author AS c FROM posts UNION ALL SELECT id, NULL FROM posts) q
;;
-- Two foreign keys, of which one alone is the key
CREATE TABLE operations (id int PRIMARY KEY)
;;
CREATE TABLE commands (
    operation_id int PRIMARY KEY REFERENCES operations, post_id int NOT NULL REFERENCES posts
)
;;
-- An extension with types and a table of its own
CREATE EXTENSION vector
;;
CREATE TABLE reference_systems (id int PRIMARY KEY)
;;
ALTER EXTENSION vector ADD TABLE reference_systems
;;
CREATE TABLE places (id int PRIMARY KEY, embedding vector(3) NOT NULL)
;;
-- Children, and a check that is valid in those alone that are younger than it.
CREATE TABLE measures (id integer PRIMARY KEY, height integer)
;;
CREATE TABLE measures_old (remark text) INHERITS (measures)
;;
ALTER TABLE measures ADD CONSTRAINT low CHECK (height < 9) NOT VALID
;;
CREATE TABLE measures_new () INHERITS (measures)
;;
ALTER TABLE measures_old VALIDATE CONSTRAINT low
