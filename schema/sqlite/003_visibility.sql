-- What lists and counts show of a run stands in the run's own row: see the PostgreSQL migration of this number.

ALTER TABLE runs ADD COLUMN workflow_type TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN task_queue TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN execution_time INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN parent_workflow_id TEXT;
ALTER TABLE runs ADD COLUMN parent_run_id TEXT;
ALTER TABLE runs ADD COLUMN root_workflow_id TEXT;
ALTER TABLE runs ADD COLUMN root_run_id TEXT;
ALTER TABLE runs ADD COLUMN memo BLOB;
ALTER TABLE runs ADD COLUMN search_attributes BLOB;
ALTER TABLE runs ADD COLUMN search TEXT;
ALTER TABLE runs ADD COLUMN history_length INTEGER;
ALTER TABLE runs ADD COLUMN history_size INTEGER;
ALTER TABLE runs ADD COLUMN state_transitions INTEGER;
-- How many commits there had been, of all writers together, when it was closed.
ALTER TABLE runs ADD COLUMN close_mark INTEGER;

CREATE INDEX runs_open ON runs (namespace_id, start_time DESC, run_key DESC) WHERE status = 1;
CREATE INDEX runs_closed ON runs (namespace_id, close_time DESC, start_time DESC, run_key DESC)
    WHERE close_time IS NOT NULL;
