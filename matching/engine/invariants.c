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
        check(o->source == s && o->by_since.linked);
        check(o->expiry.linked == s->queue->is_sticky);
        check(map_get(&e->offers, str_of(&o->key, sizeof(o->key))) == &o->by_key);
    }
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
    check(q->offers.len == held);
    check(q->pollers.len <= e->limits.pollers_per_queue);
    /* A poll and an offer never wait side by side, unless a limit or a goodbye keeps them apart. */
    check(implies(
            q->poll_count > 0 && held > 0, q->limit.per_second > 0 || q->closed_until.ns > 0));
    /* Whatever needs time is in the heap: nothing is silently stuck, nothing is kept for ever. */
    check(implies(queue_is_idle(q), q->need.linked));
    check(queue_is_idle(q) == list_linked(&q->idle));
    check(implies(q->poll_count > 0 && (held > 0 || q->backlog > 0), q->need.linked));
}

void matching_check_invariants(const struct matching_engine *e)
{
    check(e->queues.len <= e->limits.queues);
    size_t polls = 0, offers = 0;
    map_each(&e->queues, n)
    {
        const struct queue *q = map_entry(n, struct queue, by_key);
        check_queue(e, q);
        polls += q->poll_count;
        offers += q->offers.len;
    }
    check(polls == e->totals.polls && polls <= e->limits.polls);
    check(offers == e->offers.len);
    map_each(&e->advertisers, n)
    {
        const struct advertiser *a = map_entry(n, struct advertiser, by_id);
        check(implies(list_linked(&a->dirty), !list_empty(&e->dirty)));
    }
}
