-- The journal: entries, their trees and what must be unique among them.
-- Every key of the log begins with the shard. Times are milliseconds since 1970 in UTC, UUIDs are 16 bytes.

CREATE TABLE installation (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    log_name TEXT    NOT NULL
) STRICT;

-- The head of a shard: the position of its last entry. Whoever appends locks this row first.
CREATE TABLE shard (
    shard       INTEGER NOT NULL PRIMARY KEY,
    position    INTEGER NOT NULL CHECK (position >= 0),
    recorded_at INTEGER NOT NULL
) STRICT;
INSERT INTO shard (shard, position, recorded_at) VALUES (0, 0, 0);

-- The head of a register's tree. `frontier` is the roots of its perfect subtrees, largest first.
CREATE TABLE log (
    shard       INTEGER NOT NULL REFERENCES shard (shard),
    register    TEXT    NOT NULL,
    size        INTEGER NOT NULL CHECK (size >= 0),
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    frontier    BLOB    NOT NULL CHECK (length(frontier) % 32 = 0),
    checkpoint  TEXT    NOT NULL,
    recorded_at INTEGER,
    kid         TEXT    NOT NULL,
    vkey        TEXT    NOT NULL,
    PRIMARY KEY (shard, register)
) STRICT;

-- No foreign key to `log`: the appender holds its row anyway, and the check would cost a look-up an entry.
CREATE TABLE entry (
    shard       INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    register    TEXT    NOT NULL,
    leaf_index  INTEGER NOT NULL,
    record      BLOB    NOT NULL CHECK (length(record) = 16),
    version     INTEGER NOT NULL CHECK (version >= 1),
    recorded_at INTEGER NOT NULL,
    statement   TEXT    NOT NULL,
    leaf_hash   BLOB    NOT NULL CHECK (length(leaf_hash) = 32),
    body        BLOB,
    salt        BLOB CHECK (length(salt) = 16),
    CHECK ((body IS NULL) = (salt IS NULL)),
    PRIMARY KEY (shard, position),
    UNIQUE (shard, record, version),
    UNIQUE (shard, register, leaf_index)
) STRICT;

-- Hash tiles that are full: 256 hashes each. `root` is the one hash they make a level up.
CREATE TABLE tile (
    shard      INTEGER NOT NULL,
    register   TEXT    NOT NULL,
    level      INTEGER NOT NULL,
    tile_index INTEGER NOT NULL,
    hashes     BLOB    NOT NULL CHECK (length(hashes) = 8192),
    root       BLOB    NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (shard, register, level, tile_index)
) STRICT;

-- Official numbers: one record holds a number in its register, for ever.
CREATE TABLE number (
    shard    INTEGER NOT NULL,
    register TEXT    NOT NULL,
    number   TEXT    NOT NULL,
    record   BLOB    NOT NULL CHECK (length(record) = 16),
    PRIMARY KEY (shard, register, number)
) STRICT, WITHOUT ROWID;

-- What a caller's key stood for: the digest of its content, and the entries that it made.
CREATE TABLE idempotency (
    shard          INTEGER NOT NULL,
    scope          TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    digest         BLOB    NOT NULL CHECK (length(digest) = 32),
    first_position INTEGER NOT NULL,
    entries        INTEGER NOT NULL CHECK (entries >= 0),
    PRIMARY KEY (shard, scope, key)
) STRICT, WITHOUT ROWID;

-- Private keys that the installation holds. `ordinal` orders the keys of one owner and purpose.
CREATE TABLE signing_key (
    owner   TEXT    NOT NULL,
    purpose TEXT    NOT NULL,
    ordinal INTEGER NOT NULL,
    kid     TEXT    NOT NULL,
    seed    BLOB    NOT NULL CHECK (length(seed) = 32),
    PRIMARY KEY (owner, purpose, ordinal)
) STRICT;
CREATE INDEX signing_key_kid ON signing_key (kid);

-- Entries are never changed, but that a lawful order may take away a body with its salt.
CREATE TRIGGER entry_update BEFORE UPDATE ON entry
WHEN NOT (
    NEW.body IS NULL AND NEW.salt IS NULL
    AND NEW.shard = OLD.shard AND NEW.position = OLD.position AND NEW.register = OLD.register
    AND NEW.leaf_index = OLD.leaf_index AND NEW.record = OLD.record AND NEW.version = OLD.version
    AND NEW.recorded_at = OLD.recorded_at AND NEW.statement = OLD.statement AND NEW.leaf_hash = OLD.leaf_hash
)
BEGIN SELECT RAISE(ABORT, 'entries are never changed; only a body can be withheld'); END;

CREATE TRIGGER entry_delete BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;

CREATE TRIGGER tile_update BEFORE UPDATE ON tile
BEGIN SELECT RAISE(ABORT, 'tiles are never changed'); END;

CREATE TRIGGER tile_delete BEFORE DELETE ON tile
BEGIN SELECT RAISE(ABORT, 'tiles are never deleted'); END;

CREATE TRIGGER shard_update BEFORE UPDATE ON shard
WHEN NEW.position < OLD.position OR NEW.recorded_at < OLD.recorded_at OR NEW.shard <> OLD.shard
BEGIN SELECT RAISE(ABORT, 'the head of a shard never goes back'); END;

CREATE TRIGGER shard_delete BEFORE DELETE ON shard
BEGIN SELECT RAISE(ABORT, 'shards are never deleted'); END;

CREATE TRIGGER log_update BEFORE UPDATE ON log
WHEN NEW.size < OLD.size OR NEW.register <> OLD.register OR NEW.shard <> OLD.shard
BEGIN SELECT RAISE(ABORT, 'a log never shrinks'); END;

CREATE TRIGGER log_delete BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'logs are never deleted'); END;
