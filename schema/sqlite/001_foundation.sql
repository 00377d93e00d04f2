-- The same tables as in PostgreSQL, one file, one process: see schema/README.md.
-- Times are nanoseconds since 1970; ids are 16-byte blobs; all tables have rowids (half the cost of
-- WITHOUT ROWID here).

CREATE TABLE writers (
    writer       INTEGER PRIMARY KEY CHECK (writer BETWEEN 0 AND 1023),
    owner        BLOB,
    lane         INTEGER,
    epoch        INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    last_run_key INTEGER NOT NULL,
    UNIQUE (owner, lane)
);

CREATE TABLE history_log (
    run_key        INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    first_event_id INTEGER NOT NULL,
    event_count    INTEGER NOT NULL,
    events         BLOB NOT NULL,
    records        BLOB NOT NULL,
    PRIMARY KEY (run_key, seq)
);

CREATE TABLE snapshots (
    run_key INTEGER PRIMARY KEY,
    seq     INTEGER NOT NULL,
    data    BLOB NOT NULL
);

CREATE TABLE runs (
    run_key       INTEGER PRIMARY KEY,
    shard         INTEGER NOT NULL,
    namespace_id  BLOB NOT NULL,
    run_id        BLOB NOT NULL,
    workflow_id   TEXT NOT NULL,
    status        INTEGER NOT NULL,
    wake_at       INTEGER,
    start_time    INTEGER NOT NULL,
    close_time    INTEGER,
    backlog_queue TEXT,
    backlog_type  INTEGER
);
CREATE INDEX runs_by_workflow ON runs (namespace_id, workflow_id);
-- Not by shard first: the one process that uses the file owns all of them.
CREATE INDEX runs_to_wake ON runs (wake_at, run_key) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_backlog_by_queue ON runs (namespace_id, backlog_queue, backlog_type, run_key)
    WHERE backlog_queue IS NOT NULL AND status = 1;
CREATE INDEX runs_backlog ON runs (run_key) WHERE backlog_queue IS NOT NULL AND status = 1;

CREATE TABLE current_runs (
    namespace_id BLOB NOT NULL,
    workflow_id  TEXT NOT NULL,
    shard        INTEGER NOT NULL,
    run_key      INTEGER NOT NULL,
    PRIMARY KEY (namespace_id, workflow_id)
);

CREATE TABLE namespaces (
    id      BLOB PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    state   INTEGER NOT NULL,
    data    BLOB NOT NULL,
    version INTEGER NOT NULL
);

CREATE TABLE members (
    id       BLOB PRIMARY KEY,
    roles    TEXT NOT NULL,
    address  TEXT NOT NULL,
    lanes    INTEGER NOT NULL,
    draining INTEGER NOT NULL,
    beat_at  INTEGER NOT NULL
);

CREATE TABLE assignments (
    shard   INTEGER PRIMARY KEY,
    owner   BLOB,
    version INTEGER NOT NULL
);
CREATE INDEX assignments_by_version ON assignments (version);

CREATE TABLE cluster (
    one                INTEGER PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    cluster_id         BLOB NOT NULL,
    assignment_version INTEGER NOT NULL DEFAULT 0,
    namespace_version  INTEGER NOT NULL DEFAULT 0
);
INSERT INTO cluster (cluster_id) VALUES (randomblob(16));
