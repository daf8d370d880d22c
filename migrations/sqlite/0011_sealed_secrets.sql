-- Secrets are sealed: no private key and no webhook's secret is in the database in the clear any more. What an older version kept
-- so waits in *_clear until the store is opened, which seals it, empties these tables and erases what they held.

ALTER TABLE signing_key RENAME TO signing_key_clear;
DROP INDEX signing_key_kid;
CREATE TRIGGER signing_key_clear_insert BEFORE INSERT ON signing_key_clear
BEGIN SELECT RAISE(ABORT, 'private keys are kept sealed'); END;
CREATE TRIGGER signing_key_clear_update BEFORE UPDATE ON signing_key_clear
BEGIN SELECT RAISE(ABORT, 'private keys are kept sealed'); END;

-- Keys that the installation signs with. `sealed` is the seed under the data key: nonce, ciphertext, tag. A key that a device or
-- another process keeps has a `reference` to it instead. `ordinal` orders the keys of one owner and purpose.
CREATE TABLE signing_key (
    owner     TEXT    NOT NULL,
    purpose   TEXT    NOT NULL,
    ordinal   INTEGER NOT NULL,
    kid       TEXT    NOT NULL,
    public    BLOB    NOT NULL CHECK (length(public) = 32),
    sealed    BLOB    CHECK (length(sealed) = 60),
    reference TEXT,
    PRIMARY KEY (owner, purpose, ordinal),
    CHECK ((sealed IS NULL) <> (reference IS NULL))
) STRICT;
CREATE INDEX signing_key_kid ON signing_key (kid);

-- The data key, sealed under what the operator keeps: a key file, or a passphrase by Argon2id with this salt and these costs.
-- `erased` is 0 while clear bytes of an older version may still be in the file.
CREATE TABLE seal (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    salt       BLOB    CHECK (length(salt) = 16),
    memory_kib INTEGER,
    passes     INTEGER,
    lanes      INTEGER,
    wrapped    BLOB    NOT NULL CHECK (length(wrapped) = 60),
    erased     INTEGER NOT NULL CHECK (erased IN (0, 1)),
    CHECK ((salt IS NULL) = (memory_kib IS NULL) AND (salt IS NULL) = (passes IS NULL) AND (salt IS NULL) = (lanes IS NULL))
) STRICT;

CREATE TABLE webhook_secret_clear (
    id            BLOB NOT NULL PRIMARY KEY,
    secret        BLOB NOT NULL,
    former_secret BLOB
) STRICT;
INSERT INTO webhook_secret_clear SELECT id, secret, former_secret FROM webhook;
CREATE TRIGGER webhook_secret_clear_insert BEFORE INSERT ON webhook_secret_clear
BEGIN SELECT RAISE(ABORT, 'secrets are kept sealed'); END;
CREATE TRIGGER webhook_secret_clear_update BEFORE UPDATE ON webhook_secret_clear
BEGIN SELECT RAISE(ABORT, 'secrets are kept sealed'); END;

ALTER TABLE webhook DROP COLUMN secret;
ALTER TABLE webhook DROP COLUMN former_secret;
ALTER TABLE webhook ADD COLUMN secret BLOB CHECK (length(secret) = 60);
ALTER TABLE webhook ADD COLUMN former_secret BLOB CHECK (length(former_secret) = 60);
