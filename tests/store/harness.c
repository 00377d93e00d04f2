/* The runner's machinery: one lane, the baton between it and the main thread, and the data that
 * cases use. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "common/io/lane_uv.h"
#include "tests/store/contract.h"
#include "tests/store/harness.h"

enum { OPS_MAX = 64, PATIENCE_S = 60 };

struct fail last_fail;
struct uuid ns = { { 7, 7, 7 } };

static struct lane *lane;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static struct ticket {
    struct store_op *op; /* NULL: free */
    bool ended;
    enum err err;
    struct fail fail;
} tickets[OPS_MAX];
static struct store_op *awaited; /* the lane stops in its done() */
static bool held;

static const char *case_name = "";

void expect_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "FAIL %s/%s: %s (%s:%d)\n", backend->name, case_name, cond, file, line);
    fflush(stderr);
    static atomic_bool cleaning;
    if (backend->cleanup && !atomic_exchange(&cleaning, true)) {
        backend->cleanup();
    }
    _exit(1);
}

static void wait_changed(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_cond_timedwait(&changed, &lock, &until) != 0) {
        expect_failed("an answer came in time", __FILE__, __LINE__);
    }
}

static struct ticket *ticket_of(struct store_op *op)
{
    for (size_t i = 0; i < OPS_MAX; i++) {
        if (tickets[i].op == op) {
            return &tickets[i];
        }
    }
    return NULL;
}

/* On the lane. */
static void op_done(struct store_op *op, enum err err, const struct fail *fail)
{
    pthread_mutex_lock(&lock);
    struct ticket *t = ticket_of(op);
    expect(t && !t->ended);
    expect((err != ERR_NONE) == (fail != NULL));
    t->ended = true;
    t->err = err;
    if (fail) {
        t->fail = *fail;
    }
    held = awaited == op;
    pthread_cond_broadcast(&changed);
    while (held) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void release(void)
{
    pthread_mutex_lock(&lock);
    held = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* ---- calling functions on the lane ---- */

struct call {
    struct lane_task task;
    void (*fn)(void *arg);
    void *arg;
    bool returned;
};

static void call_run(struct lane_task *task)
{
    struct call *c = container_of(task, struct call, task);
    c->fn(c->arg);
    pthread_mutex_lock(&lock);
    c->returned = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void on_lane(void (*fn)(void *arg), void *arg)
{
    struct call c = { .task = { .run = call_run }, .fn = fn, .arg = arg };
    release();
    lane_post(lane, &c.task);
    pthread_mutex_lock(&lock);
    while (!c.returned) {
        wait_changed();
    }
    pthread_mutex_unlock(&lock);
}

struct started {
    struct store_lane *sl;
    start_fn *start;
    struct store_op *op;
};

static void start_now(void *arg)
{
    struct started *s = arg;
    s->start(s->sl, s->op);
    pthread_mutex_lock(&lock);
    struct ticket *t = ticket_of(s->op);
    expect(t && !t->ended); /* never inside the starting call */
    pthread_mutex_unlock(&lock);
}

void begin_op(struct store_lane *sl, start_fn *start, struct store_op *op)
{
    pthread_mutex_lock(&lock);
    struct ticket *t = ticket_of(op);
    expect(!t);
    t = ticket_of(NULL);
    expect(t);
    *t = (struct ticket){ .op = op };
    op->done = op_done;
    pthread_mutex_unlock(&lock);
    struct started s = { sl, start, op };
    on_lane(start_now, &s);
}

bool op_ended(struct store_op *op)
{
    pthread_mutex_lock(&lock);
    bool ended = ticket_of(op)->ended;
    pthread_mutex_unlock(&lock);
    return ended;
}

enum err end_op(struct store_op *op)
{
    release();
    pthread_mutex_lock(&lock);
    struct ticket *t = ticket_of(op);
    expect(t);
    awaited = op;
    while (!t->ended) {
        wait_changed();
    }
    awaited = NULL;
    last_fail = t->fail;
    enum err err = t->err;
    *t = (struct ticket){ 0 };
    pthread_mutex_unlock(&lock);
    return err;
}

enum err run_op(struct store_lane *sl, start_fn *start, struct store_op *op)
{
    pthread_mutex_lock(&lock);
    awaited = op;
    pthread_mutex_unlock(&lock);
    begin_op(sl, start, op);
    pthread_mutex_lock(&lock);
    struct ticket *t = ticket_of(op);
    while (!t->ended) {
        wait_changed();
    }
    awaited = NULL;
    last_fail = t->fail;
    enum err err = t->err;
    *t = (struct ticket){ 0 };
    pthread_mutex_unlock(&lock);
    return err;
}

/* ---- lanes of the store ---- */

struct opening {
    struct store *store;
    struct store_lane *sl;
    struct instant stalled;
};

static void open_now(void *arg)
{
    struct opening *o = arg;
    o->sl = store_lane_open(o->store, lane);
}

struct store_lane *open_lane(struct store *store)
{
    struct opening o = { .store = store };
    on_lane(open_now, &o);
    return o.sl;
}

static void close_now(void *arg)
{
    store_lane_close(arg);
}

void close_lane(struct store_lane *sl)
{
    on_lane(close_now, sl);
}

static void stalled_now(void *arg)
{
    struct opening *o = arg;
    o->stalled = store_writer_stalled_since(o->sl);
}

struct instant writer_stalled_since(struct store_lane *sl)
{
    struct opening o = { .sl = sl };
    on_lane(stalled_now, &o);
    return o.stalled;
}

/* ---- the lane's life, one per case: what a case leaves behind cannot reach the next ---- */

static void lane_started(struct lane *l, void *arg)
{
}

void harness_case(const struct test_case *c)
{
    case_name = c->name;
    lane = lane_new(0, "contract");
    lane_run_thread(lane, lane_started, NULL);
    c->body();
    release();
    lane_stop(lane);
    lane_join(lane);
    lane_free(lane);
    for (size_t i = 0; i < OPS_MAX; i++) {
        expect(!tickets[i].op);
    }
}

/* ---- data ---- */

void fill_reset(struct fill *fill)
{
    arena_deinit(&fill->arena);
    *fill = (struct fill){ 0 };
}

struct uuid id_of(uint64_t n)
{
    struct uuid id = { { 1 } };
    memcpy(id.b + 8, &n, sizeof(n));
    return id;
}

run_key key_of(uint32_t writer, uint64_t n)
{
    static uint64_t began; /* a key asked for twice is the same key */
    began = began ? began : (uint64_t)time(NULL);
    return (run_key)((began << 31) | ((uint64_t)writer << 21) | n);
}

struct store_run_row run_of(run_key key, const char *workflow_id)
{
    struct str wid = str_from_cstr(workflow_id);
    return (struct store_run_row){
        .key = key,
        .shard = shard_of(ns, wid),
        .namespace_id = ns,
        .run_id = id_of((uint64_t)key),
        .workflow_id = wid,
        .status = WORKFLOW_RUNNING,
        .wake_at = { 1700000000123456789 },
        .start_time = { 1600000000987654321 },
        .group = hash_bytes(wid, 0),
    };
}

struct store_log_row log_of(
        run_key key, int32_t seq, int64_t first, int32_t count, struct str events)
{
    return (struct store_log_row){ .key = key,
        .seq = seq,
        .first_event_id = first,
        .event_count = count,
        .events = events,
        .records = STR("records"),
        .group = (uint64_t)key };
}

void fill_start(struct fill *fill, run_key key, const char *workflow_id)
{
    struct store_run_row row = run_of(key, workflow_id);
    row.workflow_id = str_dup(&fill->arena, row.workflow_id);
    vec_push(&fill->arena, &fill->batch.run_inserts, row);
    struct store_current_row current = { row.shard, ns, row.workflow_id, key, 0, row.group };
    vec_push(&fill->arena, &fill->batch.currents, current);
    struct store_log_row log = log_of(key, 1, 1, 2, STR("events 1-2"));
    log.group = row.group;
    vec_push(&fill->arena, &fill->batch.log, log);
    if (key > fill->batch.last_run_key) {
        fill->batch.last_run_key = key;
    }
}

void fill_log(struct fill *fill, run_key key, int32_t seq, int64_t first, int32_t count)
{
    struct str events = str_printf(&fill->arena, "events of %d", seq);
    vec_push(&fill->arena, &fill->batch.log, log_of(key, seq, first, count, events));
}

struct str bytes_of(struct arena *arena, size_t len, uint64_t seed)
{
    struct rand r = { seed };
    char *p = arena_alloc(arena, len, 1);
    for (size_t i = 0; i < len; i++) {
        p[i] = (char)rand_u64(&r);
    }
    return str_of(p, len);
}

struct writer writer_open(struct store *store, uint64_t member)
{
    struct writer w = { .sl = open_lane(store), .claim = { .member = id_of(member) } };
    expect_ok(run(w.sl, claim_writer, &w.claim));
    return w;
}

enum err commit(struct writer *w, struct fill *fill)
{
    struct store_commit c = { .batch = &fill->batch };
    enum err err = run(w->sl, commit, &c);
    if (!err && c.poisoned_count) {
        fprintf(stderr, "refused: %s\n", c.poison.message);
    }
    expect(err || c.poisoned_count == 0);
    return err;
}
