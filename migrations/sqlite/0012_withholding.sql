-- Bodies that an order withheld, each with the entry that orders it: what is lawfully missing, and where it says so.
CREATE TABLE withheld (
    shard       INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    register    TEXT    NOT NULL,
    leaf_index  INTEGER NOT NULL,
    by_position INTEGER NOT NULL CHECK (by_position > position),
    by_index    INTEGER NOT NULL,
    PRIMARY KEY (shard, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX withheld_by ON withheld (shard, by_position);

CREATE TRIGGER withheld_update BEFORE UPDATE ON withheld
BEGIN SELECT RAISE(ABORT, 'what was withheld stays withheld'); END;

CREATE TRIGGER withheld_delete BEFORE DELETE ON withheld
BEGIN SELECT RAISE(ABORT, 'what was withheld stays withheld'); END;

-- A body goes with its salt, and only where an order says so.
DROP TRIGGER entry_update;
CREATE TRIGGER entry_update BEFORE UPDATE ON entry
WHEN NOT (
    NEW.body IS NULL AND NEW.salt IS NULL
    AND NEW.shard = OLD.shard AND NEW.position = OLD.position AND NEW.register = OLD.register
    AND NEW.leaf_index = OLD.leaf_index AND NEW.record = OLD.record AND NEW.version = OLD.version
    AND NEW.recorded_at = OLD.recorded_at AND NEW.statement = OLD.statement AND NEW.leaf_hash = OLD.leaf_hash
    AND EXISTS (SELECT 1 FROM withheld AS w WHERE w.shard = OLD.shard AND w.position = OLD.position)
)
BEGIN SELECT RAISE(ABORT, 'entries are never changed; only a body can be withheld'); END;

-- The digest that an idempotency key stands for is of the body without its salt, so that it goes too: by the entry it is found.
CREATE INDEX idempotency_first ON idempotency (shard, first_position);

-- From where a build of a projection was begun: one that counts what it cannot take back is made again after each order.
ALTER TABLE projection ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;

-- Up to which order the files hold nothing any more of what was withheld: of the journal, and of each projection.
CREATE TABLE scrubbed (
    name     TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
