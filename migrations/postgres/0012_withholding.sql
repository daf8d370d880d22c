-- Bodies that an order withheld, each with the entry that orders it: what is lawfully missing, and where it says so.
CREATE TABLE withheld (
    shard       BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    register    TEXT   NOT NULL,
    leaf_index  BIGINT NOT NULL,
    by_position BIGINT NOT NULL CHECK (by_position > position),
    by_index    BIGINT NOT NULL,
    PRIMARY KEY (shard, position)
);
CREATE INDEX withheld_by ON withheld (shard, by_position);

CREATE TRIGGER withheld_update BEFORE UPDATE ON withheld FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('what was withheld stays withheld');

CREATE TRIGGER withheld_delete BEFORE DELETE ON withheld FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('what was withheld stays withheld');

CREATE TRIGGER withheld_truncate BEFORE TRUNCATE ON withheld FOR EACH STATEMENT
EXECUTE FUNCTION reestr_refuse('what was withheld stays withheld');

-- A body goes with its salt, and only where an order says so.
CREATE FUNCTION reestr_withhold_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.body IS NULL AND NEW.salt IS NULL
        AND NEW.shard = OLD.shard AND NEW.position = OLD.position AND NEW.register = OLD.register
        AND NEW.leaf_index = OLD.leaf_index AND NEW.record = OLD.record AND NEW.version = OLD.version
        AND NEW.recorded_at = OLD.recorded_at AND NEW.statement = OLD.statement AND NEW.leaf_hash = OLD.leaf_hash
        AND EXISTS (SELECT 1 FROM withheld AS w WHERE w.shard = OLD.shard AND w.position = OLD.position)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'entries are never changed; only a body can be withheld' USING ERRCODE = 'restrict_violation';
END
$$;
DROP TRIGGER entry_update ON entry;
CREATE TRIGGER entry_update BEFORE UPDATE ON entry FOR EACH ROW EXECUTE FUNCTION reestr_withhold_only();

-- The digest that an idempotency key stands for is of the body without its salt, so that it goes too: by the entry it is found.
CREATE INDEX idempotency_first ON idempotency (shard, first_position);

-- From where a build of a projection was begun: one that counts what it cannot take back is made again after each order.
ALTER TABLE projection ADD COLUMN begun BIGINT NOT NULL DEFAULT 0;

-- Up to which order the files hold nothing any more of what was withheld: of the journal, and of each projection.
CREATE TABLE scrubbed (
    name     TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
