/* The PostgreSQL store: configuration, lanes, and the life of every operation but the commit
 * (pg_commit.c). A lane has a writer connection, made by its first commit, one for the lists that users think up, and
 * a reader connection for all else; each comes up when first used. */
#include <stdlib.h>

#include "common/obs/log.h"
#include "common/store/pg.h"

static struct pg_store *store_of(struct store *store)
{
    return container_of(store, struct pg_store, store);
}

static struct pg_lane *lane_of(const struct store_lane *sl)
{
    return container_of(sl, struct pg_lane, sl);
}

/* ---- operations ---- */

static bool is_list(enum store_kind kind)
{
    return kind == STORE_LIST_RUNS || kind == STORE_COUNT_RUNS;
}

static const struct pg_kind *kind_of(enum store_kind kind)
{
    bool run = kind >= STORE_LOAD && kind <= STORE_SCAN_CLOSED;
    return is_list(kind) ? &pg_kinds_list[kind]
           : run         ? &pg_kinds_read[kind]
                         : &pg_kinds_cluster[kind];
}

static struct pg_conn *conn_of(const struct pg_op *op)
{
    return is_list(op->kind) ? op->pl->querier : op->pl->reader;
}

void pg_op_end(struct pg_op *op, enum err err, const struct fail *f)
{
    struct arena arena = op->arena; /* holds op itself */
    list_remove(&op->node);
    if (op->op) {
        op->op->done(op->op, err, f);
    }
    arena_deinit(&arena);
}

static enum err op_error(const struct pg_op *op, struct fail *f)
{
    const struct pg_request *r = &op->request;
    if (strcmp(r->sqlstate, "23505") == 0) {
        return fail(f, ERR_ALREADY_EXISTS, "%s", r->message);
    }
    if (strcmp(r->sqlstate, "57014") == 0 && is_list(op->kind)) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "the query takes too long: make it more selective");
    }
    if (strncmp(r->sqlstate, "22", 2) == 0) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s", r->message);
    }
    if (strncmp(r->sqlstate, "57", 2) == 0 || strncmp(r->sqlstate, "53", 2) == 0 ||
            strncmp(r->sqlstate, "40", 2) == 0 || strncmp(r->sqlstate, "08", 2) == 0) {
        return fail(f, ERR_UNAVAILABLE, "%s", r->message);
    }
    return fail(f, ERR_STORE, "%s: %s", r->sqlstate, r->message);
}

static bool op_send(struct pg_request *request, struct pg_conn *conn)
{
    struct pg_op *op = container_of(request, struct pg_op, request);
    return kind_of(op->kind)->send(op, conn);
}

void pg_op_finish(struct pg_request *request, enum pg_outcome outcome)
{
    struct pg_op *op = container_of(request, struct pg_op, request);
    struct fail f = { 0 };
    enum err err = ERR_NONE;
    switch (outcome) {
    case PG_OK:
        op->again = false;
        err = kind_of(op->kind)->read(op, &f);
        if (op->again && pg_conn_submit(conn_of(op), request)) {
            return;
        }
        break;
    case PG_ERROR:
        err = op_error(op, &f);
        if (strcmp(request->sqlstate, "0A000") == 0 || strcmp(request->sqlstate, "26000") == 0) {
            pg_conn_break(conn_of(op), request->message); /* prepared before a migration */
        }
        break;
    case PG_LOST:
        err = fail(&f, ERR_UNAVAILABLE, "the connection to the database was lost");
        break;
    case PG_EXPIRED:
        err = fail(&f, ERR_UNAVAILABLE, "the database is away");
        break;
    case PG_CLOSED:
        err = fail(&f, ERR_CANCELLED, "the store is being closed");
        break;
    }
    pg_op_end(op, err, err ? &f : NULL);
}

/* Refusals before anything is sent, on a later turn: never inside the starting call. */
struct refusal {
    struct lane_task task;
    struct list_node node;
    struct store_op *op;
    struct fail f;
};

static void refusal_deliver(struct refusal *r)
{
    struct store_op *op = r->op;
    list_remove(&r->node);
    r->op = NULL;
    if (op) {
        op->done(op, r->f.err, &r->f);
    }
}

static void refusal_run(struct lane_task *task)
{
    struct refusal *r = container_of(task, struct refusal, task);
    refusal_deliver(r);
    free(r);
}

static void refuse(struct pg_lane *pl, struct store_op *op, enum err err, const char *text)
{
    struct refusal *r = calloc(1, sizeof(*r));
    check(r);
    r->op = op;
    (void)fail(&r->f, err, "%s", text);
    r->task.run = refusal_run;
    list_append(&pl->refusals, &r->node);
    lane_defer(pl->sl.lane, &r->task);
}

static void start_commit(struct pg_lane *pl, struct store_op *op)
{
    struct pg_writer *w = &pl->writer;
    if (!w->claimed) {
        refuse(pl, op, ERR_FAILED_PRECONDITION, "no writer has been claimed");
    } else if (w->corrupt) {
        refuse(pl, op, ERR_CORRUPT, "the database was set back to an older state");
    } else if (w->fenced) {
        refuse(pl, op, ERR_FENCED, "the writer has a new owner");
    } else {
        pg_writer_commit(w, container_of(op, struct store_commit, op));
    }
}

static void start(struct store_lane *sl, enum store_kind kind, struct store_op *op)
{
    struct pg_lane *pl = lane_of(sl);
    if (kind == STORE_COMMIT) {
        start_commit(pl, op);
        return;
    }
    struct arena arena = { 0 };
    struct pg_op *o = NEW(&arena, struct pg_op, 1);
    o->pl = pl;
    o->kind = kind;
    o->op = op;
    o->request = (struct pg_request){
        .deadline = instant_add(lane_monotonic(sl->lane), DURATION_SECONDS(3)),
        .send = op_send,
        .finish = pg_op_finish,
    };
    o->arena = arena;
    list_append(&pl->ops, &o->node);
    bool taken = pg_lookup_wanted(o) ? pg_lookup_start(o) : pg_conn_submit(conn_of(o), &o->request);
    if (!taken) {
        o->op = NULL;
        pg_op_end(o, ERR_NONE, NULL);
        refuse(pl, op, ERR_RESOURCE_EXHAUSTED, "too many operations wait for the database");
    }
}

/* ---- partitions of the log are made ahead, daily, by the first lane of every process ---- */

static void partitions_fire(struct lane_timer *timer);

static void partitions_done(struct pg_request *request, enum pg_outcome outcome)
{
    struct pg_op *op = container_of(request, struct pg_op, request);
    struct pg_lane *pl = op->pl;
    if (outcome == PG_ERROR) {
        log_warn("log_partitions_failed", LOG_CSTR("text", request->message));
    }
    pg_op_end(op, ERR_NONE, NULL);
    if (outcome != PG_CLOSED) {
        lane_timer_start(pl->sl.lane, &pl->partitions,
                DURATION_SECONDS(outcome == PG_OK ? 24 * 3600 : 60), partitions_fire);
    }
}

static bool partitions_send(struct pg_request *request, struct pg_conn *conn)
{
    return pg_send(conn, PG_MAKE_PARTITIONS, NULL);
}

static void partitions_fire(struct lane_timer *timer)
{
    struct pg_lane *pl = container_of(timer, struct pg_lane, partitions);
    struct arena arena = { 0 };
    struct pg_op *o = NEW(&arena, struct pg_op, 1);
    o->pl = pl;
    o->request = (struct pg_request){
        .deadline = INSTANT_NEVER, .send = partitions_send, .finish = partitions_done
    };
    o->arena = arena;
    list_append(&pl->ops, &o->node);
    if (!pg_conn_submit(pl->reader, &o->request)) {
        partitions_done(&o->request, PG_EXPIRED);
    }
}

/* ---- lanes and the store ---- */

static struct store_lane *lane_open(struct store *store, struct lane *lane)
{
    struct arena arena = { 0 };
    struct pg_lane *pl = NEW(&arena, struct pg_lane, 1);
    pl->arena = arena;
    pl->sl = (struct store_lane){ store->ops, lane };
    pl->store = store_of(store);
    list_init(&pl->ops);
    list_init(&pl->refusals);
    pg_lookup_init(&pl->lookup);
    pl->reader = pg_conn_new(pl->store, lane, PG_READER);
    pl->querier = pg_conn_new(pl->store, lane, PG_QUERIER);
    pl->writer.lane = lane;
    pl->writer.conn = pg_conn_new(pl->store, lane, PG_WRITER);
    if (lane_index(lane) == 0) {
        lane_timer_start(lane, &pl->partitions, DURATION_SECONDS(3600), partitions_fire);
    }
    return &pl->sl;
}

static void lane_close(struct store_lane *sl)
{
    struct pg_lane *pl = lane_of(sl);
    lane_timer_stop(sl->lane, &pl->partitions);
    pg_conn_free(pl->writer.conn);
    pg_writer_close(&pl->writer);
    pg_conn_free(pl->reader);
    pg_conn_free(pl->querier);
    pg_lookup_deinit(&pl->lookup);
    for (struct list_node *n; (n = list_first(&pl->refusals));) {
        refusal_deliver(list_entry(n, struct refusal, node)); /* its task frees it */
    }
    struct arena arena = pl->arena;
    arena_deinit(&arena);
}

/* Without an answer for so long: a commit takes milliseconds; a take-over may read for a while. */
#define SILENCE        DURATION_SECONDS(1)
#define READER_SILENCE DURATION_SECONDS(4)

static struct instant stalled_since(const struct store_lane *sl)
{
    const struct pg_writer *w = &lane_of(sl)->writer;
    if (instant_is_set(w->stalled_since)) {
        return w->stalled_since;
    }
    struct instant now = lane_now(sl->lane);
    if (w->op && (pg_conn_is_away(w->conn) || instant_since(now, w->started).ns > SILENCE.ns)) {
        return w->started;
    }
    /* A server that has stopped in its tracks keeps its connections, and says nothing on any. */
    struct duration silent = pg_conn_waits_since(lane_of(sl)->reader);
    return silent.ns > READER_SILENCE.ns ? (struct instant){ now.ns - silent.ns }
                                         : (struct instant){ 0 };
}

static void store_free_pg(struct store *store)
{
    struct arena arena = store_of(store)->arena;
    arena_deinit(&arena);
}

static const struct store_ops pg_ops = {
    .free = store_free_pg,
    .lane_open = lane_open,
    .migrate = pg_migrate,
    .schema_version = pg_schema_version,
    .lane_close = lane_close,
    .start = start,
    .stalled_since = stalled_since,
};

enum err store_pg_check(const char *conninfo, struct fail *f)
{
    char *text = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &text);
    struct str why = str_trim(str_from_cstr(text));
    enum err err = options ? ERR_NONE : fail(f, ERR_INVALID_ARGUMENT, STR_FMT, STR_ARG(why));
    PQconninfoFree(options);
    PQfreemem(text);
    return err;
}

struct store *store_pg_new(const struct store_pg_config *config)
{
    struct arena arena = { 0 };
    struct pg_store *s = NEW(&arena, struct pg_store, 1);
    s->store.ops = &pg_ops;
    s->conninfo = str_cstr(&arena, str_from_cstr(config->conninfo));
    s->name = "perdure";
    if (!uuid_is_zero(config->member)) {
        s->name = str_printf(&arena, "perdure %s", uuid_format(config->member).s).ptr;
    }
    s->connect_timeout = config->connect_timeout.ns ? config->connect_timeout : DURATION_SECONDS(3);
    s->statement_timeout =
            config->statement_timeout.ns ? config->statement_timeout : DURATION_SECONDS(10);
    s->arena = arena;
    return &s->store;
}
