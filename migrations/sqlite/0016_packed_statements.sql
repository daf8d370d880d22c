-- A statement is kept packed: what its issuer signed is made again from two fifths of the bytes. Those that are there stay as the
-- text they are, which is read as well. The table is written anew once.
DROP TRIGGER entry_update;
ALTER TABLE entry ADD COLUMN packed BLOB NOT NULL DEFAULT X'';
UPDATE entry SET packed = CAST(statement AS BLOB);
ALTER TABLE entry DROP COLUMN statement;
ALTER TABLE entry RENAME COLUMN packed TO statement;

CREATE TRIGGER entry_update BEFORE UPDATE ON entry
WHEN NOT (
    NEW.body IS NULL AND NEW.salt IS NULL
    AND NEW.shard = OLD.shard AND NEW.position = OLD.position AND NEW.register = OLD.register
    AND NEW.leaf_index = OLD.leaf_index AND NEW.record = OLD.record AND NEW.version = OLD.version
    AND NEW.recorded_at = OLD.recorded_at AND NEW.statement = OLD.statement AND NEW.leaf_hash = OLD.leaf_hash
    AND EXISTS (SELECT 1 FROM withheld AS w WHERE w.shard = OLD.shard AND w.position = OLD.position)
)
BEGIN SELECT RAISE(ABORT, 'entries are never changed; only a body can be withheld'); END;
