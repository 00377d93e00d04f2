/* The simulated store: operations take their time on the lane's timers, suffer the faults that the
 * test decides, and act on the tables at one instant. Commits go through the same doubts as on a
 * real database: sent, lost, resolved by the writer's row, sent again. */
#include "tests/sim/sim_store.h"

#include "tests/sim/sim_tables.h"

struct sim_process {
    struct store store;
    struct arena arena;
    struct sim_db *db;
};

struct sim_lane {
    struct store_lane sl;
    struct arena arena;
    struct sim_db *db;
    struct list ops;
    bool claimed, fenced, corrupt;
    uint32_t writer;
    struct uuid owner;
    int64_t epoch, seq;
    bool committing;
    bool abandoned; /* its process is dead: nobody hears of what its operations do */
    struct instant stalled_since;
};

struct sim_op {
    struct lane_timer timer;
    struct lane_task task; /* the answer on its way to the process's lane */
    enum err err;
    struct fail fail;
    struct list_node node;
    struct arena arena;
    struct sim_lane *sl;
    enum store_kind kind;
    struct store_op *op;
    struct sim_fault fault;
    struct instant started; /* monotonic */
    bool resolve;           /* a commit that was lost: the writer's row tells */
};

/* The database's clock: real time's origin, the simulation's pace. */
static struct instant database_now(const struct sim_lane *sl)
{
    return instant_add((struct instant){ 1700000000000000000 },
            (struct duration){ lane_monotonic(sl->sl.lane).ns });
}

static struct lane *op_lane(const struct sim_op *op)
{
    return op->sl->db->lane ? op->sl->db->lane : op->sl->sl.lane;
}

static void op_answer(struct sim_op *op, enum err err, const struct fail *f)
{
    struct arena arena = op->arena;
    list_remove(&op->node);
    if (op->kind == STORE_COMMIT) {
        op->sl->committing = false;
        op->sl->stalled_since = (struct instant){ 0 };
        op->sl->fenced |= err == ERR_FENCED;
        op->sl->corrupt |= err == ERR_CORRUPT;
    }
    if (!op->sl->abandoned) {
        op->op->done(op->op, err, f);
    }
    arena_deinit(&arena);
}

static void op_answered(struct lane_task *task)
{
    struct sim_op *op = container_of(task, struct sim_op, task);
    op_answer(op, op->err, op->err ? &op->fail : NULL);
}

static void op_end(struct sim_op *op, enum err err, const struct fail *f)
{
    if (op_lane(op) == op->sl->sl.lane || op->sl->abandoned) {
        op_answer(op, err, f);
        return;
    }
    op->err = err;
    op->fail = f ? *f : (struct fail){ 0 };
    op->task.run = op_answered;
    lane_post(op->sl->sl.lane, &op->task);
}

static void op_fail(struct sim_op *op, enum err err, const char *text)
{
    struct fail f = { 0 };
    op_end(op, fail(&f, err, "%s", text), &f);
}

static void op_fire(struct lane_timer *timer);

static void op_after(struct sim_op *op, struct duration d)
{
    lane_timer_start(op_lane(op), &op->timer, d, op_fire);
}

static void op_send(struct sim_op *op)
{
    struct sim_db *db = op->sl->db;
    op->fault = db->next_fault ? db->next_fault(db->fault_arg, op->kind, op->op)
                               : (struct sim_fault){ 0 };
    op_after(op, op->fault.delay);
}

/* ---- commits ---- */

static void commit_lost(struct sim_op *op)
{
    if (op->sl->abandoned) {
        op_fail(op, ERR_UNAVAILABLE, "the process is gone");
        return;
    }
    op->resolve = true;
    if (!instant_is_set(op->sl->stalled_since)) {
        op->sl->stalled_since = lane_now(op->sl->sl.lane);
    }
    op_after(op, op->fault.reconnect.ns > 0 ? op->fault.reconnect : DURATION_MS(50));
}

static void commit_resolve(struct sim_op *op)
{
    struct sim_lane *sl = op->sl;
    const struct sim_writer *w = &sl->db->writers.ptr[sl->writer];
    op->resolve = false;
    if (sl->db->away) {
        commit_lost(op);
    } else if (!uuid_eq(w->owner, sl->owner) || w->epoch != sl->epoch) {
        op_fail(op, w->epoch > sl->epoch ? ERR_FENCED : ERR_CORRUPT, "the writer has a new owner");
    } else if (w->seq == sl->seq + 1) {
        sl->seq++;
        op_end(op, ERR_NONE, NULL);
    } else if (w->seq == sl->seq) {
        op_send(op);
    } else {
        op_fail(op, ERR_CORRUPT, "acknowledged commits are missing in the database");
    }
}

static void commit_fire(struct sim_op *op)
{
    struct sim_lane *sl = op->sl;
    struct store_commit *c = container_of(op->op, struct store_commit, op);
    if (op->resolve) {
        commit_resolve(op);
        return;
    }
    if (!sl->claimed) {
        op_fail(op, ERR_FAILED_PRECONDITION, "no writer has been claimed");
        return;
    }
    struct sim_writer *w = &sl->db->writers.ptr[sl->writer];
    if (sl->corrupt || sl->fenced) {
        op_fail(op, sl->corrupt ? ERR_CORRUPT : ERR_FENCED, "the writer has a new owner");
    } else if (sl->db->away || op->fault.outcome == SIM_LOST_BEFORE) {
        commit_lost(op);
    } else if (!uuid_eq(w->owner, sl->owner) || w->epoch != sl->epoch || w->seq != sl->seq) {
        commit_resolve(op);
    } else {
        sim_apply(sl->db, c, &op->arena);
        w->seq++;
        if (sl->db->stored) {
            struct sim_stored what = { c->batch, sl->writer, sl->owner, sl->epoch, w->seq };
            sl->db->stored(sl->db->stored_arg, &what);
        }
        w->last_run_key =
                c->batch->last_run_key > w->last_run_key ? c->batch->last_run_key : w->last_run_key;
        if (op->fault.outcome == SIM_LOST_AFTER) {
            commit_lost(op);
            return;
        }
        sl->seq++;
        op_end(op, ERR_NONE, NULL);
    }
}

/* ---- everything else ---- */

static enum err claim(struct sim_lane *sl, struct store_claim_writer *c, struct fail *f)
{
    int found = sim_claim(sl->db, c->member, c->lane);
    if (found < 0) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "all %d writers are taken", STORE_WRITER_MAX);
    }
    check(!sl->committing);
    const struct sim_writer *w = &sl->db->writers.ptr[found];
    sl->claimed = true;
    sl->fenced = sl->corrupt = false;
    sl->owner = c->member;
    sl->writer = c->writer = (uint32_t)found;
    sl->epoch = w->epoch;
    sl->seq = w->seq;
    c->last_run_key = w->last_run_key;
    return ERR_NONE;
}

static enum err execute(struct sim_op *op, struct fail *f)
{
    struct sim_lane *sl = op->sl;
    struct store_try_plan *plan;
    switch (op->kind) {
    case STORE_CLAIM_WRITER:
        return claim(sl, container_of(op->op, struct store_claim_writer, op), f);
    case STORE_TRY_PLAN:
        plan = container_of(op->op, struct store_try_plan, op);
        if (!sl->db->planner && !sl->abandoned) {
            sl->db->planner = sl;
        }
        plan->held = sl->db->planner == sl;
        return ERR_NONE;
    default:
        return sim_execute(sl->db, op->kind, op->op, database_now(sl), &op->arena, f);
    }
}

static void op_fire(struct lane_timer *timer)
{
    struct sim_op *op = container_of(timer, struct sim_op, timer);
    struct sim_lane *sl = op->sl;
    struct fail f = { 0 };
    if (op->kind == STORE_COMMIT) {
        commit_fire(op);
        return;
    }
    if (sl->db->away) {
        if (instant_since(lane_monotonic(sl->sl.lane), op->started).ns < DURATION_SECONDS(3).ns) {
            op_after(op, DURATION_MS(100));
        } else {
            op_fail(op, ERR_UNAVAILABLE, "the database is away");
        }
        return;
    }
    if (op->fault.outcome == SIM_LOST_AFTER) {
        (void)execute(op, &f);
    }
    if (op->fault.outcome != SIM_GOOD) {
        if (sl->db->planner == sl) {
            sl->db->planner = NULL; /* the session that held the lock is gone */
        }
        op_fail(op, ERR_UNAVAILABLE, "the connection to the database was lost");
        return;
    }
    enum err err = execute(op, &f);
    op_end(op, err, err ? &f : NULL);
}

static void start(struct store_lane *lane, enum store_kind kind, struct store_op *op)
{
    struct sim_lane *sl = container_of(lane, struct sim_lane, sl);
    struct arena arena = { 0 };
    struct sim_op *o = NEW(&arena, struct sim_op, 1);
    if (kind == STORE_COMMIT) {
        check(!sl->committing);
        sl->committing = true;
    }
    o->arena = arena;
    o->sl = sl;
    o->kind = kind;
    o->op = op;
    o->started = lane_monotonic(lane->lane);
    list_append(&sl->ops, &o->node);
    op_send(o);
}

static struct store_lane *lane_open(struct store *store, struct lane *lane)
{
    struct arena arena = { 0 };
    struct sim_lane *sl = NEW(&arena, struct sim_lane, 1);
    sl->arena = arena;
    sl->sl = (struct store_lane){ store->ops, lane };
    sl->db = container_of(store, struct sim_process, store)->db;
    list_init(&sl->ops);
    return &sl->sl;
}

static void lane_close(struct store_lane *lane)
{
    struct sim_lane *sl = container_of(lane, struct sim_lane, sl);
    for (struct list_node *n; (n = list_first(&sl->ops));) {
        struct sim_op *op = list_entry(n, struct sim_op, node);
        check(!op->sl->db->lane); /* with a lane of its own: sim_store_abandon */
        lane_timer_stop(lane->lane, &op->timer);
        op_fail(op, ERR_CANCELLED, "the store is being closed");
    }
    if (sl->db->planner == sl) {
        sl->db->planner = NULL;
    }
    struct arena arena = sl->arena;
    arena_deinit(&arena);
}

static struct instant stalled_since(const struct store_lane *sl)
{
    return container_of(sl, const struct sim_lane, sl)->stalled_since;
}

static enum err migrate(struct store *store, struct fail *f)
{
    return ERR_NONE;
}

static enum err schema_version(struct store *store, int *found, int *ours, struct fail *f)
{
    *found = *ours = 1;
    return ERR_NONE;
}

static void process_free(struct store *store)
{
    struct arena arena = container_of(store, struct sim_process, store)->arena;
    arena_deinit(&arena);
}

static const struct store_ops sim_ops = {
    .free = process_free,
    .lane_open = lane_open,
    .migrate = migrate,
    .schema_version = schema_version,
    .lane_close = lane_close,
    .start = start,
    .stalled_since = stalled_since,
};

struct store *sim_store_new(struct sim_db *db)
{
    struct arena arena = { 0 };
    struct sim_process *p = NEW(&arena, struct sim_process, 1);
    p->store.ops = &sim_ops;
    p->db = db;
    p->arena = arena;
    return &p->store;
}

struct sim_db *sim_db_new(uint64_t seed)
{
    struct arena arena = { 0 };
    struct sim_db *db = NEW(&arena, struct sim_db, 1);
    struct rand r = { seed };
    db->arena = arena;
    db->cluster_id = uuid_v4(&r);
    map_init(&db->runs, &db->arena);
    map_init(&db->currents, &db->arena);
    map_init(&db->counts, &db->arena);
    return db;
}

void sim_db_free(struct sim_db *db)
{
    struct arena arena = db->arena;
    arena_deinit(&arena);
}

void sim_db_set_faults(struct sim_db *db,
        struct sim_fault (*next)(void *arg, enum store_kind kind, const struct store_op *op),
        void *arg)
{
    db->next_fault = next;
    db->fault_arg = arg;
}

void sim_db_set_lane(struct sim_db *db, struct lane *lane)
{
    db->lane = lane;
}

void sim_store_abandon(struct store_lane *lane)
{
    struct sim_lane *sl = container_of(lane, struct sim_lane, sl);
    sl->abandoned = true;
    if (sl->db->planner == sl) {
        sl->db->planner = NULL;
    }
}

void sim_db_watch(
        struct sim_db *db, void (*stored)(void *arg, const struct sim_stored *what), void *arg)
{
    db->stored = stored;
    db->stored_arg = arg;
}

void sim_db_set_away(struct sim_db *db, bool away)
{
    db->away = away;
}

uint64_t sim_db_commits(const struct sim_db *db)
{
    return db->commits;
}
