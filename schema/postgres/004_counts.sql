-- How many runs there are, by status, without reading them: each writer keeps its own share in the same transaction
-- that changes the runs, so no two writers wait for each other; the sum over all writers is exact, a share may be
-- negative. Runs of a namespace division (TemporalNamespaceDivision) are not counted, as lists do not show them.

CREATE TABLE run_counts (
    namespace_id     uuid NOT NULL,
    writer           int NOT NULL,
    running          bigint NOT NULL,
    completed        bigint NOT NULL,
    failed           bigint NOT NULL,
    canceled         bigint NOT NULL,
    terminated       bigint NOT NULL,
    continued_as_new bigint NOT NULL,
    timed_out        bigint NOT NULL,
    paused           bigint NOT NULL,
    PRIMARY KEY (namespace_id, writer)
) WITH (fillfactor = 10);

INSERT INTO run_counts
SELECT namespace_id, 0, count(*) FILTER (WHERE status = 1), count(*) FILTER (WHERE status = 2),
    count(*) FILTER (WHERE status = 3), count(*) FILTER (WHERE status = 4), count(*) FILTER (WHERE status = 5),
    count(*) FILTER (WHERE status = 6), count(*) FILTER (WHERE status = 7), count(*) FILTER (WHERE status = 8)
FROM runs WHERE status > 0 AND NOT coalesce(search ? 'TemporalNamespaceDivision', false) GROUP BY namespace_id;
