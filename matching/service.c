/* Drives the engine of one lane: messages become events, answers and demand become messages. Demand leaves once
 * per turn, in one message per history lane. Polls are poll.c's; who owns which queue is common/cluster's. */
#include "matching/service.h"

#include <stdlib.h>

#include "common/obs/log.h"
#include "common/rpc/messages.h"
#include "common/rpc/methods.h"
#include "matching/state.h"

#define DEMAND_BODY_MAX (3u << 20) /* below the transport's frame limit */

bool matching_owns(void *ctx, uint64_t queue_hash)
{
    struct matching *m = ctx;
    struct rpc_peer *peer = cluster_matching_peer(m->cl, queue_hash);
    return !peer || uuid_eq(rpc_peer_member(peer), cluster_self(m->cl));
}

/* ---- demand ------------------------------------------------------------------------------------------ */

static void demand_send(struct matching *m, const struct matching_demand *demand,
        const struct msg_demanded_queue *queues, size_t count)
{
    struct rpc_peer *peer = cluster_member_peer(m->cl, demand->to.member);
    check(peer); /* reaches() */
    struct msg_demand msg = { demand->incarnation, queues, count };
    struct buf body;
    buf_init_arena(&body, lane_scratch(m->lane), 4 * DEMAND_BODY_MAX);
    msg_demand_encode(&msg, &body);
    if (body.overflow || (body.len > DEMAND_BODY_MAX && count > 1)) {
        demand_send(m, demand, queues, count / 2);
        demand_send(m, demand, queues + count / 2, count - count / 2);
        return;
    }
    m->stats.demands_sent++;
    rpc_notify(m->rl, peer, RPC_HISTORY_DEMAND, demand->to.lane, buf_str(&body));
}

/* Who is not in our view, or not alive in it, hears of it with the view that has it: it may be newer
 * than ours, and what is not told here is told nowhere else. */
static bool reaches(void *ctx, struct uuid member)
{
    struct matching *m = ctx;
    bool known = cluster_member_peer(m->cl, member) != NULL;
    m->stats.demands_delayed += !known;
    return known;
}

static void on_flush(struct lane_task *task)
{
    struct matching *m = container_of(task, struct matching, flush);
    struct arena *scratch = lane_scratch(m->lane);
    struct matching_demands demands = { .arena = scratch };
    m->flush_pending = false;
    if (m->is_over) {
        free(m);
        return;
    }
    matching_flush(m->engine, &demands, reaches, m);
    for (size_t i = 0; i < demands.list.len; i++) {
        const struct matching_demand *d = &demands.list.ptr[i];
        struct msg_demanded_queue *queues = NEW(scratch, struct msg_demanded_queue, d->queues.len);
        for (size_t k = 0; k < d->queues.len; k++) {
            const struct matching_demanded_queue *q = &d->queues.ptr[k];
            struct msg_level_more *levels =
                    q->more_at.len ? NEW(scratch, struct msg_level_more, q->more_at.len) : NULL;
            for (size_t j = 0; j < q->more_at.len; j++) {
                levels[j] =
                        (struct msg_level_more){ q->more_at.ptr[j].level, q->more_at.ptr[j].more };
            }
            queues[k] = (struct msg_demanded_queue){ q->queue.namespace_id, q->queue.name,
                q->queue.type, q->more, q->gone.ptr, q->gone.len, q->refused.ptr, q->refused.len,
                levels, q->more_at.len };
        }
        demand_send(m, d, queues, d->queues.len);
    }
}

/* ---- the engine -------------------------------------------------------------------------------------- */

static void on_time(struct lane_timer *timer);

static void plan_time(struct matching *m)
{
    struct instant need = matching_next_need(m->engine);
    if (need.ns == INT64_MAX) {
        lane_timer_stop(m->lane, &m->time);
        return;
    }
    if (lane_timer_running(&m->time) && m->time_for.ns <= need.ns) {
        return; /* it comes early and is set again then */
    }
    struct duration wait = instant_since(need, lane_now(m->lane));
    m->time_for = need;
    lane_timer_start(m->lane, &m->time, wait.ns > 0 ? wait : (struct duration){ 0 }, on_time);
}

enum err matching_run(struct matching *m, const struct matching_event *ev, struct fail *f)
{
    struct matching_effects fx = { .arena = lane_scratch(m->lane) };
    struct matching_event now = *ev;
    now.now = lane_now(m->lane);
    enum err err = matching_step(m->engine, &now, &fx, f);
    for (size_t i = 0; i < fx.answers.len; i++) {
        matching_answer_poll(m, &fx.answers.ptr[i]);
    }
    if (!m->flush_pending) {
        m->flush_pending = true;
        lane_defer(m->lane, &m->flush);
    }
    plan_time(m);
    return err;
}

void matching_must_run(struct matching *m, const struct matching_event *ev)
{
    struct fail f;
    check(matching_run(m, ev, &f) == ERR_NONE);
}

static void on_time(struct lane_timer *timer)
{
    struct matching *m = container_of(timer, struct matching, time);
    struct matching_event ev = { .kind = MATCHING_TIME };
    matching_must_run(m, &ev);
}

/* ---- messages ---------------------------------------------------------------------------------------- */

static void take_advertised(struct matching *m, const struct msg_advertise *msg, struct uuid from,
        const struct msg_advertised_queue *q)
{
    struct arena *scratch = lane_scratch(m->lane);
    struct matching_offer *offers = NEW(scratch, struct matching_offer, q->offer_count);
    struct matching_level_figures *levels =
            q->level_count ? NEW(scratch, struct matching_level_figures, q->level_count) : NULL;
    for (size_t k = 0; k < q->offer_count; k++) {
        const struct msg_offer *o = &q->offers[k];
        offers[k] = (struct matching_offer){ o->task, o->since, o->sticky_schedule_to_start,
            priority_meaning(o->priority) };
    }
    for (size_t k = 0; k < q->level_count; k++) {
        levels[k] = (struct matching_level_figures){ q->levels[k].level, q->levels[k].backlog,
            q->levels[k].oldest };
    }
    struct matching_event ev = { .kind = MATCHING_ADVERTISE,
        .advertise = { .from = { from, msg->lane },
                .incarnation = msg->incarnation,
                .queue = { q->namespace_id, q->name, q->type },
                .is_sticky = q->is_sticky,
                .backlog = q->backlog,
                .oldest = q->oldest,
                .levels = levels,
                .level_count = q->level_count,
                .offers = offers,
                .offer_count = q->offer_count } };
    matching_must_run(m, &ev);
}

/* Taken whether or not the queue is ours by our own view: the advertiser's may be newer, and it will not say it
 * again. A queue that is not ours goes with our next view. */
static void on_advertise(void *ctx, struct uuid from, uint64_t key, struct str body)
{
    struct matching *m = ctx;
    struct arena *scratch = lane_scratch(m->lane);
    struct msg_advertise msg;
    struct fail f;
    if (msg_advertise_decode(body, scratch, &msg, &f)) {
        m->stats.malformed++;
        log_warn("matching_malformed", LOG_UUID("from", from), LOG_FAIL(&f));
        return;
    }
    m->stats.advertised++;
    for (size_t i = 0; i < msg.queue_count; i++) {
        take_advertised(m, &msg, from, &msg.queues[i]);
    }
}

static void on_describe(void *ctx, struct rpc_in *in, struct str body)
{
    struct matching *m = ctx;
    struct arena *scratch = lane_scratch(m->lane);
    struct msg_describe_queue msg;
    struct fail f;
    if (msg_describe_queue_decode(body, scratch, &msg, &f)) {
        m->stats.malformed++;
        rpc_reply_fail(in, &f);
        return;
    }
    struct queue_id id = { msg.namespace_id, msg.task_queue, msg.type };
    struct matching_queue_info info;
    matching_describe(m->engine, &id, lane_now(m->lane), scratch, &info);
    struct msg_poller *pollers = NEW(scratch, struct msg_poller, info.pollers.len);
    for (size_t i = 0; i < info.pollers.len; i++) {
        const struct matching_poller_info *p = &info.pollers.ptr[i];
        pollers[i] =
                (struct msg_poller){ p->identity, p->last_access, p->rate_per_second, p->details };
    }
    struct msg_level_stats *levels = NEW(scratch, struct msg_level_stats, info.levels.len + 1);
    for (size_t i = 0; i < info.levels.len; i++) {
        const struct matching_level_info *l = &info.levels.ptr[i];
        levels[i] = (struct msg_level_stats){ l->level, l->backlog, l->oldest, l->add_rate,
            l->dispatch_rate };
    }
    struct msg_describe_queue_answer answer = { pollers, info.pollers.len, info.backlog,
        info.oldest, info.add_rate, info.dispatch_rate, (uint32_t)info.rate_source, info.rate_limit,
        info.is_limited, levels, info.levels.len };
    struct buf out;
    buf_init_arena(&out, scratch, 2 * DEMAND_BODY_MAX); /* 1000 pollers of 3 KiB fit */
    msg_describe_queue_answer_encode(&answer, &out);
    check(!out.overflow);
    rpc_reply(in, buf_str(&out));
}

static void on_shutdown(void *ctx, struct rpc_in *in, struct str body)
{
    struct matching *m = ctx;
    struct msg_shutdown_worker msg;
    struct fail f;
    if (msg_shutdown_worker_decode(body, lane_scratch(m->lane), &msg, &f)) {
        m->stats.malformed++;
        rpc_reply_fail(in, &f);
        return;
    }
    if (msg.sticky_task_queue.len) {
        struct matching_event ev = { .kind = MATCHING_WORKER_SHUTDOWN,
            .shutdown = { msg.namespace_id, msg.sticky_task_queue, TASK_QUEUE_WORKFLOW } };
        matching_must_run(m, &ev);
        if (msg.worker_instance_key.len) {
            matching_end_polls(m, &ev.shutdown, msg.worker_instance_key);
        }
    }
    if (msg.task_queue.len && msg.worker_instance_key.len) {
        struct queue_id id = { msg.namespace_id, msg.task_queue, msg.type };
        matching_end_polls(m, &id, msg.worker_instance_key);
    }
    rpc_reply(in, STR(""));
}

/* What still comes when the service is gone: the caller looks for the next owner. */
static void on_too_late(void *ctx, struct rpc_in *in, struct str body)
{
    struct fail f;
    fail(&f, ERR_UNAVAILABLE, "this matching process is stopping");
    rpc_reply_fail(in, &f);
}

/* ---- lost links -------------------------------------------------------------------------------------- */

/* A history process to which our link broke. If it lives, it hears of that too and starts over, perhaps before we
 * hear: what it has told is not to be forgotten. If it is dead, the view will say so. */
struct doubt {
    struct list_node node;
    struct matching *m;
    struct uuid member;
    struct lane_timer timer;
};

#define DOUBT_TIME DURATION_SECONDS(10)

static void doubt_end(struct doubt *d)
{
    lane_timer_stop(d->m->lane, &d->timer);
    list_remove(&d->node);
    free(d);
}

static void on_doubt(struct lane_timer *timer)
{
    struct doubt *d = container_of(timer, struct doubt, timer);
    if (cluster_member_is_alive(d->m->cl, d->member)) {
        lane_timer_start(d->m->lane, &d->timer, DOUBT_TIME, on_doubt);
        return;
    }
    struct matching_event ev = { .kind = MATCHING_MEMBER_GONE, .member = d->member };
    matching_must_run(d->m, &ev);
    doubt_end(d);
}

static void on_link(struct rpc_watch *watch, struct uuid member, bool up)
{
    struct matching *m = container_of(watch, struct matching, links);
    list_each(&m->doubts, n)
    {
        struct doubt *d = list_entry(n, struct doubt, node);
        if (uuid_eq(d->member, member)) {
            doubt_end(d);
        }
    }
    if (!up) {
        struct doubt *d = calloc(1, sizeof(*d));
        check(d);
        d->m = m;
        d->member = member;
        list_append(&m->doubts, &d->node);
        lane_timer_start(m->lane, &d->timer, DOUBT_TIME, on_doubt);
    }
}

static void on_view(struct cluster_watch *watch)
{
    struct matching *m = container_of(watch, struct matching, views);
    struct matching_event ev = { .kind = MATCHING_OWNERSHIP, .ownership = { matching_owns, m } };
    matching_must_run(m, &ev);
}

/* ---- life -------------------------------------------------------------------------------------------- */

struct matching *matching_new(struct lane *lane, struct rpc_lane *rl, struct cluster_lane *cl,
        struct namespaces_lane *namespaces)
{
    struct matching *m = calloc(1, sizeof(*m));
    check(m);
    m->lane = lane;
    m->rl = rl;
    m->cl = cl;
    m->engine = matching_engine_new(&matching_limits_default);
    m->namespaces = namespaces;
    matching_config_begin(m);
    m->flush.run = on_flush;
    m->links.changed = on_link;
    m->views.changed = on_view;
    list_init(&m->parked);
    list_init(&m->doubts);
    rpc_serve(rl, RPC_MATCHING_POLL, matching_on_poll, m);
    rpc_serve(rl, RPC_MATCHING_DESCRIBE, on_describe, m);
    rpc_serve(rl, RPC_MATCHING_SHUTDOWN, on_shutdown, m);
    rpc_serve_notify(rl, RPC_MATCHING_ADVERTISE, on_advertise, m);
    rpc_watch_links(rl, &m->links);
    cluster_watch(cl, &m->views);
    return m;
}

void matching_free(struct matching *m)
{
    if (!m) {
        return;
    }
    rpc_serve(m->rl, RPC_MATCHING_POLL, on_too_late, NULL);
    rpc_serve(m->rl, RPC_MATCHING_DESCRIBE, on_too_late, NULL);
    rpc_serve(m->rl, RPC_MATCHING_SHUTDOWN, on_too_late, NULL);
    rpc_serve_notify(m->rl, RPC_MATCHING_ADVERTISE, NULL, NULL);
    list_remove(&m->links.node);
    list_each(&m->doubts, n)
    {
        doubt_end(list_entry(n, struct doubt, node));
    }
    matching_answer_all_unavailable(m);
    lane_timer_stop(m->lane, &m->time);
    cluster_unwatch(&m->views);
    matching_config_end(m);
    matching_engine_free(m->engine);
    m->is_over = true;
    if (!m->flush_pending) {
        free(m);
    }
}

struct matching_stats matching_stats(const struct matching *m)
{
    struct matching_stats s = m->stats;
    s.engine = matching_totals(m->engine);
    return s;
}
