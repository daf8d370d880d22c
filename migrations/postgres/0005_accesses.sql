-- accesses: who looked at what concerns whom. Everything an access says is in content; the other columns are what it is
-- looked for by. A person has none where the register itself was looked at.
CREATE TABLE access_record (
    build      BIGINT NOT NULL,
    record     BYTEA NOT NULL,
    position   BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    status     TEXT COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL,
    person     BYTEA,
    role       TEXT COLLATE "C" NOT NULL,
    official   BYTEA,
    department TEXT COLLATE "C",
    purpose    TEXT,
    content    TEXT NOT NULL,
    PRIMARY KEY (build, record)
);
CREATE INDEX access_record_person ON access_record (build, person, position);
-- What officials did in some time.
CREATE INDEX access_record_role ON access_record (build, role, at, position);
