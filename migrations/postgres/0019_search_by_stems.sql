-- Of a word its stem finds it, and what was asked for is compared with the words of what is found: to index both was half of the index.
-- The index is made anew once, and the table locked meanwhile. Rows that an older version made have no numbers among what is indexed,
-- and are made anew beside those that are read.
DROP INDEX search_record_words;
CREATE INDEX search_record_words ON search_record
    USING GIN (array_to_tsvector(array_remove(string_to_array(extras || ' ' || names, ' '), '')));
