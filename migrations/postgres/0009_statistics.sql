-- statistics: entries by register, type, month of recording (UTC) and region, and how many people they concern. Region is
-- empty where none is known. What of it may be shown is decided when it is read.
CREATE TABLE statistics_cell (
    build    BIGINT NOT NULL,
    register TEXT COLLATE "C" NOT NULL,
    type     TEXT COLLATE "C" NOT NULL,
    month    TEXT COLLATE "C" NOT NULL,
    region   TEXT COLLATE "C" NOT NULL,
    entries  BIGINT NOT NULL,
    units    BIGINT NOT NULL,
    PRIMARY KEY (build, register, type, month, region)
);

-- statistics: who is counted already in a register, type and month.
CREATE TABLE statistics_unit (
    build    BIGINT NOT NULL,
    register TEXT COLLATE "C" NOT NULL,
    type     TEXT COLLATE "C" NOT NULL,
    month    TEXT COLLATE "C" NOT NULL,
    unit     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (build, register, type, month, unit)
);

-- statistics: in which region a person lives from a position on.
CREATE TABLE statistics_address (
    build    BIGINT NOT NULL,
    person   TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    region   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (build, person, position)
);
