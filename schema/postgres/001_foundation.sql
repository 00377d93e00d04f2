-- The foundation: see schema/README.md for who writes which table under which condition.

-- One row per writer (a history lane). Every commit begins with a compare-and-set of seq on it; whoever
-- changes owner or epoch fences the writer. session grows when the owner comes back after a lost connection:
-- copies of a batch that still sit in the old one can then do nothing. Small fillfactor: each commit updates
-- one row, always in place.
CREATE TABLE writers (
    writer       int PRIMARY KEY CHECK (writer BETWEEN 0 AND 1023),
    owner        uuid,
    lane         int,
    epoch        bigint NOT NULL,
    session      bigint NOT NULL,
    seq          bigint NOT NULL,
    last_run_key bigint NOT NULL,
    UNIQUE (owner, lane)
) WITH (fillfactor = 10);

CREATE TABLE history_log (
    run_key        bigint NOT NULL,
    seq            int NOT NULL,
    first_event_id bigint NOT NULL,
    event_count    int NOT NULL,
    events         bytea COMPRESSION lz4 NOT NULL,
    records        bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (run_key, seq)
) PARTITION BY RANGE (run_key);

CREATE TABLE history_log_default PARTITION OF history_log DEFAULT;

-- Makes the partitions of this week and the given number of coming ones: a week of run keys is
-- 604800 << 31. Safe to call at any time by anybody; a week whose rows already went to the default
-- partition keeps them there. Attaching (not CREATE ... PARTITION OF) lets writers go on meanwhile.
CREATE FUNCTION make_log_partitions(weeks int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    this_week bigint := extract(epoch FROM clock_timestamp())::bigint / 604800;
    part text;
    week bigint;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(1885696612, 2);
    FOR w IN this_week .. this_week + weeks LOOP
        week := w;
        part := 'history_log_w' || week;
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE %I (LIKE history_log INCLUDING DEFAULTS INCLUDING COMPRESSION)', part);
            EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (run_key, seq)', part);
            EXECUTE format('ALTER TABLE history_log ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                part, week * 604800 << 31, (week + 1) * 604800 << 31);
            made := made + 1;
        EXCEPTION WHEN check_violation THEN
            NULL; -- the default partition has rows of that week: they stay
        END;
    END LOOP;
    RETURN made;
END $$;

CREATE TABLE snapshots (
    run_key bigint PRIMARY KEY,
    seq     int NOT NULL,
    data    bytea COMPRESSION lz4 NOT NULL
);

-- Times are nanoseconds since 1970, exact; NULL wake_at: nothing to wake for; NULL close_time: open.
CREATE TABLE runs (
    run_key       bigint PRIMARY KEY,
    shard         int NOT NULL,
    namespace_id  uuid NOT NULL,
    run_id        uuid NOT NULL,
    workflow_id   text COLLATE "C" NOT NULL,
    status        smallint NOT NULL,
    wake_at       bigint,
    start_time    bigint NOT NULL,
    close_time    bigint,
    backlog_queue text COLLATE "C",
    backlog_type  smallint
) WITH (fillfactor = 90);
CREATE INDEX runs_by_workflow ON runs (namespace_id, workflow_id);
-- A closed run wakes too while others are still to hear of its end.
CREATE INDEX runs_to_wake ON runs (shard, wake_at, run_key) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_backlog_by_queue ON runs (namespace_id, backlog_queue, backlog_type, run_key)
    WHERE backlog_queue IS NOT NULL AND status = 1;
-- Another condition than above, so that neither query can be planned with the other's index.
CREATE INDEX runs_backlog_by_shard ON runs (shard, run_key) WHERE backlog_type > 0 AND status = 1;
ALTER TABLE runs SET (autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE current_runs (
    namespace_id uuid NOT NULL,
    workflow_id  text COLLATE "C" NOT NULL,
    shard        int NOT NULL,
    run_key      bigint NOT NULL,
    PRIMARY KEY (namespace_id, workflow_id)
) WITH (fillfactor = 90);

CREATE TABLE namespaces (
    id      uuid PRIMARY KEY,
    name    text COLLATE "C" NOT NULL UNIQUE,
    state   int NOT NULL,
    data    bytea NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE members (
    id       uuid PRIMARY KEY,
    roles    text NOT NULL,
    address  text NOT NULL,
    lanes    int NOT NULL,
    draining boolean NOT NULL,
    beat_at  timestamptz NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE assignments (
    shard   int PRIMARY KEY,
    owner   uuid,
    version bigint NOT NULL
);
CREATE INDEX assignments_by_version ON assignments (version);

CREATE TABLE cluster (
    one                boolean PRIMARY KEY DEFAULT true CHECK (one),
    cluster_id         uuid NOT NULL DEFAULT gen_random_uuid(),
    assignment_version bigint NOT NULL DEFAULT 0,
    namespace_version  bigint NOT NULL DEFAULT 0
);
INSERT INTO cluster DEFAULT VALUES;
