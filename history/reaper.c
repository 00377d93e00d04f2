/* Bounded commits, one at a time, with a breath in between: nobody waits for the end of a removal. Relies on the store
 * for removing nothing of a run that is not doomed; on sweep.c for finding what an earlier owner has left. */
#include "history/reaper.h"

#include "common/obs/log.h"
#include "history/history.h"

#define BREATH DURATION_MS(5)
#define LATER  DURATION_MS(500)
/* So long a read that began before the removal may still be on its way. */
#define LINGER DURATION_SECONDS(1)

struct doomed_run {
    struct map_node by_key;
    struct list_node node;
    run_key key;
    uint32_t shard;
    int32_t done, last_seq;
    bool is_sent;        /* the last part is in a batch */
    struct instant gone; /* that batch is durable since (monotonic); {0}: not yet */
};

static void reaper_go(struct lane_timer *timer);

void reaper_init(struct reaper *reaper, struct history *h)
{
    *reaper = (struct reaper){ .history = h, .pool.arena = &h->arena };
    map_init(&reaper->by_key, &h->arena);
    list_init(&reaper->runs);
}

void reaper_deinit(struct reaper *reaper)
{
    lane_timer_stop(reaper->history->lane, &reaper->timer);
}

bool reaper_has_room(const struct reaper *reaper)
{
    return reaper->count < REAPER_RUNS_MAX;
}

bool reaper_knows(const struct history *h, run_key key)
{
    return map_get(&h->reaper.by_key, str_of(&key, sizeof(key))) != NULL;
}

static void reaper_later(struct reaper *reaper, struct duration d)
{
    if (!reaper->waiting && reaper->count && !lane_timer_running(&reaper->timer)) {
        lane_timer_start(reaper->history->lane, &reaper->timer, d, reaper_go);
    }
}

void reaper_add(struct history *h, run_key key, uint32_t shard, int32_t last_seq)
{
    struct reaper *reaper = &h->reaper;
    if (!reaper_has_room(reaper) || reaper_knows(h, key)) {
        return;
    }
    struct doomed_run *run = POOL_NEW(&reaper->pool, struct doomed_run);
    run->key = key;
    run->shard = shard;
    run->last_seq = last_seq;
    map_put(&reaper->by_key, &run->by_key, str_of(&run->key, sizeof(run->key)));
    list_append(&reaper->runs, &run->node);
    reaper->count++;
    reaper_later(reaper, BREATH);
}

static void run_forget(struct reaper *reaper, struct doomed_run *run)
{
    map_remove(&reaper->by_key, &run->by_key);
    list_remove(&run->node);
    pool_put(&reaper->pool, run);
    reaper->count--;
}

static void reaper_durable(struct gate *gate, enum err err, const struct fail *fail)
{
    struct reaper *reaper = container_of(gate, struct reaper, gate);
    reaper->waiting = false;
    list_each(&reaper->runs, n)
    {
        struct doomed_run *run = list_entry(n, struct doomed_run, node);
        if (run->is_sent && !run->gone.ns) {
            run->gone = lane_monotonic(reaper->history->lane);
        }
    }
    if (err) {
        log_warn("removal_refused", LOG_FAIL(fail)); /* the sweep finds the run again */
    }
    reaper_later(reaper, err ? LATER : BREATH);
}

/* The next part of the run; how many log rows it has. */
static int32_t reap_part(
        struct reaper *reaper, struct batch *b, struct doomed_run *run, int32_t room)
{
    struct history *h = reaper->history;
    int32_t part = run->last_seq - run->done < room ? run->last_seq - run->done : room;
    run->done += part;
    struct store_delete_row row = { .key = run->key,
        .through_seq = run->done,
        .whole = run->done == run->last_seq,
        .group = reaper->gate.group };
    batch_delete(&h->committer, b, &row);
    h->stats.reaped_rows += (uint64_t)part;
    run->is_sent = row.whole;
    h->stats.reaped_runs += row.whole;
    return part;
}

static void reaper_go(struct lane_timer *timer)
{
    struct reaper *reaper = container_of(timer, struct reaper, timer);
    struct history *h = reaper->history;
    if (h->state != HISTORY_SERVING || reaper->waiting) {
        return;
    }
    if (committer_admit(&h->committer, NULL)) {
        reaper_later(reaper, LATER);
        return;
    }
    struct batch *b = committer_batch(&h->committer);
    int32_t room = REAPER_ROWS_MAX;
    struct instant now = lane_monotonic(h->lane);
    reaper->gate.group = ++h->last_group;
    reaper->gate.open = reaper_durable;
    list_each(&reaper->runs, n)
    {
        struct doomed_run *run = list_entry(n, struct doomed_run, node);
        bool is_over = run->gone.ns && instant_since(now, run->gone).ns >= LINGER.ns;
        if (is_over || !shard_serves(h, run->shard)) { /* the rest is its next owner's */
            run_forget(reaper, run);
        } else if (!run->is_sent && room > 0) {
            room -= 1 + reap_part(reaper, b, run, room);
        }
    }
    if (room < REAPER_ROWS_MAX) {
        reaper->waiting = committer_wait(&h->committer, b->number, &reaper->gate);
    } else {
        reaper_later(reaper, LATER);
    }
}
