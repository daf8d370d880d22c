-- Shards: appends to registers of different shards run at the same time, in one order of all entries. `journal` is the head of
-- that order: position and time of the last entry, and how many shards there are, which are numbered from 0. Whoever appends
-- locks the rows in `shard` of the shards concerned, the lowest first, and this row last; while there is one shard, only this row.
LOCK TABLE shard IN ACCESS EXCLUSIVE MODE;

CREATE TABLE journal (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    position    BIGINT NOT NULL CHECK (position >= 0),
    recorded_at BIGINT NOT NULL,
    shards      BIGINT NOT NULL CHECK (shards >= 1)
);
INSERT INTO journal (id, position, recorded_at, shards) SELECT 1, position, recorded_at, 1 FROM shard WHERE shard = 0;

CREATE TRIGGER journal_update BEFORE UPDATE ON journal FOR EACH ROW
WHEN (NEW.position < OLD.position OR NEW.recorded_at < OLD.recorded_at OR NEW.shards < OLD.shards OR NEW.id <> OLD.id)
EXECUTE FUNCTION reestr_refuse('the head of the journal never goes back');

CREATE TRIGGER journal_delete BEFORE DELETE ON journal FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('the journal''s head is never deleted');

CREATE TRIGGER journal_truncate BEFORE TRUNCATE ON journal FOR EACH STATEMENT
EXECUTE FUNCTION reestr_refuse('the journal''s head is never deleted');

-- The rows of `shard` are there to be locked; what they say of a position is from before. An older version that still runs would
-- go on from it: its appends are refused.
DROP TRIGGER shard_update ON shard;
CREATE TRIGGER shard_update BEFORE UPDATE ON shard FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('the head is kept in journal, of which this version knows nothing: end it');

-- Where a register is, whatever its shard.
CREATE INDEX log_register ON log (register);

-- Orders are found by their place in the one order.
DROP INDEX withheld_by;
CREATE INDEX withheld_order ON withheld (by_position);
