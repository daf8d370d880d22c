-- Shards: appends to registers of different shards run at the same time (on PostgreSQL), in one order of all entries. `journal` is
-- the head of that order: position and time of the last entry, and how many shards there are, which are numbered from 0.
CREATE TABLE journal (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    position    INTEGER NOT NULL CHECK (position >= 0),
    recorded_at INTEGER NOT NULL,
    shards      INTEGER NOT NULL CHECK (shards >= 1)
) STRICT;
INSERT INTO journal (id, position, recorded_at, shards) SELECT 1, position, recorded_at, 1 FROM shard WHERE shard = 0;

CREATE TRIGGER journal_update BEFORE UPDATE ON journal
WHEN NEW.position < OLD.position OR NEW.recorded_at < OLD.recorded_at OR NEW.shards < OLD.shards OR NEW.id <> OLD.id
BEGIN SELECT RAISE(ABORT, 'the head of the journal never goes back'); END;

CREATE TRIGGER journal_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal''s head is never deleted'); END;

-- What the rows of `shard` say of a position is from before. An older version that still runs would go on from it: its appends
-- are refused.
DROP TRIGGER shard_update;
CREATE TRIGGER shard_update BEFORE UPDATE ON shard
BEGIN SELECT RAISE(ABORT, 'the head is kept in journal, of which this version knows nothing: end it'); END;

-- Where a register is, whatever its shard.
CREATE INDEX log_register ON log (register);

-- Orders are found by their place in the one order.
DROP INDEX withheld_by;
CREATE INDEX withheld_order ON withheld (by_position);
