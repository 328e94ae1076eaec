-- One key per response that holds a caller's voice, sealed under the installation's secret. Everything that could
-- give the voice or its words back is sealed under it; deleting the row erases them all. Not made from the journal.
CREATE TABLE response_keys (
    call_id BLOB NOT NULL PRIMARY KEY,
    sealed  BLOB NOT NULL
) WITHOUT ROWID;

-- Comments, and what became of them, without a search through all facts.
CREATE INDEX journal_comments ON journal (kind, id) WHERE kind IN ('comment', 'transcribed');
