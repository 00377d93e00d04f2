/* Checks of what is stored, at every commit: one writer per epoch, logs and histories without gaps
 * and with valid events only, a wake-up that is early enough. What can only be judged at the end is
 * in check_end.c. */
#include "tests/sim/checks.h"

#include <stdio.h>

#include "tests/sim/check_run.h"
#include "tests/sim/host.h"

/* No wait of a run that nothing else would end is longer. */
#define LONGEST_WAIT DURATION_SECONDS(900)
/* So long after it is back, a process still may not know that its runs are others'. */
#define NOTICED_AFTER DURATION_SECONDS(10)

static uint64_t events;

uint64_t checks_events(void)
{
    return events;
}

/* ---- writers ----------------------------------------------------------------------------------- */

static struct known_writer {
    struct uuid owner;
    int64_t epoch, seq;
} writers[STORE_WRITER_MAX];

static void check_writer(const struct sim_stored *s)
{
    struct known_writer *w = &writers[s->writer];
    if (s->epoch < w->epoch) {
        violation("writer %u commits in epoch %lld after one of epoch %lld", s->writer,
                (long long)s->epoch, (long long)w->epoch);
    }
    if (s->epoch == w->epoch && !uuid_eq(s->owner, w->owner)) {
        violation("writer %u has two owners in epoch %lld", s->writer, (long long)s->epoch);
    }
    if (s->seq != w->seq + 1) {
        violation("writer %u commits number %lld after %lld", s->writer, (long long)s->seq,
                (long long)w->seq);
    }
    *w = (struct known_writer){ s->owner, s->epoch, s->seq };
}

/* ---- runs -------------------------------------------------------------------------------------- */

static struct run_check *find(run_key key, const struct store_run_row *row)
{
    struct map_node *n = map_get(&run_checks, str_of(&key, sizeof(key)));
    if (n) {
        return map_entry(n, struct run_check, node);
    }
    struct run_check *r = NEW(&world.arena, struct run_check, 1);
    r->key = key;
    r->next_event = 1;
    r->workflow_id = str_dup(&world.arena, row->workflow_id);
    r->run_id = uuid_dup(&world.arena, row->run_id);
    map_put(&run_checks, &r->node, str_of(&r->key, sizeof(r->key)));
    return r;
}

static void take_row(struct run_check *r, const struct store_log_row *row)
{
    struct str in = row->events;
    struct ev e;
    bool bad = false;
    int64_t first = r->next_event;
    if (row->seq != r->seq + 1) {
        violation("run " STR_FMT ": log row %d follows %d", STR_ARG(r->run_id), row->seq, r->seq);
    }
    r->seq = row->seq;
    while (ev_next(&in, &e, &bad)) {
        run_check_event(r, &e);
        events++;
    }
    if (bad || r->next_event - first != row->event_count ||
            (row->event_count && row->first_event_id != first)) {
        violation("run " STR_FMT ": log row %d does not hold what it says", STR_ARG(r->run_id),
                row->seq);
    }
}

bool run_check_is_announced(const struct run_check *r)
{
    map_each(&run_checks, n)
    {
        const struct run_check *before = map_entry(n, struct run_check, node);
        if (str_eq(before->workflow_id, r->workflow_id) && str_eq(before->new_run, r->run_id)) {
            return true;
        }
    }
    return false;
}

static void check_wake(struct run_check *r, const struct store_run_row *row)
{
    struct instant now = { SIM_EPOCH_NS + world.now.ns };
    struct instant due = run_check_timers(r, instant_add(now, DURATION_SECONDS(10)));
    bool is_open = row->status == WORKFLOW_RUNNING;
    bool is_doomed = (int)row->status == RUN_DOOMED;
    if (r->is_gone || (r->was_live && r->is_doomed && !is_doomed)) {
        violation("run " STR_FMT " was deleted and is back", STR_ARG(r->run_id));
    }
    /* a run that follows may have been deleted before its first commit */
    r->was_live |= !is_doomed || run_check_is_announced(r);
    r->is_doomed = is_doomed;
    if (is_doomed) {
        return; /* made by a reset and not finished, or deleted */
    }
    if (is_open != !r->close) {
        run_check_print(r);
        violation("run " STR_FMT ": its row says status %d", STR_ARG(r->run_id), (int)row->status);
    }
    if (is_open && row->wake_at.ns > due.ns) {
        run_check_print(r);
        diagnose_run(r->key);
        fprintf(stderr, "due in %lld ms, run ends in %lld ms, backlog '" STR_FMT "', row %d\n",
                (long long)duration_ms(instant_since(due, now)),
                (long long)duration_ms(instant_since(r->run_until, now)),
                STR_ARG(row->backlog_queue), r->seq);
        violation("run " STR_FMT ": wakes %lld ms too late", STR_ARG(r->run_id),
                (long long)duration_ms(instant_since(row->wake_at, due)));
    }
    if (is_open && run_check_waits(r) && !row->backlog_queue.len &&
            instant_since(row->wake_at, now).ns > LONGEST_WAIT.ns) {
        run_check_print(r);
        violation("run " STR_FMT ": something waits and nothing wakes it", STR_ARG(r->run_id));
    }
}

static void take_run(run_key key)
{
    const struct store_run_row *row;
    const struct store_log_row *log;
    size_t count;
    if (!sim_db_run(world.db, key, &row, &log, &count)) {
        struct map_node *n = map_get(&run_checks, str_of(&key, sizeof(key)));
        if (n) {
            struct run_check *gone = map_entry(n, struct run_check, node);
            tally[TALLY_deleted] += gone->was_live && !gone->is_gone;
            gone->is_gone = true;
        }
        return; /* refused */
    }
    struct run_check *r = find(key, row);
    for (size_t i = (size_t)r->seq; i < count; i++) {
        take_row(r, &log[i]);
    }
    check_wake(r, row);
}

/* A run that followed, was deleted and removed, all before its first commit: no row of it was ever seen. */
static void take_short_run(const struct store_batch *b, run_key key)
{
    for (size_t i = 0; i < b->run_inserts.len; i++) {
        if (b->run_inserts.ptr[i].key == key && !map_get(&run_checks, str_of(&key, sizeof(key)))) {
            struct run_check *r = find(key, &b->run_inserts.ptr[i]);
            r->was_live = run_check_is_announced(r);
            r->is_doomed = r->is_gone = true;
            tally[TALLY_deleted] += r->was_live;
        }
    }
}

/* At most one run of a workflow is open. */
static void check_alone(run_key key)
{
    struct map_node *n = map_get(&run_checks, str_of(&key, sizeof(key)));
    const struct run_check *r = n ? map_entry(n, struct run_check, node) : NULL;
    if (!r || r->close || r->is_doomed) {
        return;
    }
    map_each(&run_checks, m)
    {
        const struct run_check *other = map_entry(m, struct run_check, node);
        if (other != r && !other->close && !other->is_doomed && !other->is_gone &&
                str_eq(other->workflow_id, r->workflow_id)) {
            run_check_print(other);
            run_check_print(r);
            violation("two runs of " STR_FMT " are open", STR_ARG(r->workflow_id));
        }
    }
}

bool checks_owner_may_be_stale(void)
{
    for (unsigned place = 0; place < host_places(); place++) {
        const struct host *h = host_at(place);
        struct instant out =
                h ? instant_max(h->frozen_until, h->no_store_until) : (struct instant){ 0 };
        if (out.ns && world.now.ns < instant_add(out, NOTICED_AFTER).ns) {
            return true;
        }
    }
    return false;
}

bool checks_may_be_stale(struct str workflow_id)
{
    bool is_open = false;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        is_open |= str_eq(r->workflow_id, workflow_id) && !r->close && !r->is_doomed && !r->is_gone;
    }
    return !is_open && checks_owner_may_be_stale();
}

static void on_stored(void *arg, const struct sim_stored *s)
{
    const struct store_batch *b = s->batch;
    record(NULL, "stored", s->writer, s->epoch, s->seq);
    check_writer(s);
    for (size_t i = 0; i < b->log.len; i++) {
        take_run(b->log.ptr[i].key);
    }
    for (size_t i = 0; i < b->run_updates.len; i++) {
        take_run(b->run_updates.ptr[i].key);
    }
    for (size_t i = 0; i < b->deletes.len; i++) {
        take_run(b->deletes.ptr[i].key);
        take_short_run(b, b->deletes.ptr[i].key);
    }
    for (size_t i = 0; i < b->run_inserts.len; i++) {
        check_alone(b->run_inserts.ptr[i].key);
    }
}

void checks_watch(void)
{
    map_init(&run_checks, &world.arena);
    sim_db_watch(world.db, on_stored, NULL);
}

/* ---- who is open ------------------------------------------------------------------------------- */

bool checks_all_closed(void)
{
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (!r->is_gone && (!r->close || r->is_doomed)) {
            return false; /* what is doomed has to go */
        }
    }
    return true;
}

/* Its other runs and its children, which are closed. */
static void print_family(const struct run_check *of)
{
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (r != of && str_starts_with(r->workflow_id, of->workflow_id)) {
            fprintf(stderr, "  parent '" STR_FMT "', base '" STR_FMT "', next '" STR_FMT "': ",
                    STR_ARG(r->parent_run), STR_ARG(r->base_run), STR_ARG(r->new_run));
            run_check_print(r);
        }
    }
}

void checks_print_open(void)
{
    diagnose_hosts();
    for (unsigned i = 0; i < world.swarm.workflows; i++) {
        if (!scripts[i].closed) {
            fprintf(stderr, STR_FMT " %s\n", STR_ARG(scripts[i].id),
                    scripts[i].started ? "is open for its client" : "was never started");
        }
    }
    fprintf(stderr, "%zu runs in all\n", run_checks.len);
    map_each(&run_checks, n)
    {
        struct run_check *r = map_entry(n, struct run_check, node);
        const struct store_run_row *row;
        const struct store_log_row *log;
        size_t count;
        if ((!r->close || r->is_doomed) && sim_db_run(world.db, r->key, &row, &log, &count)) {
            fprintf(stderr, "%s, wakes in %lld ms, backlog '" STR_FMT "': ",
                    r->is_doomed ? "doomed" : "open",
                    row->wake_at.ns == INSTANT_NEVER.ns
                            ? -1LL
                            : (long long)(row->wake_at.ns - SIM_EPOCH_NS - world.now.ns) / 1000000,
                    STR_ARG(row->backlog_queue));
            run_check_print(r);
            diagnose_run(r->key);
            print_family(r);
        }
    }
}
