-- Counts of a register as of a time go over its steps, and not over those of all registers.
CREATE INDEX history_step_register ON history_step (build, register, position);
