-- How many runs there are, by status: see the PostgreSQL migration of this number. One process, one connection that
-- writes: triggers are the shortest way to have it exact.

CREATE TABLE run_counts (
    namespace_id BLOB NOT NULL,
    status       INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    PRIMARY KEY (namespace_id, status)
);

INSERT INTO run_counts
SELECT namespace_id, status, count(*) FROM runs
WHERE status > 0 AND json_type(search, '$.TemporalNamespaceDivision') IS NULL GROUP BY namespace_id, status;

CREATE TRIGGER runs_counted AFTER INSERT ON runs
WHEN new.status > 0 AND json_type(new.search, '$.TemporalNamespaceDivision') IS NULL
BEGIN
    INSERT INTO run_counts VALUES (new.namespace_id, new.status, 1)
    ON CONFLICT (namespace_id, status) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER runs_uncounted AFTER UPDATE OF status, search ON runs
WHEN (old.status <> new.status OR old.search IS NOT new.search)
    AND old.status > 0 AND json_type(old.search, '$.TemporalNamespaceDivision') IS NULL
BEGIN
    UPDATE run_counts SET n = n - 1 WHERE namespace_id = old.namespace_id AND status = old.status;
END;

CREATE TRIGGER runs_recounted AFTER UPDATE OF status, search ON runs
WHEN (old.status <> new.status OR old.search IS NOT new.search)
    AND new.status > 0 AND json_type(new.search, '$.TemporalNamespaceDivision') IS NULL
BEGIN
    INSERT INTO run_counts VALUES (new.namespace_id, new.status, 1)
    ON CONFLICT (namespace_id, status) DO UPDATE SET n = n + 1;
END;
