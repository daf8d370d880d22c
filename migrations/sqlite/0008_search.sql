-- search: what each record is found by. Words are ready-made (see projections/src/search/text.rs): lower case, stems and
-- joined numbers beside the words, one space between. The index knows no language, and so answers as PostgreSQL's does.
CREATE TABLE search_record (
    id              INTEGER PRIMARY KEY,
    build           INTEGER NOT NULL,
    record          BLOB NOT NULL,
    register        TEXT NOT NULL,
    status          TEXT NOT NULL,
    number_key      TEXT,
    opened_position INTEGER NOT NULL,
    words           TEXT NOT NULL,
    extras          TEXT NOT NULL,
    names           TEXT NOT NULL,
    UNIQUE (build, record)
) STRICT;
CREATE INDEX search_record_opened ON search_record (build, register, opened_position);

-- search: whom a record concerns now: persons by their records, organisations by their OGRN.
CREATE TABLE search_subject (
    build   INTEGER NOT NULL,
    record  BLOB NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (build, record, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_subject_subject ON search_subject (build, subject);

-- search: what a person's records are found by: the person's name and numbers.
CREATE TABLE search_person (
    build  INTEGER NOT NULL,
    person TEXT NOT NULL,
    names  TEXT NOT NULL,
    PRIMARY KEY (build, person)
) STRICT, WITHOUT ROWID;

-- The index keeps no text of its own, and follows its table by triggers, so that whatever writes, sweeps or rebuilds
-- the rows need not know of it. The tokenizer `ascii` divides at spaces and leaves all letters as they are.
CREATE VIRTUAL TABLE search_index USING fts5 (
    words, extras, names,
    content = '', contentless_delete = 1, detail = 'column', tokenize = "ascii tokenchars '_'"
);
CREATE TRIGGER search_record_inserted AFTER INSERT ON search_record BEGIN
    INSERT INTO search_index (rowid, words, extras, names) VALUES (new.id, new.words, new.extras, new.names);
END;
CREATE TRIGGER search_record_deleted AFTER DELETE ON search_record BEGIN
    DELETE FROM search_index WHERE rowid = old.id;
END;
CREATE TRIGGER search_record_updated AFTER UPDATE ON search_record
WHEN old.id <> new.id OR old.words <> new.words OR old.extras <> new.extras OR old.names <> new.names BEGIN
    DELETE FROM search_index WHERE rowid = old.id;
    INSERT INTO search_index (rowid, words, extras, names) VALUES (new.id, new.words, new.extras, new.names);
END;
