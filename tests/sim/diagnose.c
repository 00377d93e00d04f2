/* For the reader of a failure: where the production services hold what a run waits for. */
#include <stdio.h>

#include "history/dispatch_queue.h"
#include "history/history.h"
#include "tests/sim/checks.h"
#include "tests/sim/host.h"

static void print_tasks(const struct host *h, const struct execution *ex)
{
    fprintf(stderr, "  loaded on h%u: durable need %lld ms, next need %lld ms, chain %s\n",
            h->number,
            (long long)(workflow_durable_need(ex->wf).ns - SIM_EPOCH_NS - world.now.ns) / 1000000,
            (long long)(workflow_next_need(ex->wf).ns - SIM_EPOCH_NS - world.now.ns) / 1000000,
            ex->chain->loading ? "loading" : "idle");
    list_each(&ex->tasks, n)
    {
        struct dispatch_task *t = list_entry(n, struct dispatch_task, in_run);
        static const char *const states[] = { "waiting", "sent", "handed" };
        const struct host *owner = host_of_member(t->queue->owner);
        const struct host_lane *hl = &h->lanes[lane_index(ex->chain->history->lane)];
        struct rpc_peer *peer = cluster_matching_peer(hl->cl, t->queue->hash);
        const struct host *now = peer ? host_of_member(rpc_peer_member(peer)) : NULL;
        fprintf(stderr,
                "  task %lld attempt %d %s in " STR_FMT
                ": credit %u, told h%d lane %u, owner h%d\n",
                (long long)t->scheduled_event_id, t->attempt, states[t->state],
                STR_ARG(t->queue->name), t->key->level->credit, owner ? (int)owner->number : -1,
                (unsigned)(t->queue->hash % h->lane_count), now ? (int)now->number : -1);
    }
}

void diagnose_run(run_key key)
{
    for (unsigned place = 0; place < host_places(); place++) {
        struct host *h = host_at(place);
        for (unsigned i = 0; h && i < h->lane_count; i++) {
            struct execution *ex =
                    h->lanes[i].history ? execution_find(h->lanes[i].history, key) : NULL;
            if (ex) {
                struct buf b;
                print_tasks(h, ex);
                buf_init(&b, (size_t)1 << 20);
                workflow_dump(ex->wf, &b);
                fprintf(stderr, STR_FMT "\n", STR_ARG(buf_str(&b)));
                buf_deinit(&b);
            }
        }
    }
}

static void print_queues(const struct history *history)
{
    map_each(&history->dispatch.queues, n)
    {
        const struct dispatch_queue *q = map_entry(n, struct dispatch_queue, by_name);
        if (q->waiting_count + q->sent_count + q->handed_count + q->cold_count + q->lent_count) {
            fprintf(stderr,
                    "\n  queue " STR_FMT " type %d: %zu wait, %zu sent, %zu handed, %llu cold, "
                    "%llu lent%s",
                    STR_ARG(q->name), (int)q->type, q->waiting_count, q->sent_count,
                    q->handed_count, (unsigned long long)q->cold_count,
                    (unsigned long long)q->lent_count, q->scanning ? ", scanning" : "");
            dispatch_levels_each(q, l)
            {
                fprintf(stderr, "; level %u: %zu wait, %llu cold, credit %u", l->level,
                        l->waiting_count, (unsigned long long)l->cold_count, l->credit);
            }
        }
    }
}

void diagnose_hosts(void)
{
    for (unsigned place = 0; place < host_places(); place++) {
        struct host *h = host_at(place);
        for (unsigned i = 0; h && i < h->lane_count; i++) {
            struct host_lane *hl = &h->lanes[i];
            fprintf(stderr, "h%u lane %u:", h->number, i);
            if (hl->history) {
                struct history_stats s = history_stats(hl->history);
                fprintf(stderr,
                        " history: %u shards, %zu runs, sent %llu, reoffers %llu, stuck %llu;",
                        s.shards, s.cached_runs, (unsigned long long)s.offers_sent,
                        (unsigned long long)s.reoffers, (unsigned long long)s.stuck_runs);
            }
            if (hl->history) {
                print_queues(hl->history);
            }
            if (hl->matching) {
                struct matching_stats m = matching_stats(hl->matching);
                fprintf(stderr, " matching: %llu polls, %llu handed, %llu delayed;",
                        (unsigned long long)m.polls_received, (unsigned long long)m.engine.handed,
                        (unsigned long long)m.demands_delayed);
            }
            fprintf(stderr, "\n");
        }
    }
}
