-- Counts of a register as of a time go over its steps, and not over those of all registers.
CREATE INDEX history_step_register ON history_step (build, register, position);

-- Builds that stand at an entry which their projector cannot apply. A row is no fact about entries: it goes when the build
-- passes the entry. `asked` counts how often someone asked for another attempt, which a running server then makes at once.
CREATE TABLE projection_pause (
    name       TEXT NOT NULL,
    build      INTEGER NOT NULL,
    position   INTEGER NOT NULL CHECK (position > 0),
    register   TEXT,
    leaf_index INTEGER,
    why        TEXT NOT NULL,
    since      INTEGER NOT NULL,
    tried_at   INTEGER NOT NULL,
    tries      INTEGER NOT NULL CHECK (tries > 0),
    asked      INTEGER NOT NULL CHECK (asked >= 0),
    PRIMARY KEY (name, build)
) STRICT, WITHOUT ROWID;
