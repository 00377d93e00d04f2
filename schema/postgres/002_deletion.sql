-- Runs whose row says status 0 are no more (or not yet): what is left of them is removed bit by bit. Few at any time.
CREATE INDEX runs_doomed ON runs (run_key) WHERE status = 0;
