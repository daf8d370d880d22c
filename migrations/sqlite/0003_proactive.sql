-- What is proactive: three projections (see `0002_projections.sql` for what that means), and the engine's own rows.

-- offers: one row for each offer, as it is now.
CREATE TABLE offer_record (
    build            INTEGER NOT NULL,
    record           BLOB NOT NULL,
    person           BLOB NOT NULL,
    rule             BLOB NOT NULL,
    rule_slug        TEXT NOT NULL,
    rule_version     INTEGER NOT NULL,
    kind             TEXT NOT NULL,
    department       TEXT NOT NULL,
    effect           TEXT NOT NULL,
    title_ru         TEXT NOT NULL,
    title_en         TEXT NOT NULL,
    status           TEXT NOT NULL,
    cause_kind       TEXT NOT NULL,
    cause_register   TEXT NOT NULL,
    cause_record     BLOB NOT NULL,
    cause_version    INTEGER NOT NULL,
    expires_on       TEXT,
    version          INTEGER NOT NULL,
    opened_position  INTEGER NOT NULL,
    opened_at        INTEGER NOT NULL,
    changed_position INTEGER NOT NULL,
    changed_type     TEXT NOT NULL,
    changed_at       INTEGER NOT NULL,
    PRIMARY KEY (build, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX offer_record_person ON offer_record (build, person, opened_position);
CREATE INDEX offer_record_cause ON offer_record (build, cause_record);
CREATE INDEX offer_record_expires ON offer_record (build, status, expires_on, record);

-- dates: every date that the content of a record has now. Rules are not in it: when something falls due is the date and
-- the rule's own distance from it, so that a new or changed rule makes nothing again, and a day's work is a range of the
-- index. `since_*` is the entry that gave the date its present value.
CREATE TABLE date_member (
    build          INTEGER NOT NULL,
    record         BLOB NOT NULL,
    member         TEXT NOT NULL,
    register       TEXT NOT NULL,
    day            TEXT NOT NULL,
    status         TEXT NOT NULL,
    version        INTEGER NOT NULL,
    since_version  INTEGER NOT NULL,
    since_position INTEGER NOT NULL,
    since_at       INTEGER NOT NULL,
    PRIMARY KEY (build, record, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX date_member_day ON date_member (build, register, member, day, record);

-- tasks: what waits for a department; a row goes when nothing is left to do.
CREATE TABLE task_record (
    build          INTEGER NOT NULL,
    record         BLOB NOT NULL,
    register       TEXT NOT NULL,
    department     TEXT NOT NULL,
    status         TEXT NOT NULL,
    person         BLOB,
    service        TEXT,
    title_ru       TEXT,
    title_en       TEXT,
    version        INTEGER NOT NULL,
    since_position INTEGER NOT NULL,
    since_at       INTEGER NOT NULL,
    PRIMARY KEY (build, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_record_department ON task_record (build, department, since_position);

-- The engine's place in the journal: every entry up to it has had all its consequences.
CREATE TABLE proactive_position (
    name       TEXT NOT NULL PRIMARY KEY,
    position   INTEGER NOT NULL CHECK (position >= 0),
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Through which day each rule of dates has been run.
CREATE TABLE proactive_day (
    rule       BLOB NOT NULL PRIMARY KEY,
    through    TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Kinds of proposals that a person does not want, separated by spaces. A setting, and no legal fact: an ordinary row.
CREATE TABLE proposal_off (
    person     BLOB NOT NULL PRIMARY KEY,
    kinds      TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
