-- Responses that wait until there are enough about one agent to count together. Ids are those of 0001.
CREATE TABLE responses_waiting (
    call_id BLOB NOT NULL PRIMARY KEY,
    origin  TEXT NOT NULL,
    survey  TEXT NOT NULL,
    agent   TEXT NOT NULL,
    body    TEXT NOT NULL              -- What the call brings, as JSON.
) WITHOUT ROWID;

-- From now on tiles_waiting holds the answers of full groups, and how many were asked (kind 'asked'), until they are
-- enough; shown_weeks and shown_days hold the latter beside them.
INSERT INTO rebuild_due (why) VALUES ('responses counted in groups');
