-- People who sign in. Of passwords only an Argon2id hash is kept, of sessions and links only the SHA-256 of their
-- secret. Times are microseconds since 1970 UTC.
CREATE TABLE users (
    id          BLOB   NOT NULL PRIMARY KEY, -- UUID version 7.
    name        TEXT   NOT NULL UNIQUE COLLATE NOCASE,
    hash        TEXT   NOT NULL,             -- PHC string.
    role        TEXT   NOT NULL,
    agent       TEXT,
    teams       TEXT   NOT NULL,             -- A name a line; empty means all.
    created_us  BIGINT NOT NULL,
    disabled_us BIGINT
) WITHOUT ROWID;

CREATE TABLE sessions (
    hash       BLOB   NOT NULL PRIMARY KEY,
    user_id    BLOB   NOT NULL REFERENCES users (id),
    created_us BIGINT NOT NULL,
    seen_us    BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE sign_in_links (
    hash       BLOB   NOT NULL PRIMARY KEY,
    user_id    BLOB   NOT NULL REFERENCES users (id),
    expires_us BIGINT NOT NULL
) WITHOUT ROWID;
