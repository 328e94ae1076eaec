-- Ids are UUIDs version 7 in 16 bytes. Times are microseconds since 1970 UTC. Days are those of UTC.
-- The journal is the truth: everything below it can be made again from it. Rows are only ever added to it.

CREATE TABLE journal (
    id      BLOB   NOT NULL PRIMARY KEY, -- In the order of writing.
    node    INTEGER NOT NULL,            -- The node that wrote it.
    call_id BLOB   NOT NULL,
    at_us   BIGINT NOT NULL,
    kind    TEXT   NOT NULL,
    body    TEXT   NOT NULL              -- The fact as JSON.
) WITHOUT ROWID;
CREATE INDEX journal_by_call ON journal (call_id);

-- One row per call.
CREATE TABLE calls (
    id               BLOB   NOT NULL PRIMARY KEY,
    node             INTEGER NOT NULL,
    offered_us       BIGINT NOT NULL,
    answered_us      BIGINT,
    ended_us         BIGINT,               -- NULL while the call is open.
    trunk            TEXT,
    agent            TEXT,                 -- NULL makes the response an orphan.
    queue            TEXT,
    call_ref         TEXT,
    caller           TEXT,                 -- The keyed hash, never the number.
    triggered_by     TEXT,
    talk_s           BIGINT,
    first_hang_up    TEXT,
    origin           TEXT,
    reason           TEXT,
    count_no         BIGINT,
    draw_ppm         BIGINT,
    survey           TEXT,
    version          BIGINT,
    codec            TEXT,
    language         TEXT,
    stage            TEXT   NOT NULL,
    disposition      TEXT,
    left_at          TEXT,
    failure          TEXT,
    by_caller        INTEGER,
    answer_count     INTEGER NOT NULL,
    answers          TEXT   NOT NULL,      -- The values in order, with a space between.
    stats            TEXT                  -- Media figures as JSON.
) WITHOUT ROWID;
CREATE INDEX calls_by_time ON calls (offered_us);
CREATE INDEX calls_by_ref ON calls (call_ref);
CREATE INDEX calls_open ON calls (id) WHERE ended_us IS NULL;

CREATE TABLE answers (
    call_id    BLOB   NOT NULL,
    position   INTEGER NOT NULL,           -- From 1, in the order of answering.
    at_us      BIGINT NOT NULL,
    question   TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    scale_min  INTEGER,
    scale_max  INTEGER,
    better     TEXT,
    value      TEXT   NOT NULL,
    given_by   TEXT   NOT NULL,
    keys       TEXT   NOT NULL,
    ambiguous  INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    barge_in   INTEGER NOT NULL,
    took_ms    BIGINT NOT NULL,
    PRIMARY KEY (call_id, position)
) WITHOUT ROWID;

-- Sums per day, from which reports are made. An empty text stands for "none".
CREATE TABLE rollup_answers (
    day       TEXT   NOT NULL,
    origin    TEXT   NOT NULL,
    survey    TEXT   NOT NULL,
    version   BIGINT NOT NULL,
    question  TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    scale_min INTEGER NOT NULL,
    scale_max INTEGER NOT NULL,
    better    TEXT   NOT NULL,
    queue     TEXT   NOT NULL,
    agent     TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    n         BIGINT NOT NULL,
    PRIMARY KEY (day, origin, survey, version, question, kind, scale_min, scale_max, better, queue, agent, value)
) WITHOUT ROWID;

CREATE TABLE rollup_calls (
    day         TEXT   NOT NULL,
    origin      TEXT   NOT NULL,
    survey      TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    queue       TEXT   NOT NULL,
    agent       TEXT   NOT NULL,
    disposition TEXT   NOT NULL,
    stage       TEXT   NOT NULL,           -- How far the call came.
    n           BIGINT NOT NULL,
    PRIMARY KEY (day, origin, survey, version, queue, agent, disposition, stage)
) WITHOUT ROWID;

-- The running number of eligible calls per queue, so that "every Nth" outlives a restart.
CREATE TABLE queue_counts (
    queue TEXT   NOT NULL PRIMARY KEY,
    n     BIGINT NOT NULL
) WITHOUT ROWID;

-- What a BYE needs, sealed, for calls that are open. Not made from the journal and gone when the call ends.
CREATE TABLE open_dialogs (
    call_id BLOB NOT NULL PRIMARY KEY,
    sealed  BLOB NOT NULL
) WITHOUT ROWID;
