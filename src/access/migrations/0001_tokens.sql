-- Who may use the API. A token's secret is not kept, only its SHA-256. Times are microseconds since 1970 UTC.
CREATE TABLE tokens (
    id         BLOB   NOT NULL PRIMARY KEY, -- UUID version 7.
    name       TEXT   NOT NULL UNIQUE,
    hash       BLOB   NOT NULL UNIQUE,
    scopes     TEXT   NOT NULL,             -- Names with a space between.
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    revoked_us BIGINT
) WITHOUT ROWID;
