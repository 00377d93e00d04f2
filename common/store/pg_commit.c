/* The writer: one commit at a time, exactly once whatever happens to the connection.
 *
 *            +--------- lost / try again later --------+
 *            v                                         |
 *   IDLE -> SENT_BATCH -- data error --> SENT_TEST ... -> SENT_BATCH (without the culprits) -> done
 *            |  ^                           |
 *       lost |  | not committed             | lost
 *            v  |                           v
 *          SENT_RESOLVE --> committed: done; other owner: FENCED; seq behind ours: CORRUPT
 *
 * Facts. w->seq is the last acknowledged seq. A batch is (re)sent only with seq = w->seq and the
 * session that the last resolve returned, so of all copies that ever left this process at most one
 * can pass the compare-and-set; resolving raises the session, which kills copies that still sit in
 * a dead connection. The epoch moves only when the row is claimed or fenced. The search for poison
 * never commits: its pieces end in a statement that fails, so that a batch is stored by one
 * transaction or not at all. */
#include <stdlib.h>

#include "common/obs/log.h"
#include "common/store/pg.h"

enum { RETRY_MIN_MS = 50, RETRY_MAX_MS = 2000 };

/* The search: groups in order; accepted ones stay in every later test, so clashes between two
 * groups of one batch cost the second only. Ranges still to be tried are a stack; at most log2(n) +
 * 1 deep. */
struct pg_suspects {
    uint64_t *groups; /* sorted */
    char *verdict;    /* per group */
    size_t count;
    struct {
        size_t from, to;
    } stack[72];
    size_t depth;
};

enum { SUSPECT = 0, GOOD, BAD, TRYING };

static void writer_submit(struct pg_writer *w);

static void commit_done(struct pg_writer *w, enum err err, const struct fail *f)
{
    struct store_commit *op = w->op;
    w->op = NULL;
    w->suspects = NULL;
    w->stalled_since = (struct instant){ 0 };
    w->retries = 0;
    op->poisoned = w->poisoned;
    op->poisoned_count = err ? 0 : w->poisoned_count;
    op->poison = w->poison;
    /* done() may start the next commit, which must not free what this one's owner still reads. */
    struct arena arena = w->arena;
    w->arena = (struct arena){ 0 };
    op->op.done(&op->op, err, f);
    arena_deinit(&arena);
}

static void commit_refuse(struct pg_writer *w, enum err err, const char *text)
{
    struct fail f = { 0 };
    w->fenced |= err == ERR_FENCED;
    w->corrupt |= err == ERR_CORRUPT;
    (void)fail(&f, err, "%s", text);
    commit_done(w, err, &f);
}

static void stalled(struct pg_writer *w)
{
    if (!instant_is_set(w->stalled_since)) {
        w->stalled_since = lane_now(w->lane);
    }
}

/* ---- the search for poison ---- */

static int group_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static char *verdict_of(struct pg_suspects *s, uint64_t group)
{
    uint64_t *at = bsearch(&group, s->groups, s->count, sizeof(group), group_order);
    check(at);
    return &s->verdict[at - s->groups];
}

static bool keep_tried(void *arg, uint64_t group)
{
    char v = *verdict_of(arg, group);
    return v == GOOD || v == TRYING;
}

static void push_range(struct pg_suspects *s, size_t from, size_t to)
{
    check(s->depth < ARRAY_LEN(s->stack));
    s->stack[s->depth].from = from;
    s->stack[s->depth++].to = to;
}

static void mark(struct pg_suspects *s, size_t from, size_t to, char verdict)
{
    memset(s->verdict + from, verdict, to - from);
}

/* Next piece to test, or the final batch of all good groups. */
static void search_next(struct pg_writer *w)
{
    struct pg_suspects *s = w->suspects;
    if (s->depth) {
        mark(s, s->stack[s->depth - 1].from, s->stack[s->depth - 1].to, TRYING);
    }
    store_batch_select(w->op->batch, &w->arena, true, keep_tried, s, &w->batch);
    writer_submit(w);
}

static void search_begin(struct pg_writer *w)
{
    struct pg_suspects *s = NEW(&w->arena, struct pg_suspects, 1);
    s->count = store_batch_groups(w->op->batch, &w->arena, &s->groups);
    qsort(s->groups, s->count, sizeof(*s->groups), group_order);
    s->verdict = NEW(&w->arena, char, s->count);
    w->poisoned = NEW(&w->arena, uint64_t, s->count);
    w->poisoned_count = 0;
    w->suspects = s;
    push_range(s, 0, s->count);
}

/* The top range was tested (or, at first, the whole batch was sent): good, or it contains a
 * culprit. */
static void search_verdict(struct pg_writer *w, bool good)
{
    struct pg_suspects *s = w->suspects;
    size_t from = s->stack[s->depth - 1].from, to = s->stack[s->depth - 1].to;
    s->depth--;
    if (good) {
        mark(s, from, to, GOOD);
    } else if (to - from > 1) {
        size_t mid = from + (to - from) / 2;
        mark(s, from, to, SUSPECT);
        push_range(s, mid, to);
        push_range(s, from, mid);
    } else {
        mark(s, from, to, BAD);
        if (w->poisoned_count == 0) {
            (void)fail(&w->poison, ERR_INVALID_ARGUMENT, "%s",
                    w->overflow ? "too large to be stored" : w->request.message);
        }
        w->poisoned[w->poisoned_count++] = s->groups[from];
    }
    search_next(w);
}

/* ---- outcomes ---- */

static bool starts_with(const struct pg_request *r, const char *class)
{
    return strncmp(r->sqlstate, class, strlen(class)) == 0;
}

/* Data exceptions, integrity violations, limits: the same rows will fail for ever. */
static bool is_data_error(const struct pg_request *r)
{
    return starts_with(r, "22") || starts_with(r, "23") || starts_with(r, "54") ||
           starts_with(r, "21") /* two rows for one key in a set */;
}

static void retry_fire(struct lane_timer *timer)
{
    writer_submit(container_of(timer, struct pg_writer, retry));
}

static void try_later(struct pg_writer *w)
{
    stalled(w);
    pg_conn_away(w->conn, w->request.message);
    int64_t ms = (int64_t)RETRY_MIN_MS << (w->retries < 6 ? w->retries : 6);
    w->retries++;
    ms = ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms;
    lane_timer_start(w->lane, &w->retry, DURATION_MS(ms), retry_fire);
    /* Shut down, crashed, or a standby by now: look for the primary. Statements that were prepared
     * before a migration: prepare them again. */
    static const char *const classes[] = { "57P", "25006", "08", "0A000", "26" };
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (starts_with(&w->request, classes[i])) {
            pg_conn_break(w->conn, w->request.message);
            return;
        }
    }
}

static void on_error(struct pg_writer *w)
{
    const struct pg_request *r = &w->request;
    bool raised = starts_with(r, "22012");
    if (w->sent == PG_SENT_RESOLVE || (!is_data_error(r) && !raised)) {
        try_later(w);
    } else if (raised && r->failed_at == 0) {
        w->resolve = true; /* fenced, or committed by an earlier copy: the row tells */
        writer_submit(w);
    } else if (w->sent == PG_SENT_TEST) {
        /* Only a test that got to its last statement found nothing wrong. */
        search_verdict(w, raised && r->failed_at + 1 == r->result_count && !w->overflow);
    } else {
        w->doubt = false;
        search_begin(w);
        search_verdict(w, false);
    }
}

static void on_resolved(struct pg_writer *w)
{
    const PGresult *mine = w->request.results[0], *seen = w->request.results[1];
    if (PQntuples(mine) == 0) {
        bool behind = PQntuples(seen) == 0 || pg_i64(seen, 0, 1) <= w->epoch;
        commit_refuse(w, behind ? ERR_CORRUPT : ERR_FENCED,
                behind ? "the database was set back to an older state"
                       : "the writer has a new owner");
        return;
    }
    int64_t seq = pg_i64(mine, 0, 1);
    w->session = pg_i64(mine, 0, 0);
    w->resolve = false;
    if (seq == w->seq + 1 && w->doubt) {
        w->seq = seq;
        commit_done(w, ERR_NONE, NULL);
    } else if (seq == w->seq) {
        writer_submit(w);
    } else {
        commit_refuse(w, ERR_CORRUPT, "acknowledged commits are missing in the database");
    }
}

static void writer_finish(struct pg_request *r, enum pg_outcome outcome)
{
    struct pg_writer *w = container_of(r, struct pg_writer, request);
    switch (outcome) {
    case PG_OK:
        pg_conn_back(w->conn);
        if (w->sent == PG_SENT_RESOLVE) {
            on_resolved(w);
        } else {
            w->seq++;
            commit_done(w, ERR_NONE, NULL);
        }
        return;
    case PG_ERROR:
        on_error(w);
        return;
    case PG_LOST:
        stalled(w);
        w->doubt |= w->sent == PG_SENT_BATCH;
        w->resolve = true;
        writer_submit(w);
        return;
    case PG_CLOSED:
        lane_timer_stop(w->lane, &w->retry);
        commit_refuse(w, ERR_CANCELLED, "the store is being closed");
        return;
    case PG_EXPIRED:
        break;
    }
    unreachable_state(outcome);
}

/* Decided when the connection is there: a lost one may have been replaced since. */
static bool writer_send(struct pg_request *r, struct pg_conn *conn)
{
    struct pg_writer *w = container_of(r, struct pg_writer, request);
    if (w->resolve) {
        arena_reset(&w->scratch);
        struct pg_params who = { .arena = &w->scratch }, row = { .arena = &w->scratch };
        pg_put_i32(&who, (int32_t)w->writer);
        pg_put_uuid(&who, w->owner);
        pg_put_i64(&who, w->epoch);
        pg_put_i32(&row, (int32_t)w->writer);
        w->sent = PG_SENT_RESOLVE;
        return pg_send(conn, PG_RESOLVE, &who) && pg_send(conn, PG_SEE_WRITER, &row);
    }
    bool test = w->suspects && w->suspects->depth;
    w->sent = test ? PG_SENT_TEST : PG_SENT_BATCH;
    return pg_batch_send(conn, w, test);
}

static void writer_submit(struct pg_writer *w)
{
    w->request.deadline = INSTANT_NEVER;
    w->request.send = writer_send;
    w->request.finish = writer_finish;
    check(pg_conn_submit(w->conn, &w->request));
}

void pg_writer_commit(struct pg_writer *w, struct store_commit *op)
{
    check(!w->op);
    w->op = op;
    w->started = lane_now(w->lane);
    w->poisoned = NULL;
    w->poisoned_count = 0;
    w->poison = (struct fail){ 0 };
    w->doubt = w->resolve = false;
    store_batch_select(op->batch, &w->arena, true, NULL, NULL, &w->batch);
    writer_submit(w);
}

void pg_writer_close(struct pg_writer *w)
{
    lane_timer_stop(w->lane, &w->retry);
    if (w->op) {
        commit_refuse(w, ERR_CANCELLED, "the store is being closed");
    }
    arena_deinit(&w->arena);
    arena_deinit(&w->scratch);
}
