-- Keys are compared by their bytes (COLLATE "C"), as SQLite does: a digest of a projection is then the same in both.

-- What people read, made from the entries by the crate `projections` and by nothing else: any of it may be
-- deleted and made again. These rows hold facts only; words, groups and what counts as in force are taken from the
-- definition in force when they are read, so that a changed definition is right at once.

-- One row for each build of a projection. A changed projector, or `reestr replay`, makes a new build beside the live
-- one and switches to it when it has caught up, so every table of a projection begins with the build its rows are of.
CREATE TABLE projection (
    name       TEXT COLLATE "C" NOT NULL,
    build      BIGINT NOT NULL CHECK (build > 0),
    version    BIGINT NOT NULL CHECK (version > 0),
    position   BIGINT NOT NULL CHECK (position >= 0),
    live       BIGINT NOT NULL CHECK (live IN (0, 1)),
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (name, build)
);
CREATE UNIQUE INDEX projection_live ON projection (name) WHERE live = 1;

-- account: the records that concern a person, as of the last entry while they did (former_* is set afterwards).
CREATE TABLE account_record (
    build                BIGINT NOT NULL,
    person               BYTEA NOT NULL,
    record               BYTEA NOT NULL,
    register             TEXT COLLATE "C" NOT NULL,
    roles                TEXT NOT NULL,
    status               TEXT NOT NULL,
    number               TEXT,
    valid_from           TEXT,
    valid_until          TEXT,
    version              BIGINT NOT NULL,
    opened_position      BIGINT NOT NULL,
    opened_at            BIGINT NOT NULL,
    changed_position     BIGINT NOT NULL,
    changed_type         TEXT NOT NULL,
    changed_at           BIGINT NOT NULL,
    changed_effective_at BIGINT NOT NULL,
    changed_issuer       TEXT NOT NULL,
    former_version       BIGINT,
    former_at            BIGINT,
    PRIMARY KEY (build, person, record)
);
CREATE INDEX account_record_opened ON account_record (build, person, opened_position);

-- account: the person's own record in `persons`, which is their profile.
CREATE TABLE account_person (
    build                BIGINT NOT NULL,
    person               BYTEA NOT NULL,
    status               TEXT NOT NULL,
    version              BIGINT NOT NULL,
    content              TEXT NOT NULL,
    opened_position      BIGINT NOT NULL,
    opened_at            BIGINT NOT NULL,
    changed_position     BIGINT NOT NULL,
    changed_at           BIGINT NOT NULL,
    PRIMARY KEY (build, person)
);

-- history: each step of a record's life, under the definition in force at its position.
CREATE TABLE history_step (
    build         BIGINT NOT NULL,
    record        BYTEA NOT NULL,
    version       BIGINT NOT NULL,
    register      TEXT COLLATE "C" NOT NULL,
    position      BIGINT NOT NULL,
    leaf_index    BIGINT NOT NULL,
    type          TEXT NOT NULL,
    status_before TEXT,
    status_after  TEXT NOT NULL,
    recorded_at   BIGINT NOT NULL,
    effective_at  BIGINT NOT NULL,
    issuer        TEXT NOT NULL,
    corrects      BIGINT,
    basis         TEXT,
    reason        TEXT,
    PRIMARY KEY (build, record, version)
);

-- view: the records of a register, without their subjects.
CREATE TABLE view_record (
    build                BIGINT NOT NULL,
    record               BYTEA NOT NULL,
    register             TEXT COLLATE "C" NOT NULL,
    status               TEXT COLLATE "C" NOT NULL,
    number               TEXT,
    valid_from           TEXT,
    valid_until          TEXT,
    version              BIGINT NOT NULL,
    opened_position      BIGINT NOT NULL,
    opened_at            BIGINT NOT NULL,
    changed_position     BIGINT NOT NULL,
    changed_type         TEXT COLLATE "C" NOT NULL,
    changed_at           BIGINT NOT NULL,
    changed_effective_at BIGINT NOT NULL,
    changed_issuer       TEXT NOT NULL,
    PRIMARY KEY (build, record)
);
CREATE INDEX view_record_opened ON view_record (build, register, opened_position);
CREATE INDEX view_record_status ON view_record (build, register, status, opened_position);
CREATE INDEX view_record_type ON view_record (build, register, changed_type, opened_position);

-- view: every official number that a record ever had.
CREATE TABLE view_number (
    build    BIGINT NOT NULL,
    register TEXT COLLATE "C" NOT NULL,
    number   TEXT COLLATE "C" NOT NULL,
    record   BYTEA NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (build, register, number)
);

-- view: how many records of a register are in each status, and how many entries it has of each type.
CREATE TABLE view_count (
    build    BIGINT NOT NULL,
    register TEXT COLLATE "C" NOT NULL,
    counted  TEXT COLLATE "C" NOT NULL CHECK (counted IN ('status', 'type')),
    code     TEXT COLLATE "C" NOT NULL,
    n        BIGINT NOT NULL,
    PRIMARY KEY (build, register, counted, code)
);
