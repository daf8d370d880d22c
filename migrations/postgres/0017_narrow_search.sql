-- A row of the search is found by its words as they stand in it: the copy of them that the index was made of was two fifths of
-- the row. The index is made anew once, and the table locked meanwhile.
DROP INDEX search_record_document;
ALTER TABLE search_record DROP COLUMN document;
CREATE INDEX search_record_words ON search_record
    USING GIN (array_to_tsvector(array_remove(string_to_array(words || ' ' || extras || ' ' || names, ' '), '')));
