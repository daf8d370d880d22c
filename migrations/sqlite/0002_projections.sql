-- What people read, made from the entries by the crate `projections` and by nothing else: any of it may be
-- deleted and made again. These rows hold facts only; words, groups and what counts as in force are taken from the
-- definition in force when they are read, so that a changed definition is right at once.

-- One row for each build of a projection. A changed projector, or `reestr replay`, makes a new build beside the live
-- one and switches to it when it has caught up, so every table of a projection begins with the build its rows are of.
CREATE TABLE projection (
    name       TEXT NOT NULL,
    build      INTEGER NOT NULL CHECK (build > 0),
    version    INTEGER NOT NULL CHECK (version > 0),
    position   INTEGER NOT NULL CHECK (position >= 0),
    live       INTEGER NOT NULL CHECK (live IN (0, 1)),
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (name, build)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX projection_live ON projection (name) WHERE live = 1;

-- account: the records that concern a person, as of the last entry while they did (former_* is set afterwards).
CREATE TABLE account_record (
    build                INTEGER NOT NULL,
    person               BLOB NOT NULL,
    record               BLOB NOT NULL,
    register             TEXT NOT NULL,
    roles                TEXT NOT NULL,
    status               TEXT NOT NULL,
    number               TEXT,
    valid_from           TEXT,
    valid_until          TEXT,
    version              INTEGER NOT NULL,
    opened_position      INTEGER NOT NULL,
    opened_at            INTEGER NOT NULL,
    changed_position     INTEGER NOT NULL,
    changed_type         TEXT NOT NULL,
    changed_at           INTEGER NOT NULL,
    changed_effective_at INTEGER NOT NULL,
    changed_issuer       TEXT NOT NULL,
    former_version       INTEGER,
    former_at            INTEGER,
    PRIMARY KEY (build, person, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_record_opened ON account_record (build, person, opened_position);

-- account: the person's own record in `persons`, which is their profile.
CREATE TABLE account_person (
    build                INTEGER NOT NULL,
    person               BLOB NOT NULL,
    status               TEXT NOT NULL,
    version              INTEGER NOT NULL,
    content              TEXT NOT NULL,
    opened_position      INTEGER NOT NULL,
    opened_at            INTEGER NOT NULL,
    changed_position     INTEGER NOT NULL,
    changed_at           INTEGER NOT NULL,
    PRIMARY KEY (build, person)
) STRICT, WITHOUT ROWID;

-- history: each step of a record's life, under the definition in force at its position.
CREATE TABLE history_step (
    build         INTEGER NOT NULL,
    record        BLOB NOT NULL,
    version       INTEGER NOT NULL,
    register      TEXT NOT NULL,
    position      INTEGER NOT NULL,
    leaf_index    INTEGER NOT NULL,
    type          TEXT NOT NULL,
    status_before TEXT,
    status_after  TEXT NOT NULL,
    recorded_at   INTEGER NOT NULL,
    effective_at  INTEGER NOT NULL,
    issuer        TEXT NOT NULL,
    corrects      INTEGER,
    basis         TEXT,
    reason        TEXT,
    PRIMARY KEY (build, record, version)
) STRICT, WITHOUT ROWID;

-- view: the records of a register, without their subjects.
CREATE TABLE view_record (
    build                INTEGER NOT NULL,
    record               BLOB NOT NULL,
    register             TEXT NOT NULL,
    status               TEXT NOT NULL,
    number               TEXT,
    valid_from           TEXT,
    valid_until          TEXT,
    version              INTEGER NOT NULL,
    opened_position      INTEGER NOT NULL,
    opened_at            INTEGER NOT NULL,
    changed_position     INTEGER NOT NULL,
    changed_type         TEXT NOT NULL,
    changed_at           INTEGER NOT NULL,
    changed_effective_at INTEGER NOT NULL,
    changed_issuer       TEXT NOT NULL,
    PRIMARY KEY (build, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX view_record_opened ON view_record (build, register, opened_position);
CREATE INDEX view_record_status ON view_record (build, register, status, opened_position);
CREATE INDEX view_record_type ON view_record (build, register, changed_type, opened_position);

-- view: every official number that a record ever had.
CREATE TABLE view_number (
    build    INTEGER NOT NULL,
    register TEXT NOT NULL,
    number   TEXT NOT NULL,
    record   BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (build, register, number)
) STRICT, WITHOUT ROWID;

-- view: how many records of a register are in each status, and how many entries it has of each type.
CREATE TABLE view_count (
    build    INTEGER NOT NULL,
    register TEXT NOT NULL,
    counted  TEXT NOT NULL CHECK (counted IN ('status', 'type')),
    code     TEXT NOT NULL,
    n        INTEGER NOT NULL,
    PRIMARY KEY (build, register, counted, code)
) STRICT, WITHOUT ROWID;
