-- A mirror holds another installation's registers, as its archives had them: it takes no entries of its own.
ALTER TABLE installation ADD COLUMN mirror INTEGER NOT NULL DEFAULT 0 CHECK (mirror IN (0, 1));
