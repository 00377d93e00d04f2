/* The engine itself and its one entry: what each event does, in a few calls to those who know how. */
#include "matching/engine/state.h"

const struct matching_limits matching_limits_default = {
    .queues = 100000,
    .polls = 200000,
    .pollers_per_queue = 1000,
    .credit_initial = 16,
    .credit_extra = 1024,
    .credit_fair = 112,
    .offers_held = 4096,
    .fair_keys = 1000,
    .sticky_alive = DURATION_SECONDS(10),
    .sticky_cut_alive = DURATION_SECONDS(1),
    .idle = DURATION_SECONDS(300),
    .pollers_kept = DURATION_SECONDS(300),
    .foreign_kept = DURATION_SECONDS(10),
    .stall = DURATION_SECONDS(1),
};

struct matching_engine *matching_engine_new(const struct matching_limits *limits)
{
    struct pool pool = { 0 };
    struct matching_engine *e = pool_alloc(&pool, sizeof(*e));
    e->limits = *limits;
    e->pool = pool;
    map_init(&e->queues, NULL);
    map_init(&e->advertisers, NULL);
    map_init(&e->sources, NULL);
    map_init(&e->offers, NULL);
    list_init(&e->idle);
    list_init(&e->dirty);
    return e;
}

void matching_set_lookup(struct matching_engine *e,
        bool (*lookup)(void *ctx, const struct queue_id *id, struct matching_queue_config *ret),
        void *ctx)
{
    e->lookup = lookup;
    e->lookup_ctx = ctx;
}

/* Parked polls belong to their owners, who free them. */
void matching_engine_free(struct matching_engine *e)
{
    if (!e) {
        return;
    }
    map_each(&e->queues, n)
    {
        struct queue *q = map_entry(n, struct queue, by_key);
        list_each(&q->polls, p)
        {
            poll_unpark(e, list_entry(p, struct matching_poll, node));
        }
        queue_forget(e, q);
    }
    map_deinit(&e->queues);
    map_deinit(&e->advertisers);
    map_deinit(&e->sources);
    map_deinit(&e->offers);
    struct pool pool = e->pool; /* the engine lives in it */
    pool_deinit(&pool);
}

static enum err step_poll(struct matching_engine *e, const struct matching_event *ev,
        struct matching_effects *fx, struct fail *f)
{
    if (e->totals.polls >= e->limits.polls) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "too many polls are waiting");
    }
    struct queue *q = queue_get(e, &ev->poll.queue, ev->poll.is_sticky, ev->now);
    if (!q) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "too many task queues are in use");
    }
    struct matching_poll *poll = ev->poll.poll;
    queue_saw_poller(
            e, q, ev->poll.identity, ev->poll.max_tasks_per_second, ev->poll.details, ev->now);
    if (ev->poll.refund) {
        rate_limit_refund(&q->limit);
        rate_count_take_back(&q->handed, ev->now);
    }
    if (q->id.type == TASK_QUEUE_ACTIVITY && q->poll_rate != ev->poll.max_tasks_per_second) {
        q->poll_rate = ev->poll.max_tasks_per_second;
        queue_set_limit(q, ev->now);
    }
    poll->queue = q;
    poll->since = ev->now;
    list_append(&q->polls, &poll->node);
    q->poll_count++;
    e->totals.polls++;
    sticky_saw_poll(e, q, ev->now);
    queue_match(e, q, ev->now, fx);
    if (q->poll_count > 0) {
        queue_ask_for_more(e, q);
    }
    queue_plan(e, q, ev->now);
    return ERR_NONE;
}

static void step_poll_over(
        struct matching_engine *e, const struct matching_event *ev, struct matching_effects *fx)
{
    struct queue *q = ev->gone->queue;
    if (!q) {
        return; /* answered in the meantime */
    }
    q->used_at = ev->now;
    if (ev->kind == MATCHING_POLL_EXPIRED) {
        poll_answer(e, ev->gone, MATCHING_ANSWER_EMPTY, fx);
        sticky_saw_poll(e, q, ev->now);
    } else {
        poll_unpark(e, ev->gone);
        sticky_poll_cut(e, q, ev->now);
    }
    queue_plan(e, q, ev->now);
}

static void step_advertise(
        struct matching_engine *e, const struct matching_event *ev, struct matching_effects *fx)
{
    struct advertiser *a =
            advertiser_get(e, &ev->advertise.from, ev->advertise.incarnation, ev->now);
    if (!a) {
        return; /* overtaken: all of it was, or will be, told again */
    }
    struct queue *q = queue_get(e, &ev->advertise.queue, ev->advertise.is_sticky, ev->now);
    if (!q) {
        e->totals.dropped += ev->advertise.offer_count;
        return;
    }
    bool is_new;
    struct source *s = source_get(e, q, a, ev->now, &is_new);
    source_take_figures(e, s, ev, is_new);
    bool was_alive = q->poll_count > 0 || instant_before(ev->now, q->alive_until);
    for (size_t i = 0; i < ev->advertise.offer_count; i++) {
        struct offer *o = source_take_offer(e, s, &ev->advertise.offers[i], ev->now);
        if (o && q->is_sticky && !was_alive) {
            offer_leave(e, o, true);
            e->totals.refused++;
        }
    }
    queue_match(e, q, ev->now, fx);
    sticky_settle(e, q, ev->now);
    if (q->poll_count > 0 && s->backlog > 0) {
        source_mark_dirty(e, s);
    }
    queue_plan(e, q, ev->now);
}

static void step_member_gone(struct matching_engine *e, struct uuid member)
{
    map_each(&e->advertisers, n)
    {
        struct advertiser *a = map_entry(n, struct advertiser, by_id);
        if (uuid_eq(a->key.member, member)) {
            advertiser_forget(e, a);
        }
    }
}

static void step_shutdown(
        struct matching_engine *e, const struct matching_event *ev, struct matching_effects *fx)
{
    struct queue_id id = ev->shutdown;
    id.type = TASK_QUEUE_WORKFLOW;
    struct queue *q = queue_find(e, &id, true);
    if (q) {
        q->used_at = ev->now;
        sticky_goodbye(e, q, ev->now, fx);
        queue_plan(e, q, ev->now);
    }
}

static void step_ownership(
        struct matching_engine *e, const struct matching_event *ev, struct matching_effects *fx)
{
    map_each(&e->queues, n)
    {
        struct queue *q = map_entry(n, struct queue, by_key);
        if (ev->ownership.keeps(ev->ownership.ctx,
                    task_queue_hash(q->id.namespace_id, q->id.name, q->id.type))) {
            q->foreign_since = (struct instant){ 0 };
            continue;
        }
        list_each(&q->polls, p)
        {
            poll_answer(
                    e, list_entry(p, struct matching_poll, node), MATCHING_ANSWER_NOT_OWNER, fx);
        }
        if (!instant_is_set(q->foreign_since)) {
            q->foreign_since = ev->now;
        }
        queue_plan(e, q, ev->now);
    }
}

static void step_config(struct matching_engine *e, struct instant now, struct matching_effects *fx)
{
    map_each(&e->queues, n)
    {
        struct queue *q = map_entry(n, struct queue, by_key);
        if (e->lookup && !q->is_sticky) {
            queue_configure(e, q, now);
            queue_match(e, q, now, fx);
            queue_plan(e, q, now);
        }
    }
}

/* For so long that nobody can be about to say that it is ours. */
static bool queue_is_foreign(
        const struct matching_engine *e, const struct queue *q, struct instant now)
{
    return instant_is_set(q->foreign_since) && q->poll_count == 0 &&
           instant_since(now, q->foreign_since).ns >= e->limits.foreign_kept.ns;
}

/* Tells the advertisers that their offers are here no more: they may still take us for the owner, and would wait for
 * ever. True while there is something to tell. */
static bool queue_give_back(struct matching_engine *e, struct queue *q)
{
    bool is_left = false;
    list_each(&q->sources, n)
    {
        struct source *s = list_entry(n, struct source, in_queue);
        list_each(&s->held, m)
        {
            offer_leave(e, list_entry(m, struct offer, in_source), false);
        }
        is_left |= !list_empty(&s->leaving);
    }
    return is_left;
}

static void step_time(struct matching_engine *e, struct instant now, struct matching_effects *fx)
{
    for (struct heap_node *n; (n = heap_min(&e->expiries)) && n->key <= now.ns;) {
        struct offer *o = container_of(n, struct offer, expiry);
        struct queue *q = o->source->queue;
        offer_leave(e, o, false);
        e->totals.expired++;
        q->used_at = now;
        queue_plan(e, q, now);
    }
    for (struct heap_node *n; (n = heap_min(&e->needs)) && n->key <= now.ns;) {
        struct queue *q = container_of(n, struct queue, need);
        heap_remove(&e->needs, n);
        if (queue_is_foreign(e, q, now)) {
            if (queue_give_back(e, q)) {
                q->foreign_since = now; /* once they are told, it may go */
                queue_plan(e, q, now);
            } else {
                queue_forget(e, q);
            }
            continue;
        }
        if (queue_may_go(q) && instant_since(now, q->used_at).ns >= e->limits.idle.ns) {
            queue_forget(e, q);
            continue;
        }
        queue_match(e, q, now, fx);
        sticky_settle(e, q, now);
        queue_unstall(e, q, now);
        queue_plan(e, q, now);
    }
}

enum err matching_step(struct matching_engine *e, const struct matching_event *ev,
        struct matching_effects *fx, struct fail *f)
{
    switch (ev->kind) {
    case MATCHING_POLL:
        return step_poll(e, ev, fx, f);
    case MATCHING_POLL_EXPIRED:
    case MATCHING_POLL_GONE:
        step_poll_over(e, ev, fx);
        return ERR_NONE;
    case MATCHING_ADVERTISE:
        step_advertise(e, ev, fx);
        return ERR_NONE;
    case MATCHING_MEMBER_GONE:
        step_member_gone(e, ev->member);
        return ERR_NONE;
    case MATCHING_WORKER_SHUTDOWN:
        step_shutdown(e, ev, fx);
        return ERR_NONE;
    case MATCHING_OWNERSHIP:
        step_ownership(e, ev, fx);
        return ERR_NONE;
    case MATCHING_CONFIG:
        step_config(e, ev->now, fx);
        return ERR_NONE;
    case MATCHING_TIME:
        step_time(e, ev->now, fx);
        return ERR_NONE;
    }
    unreachable_state(ev->kind);
}

struct instant matching_next_need(const struct matching_engine *e)
{
    struct instant at = INSTANT_NEVER;
    if (heap_min(&e->needs)) {
        at.ns = heap_min(&e->needs)->key;
    }
    if (heap_min(&e->expiries)) {
        at = instant_min(at, (struct instant){ heap_min(&e->expiries)->key });
    }
    return at;
}

struct matching_totals matching_totals(const struct matching_engine *e)
{
    struct matching_totals t = e->totals;
    t.queues = e->queues.len;
    t.offers = e->offers.len;
    t.advertisers = e->advertisers.len;
    t.bytes = e->pool.arena.total;
    return t;
}
