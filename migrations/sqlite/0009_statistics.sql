-- statistics: entries by register, type, month of recording (UTC) and region, and how many people they concern. Region is
-- empty where none is known. What of it may be shown is decided when it is read.
CREATE TABLE statistics_cell (
    build    INTEGER NOT NULL,
    register TEXT NOT NULL,
    type     TEXT NOT NULL,
    month    TEXT NOT NULL,
    region   TEXT NOT NULL,
    entries  INTEGER NOT NULL,
    units    INTEGER NOT NULL,
    PRIMARY KEY (build, register, type, month, region)
) STRICT, WITHOUT ROWID;

-- statistics: who is counted already in a register, type and month.
CREATE TABLE statistics_unit (
    build    INTEGER NOT NULL,
    register TEXT NOT NULL,
    type     TEXT NOT NULL,
    month    TEXT NOT NULL,
    unit     TEXT NOT NULL,
    PRIMARY KEY (build, register, type, month, unit)
) STRICT, WITHOUT ROWID;

-- statistics: in which region a person lives from a position on.
CREATE TABLE statistics_address (
    build    INTEGER NOT NULL,
    person   TEXT NOT NULL,
    position INTEGER NOT NULL,
    region   TEXT NOT NULL,
    PRIMARY KEY (build, person, position)
) STRICT, WITHOUT ROWID;
