-- What the command line asks of the service that has the database for writing. Rows are gone once they are answered
-- and the answer was read; nothing is left in one that was answered but what came of it.
CREATE TABLE errands (
    id      BLOB   NOT NULL PRIMARY KEY, -- UUID version 7.
    made_us BIGINT NOT NULL,
    body    TEXT   NOT NULL,             -- What is asked, as JSON.
    state   TEXT   NOT NULL,             -- open, taken, done
    answer  TEXT   NOT NULL              -- As JSON.
) WITHOUT ROWID;
