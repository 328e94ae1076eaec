-- The way through a survey by origin: trial calls do not count among customers' calls.
DROP TABLE journey_weeks;
CREATE TABLE journey_weeks (
    week     BIGINT NOT NULL,
    origin   TEXT   NOT NULL,
    survey   TEXT   NOT NULL,
    question TEXT   NOT NULL,
    what     TEXT   NOT NULL,
    n        BIGINT NOT NULL,
    took_ms  BIGINT NOT NULL,
    PRIMARY KEY (week, origin, survey, question, what)
) WITHOUT ROWID;

-- A row here has everything that is made from the journal made anew at the next opening.
CREATE TABLE rebuild_due (
    why TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;
INSERT INTO rebuild_due (why) VALUES ('journey by origin');
