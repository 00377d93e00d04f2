/* PostgreSQL behind the store's door: what its files share. Private to common/store/pg*.c.
 *
 *   pg.c         the store, its lanes, the dispatch of operations
 *   pg_conn.c    one connection: connect, lose, reconnect      pg_pipe.c  its requests
 *   pg_value.c   parameters and results in binary
 *   pg_commit.c  the writer: fence, batch, doubt, poison
 *   pg_read.c    runs          pg_lookup.c   which run is current, for many workflow ids at once
 *   pg_list.c    lists and counts
 *   pg_cluster.c members, assignments, namespaces, claims
 *   pg_migrate.c schema, blocking */
#pragma once

#include <libpq-fe.h>
#include <stdatomic.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/store/store_ops.h"

enum pg_statement {
#define SQL(name, conn, text) PG_##name,
#include "common/store/pg_sql.def"
#undef SQL
    PG_STATEMENT_COUNT
};

enum pg_role { PG_WRITER, PG_READER, PG_QUERIER /* lists and counts: statements as they come */ };

struct pg_store {
    struct store store;
    struct arena arena;
    const char *conninfo, *name; /* of the connections, as the server shows it */
    struct duration connect_timeout, statement_timeout;
    /* Connections that cannot reach the database; the first and the last of an outage write the log
     * lines. Atomic because the lanes of a process share it; nothing depends on it but the log. */
    atomic_uint away;
};

/* ---- values (pg_value.c) ---- */

enum { PG_PARAM_MAX = 25, PG_BYTES_MAX = 512 << 20 };

struct pg_params {
    struct arena *arena;
    int count;
    bool overflow; /* something is too large for one message */
    const char *values[PG_PARAM_MAX];
    int lengths[PG_PARAM_MAX];
};

void pg_put_i64(struct pg_params *p, int64_t v);
void pg_put_i32(struct pg_params *p, int32_t v);
void pg_put_i16(struct pg_params *p, int16_t v);
void pg_put_bool(struct pg_params *p, bool v);
void pg_put_null(struct pg_params *p);
void pg_put_str(struct pg_params *p, struct str s); /* text and bytea; borrowed until sent */
void pg_put_uuid(struct pg_params *p, struct uuid id);
void pg_put_json(struct pg_params *p, struct str s); /* jsonb; empty: NULL */

/* Arrays: begin, one call per element, end. */
enum pg_type {
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_UUID = 2950,
    PG_JSONB = 3802
};
void pg_array_begin(struct pg_params *p, struct buf *a, enum pg_type type, size_t count);
void pg_array_i64(struct buf *a, int64_t v);
void pg_array_i32(struct buf *a, int32_t v);
void pg_array_i16(struct buf *a, int16_t v);
void pg_array_str(struct buf *a, struct str s);
void pg_array_json(struct buf *a, struct str s);
void pg_array_null(struct buf *a);
void pg_array_end(struct pg_params *p, struct buf *a);

int64_t pg_i64(const PGresult *r, int row, int col);
int32_t pg_i32(const PGresult *r, int row, int col);
int16_t pg_i16(const PGresult *r, int row, int col);
bool pg_bool(const PGresult *r, int row, int col);
struct str pg_str(const PGresult *r, int row, int col); /* borrowed from the result */
struct uuid pg_uuid(const PGresult *r, int row, int col);
size_t pg_changed(const PGresult *r); /* rows written by the command */

/* ---- connections (pg_conn.c) ---- */

struct pg_conn;

enum pg_outcome {
    PG_OK,
    PG_ERROR, /* the server refused: sqlstate, message, failed_at; nothing of the request is stored
               */
    PG_LOST,  /* the connection ended after the request was sent: done or not done */
    PG_EXPIRED, /* its deadline passed before it was sent */
    PG_CLOSED,  /* the lane closes the store */
};

enum { PG_RESULTS_MAX = 12 };

/* One pipeline of statements ended by one Sync: an implicit transaction. */
struct pg_request {
    struct list_node node;
    struct instant deadline; /* monotonic; to be sent by then; INSTANT_NEVER for commits */
    struct instant sent_at;
    /* Sends its statements with pg_send; false: nothing was sent, the connection is broken. */
    bool (*send)(struct pg_request *request, struct pg_conn *conn);
    /* The request is no longer the connection's and may be submitted again; the results are freed
     * when this returns. */
    void (*finish)(struct pg_request *request, enum pg_outcome outcome);
    PGresult *results[PG_RESULTS_MAX];
    unsigned result_count, failed_at;
    bool failed;
    char sqlstate[6];
    char message[256];
};

struct pg_conn *pg_conn_new(struct pg_store *store, struct lane *lane, enum pg_role role);
/* Ends all requests with PG_CLOSED. */
void pg_conn_free(struct pg_conn *conn);
/* Queues; finish() never runs inside. False when the queue is full. */
bool pg_conn_submit(struct pg_conn *conn, struct pg_request *request);
/* How long the oldest request that was sent has been without an answer; 0: there is none. NULL is fine. */
struct duration pg_conn_waits_since(const struct pg_conn *conn);
bool pg_send(struct pg_conn *conn, enum pg_statement statement, const struct pg_params *params);
bool pg_send_text(struct pg_conn *conn, const char *sql);
/* Ends the connection and looks for the database anew (another host may be the primary by now). */
void pg_conn_break(struct pg_conn *conn, const char *why);
/* Grows whenever a connection is made: what belonged to the session before is gone. */
uint64_t pg_conn_session(const struct pg_conn *conn);
/* Marks this connection as unable to work, or able again, for the log. */
void pg_conn_away(struct pg_conn *conn, const char *why);
void pg_conn_back(struct pg_conn *conn);
bool pg_conn_is_away(const struct pg_conn *conn);

/* Keywords and values for libpq: ours first, the user's string overrides. Arrays of PG_KEYWORDS. */
enum { PG_KEYWORDS = 10 };
void pg_connect_params(const struct pg_store *store, const char **keywords, const char **values);

/* ---- operations ---- */

struct pg_lane;

struct pg_op {
    struct pg_request request;
    struct list_node node;
    struct arena arena;
    struct pg_lane *pl;
    enum store_kind kind;
    struct store_op *op;
    struct list_node in_lookup;
    int step;   /* of operations with several round trips */
    bool again; /* set by finish: one more round trip */
};

/* Statements of an operation; false as in pg_request. */
typedef bool pg_op_send(struct pg_op *op, struct pg_conn *conn);
/* Reads the results (request.results) into the operation. */
typedef enum err pg_op_read(struct pg_op *op, struct fail *f);

struct pg_writer {
    struct lane *lane;
    struct pg_conn *conn;
    bool claimed, fenced, corrupt;
    uint32_t writer;
    struct uuid owner;
    int64_t epoch, session, seq; /* seq: of the last acknowledged commit */
    struct instant stalled_since;

    /* of the running commit */
    struct store_commit *op;
    struct instant started;
    struct arena arena, scratch; /* scratch: of one sending */
    struct pg_request request;
    struct lane_timer retry;
    unsigned retries;
    struct store_batch batch;     /* what remains of op's batch */
    bool resolve;                 /* the writer row must be read before anything else */
    bool doubt;                   /* a connection was lost that had the batch: it may be stored */
    bool overflow;                /* something of the batch is too large for one message */
    struct pg_suspects *suspects; /* the search for poison; NULL: none */
    uint64_t *poisoned;
    size_t poisoned_count;
    struct fail poison;
    enum { PG_SENT_BATCH, PG_SENT_TEST, PG_SENT_RESOLVE } sent;
};

void pg_writer_commit(struct pg_writer *w, struct store_commit *op);
/* The operation on the way, if any, ends with ERR_CANCELLED; its connection is gone already. */
void pg_writer_close(struct pg_writer *w);
/* Sends the statements of w->batch but no Sync (pg_batch.c); dry, or with w->overflow: ended by a
 * statement that always fails. */
bool pg_batch_send(struct pg_conn *conn, struct pg_writer *w, bool dry);

/* Loads of current runs: one question about many is under way at a time. */
struct pg_lookup {
    struct pg_request request;
    struct arena arena;
    struct list waiting, asked; /* pg_op by in_lookup; in order of arrival */
    size_t waiting_count;
    bool busy; /* the request is the connection's */
};

struct pg_lane {
    struct store_lane sl;
    struct pg_store *store;
    struct arena arena;
    struct pg_conn *reader, *querier;
    struct pg_writer writer;
    struct list ops, refusals;
    struct pg_lookup lookup;
    uint64_t plan_session; /* session that holds the planner's lock; 0: none */
    struct lane_timer partitions;
};

/* Tables by store_kind: pg_read.c and pg_cluster.c bring their rows. */
struct pg_kind {
    pg_op_send *send;
    pg_op_read *read;
};
extern const struct pg_kind pg_kinds_read[], pg_kinds_list[], pg_kinds_cluster[];

void pg_run_row(const PGresult *r, int row, struct store_run_row *ret);

/* Frees op; its done() runs inside. */
void pg_op_end(struct pg_op *op, enum err err, const struct fail *f);
/* What is done when op's own request is over. */
void pg_op_finish(struct pg_request *request, enum pg_outcome outcome);

void pg_lookup_init(struct pg_lookup *lookup);
bool pg_lookup_wanted(const struct pg_op *op);
/* False: too many wait. done() never runs inside. */
bool pg_lookup_start(struct pg_op *op) MUST_USE;
void pg_lookup_deinit(struct pg_lookup *lookup);

enum err pg_migrate(struct store *store, struct fail *f);
enum err pg_schema_version(struct store *store, int *found, int *ours, struct fail *f);
