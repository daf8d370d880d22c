-- Places the tables of a store on a cluster of PostgreSQL with the extension Citus: run once, on the coordinator, after `reestr`
-- has made the tables and before anything is appended. tests/e2e/growth.rs holds it against the schema: every table is named
-- once, and each that is distributed has its column in every unique key. It was not run on a cluster: see growth.md.
BEGIN;
-- The log refuses changes by triggers, which look at their own row alone.
SET citus.enable_unsafe_triggers TO on;

-- The log, by shard: what an append locks, reads and writes is on one server.
SELECT create_distributed_table('shard', 'shard');
SELECT create_distributed_table('log', 'shard', colocate_with => 'shard');
SELECT create_distributed_table('entry', 'shard', colocate_with => 'shard');
SELECT create_distributed_table('tile', 'shard', colocate_with => 'shard');
SELECT create_distributed_table('number', 'shard', colocate_with => 'shard');
SELECT create_distributed_table('idempotency', 'shard', colocate_with => 'shard');
SELECT create_distributed_table('withheld', 'shard', colocate_with => 'shard');
SELECT create_distributed_table('published', 'shard', colocate_with => 'shard');
SELECT create_distributed_table('witness_head', 'shard', colocate_with => 'shard');
SELECT create_distributed_table('witness_lease', 'shard', colocate_with => 'shard');

-- What people read, by person or organisation: an account is on one server.
SELECT create_distributed_table('account_record', 'person');
SELECT create_distributed_table('account_person', 'person', colocate_with => 'account_record');
SELECT create_distributed_table('search_person', 'person', colocate_with => 'account_record');
SELECT create_distributed_table('statistics_address', 'person', colocate_with => 'account_record');
SELECT create_distributed_table('organisation_record', 'ogrn');

-- By record: a record with its history and its words is on one server.
SELECT create_distributed_table('view_record', 'record');
SELECT create_distributed_table('history_step', 'record', colocate_with => 'view_record');
SELECT create_distributed_table('offer_record', 'record', colocate_with => 'view_record');
SELECT create_distributed_table('date_member', 'record', colocate_with => 'view_record');
SELECT create_distributed_table('task_record', 'record', colocate_with => 'view_record');
SELECT create_distributed_table('access_record', 'record', colocate_with => 'view_record');
SELECT create_distributed_table('search_record', 'record', colocate_with => 'view_record');
SELECT create_distributed_table('search_subject', 'record', colocate_with => 'view_record');

-- By what they are looked up by.
SELECT create_distributed_table('view_number', 'number');
SELECT create_distributed_table('view_count', 'register');
SELECT create_distributed_table('statistics_cell', 'register', colocate_with => 'view_count');
SELECT create_distributed_table('statistics_unit', 'register', colocate_with => 'view_count');
SELECT create_distributed_table('webhook_delivery', 'webhook');
SELECT create_distributed_table('notification_setting', 'person', colocate_with => 'account_record');
SELECT create_distributed_table('proposal_off', 'person', colocate_with => 'account_record');
SELECT create_distributed_table('oauth_code', 'code_hash');
SELECT create_distributed_table('oauth_refresh', 'token_hash');

-- Small, read with everything, or unique as a whole: the same on every server.
SELECT create_reference_table('journal');
SELECT create_reference_table('installation');
SELECT create_reference_table('projection');
SELECT create_reference_table('projection_pause');
SELECT create_reference_table('signing_key');
SELECT create_reference_table('signing_key_clear');
SELECT create_reference_table('seal');
SELECT create_reference_table('scrubbed');
SELECT create_reference_table('webhook');
SELECT create_reference_table('webhook_secret_clear');
SELECT create_reference_table('oauth_client');
SELECT create_reference_table('proactive_position');
SELECT create_reference_table('proactive_day');
COMMIT;
