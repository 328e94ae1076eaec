-- What follows a call, and what we say to other systems. Ids and times are those of 0004. None of it is made from the
-- journal.

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
CREATE INDEX messages_by_state ON messages (state, id);
CREATE INDEX messages_done ON messages (due_us) WHERE state <> 'waiting';

-- What is looked for every minute is found without a search through all rows.
CREATE INDEX tasks_by_state ON tasks (state, call_id);
CREATE INDEX tasks_with_number ON tasks (made_us) WHERE number IS NOT NULL;
CREATE INDEX reservations_by_end ON reservations (ends_us);
