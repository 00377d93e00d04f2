/* The SQLite store: one thread works for all lanes, in the order of asking; a second one reads lists and counts on a
 * connection of its own, so that none of them can delay a commit; a third one writes the log back into the file.
 * Operations travel as jobs; only work() touches the database. A store in memory has one connection, and lists
 * wait their turn on it. */
#include "common/store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/obs/log.h"
#include "common/obs/metrics.h"

enum {
    CHECKPOINT_PAGES = 1000,
    WAL_LIMIT_PAGES = 32000, /* past it a commit writes back itself: the thread could not keep up */
    RETRY_MS = 500,
};

static struct sqlite_lane *lane_of(const struct store_lane *sl)
{
    return container_of(sl, struct sqlite_lane, sl);
}

/* ---- on the database's thread ---- */

static bool is_list(enum store_kind kind)
{
    return kind == STORE_LIST_RUNS || kind == STORE_COUNT_RUNS;
}

static void list_work(struct offload_job *oj)
{
    struct sqlite_job *job = container_of(oj, struct sqlite_job, job);
    struct sqlite_store *s = job->sl->store;
    atomic_store(&s->listing, true);
    job->err = sqlite_list_works[job->kind](s->reader.db ? &s->reader : &s->db, job, &job->f);
    atomic_store(&s->listing, false);
    sem_post(&job->sl->worked);
}

static void job_work(struct offload_job *oj)
{
    struct sqlite_job *job = container_of(oj, struct sqlite_job, job);
    struct sqlite_store *s = job->sl->store;
    struct sqlite_db *db = &s->db;
    sqlite_work *work = job->kind == STORE_COMMIT ? sqlite_commit_work
                        : job->kind >= STORE_LOAD && job->kind <= STORE_SCAN_CLOSED
                                ? sqlite_read_works[job->kind]
                                : sqlite_cluster_works[job->kind];
    job->err = work(db, job, &job->f);
    job->wal_pages = db->wal_pages;
    if (db->wal_pages > WAL_LIMIT_PAGES) { /* never waiting for a list to end */
        sqlite3_wal_checkpoint_v2(db->db, NULL,
                atomic_load(&s->listing) ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART,
                NULL, NULL);
        db->wal_pages = 0;
    }
    sem_post(&job->sl->worked);
}

/* ---- checkpoints ---- */

struct checkpoint {
    struct offload_job job;
    struct arena arena;
    struct sqlite_store *store;
};

static void checkpoint_work(struct offload_job *oj)
{
    struct sqlite_store *s = container_of(oj, struct checkpoint, job)->store;
    sqlite3_wal_checkpoint_v2(s->checkpointer, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    atomic_store(&s->checkpointing, false);
}

static void checkpoint_done(struct offload_job *oj)
{
    struct arena arena = container_of(oj, struct checkpoint, job)->arena;
    arena_deinit(&arena);
}

static void maybe_checkpoint(struct sqlite_lane *sl, int pages)
{
    struct sqlite_store *s = sl->store;
    if (pages < CHECKPOINT_PAGES || !s->checkpointer || atomic_exchange(&s->checkpointing, true)) {
        return;
    }
    struct arena arena = { 0 };
    struct checkpoint *c = NEW(&arena, struct checkpoint, 1);
    c->arena = arena;
    c->store = s;
    c->job = (struct offload_job){ .work = checkpoint_work, .done = checkpoint_done };
    offload_submit(s->checkpoint_thread, sl->sl.lane, &c->job);
}

/* ---- on the lane ---- */

static void job_deliver(struct sqlite_job *job, struct sqlite_lane *sl)
{
    list_remove(&job->node);
    if (job->kind == STORE_COMMIT) {
        sl->committing = NULL;
        sl->writer.seq += job->err ? 0 : 1;
        sl->writer.fenced |= job->err == ERR_FENCED;
        sl->writer.corrupt |= job->err == ERR_CORRUPT;
    } else if (job->kind == STORE_CLAIM_WRITER && !job->err) {
        check(!sl->committing);
        sl->writer = job->writer;
    }
    job->op->done(job->op, job->err, job->err ? &job->f : NULL);
}

static void job_free(struct sqlite_job *job)
{
    struct arena arena = job->arena;
    arena_deinit(&arena);
}

static void retry_fire(struct lane_timer *timer)
{
    struct sqlite_lane *sl = container_of(timer, struct sqlite_lane, retry);
    offload_submit(sl->store->thread, sl->sl.lane, &sl->committing->job);
}

/* A disk that cannot write now delays commits and loses none. */
static bool job_retry(struct sqlite_job *job, struct sqlite_lane *sl)
{
    bool again =
            job->kind == STORE_COMMIT && (job->err == ERR_UNAVAILABLE || job->err == ERR_STORE);
    if (again && !instant_is_set(sl->stalled_since)) {
        sl->stalled_since = lane_now(sl->sl.lane);
        metric_add(lane_metrics(sl->sl.lane), METRIC_DATABASE_AWAY, 1);
        metric_add(lane_metrics(sl->sl.lane), METRIC_DATABASE_LOSSES, 1);
        log_warn("database_away", LOG_CSTR("why", job->f.message));
    } else if (!again && job->kind == STORE_COMMIT && instant_is_set(sl->stalled_since)) {
        sl->stalled_since = (struct instant){ 0 };
        metric_add(lane_metrics(sl->sl.lane), METRIC_DATABASE_AWAY, (uint64_t)-1);
        log_info("database_back");
    }
    if (again) {
        lane_timer_start(sl->sl.lane, &sl->retry, DURATION_MS(RETRY_MS), retry_fire);
    }
    return again;
}

static void job_done(struct offload_job *oj)
{
    struct sqlite_job *job = container_of(oj, struct sqlite_job, job);
    struct sqlite_lane *sl = job->sl;
    if (!sl) {
        job_free(job);
        return;
    }
    while (sem_wait(&sl->worked) != 0 && errno == EINTR) {
    }
    if (job_retry(job, sl)) {
        return;
    }
    int pages = job->wal_pages;
    maybe_checkpoint(sl, pages);
    job_deliver(job, sl);
    job_free(job);
}

/* Refusals of commits take the same way as answers: through the thread, never inside the starting
 * call. */
static enum err commit_refusal(const struct sqlite_writer *w, struct fail *f)
{
    if (!w->claimed) {
        return fail(f, ERR_FAILED_PRECONDITION, "no writer has been claimed");
    }
    if (w->corrupt) {
        return fail(f, ERR_CORRUPT, "acknowledged commits are missing in the database");
    }
    return w->fenced ? fail(f, ERR_FENCED, "the writer has a new owner") : ERR_NONE;
}

static void refused_work(struct offload_job *oj)
{
    sem_post(&container_of(oj, struct sqlite_job, job)->sl->worked);
}

static void start(struct store_lane *lane, enum store_kind kind, struct store_op *op)
{
    struct sqlite_lane *sl = lane_of(lane);
    struct arena arena = { 0 };
    struct sqlite_job *job = NEW(&arena, struct sqlite_job, 1);
    job->arena = arena;
    job->sl = sl;
    job->kind = kind;
    job->op = op;
    job->job =
            (struct offload_job){ .work = is_list(kind) ? list_work : job_work, .done = job_done };
    list_append(&sl->jobs, &job->node);
    if (kind == STORE_COMMIT) {
        check(!sl->committing);
        sl->committing = job;
        job->writer = sl->writer;
        job->err = commit_refusal(&sl->writer, &job->f);
        if (job->err) {
            job->job.work = refused_work;
        }
    }
    bool apart = is_list(kind) && sl->store->list_thread;
    offload_submit(apart ? sl->store->list_thread : sl->store->thread, lane->lane, &job->job);
}

static struct store_lane *lane_open(struct store *store, struct lane *lane)
{
    struct arena arena = { 0 };
    struct sqlite_lane *sl = NEW(&arena, struct sqlite_lane, 1);
    sl->arena = arena;
    sl->sl = (struct store_lane){ store->ops, lane };
    sl->store = container_of(store, struct sqlite_store, store);
    list_init(&sl->jobs);
    check(sem_init(&sl->worked, 0, 0) == 0);
    return &sl->sl;
}

/* The thread may be reading what the owners of operations lent us, so closing waits for its
 * answers. */
static void lane_close(struct store_lane *lane)
{
    struct sqlite_lane *sl = lane_of(lane);
    if (lane_timer_running(&sl->retry)) {
        struct sqlite_job *job = sl->committing;
        lane_timer_stop(lane->lane, &sl->retry);
        job->err = fail(&job->f, ERR_CANCELLED, "the store is being closed");
        job_deliver(job, sl);
        job_free(job);
    }
    list_each(&sl->jobs, n)
    {
        while (sem_wait(&sl->worked) != 0 && errno == EINTR) {
        }
    }
    list_each(&sl->jobs, n)
    {
        struct sqlite_job *job = list_entry(n, struct sqlite_job, node);
        job->sl = NULL;
        job_deliver(job, sl);
    }
    struct sqlite_lane *me = sl;
    (void)atomic_compare_exchange_strong(&sl->store->planner, &me, NULL);
    sem_destroy(&sl->worked);
    struct arena arena = sl->arena;
    arena_deinit(&arena);
}

static struct instant stalled_since(const struct store_lane *sl)
{
    return lane_of(sl)->stalled_since;
}

/* ---- the store ---- */

/* One process works on a file: a second one would take the first for dead. SQLite's own locks are of another
 * kind; but closing any descriptor of the file drops those too, so this one is opened first and closed last. */
static enum err lock_file(const char *path, int *ret, struct fail *f)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return fail(f, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        int why = errno;
        close(fd);
        return fail(f, ERR_UNAVAILABLE, "%s: %s", path,
                why == EWOULDBLOCK ? "in use by another process" : strerror(why));
    }
    *ret = fd;
    return ERR_NONE;
}

static void unlock_file(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static void store_free_sqlite(struct store *store)
{
    struct sqlite_store *s = container_of(store, struct sqlite_store, store);
    offload_free(s->thread);
    if (s->list_thread) {
        offload_free(s->list_thread);
        sqlite_db_close(&s->reader);
    }
    offload_free(s->checkpoint_thread);
    sqlite3_close(s->checkpointer);
    sqlite_db_close(&s->db);
    unlock_file(s->lock);
    struct arena arena = s->arena;
    arena_deinit(&arena);
}

static enum err migrate(struct store *store, struct fail *f)
{
    struct sqlite_store *s = container_of(store, struct sqlite_store, store);
    return sqlite_db_migrate(&s->db, f);
}

static enum err schema_version(struct store *store, int *found, int *ours, struct fail *f)
{
    struct sqlite_store *s = container_of(store, struct sqlite_store, store);
    return sqlite_db_version(&s->db, found, ours, f);
}

static const struct store_ops sqlite_ops = {
    .free = store_free_sqlite,
    .lane_open = lane_open,
    .migrate = migrate,
    .schema_version = schema_version,
    .lane_close = lane_close,
    .start = start,
    .stalled_since = stalled_since,
};

enum err store_sqlite_new(
        const struct store_sqlite_config *config, struct store **ret, struct fail *f)
{
    struct sqlite_db db;
    int lock = -1;
    enum err err = config->path ? lock_file(config->path, &lock, f) : ERR_NONE;
    if (!err) {
        err = sqlite_db_open(config->path, config->pragmas, &db, f);
    }
    struct sqlite_db reader = { 0 };
    if (!err && config->path) {
        err = sqlite_db_open(config->path, config->pragmas, &reader, f);
        if (err) {
            sqlite_db_close(&db);
        }
    }
    if (err) {
        unlock_file(lock);
        return err;
    }
    struct arena arena = { 0 };
    struct sqlite_store *s = NEW(&arena, struct sqlite_store, 1);
    s->store.ops = &sqlite_ops;
    s->db = db;
    s->lock = lock;
    s->reader = reader;
    s->thread = offload_new(1, "sqlite");
    s->list_thread = config->path ? offload_new(1, "sqlite-list") : NULL;
    if (config->path && sqlite3_open_v2(config->path, &s->checkpointer,
                                SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        sqlite3_close(s->checkpointer);
        s->checkpointer = NULL; /* commits write back themselves, past the limit */
    }
    s->checkpoint_thread = offload_new(1, "checkpoint");
    s->arena = arena;
    *ret = &s->store;
    return ERR_NONE;
}
