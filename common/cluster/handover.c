/* Giving shards away, on the giving process's lane 0: the lanes flush and release, then one
 * compare-and-set moves the rows, then everybody is told. The new owner loads them when it reads
 * the assignment. */
#include <stdlib.h>

#include "common/cluster/internal.h"
#include "common/obs/log.h"
#include "common/obs/metrics.h"
#include "common/rpc/messages.h"
#include "common/rpc/methods.h"

#define RETRY_PAUSE DURATION_MS(200)

static void handover_end(struct handover *h, const struct fail *f)
{
    if (h->in) {
        if (f) {
            rpc_reply_fail(h->in, f);
        } else {
            rpc_reply(h->in, STR(""));
        }
    }
    list_remove(&h->node);
    free(h->shards);
    free(h->moves);
    free(h);
}

static void move_rows(struct handover *h);

static void on_retry(struct lane_timer *timer)
{
    move_rows(container_of(timer, struct handover, retry));
}

static void shards_moved(struct handover *h, size_t moved);

static void on_assigned(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_assign *a = container_of(op, struct store_assign, op);
    struct handover *h = container_of(a, struct handover, assign);
    struct cluster *c = h->cluster;
    if (c->stopped) {
        return;
    }
    if (err) { /* released already: there is no way back but forward */
        lane_timer_start(c->lane, &h->retry, RETRY_PAUSE, on_retry);
        return;
    }
    shards_moved(h, a->moved);
}

static void shards_moved(struct handover *h, size_t moved)
{
    struct cluster *c = h->cluster;
    metric_add(lane_metrics(c->lane), METRIC_SHARDS_GIVEN, moved);
    log_info("shards_given", LOG_U64("count", h->count), LOG_U64("moved", moved),
            LOG_UUID("to", h->to));
    for (size_t i = 0; i < h->count; i++) {
        if (uuid_eq(c->owners[h->shards[i]], c->config.member_id)) {
            c->owners[h->shards[i]] = h->to;
        }
    }
    cluster_publish(c);
    cluster_tell_changed(c);
    cluster_read_now(c);
    handover_end(h, NULL);
}

static void move_rows(struct handover *h)
{
    if (h->cluster->config.is_alone) { /* no rows */
        shards_moved(h, h->count);
        return;
    }
    for (size_t i = 0; i < h->count; i++) {
        h->moves[i] = (struct store_assign_move){
            .shard = h->shards[i], .from = h->cluster->config.member_id, .to = h->to
        };
    }
    h->assign = (struct store_assign){
        .op = { .done = on_assigned }, .moves = h->moves, .move_count = h->count
    };
    store_assign(h->cluster->sl, &h->assign);
}

void handover_released(struct cluster *c, const uint32_t *shards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        list_each(&c->handovers, n)
        {
            struct handover *h = list_entry(n, struct handover, node);
            if (h->part[shards[i]] == HANDOVER_ASKED) {
                h->part[shards[i]] = HANDOVER_RELEASED;
                if (++h->released == h->count) {
                    move_rows(h);
                }
                break;
            }
        }
    }
}

/* ---- asking the lanes -------------------------------------------------------------------------- */

struct lose_message {
    struct lane_task task;
    struct cluster_lane *cl;
    size_t count;
    uint32_t shards[];
};

static void run_lose(struct lane_task *task)
{
    struct lose_message *m = container_of(task, struct lose_message, task);
    cluster_lane_lose(m->cl, m->shards, m->count);
    free(m);
}

static void ask_lane(struct handover *h, unsigned lane)
{
    struct cluster *c = h->cluster;
    struct lose_message *m = malloc(sizeof(*m) + h->count * sizeof(*h->shards));
    check(m);
    *m = (struct lose_message){ .task = { .run = run_lose }, .cl = c->lanes[lane] };
    for (size_t i = 0; i < h->count; i++) {
        if (h->shards[i] % c->config.lanes == lane) {
            m->shards[m->count++] = h->shards[i];
        }
    }
    lane_post(m->cl->lane, &m->task);
}

static bool is_moving(const struct cluster *c, uint32_t shard)
{
    list_each(&c->handovers, n)
    {
        const struct handover *h = list_entry(n, struct handover, node);
        if (h->part[shard] != NOT_IN_HANDOVER) {
            return true;
        }
    }
    return false;
}

static void on_asker_gone(struct rpc_in *in)
{
    ((struct handover *)in->owner)->in = NULL;
}

void handover_begin(
        struct cluster *c, struct rpc_in *in, struct uuid to, const uint32_t *shards, size_t count)
{
    struct handover *h = calloc(1, sizeof(*h));
    check(h);
    h->cluster = c;
    h->in = in;
    h->to = to;
    h->shards = calloc(count + 1, sizeof(*h->shards));
    h->moves = calloc(count + 1, sizeof(*h->moves));
    check(h->shards && h->moves);
    for (size_t i = 0; i < count; i++) {
        bool ours = shards[i] < SHARD_COUNT && uuid_eq(c->owners[shards[i]], c->config.member_id);
        if (ours && !is_moving(c, shards[i])) {
            h->shards[h->count++] = shards[i];
            h->part[shards[i]] = HANDOVER_ASKED;
        }
    }
    list_append(&c->handovers, &h->node);
    if (in) {
        in->owner = h;
        in->gone = on_asker_gone;
    }
    if (!h->count) {
        handover_end(h, NULL);
        return;
    }
    for (unsigned i = 0; i < c->config.lanes; i++) {
        ask_lane(h, i);
    }
}

static void on_give(void *ctx, struct rpc_in *in, struct str body)
{
    struct cluster *c = ctx;
    struct msg_shard_give m;
    struct fail f = { 0 };
    enum err err = msg_shard_give_decode(body, lane_scratch(c->lane), &m, &f);
    if (!err && c->stopped) {
        err = fail(&f, ERR_UNAVAILABLE, "this process is stopping");
    }
    if (err) {
        rpc_reply_fail(in, &f);
        return;
    }
    handover_begin(c, in, m.to, m.shards, m.shard_count);
}

/* Callers are not answered any more. */
void handover_free_all(struct cluster *c)
{
    list_each(&c->handovers, n)
    {
        struct handover *h = list_entry(n, struct handover, node);
        h->in = NULL;
        handover_end(h, NULL);
    }
}

void handover_serve(struct cluster *c)
{
    rpc_serve(c->rl, RPC_CLUSTER_SHARD_GIVE, on_give, c);
}
