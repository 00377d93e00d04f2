-- What lists and counts show of a run stands in the run's own row: it is inserted and closed there anyway, so being
-- visible costs no row of its own and can never lag behind.

ALTER TABLE runs
    ADD COLUMN workflow_type      text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN task_queue         text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN execution_time     bigint NOT NULL DEFAULT 0,
    ADD COLUMN parent_workflow_id text COLLATE "C",
    ADD COLUMN parent_run_id      text COLLATE "C",
    ADD COLUMN root_workflow_id   text COLLATE "C", -- NULL: it is the root
    ADD COLUMN root_run_id        text COLLATE "C",
    ADD COLUMN memo               bytea COMPRESSION lz4, -- as the API carries it
    ADD COLUMN search_attributes  bytea COMPRESSION lz4, -- the same
    ADD COLUMN search             jsonb, -- its attributes in comparable form
    ADD COLUMN history_length     bigint, -- these three: at the close
    ADD COLUMN history_size       bigint,
    ADD COLUMN state_transitions  bigint,
    ADD COLUMN close_mark         xid8; -- the transaction that closed it: what a list saw open stays open in its pages

-- In the order of lists: open runs by start, then closed ones by close.
CREATE INDEX runs_open ON runs (namespace_id, start_time DESC, run_key DESC) WHERE status = 1;
CREATE INDEX runs_closed ON runs (namespace_id, close_time DESC, start_time DESC, run_key DESC)
    WHERE close_time IS NOT NULL;
CREATE INDEX runs_by_search ON runs USING gin (search jsonb_path_ops) WHERE search IS NOT NULL;
