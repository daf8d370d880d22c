-- A statement is kept packed: what its issuer signed is made again from two fifths of the bytes. Those that are there stay as the
-- text they are, which is read as well. The table is written anew once, and locked meanwhile.
ALTER TABLE entry ALTER COLUMN statement TYPE BYTEA USING convert_to(statement, 'UTF8');
