-- While a build is made, statistics know nothing of it: to PostgreSQL any index that begins with the build was as good as another,
-- and it read all of the build by one of these where it was to find one record by the key. It cannot when the build comes second.
DROP INDEX account_record_opened, view_record_opened, view_record_status, view_record_type, offer_record_person, offer_record_cause,
    offer_record_expires, date_member_day, task_record_department, organisation_record_opened, access_record_person,
    access_record_role, history_step_register, search_record_opened, search_subject_subject;
CREATE INDEX account_record_opened ON account_record (person, build, opened_position);
CREATE INDEX view_record_opened ON view_record (register, build, opened_position);
CREATE INDEX view_record_status ON view_record (register, build, status, opened_position);
CREATE INDEX view_record_type ON view_record (register, build, changed_type, opened_position);
CREATE INDEX offer_record_person ON offer_record (person, build, opened_position);
CREATE INDEX offer_record_cause ON offer_record (cause_record, build);
CREATE INDEX offer_record_expires ON offer_record (status, build, expires_on, record);
CREATE INDEX date_member_day ON date_member (register, build, member, day, record);
CREATE INDEX task_record_department ON task_record (department, build, since_position);
CREATE INDEX organisation_record_opened ON organisation_record (ogrn, build, opened_position);
CREATE INDEX access_record_person ON access_record (person, build, position);
CREATE INDEX access_record_role ON access_record (role, build, at, position);
CREATE INDEX history_step_register ON history_step (register, build, position);
CREATE INDEX search_record_opened ON search_record (register, build, opened_position);
CREATE INDEX search_subject_subject ON search_subject (subject, build);
