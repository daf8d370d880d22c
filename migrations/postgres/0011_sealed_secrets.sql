-- Secrets are sealed: no private key and no webhook's secret is in the database in the clear any more. What an older version kept
-- so waits in *_clear until the store is opened, which seals it, and empties these tables.

ALTER TABLE signing_key RENAME TO signing_key_clear;
ALTER INDEX signing_key_pkey RENAME TO signing_key_clear_pkey;
DROP INDEX signing_key_kid;
CREATE TRIGGER signing_key_clear_change BEFORE INSERT OR UPDATE ON signing_key_clear FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('private keys are kept sealed');

-- Keys that the installation signs with. `sealed` is the seed under the data key: nonce, ciphertext, tag. A key that a device or
-- another process keeps has a `reference` to it instead. `ordinal` orders the keys of one owner and purpose.
CREATE TABLE signing_key (
    owner     TEXT   NOT NULL,
    purpose   TEXT   NOT NULL,
    ordinal   BIGINT NOT NULL,
    kid       TEXT   NOT NULL,
    public    BYTEA  NOT NULL CHECK (octet_length(public) = 32),
    sealed    BYTEA  CHECK (octet_length(sealed) = 60),
    reference TEXT,
    PRIMARY KEY (owner, purpose, ordinal),
    CHECK ((sealed IS NULL) <> (reference IS NULL))
);
CREATE INDEX signing_key_kid ON signing_key (kid);

-- The data key, sealed under what the operator keeps: a key file, or a passphrase by Argon2id with this salt and these costs.
-- `erased` is 0 until a start after the sealing of what was in the clear.
CREATE TABLE seal (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    salt       BYTEA  CHECK (octet_length(salt) = 16),
    memory_kib BIGINT,
    passes     BIGINT,
    lanes      BIGINT,
    wrapped    BYTEA  NOT NULL CHECK (octet_length(wrapped) = 60),
    erased     BIGINT NOT NULL CHECK (erased IN (0, 1)),
    CHECK ((salt IS NULL) = (memory_kib IS NULL) AND (salt IS NULL) = (passes IS NULL) AND (salt IS NULL) = (lanes IS NULL))
);

CREATE TABLE webhook_secret_clear (
    id            BYTEA NOT NULL PRIMARY KEY,
    secret        BYTEA NOT NULL,
    former_secret BYTEA
);
INSERT INTO webhook_secret_clear SELECT id, secret, former_secret FROM webhook;
CREATE TRIGGER webhook_secret_clear_change BEFORE INSERT OR UPDATE ON webhook_secret_clear FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('secrets are kept sealed');

-- This writes the table anew, so that no old row version with a clear secret stays in it.
ALTER TABLE webhook ALTER COLUMN secret DROP NOT NULL;
ALTER TABLE webhook
    ALTER COLUMN secret TYPE BYTEA USING NULL,
    ALTER COLUMN former_secret TYPE BYTEA USING NULL;
ALTER TABLE webhook
    ADD CONSTRAINT webhook_secret CHECK (octet_length(secret) = 60),
    ADD CONSTRAINT webhook_former_secret CHECK (octet_length(former_secret) = 60);
