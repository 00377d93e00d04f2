/* What is always true of the engine's memory. Walks everything: for tests and simulation. */
#include "matching/engine/state.h"

static size_t list_len(const struct list *list)
{
    size_t n = 0;
    for (struct list_node *i = list_first(list); i; i = list_next(list, i)) {
        n++;
    }
    return n;
}

static void check_source(const struct matching_engine *e, const struct source *s)
{
    check(s->key.queue == s->queue && s->key.advertiser == s->advertiser);
    check(list_len(&s->held) == s->held_count);
    check(s->held_count <= e->limits.offers_held);
    /* Something to report is never forgotten. */
    check(implies(!list_empty(&s->leaving), list_linked(&s->dirty)));
    check(implies(list_linked(&s->dirty), list_linked(&s->advertiser->dirty)));
    for (struct list_node *n = list_first(&s->held); n; n = list_next(&s->held, n)) {
        const struct offer *o = list_entry(n, struct offer, in_source);
        check(o->source == s && o->by_since.linked &&
                o->fair->level == s->queue->levels[o->level - 1]);
        check(o->expiry.linked == s->queue->is_sticky);
        check(map_get(&e->offers, str_of(&o->key, sizeof(o->key))) == &o->by_key);
    }
}

static void check_key(const struct level *l, const struct fair_key *k)
{
    check(k->level == l);
    check((k->offers.len > 0) == (k->in == &l->active || k->in == &l->paused));
    check(implies(k->in, k->turn.linked));
}

/* Returns the offers it holds. */
static size_t check_level(const struct matching_engine *e, const struct level *l)
{
    size_t held = l->nameless ? l->nameless->offers.len : 0;
    size_t waiting = held > 0;
    if (l->nameless) {
        check_key(l, l->nameless);
    }
    map_each(&l->keys, n)
    {
        const struct fair_key *k = map_entry(n, struct fair_key, by_name);
        check_key(l, k);
        check(k->in);
        held += k->offers.len;
        waiting += k->offers.len > 0;
    }
    check(held == l->held);
    check(l->active.len + l->paused.len == waiting);
    check(l->resting.len <= (size_t)e->limits.fair_keys + 1);
    return held;
}

static void check_queue(const struct matching_engine *e, const struct queue *q)
{
    check(list_len(&q->polls) == q->poll_count);
    for (struct list_node *n = list_first(&q->polls); n; n = list_next(&q->polls, n)) {
        check(list_entry(n, struct matching_poll, node)->queue == q);
    }
    uint64_t backlog = 0;
    size_t held = 0;
    for (struct list_node *n = list_first(&q->sources); n; n = list_next(&q->sources, n)) {
        const struct source *s = list_entry(n, struct source, in_queue);
        check_source(e, s);
        check(s->queue == q);
        backlog += s->backlog;
        held += s->held_count;
    }
    check(q->backlog == backlog);
    check(q->offer_count == held);
    uint64_t of_levels = 0;
    for (size_t i = 0; i < PRIORITY_LEVELS; i++) {
        held -= q->levels[i] ? check_level(e, q->levels[i]) : 0;
        of_levels += q->levels[i] ? q->levels[i]->backlog : 0;
    }
    check(held == 0 && of_levels == backlog);
    held = q->offer_count;
    bool is_limited = q->limit.is_set || q->has_key_rate;
    bool is_stopped = (q->limit.is_set && !(q->limit.per_second > 0)) ||
                      (q->has_key_rate && !(q->key_rate > 0));
    check(q->pollers.len <= e->limits.pollers_per_queue);
    /* A poll and an offer never wait side by side, unless a limit or a goodbye keeps them apart. */
    check(implies(q->poll_count > 0 && held > 0, is_limited || q->closed_until.ns > 0));
    /* Whatever needs time is in the heap: nothing is silently stuck, nothing is kept for ever. */
    check(implies(queue_is_idle(q), q->need.linked));
    check(queue_is_idle(q) == list_linked(&q->idle));
    check(implies(
            q->poll_count > 0 && ((held > 0 && !is_stopped) || q->backlog > 0), q->need.linked));
}

void matching_check_invariants(const struct matching_engine *e)
{
    check(e->queues.len <= e->limits.queues);
    size_t polls = 0, offers = 0;
    uint64_t backlog = 0;
    map_each(&e->queues, n)
    {
        const struct queue *q = map_entry(n, struct queue, by_key);
        check_queue(e, q);
        polls += q->poll_count;
        offers += q->offer_count;
        backlog += q->backlog;
    }
    check(backlog == e->totals.backlog);
    check(polls == e->totals.polls && polls <= e->limits.polls);
    check(offers == e->offers.len);
    map_each(&e->advertisers, n)
    {
        const struct advertiser *a = map_entry(n, struct advertiser, by_id);
        check(implies(list_linked(&a->dirty), !list_empty(&e->dirty)));
    }
}
