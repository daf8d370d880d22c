-- Counts of a register as of a time go over its steps, and not over those of all registers.
CREATE INDEX history_step_register ON history_step (build, register, position);

-- Builds that stand at an entry which their projector cannot apply. A row is no fact about entries: it goes when the build
-- passes the entry. `asked` counts how often someone asked for another attempt, which a running server then makes at once.
CREATE TABLE projection_pause (
    name       TEXT COLLATE "C" NOT NULL,
    build      BIGINT NOT NULL,
    position   BIGINT NOT NULL CHECK (position > 0),
    register   TEXT,
    leaf_index BIGINT,
    why        TEXT NOT NULL,
    since      BIGINT NOT NULL,
    tried_at   BIGINT NOT NULL,
    tries      BIGINT NOT NULL CHECK (tries > 0),
    asked      BIGINT NOT NULL CHECK (asked >= 0),
    PRIMARY KEY (name, build)
);
