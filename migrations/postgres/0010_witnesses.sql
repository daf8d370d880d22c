-- The checkpoint of each register that is shown outside, where witnesses are asked: with their cosignatures. It may be older
-- than the log's head, and never goes back.
CREATE TABLE published (
    shard        BIGINT NOT NULL,
    register     TEXT COLLATE "C" NOT NULL,
    size         BIGINT NOT NULL CHECK (size >= 0),
    root         BYTEA  NOT NULL CHECK (length(root) = 32),
    note         TEXT   NOT NULL,
    cosignatures BIGINT NOT NULL CHECK (cosignatures >= 0),
    published_at BIGINT NOT NULL,
    PRIMARY KEY (shard, register)
);

CREATE TRIGGER published_update BEFORE UPDATE ON published FOR EACH ROW
WHEN (NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
    OR NEW.register <> OLD.register OR NEW.shard <> OLD.shard)
EXECUTE FUNCTION reestr_refuse('a published checkpoint never goes back');

CREATE TRIGGER published_delete BEFORE DELETE ON published FOR EACH ROW
EXECUTE FUNCTION reestr_refuse('published checkpoints are never deleted');

CREATE TRIGGER published_truncate BEFORE TRUNCATE ON published FOR EACH STATEMENT
EXECUTE FUNCTION reestr_refuse('published checkpoints are never deleted');

-- What each witness, by its verifier key, last said of each register: the size that it cosigned. `fault` is empty, `ahead` (it
-- cosigned more than the log has) or `forked` (it cosigned another tree).
CREATE TABLE witness_head (
    shard    BIGINT NOT NULL,
    register TEXT COLLATE "C" NOT NULL,
    witness  TEXT COLLATE "C" NOT NULL,
    size     BIGINT NOT NULL CHECK (size >= 0),
    fault    TEXT COLLATE "C" NOT NULL,
    said_at  BIGINT NOT NULL,
    PRIMARY KEY (shard, register, witness)
);

-- Which server asks the witnesses, and until when nobody else does.
CREATE TABLE witness_lease (
    shard  BIGINT NOT NULL PRIMARY KEY,
    holder BYTEA,
    until  BIGINT NOT NULL
);
