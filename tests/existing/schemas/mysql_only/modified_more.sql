-- What MODIFY has to say again of a column, of what MySQL alone has.
CREATE TABLE readings (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hidden int INVISIBLE DEFAULT 1,
    spot point NOT NULL SRID 4326,
    meaning vector(3),
    total int DEFAULT (1 + 2),
    day date NOT NULL DEFAULT (curdate()),
    document json DEFAULT (json_object('a', 1)),
    SPATIAL KEY (spot)
);
