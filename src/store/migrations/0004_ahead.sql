-- What other systems say of calls, and what we say to other systems. Ids are UUIDs version 7 in 16 bytes, times
-- microseconds since 1970 UTC. None of it is made from the journal.

-- Contexts that were posted ahead of a transfer. Once it is used or over, nothing is left of what was said.
CREATE TABLE reservations (
    id      BLOB   NOT NULL PRIMARY KEY,
    made_us BIGINT NOT NULL,
    ends_us BIGINT NOT NULL,
    state   TEXT   NOT NULL,              -- open, used, withdrawn
    call_id BLOB,                         -- The call that used it.
    agent   TEXT,
    caller  TEXT,                         -- The keyed hash, never the number.
    said    TEXT   NOT NULL               -- As JSON.
) WITHOUT ROWID;
CREATE INDEX reservations_open ON reservations (id) WHERE state = 'open';

-- Decisions that were made and told before the call came. They are no calls yet, so no view shows them.
CREATE TABLE decisions (
    id       BLOB   NOT NULL PRIMARY KEY,
    made_us  BIGINT NOT NULL,
    ends_us  BIGINT NOT NULL,
    state    TEXT   NOT NULL,             -- open, used
    call_ref TEXT   NOT NULL,
    agent    TEXT,
    caller   TEXT,
    said     TEXT   NOT NULL,
    decision TEXT   NOT NULL              -- As JSON.
) WITHOUT ROWID;

-- Calls whose agents ask for a survey.
CREATE TABLE triggers (
    id       BLOB   NOT NULL PRIMARY KEY,
    made_us  BIGINT NOT NULL,
    ends_us  BIGINT NOT NULL,
    call_ref TEXT   NOT NULL,
    agent    TEXT   NOT NULL
) WITHOUT ROWID;

-- The answers to writes, by the token and the key that came with them.
CREATE TABLE receipts (
    token   BLOB    NOT NULL,
    name    TEXT    NOT NULL,
    request BLOB    NOT NULL,             -- SHA-256 of what was asked.
    status  INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    made_us BIGINT  NOT NULL,
    PRIMARY KEY (token, name)
) WITHOUT ROWID;
CREATE INDEX receipts_by_time ON receipts (made_us);

-- What somebody is to follow up: one row per call. The number to call lies sealed under the task's own key.
CREATE TABLE tasks (
    call_id    BLOB   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,           -- low_score, callback
    made_us    BIGINT NOT NULL,
    state      TEXT   NOT NULL,           -- open, called_back, closed
    question   TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    number     BLOB,
    note       TEXT   NOT NULL,
    changed_us BIGINT,
    changed_by TEXT                       -- The user's id.
) WITHOUT ROWID;

-- Deleting a row destroys the number that is sealed under it, in every backup too.
CREATE TABLE task_keys (
    call_id BLOB NOT NULL PRIMARY KEY,
    sealed  BLOB NOT NULL
) WITHOUT ROWID;

-- Messages to other systems, written with the fact that they tell of.
CREATE TABLE messages (
    id       BLOB    NOT NULL PRIMARY KEY,
    made_us  BIGINT  NOT NULL,
    call_id  BLOB    NOT NULL,
    event    TEXT    NOT NULL,
    target   TEXT    NOT NULL,            -- webhook:NAME, or mail
    payload  TEXT    NOT NULL,
    state    TEXT    NOT NULL,            -- waiting, delivered, dead
    attempts BIGINT  NOT NULL,
    due_us   BIGINT  NOT NULL,            -- When it is tried next.
    tried_us BIGINT,                      -- When it was tried last.
    error    TEXT    NOT NULL             -- What came of that.
) WITHOUT ROWID;
CREATE INDEX messages_waiting ON messages (target, due_us) WHERE state = 'waiting';
CREATE INDEX messages_by_call ON messages (call_id);
