/* Which run of a workflow id is current, asked for many ids in one statement: every start of a
 * workflow asks it, and nearly always the answer is none. While one question is under way the next
 * gathers, as commits do. A run that was found is then loaded by its operation's own request. */
#include "common/store/pg.h"

enum { LOOKUP_MAX = 512, WAITING_MAX = 4096 };

static void lookup_submit(struct pg_lane *pl);

static struct pg_op *first(const struct list *list)
{
    return list_entry(list_first(list), struct pg_op, in_lookup);
}

/* ---- asking ---- */

static bool lookup_send(struct pg_request *request, struct pg_conn *conn)
{
    struct pg_lookup *lu = container_of(request, struct pg_lookup, request);
    struct pg_params p = { .arena = &lu->arena };
    struct buf namespaces, ids;
    size_t n = lu->waiting_count < LOOKUP_MAX ? lu->waiting_count : LOOKUP_MAX;
    arena_reset(&lu->arena);
    for (size_t i = 0; i < n; i++) {
        struct list_node *node = list_pop(&lu->waiting);
        list_append(&lu->asked, node);
    }
    lu->waiting_count -= n;
    pg_array_begin(&p, &namespaces, PG_UUID, n);
    list_each(&lu->asked, node)
    {
        struct pg_op *op = list_entry(node, struct pg_op, in_lookup);
        struct uuid id = container_of(op->op, struct store_load, op)->namespace_id;
        pg_array_str(&namespaces, str_of((const char *)id.b, sizeof(id.b)));
    }
    pg_array_end(&p, &namespaces);
    pg_array_begin(&p, &ids, PG_TEXT, n);
    list_each(&lu->asked, node)
    {
        struct pg_op *op = list_entry(node, struct pg_op, in_lookup);
        pg_array_str(&ids, container_of(op->op, struct store_load, op)->workflow_id);
    }
    pg_array_end(&p, &ids);
    return !p.overflow && pg_send(conn, PG_RUN_CURRENT_N, &p);
}

/* ---- answers ---- */

/* The rows name places in the question, in any order. */
static void take_answers(struct pg_lookup *lu, const PGresult *r)
{
    enum { PLACE = 12 };
    size_t count = 0, i = 0;
    list_each(&lu->asked, node)
    {
        count++;
    }
    run_key *keys = NEW(&lu->arena, run_key, count);
    for (int row = 0; row < PQntuples(r); row++) {
        int64_t place = pg_i64(r, row, PLACE);
        check(place >= 1 && (size_t)place <= count);
        keys[place - 1] = pg_i64(r, row, 0);
    }
    list_each(&lu->asked, node)
    {
        struct pg_op *op = list_entry(node, struct pg_op, in_lookup);
        container_of(op->op, struct store_load, op)->run.key = keys[i++];
    }
}

static void found(struct pg_op *op)
{
    struct fail f = { 0 };
    run_key key = container_of(op->op, struct store_load, op)->run.key;
    if (key == 0) {
        (void)fail(&f, ERR_NOT_FOUND, "no such run");
        pg_op_end(op, ERR_NOT_FOUND, &f);
        return;
    }
    op->step = 1;
    if (!pg_conn_submit(op->pl->reader, &op->request)) {
        (void)fail(&f, ERR_RESOURCE_EXHAUSTED, "too many operations wait for the database");
        pg_op_end(op, f.err, &f);
    }
}

/* After an error each asks alone, so that only the one that caused it gets it. */
static void ask_alone(struct pg_op *op)
{
    if (!pg_conn_submit(op->pl->reader, &op->request)) {
        pg_op_finish(&op->request, PG_EXPIRED);
    }
}

/* Facts: while anything waits, busy is true: the request is the connection's, or a finish runs. */
static void end_overdue(struct pg_lookup *lu, struct instant now)
{
    while (!list_empty(&lu->waiting) &&
            !instant_before(now, first(&lu->waiting)->request.deadline)) {
        struct pg_op *op = list_entry(list_pop(&lu->waiting), struct pg_op, in_lookup);
        lu->waiting_count--;
        pg_op_finish(&op->request, PG_EXPIRED);
    }
}

static void lookup_finish(struct pg_request *request, enum pg_outcome outcome)
{
    struct pg_lookup *lu = container_of(request, struct pg_lookup, request);
    struct pg_lane *pl = container_of(lu, struct pg_lane, lookup);
    struct list done;
    if (outcome == PG_OK) {
        take_answers(lu, request->results[0]);
    }
    list_init(&done);
    for (struct list_node *n; (n = list_pop(&lu->asked));) {
        list_append(&done, n);
    }
    while (outcome == PG_CLOSED && !list_empty(&lu->waiting)) {
        list_append(&done, list_pop(&lu->waiting));
        lu->waiting_count--;
    }
    lu->busy = false; /* what ends now may ask again */
    for (struct list_node *n; (n = list_pop(&done));) {
        struct pg_op *op = list_entry(n, struct pg_op, in_lookup);
        if (outcome == PG_OK) {
            found(op);
        } else if (outcome == PG_ERROR) {
            ask_alone(op);
        } else {
            pg_op_finish(&op->request, outcome);
        }
    }
    if (outcome == PG_EXPIRED) {
        end_overdue(lu, lane_monotonic(pl->sl.lane));
    }
    if (outcome != PG_CLOSED) {
        lookup_submit(pl);
    }
}

/* ---- the door ---- */

static void lookup_submit(struct pg_lane *pl)
{
    struct pg_lookup *lu = &pl->lookup;
    if (lu->busy || list_empty(&lu->waiting)) {
        return;
    }
    lu->request = (struct pg_request){ .deadline = first(&lu->waiting)->request.deadline,
        .send = lookup_send,
        .finish = lookup_finish };
    lu->busy = pg_conn_submit(pl->reader, &lu->request);
    if (!lu->busy) {
        end_overdue(lu, INSTANT_NEVER); /* the connection's queue is full of others */
    }
}

bool pg_lookup_wanted(const struct pg_op *op)
{
    if (op->kind != STORE_LOAD) {
        return false;
    }
    const struct store_load *l = container_of(op->op, struct store_load, op);
    return l->key == 0 && uuid_is_zero(l->run_id);
}

bool pg_lookup_start(struct pg_op *op)
{
    struct pg_lookup *lu = &op->pl->lookup;
    if (lu->waiting_count >= WAITING_MAX) {
        return false;
    }
    if (!lu->busy) {
        lu->request = (struct pg_request){
            .deadline = op->request.deadline, .send = lookup_send, .finish = lookup_finish
        };
        lu->busy = pg_conn_submit(op->pl->reader, &lu->request);
        if (!lu->busy) {
            return false;
        }
    }
    list_append(&lu->waiting, &op->in_lookup);
    lu->waiting_count++;
    return true;
}

void pg_lookup_init(struct pg_lookup *lookup)
{
    list_init(&lookup->waiting);
    list_init(&lookup->asked);
}

/* After the connection, which has ended what was under way and with it what waited. */
void pg_lookup_deinit(struct pg_lookup *lookup)
{
    check(list_empty(&lookup->waiting) && list_empty(&lookup->asked));
    arena_deinit(&lookup->arena);
}
