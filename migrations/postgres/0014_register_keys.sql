-- Keys that sign a log's checkpoints beside the newest, which is `vkey`: the newest first, with a space between them.
ALTER TABLE log ADD COLUMN older_vkeys TEXT NOT NULL DEFAULT '';
