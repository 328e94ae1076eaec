-- What views are made from. Weeks and days are numbers since 1970 (those of UTC); a week is an ISO week, number 0 the
-- one of 1970-01-01. An empty text stands for "none". All of it but the audit log and tile_sizes is made from the
-- journal.

-- How many answers make a tile, from which time on. Kept so that a rebuild makes the same tiles.
CREATE TABLE tile_sizes (
    from_us BIGINT NOT NULL PRIMARY KEY,
    size    BIGINT NOT NULL
);

-- Answers that wait for their tile to be full.
CREATE TABLE tiles_waiting (
    origin    TEXT    NOT NULL,
    survey    TEXT    NOT NULL,
    question  TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    scale_min INTEGER NOT NULL,
    scale_max INTEGER NOT NULL,
    better    TEXT    NOT NULL,
    agent     TEXT    NOT NULL,
    queue     TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    n         BIGINT  NOT NULL,
    PRIMARY KEY (agent, origin, survey, question, kind, scale_min, scale_max, better, queue, value)
) WITHOUT ROWID;

-- Sums over whole tiles. `part` is all, agent, queue or several (queues); `name` is the agent's or queue's.
CREATE TABLE shown_weeks (
    part      TEXT    NOT NULL,
    week      BIGINT  NOT NULL,
    name      TEXT    NOT NULL,
    origin    TEXT    NOT NULL,
    survey    TEXT    NOT NULL,
    question  TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    scale_min INTEGER NOT NULL,
    scale_max INTEGER NOT NULL,
    better    TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    n         BIGINT  NOT NULL,
    PRIMARY KEY (part, week, name, origin, survey, question, kind, scale_min, scale_max, better, value)
) WITHOUT ROWID;

CREATE TABLE shown_days (
    day       BIGINT  NOT NULL,
    origin    TEXT    NOT NULL,
    survey    TEXT    NOT NULL,
    question  TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    scale_min INTEGER NOT NULL,
    scale_max INTEGER NOT NULL,
    better    TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    n         BIGINT  NOT NULL,
    PRIMARY KEY (day, origin, survey, question, kind, scale_min, scale_max, better, value)
) WITHOUT ROWID;

-- How calls came out. `part` is all, agent or queue.
CREATE TABLE calls_weeks (
    part        TEXT   NOT NULL,
    week        BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    origin      TEXT   NOT NULL,
    survey      TEXT   NOT NULL,
    disposition TEXT   NOT NULL,
    stage       TEXT   NOT NULL,
    n           BIGINT NOT NULL,
    PRIMARY KEY (part, week, name, origin, survey, disposition, stage)
) WITHOUT ROWID;

-- How calls were chosen: offered, eligible, selected, excluded, sent, agent_first, caller_first.
CREATE TABLE sampling_weeks (
    week  BIGINT NOT NULL,
    agent TEXT   NOT NULL,
    queue TEXT   NOT NULL,
    what  TEXT   NOT NULL,
    n     BIGINT NOT NULL,
    PRIMARY KEY (week, agent, queue, what)
) WITHOUT ROWID;

-- What callers did at each question, and how long answers took.
CREATE TABLE journey_weeks (
    week     BIGINT NOT NULL,
    survey   TEXT   NOT NULL,
    question TEXT   NOT NULL,
    what     TEXT   NOT NULL,
    n        BIGINT NOT NULL,
    took_ms  BIGINT NOT NULL,
    PRIMARY KEY (week, survey, question, what)
) WITHOUT ROWID;

-- Who looked at what, who erased what. Each line carries the hash of the one before it and of itself.
CREATE TABLE audit (
    seq     BIGINT NOT NULL PRIMARY KEY,
    at_us   BIGINT NOT NULL,
    user_id TEXT   NOT NULL,
    role    TEXT   NOT NULL,
    what    TEXT   NOT NULL,
    scope   TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    hash    TEXT   NOT NULL
);

CREATE INDEX calls_by_agent ON calls (agent, offered_us);
CREATE INDEX calls_by_caller ON calls (caller) WHERE caller IS NOT NULL;

-- Up to which time of offers each kind of erasing by age has come.
CREATE TABLE retention (
    what     TEXT   NOT NULL PRIMARY KEY,
    until_us BIGINT NOT NULL
);
