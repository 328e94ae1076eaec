-- What figures are measured against. Entered by people, so not made from the journal.
CREATE TABLE goals (
    figure    TEXT NOT NULL PRIMARY KEY,
    target    DOUBLE PRECISION,
    benchmark DOUBLE PRECISION,
    source    TEXT NOT NULL
) WITHOUT ROWID;
