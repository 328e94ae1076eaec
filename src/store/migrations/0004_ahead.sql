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
