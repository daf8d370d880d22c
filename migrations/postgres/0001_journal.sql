-- The journal: entries, their trees and what must be unique among them.
-- Every key of the log begins with the shard. Times are milliseconds since 1970 in UTC, UUIDs are 16 bytes.

CREATE TABLE installation (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    log_name TEXT   NOT NULL
);

-- The head of a shard: the position of its last entry. Whoever appends locks this row first.
CREATE TABLE shard (
    shard       BIGINT NOT NULL PRIMARY KEY,
    position    BIGINT NOT NULL CHECK (position >= 0),
    recorded_at BIGINT NOT NULL
);
INSERT INTO shard (shard, position, recorded_at) VALUES (0, 0, 0);

-- The head of a register's tree. `frontier` is the roots of its perfect subtrees, largest first.
CREATE TABLE log (
    shard       BIGINT NOT NULL REFERENCES shard (shard),
    register    TEXT   NOT NULL,
    size        BIGINT NOT NULL CHECK (size >= 0),
    root        BYTEA  NOT NULL CHECK (octet_length(root) = 32),
    frontier    BYTEA  NOT NULL CHECK (octet_length(frontier) % 32 = 0),
    checkpoint  TEXT   NOT NULL,
    recorded_at BIGINT,
    kid         TEXT   NOT NULL,
    vkey        TEXT   NOT NULL,
    PRIMARY KEY (shard, register)
);

-- No foreign key to `log`: the appender holds its row anyway, and the check would cost a look-up an entry.
CREATE TABLE entry (
    shard       BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    register    TEXT   NOT NULL,
    leaf_index  BIGINT NOT NULL,
    record      BYTEA  NOT NULL CHECK (octet_length(record) = 16),
    version     BIGINT NOT NULL CHECK (version >= 1),
    recorded_at BIGINT NOT NULL,
    statement   TEXT   NOT NULL,
    leaf_hash   BYTEA  NOT NULL CHECK (octet_length(leaf_hash) = 32),
    body        BYTEA,
    salt        BYTEA  CHECK (octet_length(salt) = 16),
    CHECK ((body IS NULL) = (salt IS NULL)),
    PRIMARY KEY (shard, position),
    CONSTRAINT entry_version UNIQUE (shard, record, version),
    CONSTRAINT entry_leaf UNIQUE (shard, register, leaf_index)
);

-- Hash tiles that are full: 256 hashes each. `root` is the one hash they make a level up.
CREATE TABLE tile (
    shard      BIGINT NOT NULL,
    register   TEXT   NOT NULL,
    level      BIGINT NOT NULL,
    tile_index BIGINT NOT NULL,
    hashes     BYTEA  NOT NULL CHECK (octet_length(hashes) = 8192),
    root       BYTEA  NOT NULL CHECK (octet_length(root) = 32),
    PRIMARY KEY (shard, register, level, tile_index)
);

-- Official numbers: one record holds a number in its register, for ever.
CREATE TABLE number (
    shard    BIGINT NOT NULL,
    register TEXT   NOT NULL,
    number   TEXT   NOT NULL,
    record   BYTEA  NOT NULL CHECK (octet_length(record) = 16),
    PRIMARY KEY (shard, register, number)
);

-- What a caller's key stood for: the digest of its content, and the entries that it made.
CREATE TABLE idempotency (
    shard          BIGINT NOT NULL,
    scope          TEXT   NOT NULL,
    key            TEXT   NOT NULL,
    digest         BYTEA  NOT NULL CHECK (octet_length(digest) = 32),
    first_position BIGINT NOT NULL,
    entries        BIGINT NOT NULL CHECK (entries >= 0),
    PRIMARY KEY (shard, scope, key)
);

-- Private keys that the installation holds. `ordinal` orders the keys of one owner and purpose.
CREATE TABLE signing_key (
    owner   TEXT   NOT NULL,
    purpose TEXT   NOT NULL,
    ordinal BIGINT NOT NULL,
    kid     TEXT   NOT NULL,
    seed    BYTEA  NOT NULL CHECK (octet_length(seed) = 32),
    PRIMARY KEY (owner, purpose, ordinal)
);
CREATE INDEX signing_key_kid ON signing_key (kid);

-- Entries are never changed, but that a lawful order may take away a body with its salt.
CREATE FUNCTION reestr_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER entry_update BEFORE UPDATE ON entry FOR EACH ROW
WHEN (NOT (
    NEW.body IS NULL AND NEW.salt IS NULL
    AND NEW.shard = OLD.shard AND NEW.position = OLD.position AND NEW.register = OLD.register
    AND NEW.leaf_index = OLD.leaf_index AND NEW.record = OLD.record AND NEW.version = OLD.version
    AND NEW.recorded_at = OLD.recorded_at AND NEW.statement = OLD.statement AND NEW.leaf_hash = OLD.leaf_hash
))
EXECUTE FUNCTION reestr_refuse('entries are never changed; only a body can be withheld');

CREATE TRIGGER entry_delete BEFORE DELETE ON entry FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('entries are never deleted');

CREATE TRIGGER entry_truncate BEFORE TRUNCATE ON entry FOR EACH STATEMENT
EXECUTE FUNCTION reestr_refuse('entries are never deleted');

CREATE TRIGGER tile_update BEFORE UPDATE ON tile FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('tiles are never changed');

CREATE TRIGGER tile_delete BEFORE DELETE ON tile FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('tiles are never deleted');

CREATE TRIGGER tile_truncate BEFORE TRUNCATE ON tile FOR EACH STATEMENT
EXECUTE FUNCTION reestr_refuse('tiles are never deleted');

CREATE TRIGGER shard_update BEFORE UPDATE ON shard FOR EACH ROW
WHEN (NEW.position < OLD.position OR NEW.recorded_at < OLD.recorded_at OR NEW.shard <> OLD.shard)
EXECUTE FUNCTION reestr_refuse('the head of a shard never goes back');

CREATE TRIGGER shard_delete BEFORE DELETE ON shard FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('shards are never deleted');

CREATE TRIGGER shard_truncate BEFORE TRUNCATE ON shard FOR EACH STATEMENT
EXECUTE FUNCTION reestr_refuse('shards are never deleted');

CREATE TRIGGER log_update BEFORE UPDATE ON log FOR EACH ROW
WHEN (NEW.size < OLD.size OR NEW.register <> OLD.register OR NEW.shard <> OLD.shard)
EXECUTE FUNCTION reestr_refuse('a log never shrinks');

CREATE TRIGGER log_delete BEFORE DELETE ON log FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('logs are never deleted');

CREATE TRIGGER log_truncate BEFORE TRUNCATE ON log FOR EACH STATEMENT
EXECUTE FUNCTION reestr_refuse('logs are never deleted');
