-- What is proactive: three projections (see `0002_projections.sql` for what that means), and the engine's own rows.

-- offers: one row for each offer, as it is now.
CREATE TABLE offer_record (
    build            BIGINT NOT NULL,
    record           BYTEA NOT NULL,
    person           BYTEA NOT NULL,
    rule             BYTEA NOT NULL,
    rule_slug        TEXT COLLATE "C" NOT NULL,
    rule_version     BIGINT NOT NULL,
    kind             TEXT COLLATE "C" NOT NULL,
    department       TEXT COLLATE "C" NOT NULL,
    effect           TEXT COLLATE "C" NOT NULL,
    title_ru         TEXT NOT NULL,
    title_en         TEXT NOT NULL,
    status           TEXT COLLATE "C" NOT NULL,
    cause_kind       TEXT COLLATE "C" NOT NULL,
    cause_register   TEXT COLLATE "C" NOT NULL,
    cause_record     BYTEA NOT NULL,
    cause_version    BIGINT NOT NULL,
    expires_on       TEXT COLLATE "C",
    version          BIGINT NOT NULL,
    opened_position  BIGINT NOT NULL,
    opened_at        BIGINT NOT NULL,
    changed_position BIGINT NOT NULL,
    changed_type     TEXT COLLATE "C" NOT NULL,
    changed_at       BIGINT NOT NULL,
    PRIMARY KEY (build, record)
);
CREATE INDEX offer_record_person ON offer_record (build, person, opened_position);
CREATE INDEX offer_record_cause ON offer_record (build, cause_record);
CREATE INDEX offer_record_expires ON offer_record (build, status, expires_on, record);

-- dates: every date that the content of a record has now. Rules are not in it: when something falls due is the date and
-- the rule's own distance from it, so that a new or changed rule makes nothing again, and a day's work is a range of the
-- index. `since_*` is the entry that gave the date its present value.
CREATE TABLE date_member (
    build          BIGINT NOT NULL,
    record         BYTEA NOT NULL,
    member         TEXT COLLATE "C" NOT NULL,
    register       TEXT COLLATE "C" NOT NULL,
    day            TEXT COLLATE "C" NOT NULL,
    status         TEXT COLLATE "C" NOT NULL,
    version        BIGINT NOT NULL,
    since_version  BIGINT NOT NULL,
    since_position BIGINT NOT NULL,
    since_at       BIGINT NOT NULL,
    PRIMARY KEY (build, record, member)
);
CREATE INDEX date_member_day ON date_member (build, register, member, day, record);

-- tasks: what waits for a department; a row goes when nothing is left to do.
CREATE TABLE task_record (
    build          BIGINT NOT NULL,
    record         BYTEA NOT NULL,
    register       TEXT COLLATE "C" NOT NULL,
    department     TEXT COLLATE "C" NOT NULL,
    status         TEXT COLLATE "C" NOT NULL,
    person         BYTEA,
    service        TEXT,
    title_ru       TEXT,
    title_en       TEXT,
    version        BIGINT NOT NULL,
    since_position BIGINT NOT NULL,
    since_at       BIGINT NOT NULL,
    PRIMARY KEY (build, record)
);
CREATE INDEX task_record_department ON task_record (build, department, since_position);

-- The engine's place in the journal: every entry up to it has had all its consequences.
CREATE TABLE proactive_position (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    position   BIGINT NOT NULL CHECK (position >= 0),
    updated_at BIGINT NOT NULL
);

-- Through which day each rule of dates has been run.
CREATE TABLE proactive_day (
    rule       BYTEA NOT NULL PRIMARY KEY,
    through    TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Kinds of proposals that a person does not want, separated by spaces. A setting, and no legal fact: an ordinary row.
CREATE TABLE proposal_off (
    person     BYTEA NOT NULL PRIMARY KEY,
    kinds      TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
