-- The time zone whose days the sums by day are of. Another one in the configuration has them made anew.
CREATE TABLE day_zone (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    name TEXT    NOT NULL
) WITHOUT ROWID;
INSERT INTO day_zone (one, name) VALUES (1, 'UTC');
