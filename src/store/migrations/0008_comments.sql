-- Comments, made from the journal. Ids and times are those of 0001, weeks those of 0003.

-- One row per comment that is kept. Erasing its call removes it.
CREATE TABLE comments (
    recording  BLOB    NOT NULL PRIMARY KEY,
    call_id    BLOB    NOT NULL,
    offered_us BIGINT  NOT NULL,           -- When the call came.
    origin     TEXT    NOT NULL,
    survey     TEXT    NOT NULL,
    question   TEXT    NOT NULL,
    language   TEXT    NOT NULL,
    length_ms  BIGINT  NOT NULL,
    outcome    TEXT    NOT NULL            -- done, no_model, failed; empty while it waits.
) WITHOUT ROWID;
CREATE INDEX comments_by_time ON comments (offered_us, recording);
CREATE INDEX comments_by_call ON comments (call_id);

-- How many comments there are: left, and done for those that were transcribed.
CREATE TABLE comment_weeks (
    week   BIGINT NOT NULL,
    origin TEXT   NOT NULL,
    survey TEXT   NOT NULL,
    what   TEXT   NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (week, origin, survey, what)
) WITHOUT ROWID;

-- Comments that hold a group of key words and wait to be counted, and those since the last count that do not.
CREATE TABLE words_waiting (
    origin TEXT   NOT NULL,
    survey TEXT   NOT NULL,
    word   TEXT   NOT NULL,
    said   BIGINT NOT NULL,
    others BIGINT NOT NULL,
    PRIMARY KEY (origin, survey, word)
) WITHOUT ROWID;

-- In how many comments each group of key words was found, in whole steps.
CREATE TABLE word_weeks (
    week   BIGINT NOT NULL,
    origin TEXT   NOT NULL,
    survey TEXT   NOT NULL,
    word   TEXT   NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (week, origin, survey, word)
) WITHOUT ROWID;

INSERT INTO rebuild_due (why) VALUES ('comments and their words');
