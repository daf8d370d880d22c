-- What concerns an organisation (see `0002_projections.sql` for what a projection is), and the rows by which clients are let in
-- with a person's consent. The consents themselves are entries in the register `consents`; these rows are not evidence.

-- organisations: the records that concern an organisation, as of the last entry while they did.
CREATE TABLE organisation_record (
    build                INTEGER NOT NULL,
    ogrn                 TEXT NOT NULL,
    record               BLOB NOT NULL,
    register             TEXT NOT NULL,
    roles                TEXT NOT NULL,
    status               TEXT NOT NULL,
    number               TEXT,
    valid_from           TEXT,
    valid_until          TEXT,
    version              INTEGER NOT NULL,
    opened_position      INTEGER NOT NULL,
    opened_at            INTEGER NOT NULL,
    changed_position     INTEGER NOT NULL,
    changed_type         TEXT NOT NULL,
    changed_at           INTEGER NOT NULL,
    changed_effective_at INTEGER NOT NULL,
    changed_issuer       TEXT NOT NULL,
    former_version       INTEGER,
    former_at            INTEGER,
    PRIMARY KEY (build, ogrn, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX organisation_record_opened ON organisation_record (build, ogrn, opened_position);

-- Clients that the operator registered (RFC 6749 section 2). A public client has no secret; of a confidential one only the
-- SHA-256 of its 256 random bits is kept. `redirect_uris` is a JSON array. A client that was removed keeps its row, so that
-- nobody else is ever let in by its name.
CREATE TABLE oauth_client (
    client        TEXT NOT NULL PRIMARY KEY,
    name_ru       TEXT NOT NULL,
    name_en       TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    secret_hash   BLOB,
    created_at    INTEGER NOT NULL,
    removed_at    INTEGER,
    CONSTRAINT oauth_client_hash CHECK (secret_hash IS NULL OR length(secret_hash) = 32)
) STRICT, WITHOUT ROWID;

-- Codes (RFC 6749 section 4.1.2): only their SHA-256. A code that was redeemed stays until it would have expired, so that a
-- second redemption is noticed; `used_at` is set once.
CREATE TABLE oauth_code (
    code_hash    BLOB NOT NULL PRIMARY KEY,
    client       TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge    TEXT NOT NULL,
    consent      BLOB NOT NULL,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER,
    CONSTRAINT oauth_code_hash CHECK (length(code_hash) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_code_expires ON oauth_code (expires_at);

-- Refresh tokens (RFC 6749 section 6): only their SHA-256. Each is good once, and gives the next; one that comes twice was stolen
-- (RFC 9700 section 4.14.2).
CREATE TABLE oauth_refresh (
    token_hash BLOB NOT NULL PRIMARY KEY,
    client     TEXT NOT NULL,
    consent    BLOB NOT NULL,
    issued_at  INTEGER NOT NULL,
    used_at    INTEGER,
    CONSTRAINT oauth_refresh_hash CHECK (length(token_hash) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_refresh_consent ON oauth_refresh (consent);

-- Consents whose term is over and that do not say so yet.
CREATE INDEX view_record_consent ON view_record (build, valid_until) WHERE register = 'consents' AND status = 'active';
