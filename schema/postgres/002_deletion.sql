-- Runs whose row says status 0 are no more (or not yet): what is left of them is removed bit by bit. Few at any time.
CREATE INDEX runs_doomed ON runs (run_key) WHERE status = 0;
-- What retention lets go, by namespace. Runs close in the order of time: the index grows at its end.
CREATE INDEX runs_closed ON runs (namespace_id, close_time, run_key) WHERE close_time IS NOT NULL AND status <> 0;
