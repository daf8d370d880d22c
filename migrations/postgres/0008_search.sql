-- search: what each record is found by. Words are ready-made (see projections/src/search/text.rs): lower case, stems and
-- joined numbers beside the words, one space between. The index knows no language, and so answers as SQLite's does.
CREATE TABLE search_record (
    build           BIGINT NOT NULL,
    record          BYTEA NOT NULL,
    register        TEXT COLLATE "C" NOT NULL,
    status          TEXT COLLATE "C" NOT NULL,
    number_key      TEXT COLLATE "C",
    opened_position BIGINT NOT NULL,
    words           TEXT NOT NULL,
    extras          TEXT NOT NULL,
    names           TEXT NOT NULL,
    document        tsvector NOT NULL GENERATED ALWAYS AS (
        array_to_tsvector(array_remove(string_to_array(words || ' ' || extras || ' ' || names, ' '), ''))
    ) STORED,
    PRIMARY KEY (build, record)
);
CREATE INDEX search_record_opened ON search_record (build, register, opened_position);
CREATE INDEX search_record_document ON search_record USING GIN (document);

-- search: whom a record concerns now: persons by their records, organisations by their OGRN.
CREATE TABLE search_subject (
    build   BIGINT NOT NULL,
    record  BYTEA NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (build, record, subject)
);
CREATE INDEX search_subject_subject ON search_subject (build, subject);

-- search: what a person's records are found by: the person's name and numbers.
CREATE TABLE search_person (
    build  BIGINT NOT NULL,
    person TEXT COLLATE "C" NOT NULL,
    names  TEXT NOT NULL,
    PRIMARY KEY (build, person)
);
