-- The checkpoint of each register that is shown outside, where witnesses are asked: with their cosignatures. It may be older
-- than the log's head, and never goes back.
CREATE TABLE published (
    shard        INTEGER NOT NULL,
    register     TEXT    NOT NULL,
    size         INTEGER NOT NULL CHECK (size >= 0),
    root         BLOB    NOT NULL CHECK (length(root) = 32),
    note         TEXT    NOT NULL,
    cosignatures INTEGER NOT NULL CHECK (cosignatures >= 0),
    published_at INTEGER NOT NULL,
    PRIMARY KEY (shard, register)
) STRICT;

CREATE TRIGGER published_update BEFORE UPDATE ON published
WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
    OR NEW.register <> OLD.register OR NEW.shard <> OLD.shard
BEGIN SELECT RAISE(ABORT, 'a published checkpoint never goes back'); END;

CREATE TRIGGER published_delete BEFORE DELETE ON published
BEGIN SELECT RAISE(ABORT, 'published checkpoints are never deleted'); END;

-- What each witness, by its verifier key, last said of each register: the size that it cosigned. `fault` is empty, `ahead` (it
-- cosigned more than the log has) or `forked` (it cosigned another tree).
CREATE TABLE witness_head (
    shard    INTEGER NOT NULL,
    register TEXT    NOT NULL,
    witness  TEXT    NOT NULL,
    size     INTEGER NOT NULL CHECK (size >= 0),
    fault    TEXT    NOT NULL,
    said_at  INTEGER NOT NULL,
    PRIMARY KEY (shard, register, witness)
) STRICT;

-- Which server asks the witnesses, and until when nobody else does.
CREATE TABLE witness_lease (
    shard  INTEGER NOT NULL PRIMARY KEY,
    holder BLOB,
    until  INTEGER NOT NULL
) STRICT;
