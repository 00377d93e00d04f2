/* Bounded commits, one at a time, with a breath in between: nobody waits for the end of a removal. Relies on the store
 * for removing nothing of a run that is not doomed; on sweep.c for finding what an earlier owner has left. */
#include "history/reaper.h"

#include "common/obs/log.h"
#include "history/history.h"

#define BREATH DURATION_MS(5)
#define LATER  DURATION_MS(500)

struct doomed_run {
    struct map_node by_key;
    struct list_node node;
    run_key key;
    uint32_t shard;
    int32_t done, last_seq;
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

static void reaper_later(struct reaper *reaper, struct duration d)
{
    if (!reaper->waiting && reaper->count && !lane_timer_running(&reaper->timer)) {
        lane_timer_start(reaper->history->lane, &reaper->timer, d, reaper_go);
    }
}

void reaper_add(struct history *h, run_key key, uint32_t shard, int32_t last_seq)
{
    struct reaper *reaper = &h->reaper;
    if (!reaper_has_room(reaper) || map_get(&reaper->by_key, str_of(&key, sizeof(key)))) {
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
    if (row.whole) {
        h->stats.reaped_runs++;
        run_forget(reaper, run);
    }
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
    reaper->gate.group = ++h->last_group;
    reaper->gate.open = reaper_durable;
    list_each(&reaper->runs, n)
    {
        struct doomed_run *run = list_entry(n, struct doomed_run, node);
        if (!shard_serves(h, run->shard)) {
            run_forget(reaper, run); /* its next owner's */
            continue;
        }
        room -= 1 + reap_part(reaper, b, run, room);
        if (room <= 0) {
            break;
        }
    }
    if (room < REAPER_ROWS_MAX) {
        reaper->waiting = committer_wait(&h->committer, b->number, &reaper->gate);
    }
}
