-- accesses: who looked at what concerns whom. Everything an access says is in content; the other columns are what it is
-- looked for by. A person has none where the register itself was looked at.
CREATE TABLE access_record (
    build      INTEGER NOT NULL,
    record     BLOB NOT NULL,
    position   INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    status     TEXT NOT NULL,
    version    INTEGER NOT NULL,
    person     BLOB,
    role       TEXT NOT NULL,
    official   BLOB,
    department TEXT,
    purpose    TEXT,
    content    TEXT NOT NULL,
    PRIMARY KEY (build, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_record_person ON access_record (build, person, position);
-- What officials did in some time.
CREATE INDEX access_record_role ON access_record (build, role, at, position);
