/* Advertisers, what they have in each queue, and the credit they get for sending it.
 *
 * Credit. An advertiser may send as many offers of a queue as it was granted. It starts with credit_initial; at
 * each flush the engine tops up so that
 *
 *     credit not used + offers held  =  credit_initial + (waiting polls, while it has a backlog)
 *
 * for each priority level by itself, so that what is urgent never waits for the credit of what is not; a level with
 * keys of fairness gets credit_fair more, so that each of its keys can have a task here
 * so a task is prefetched before a poll asks for it, and what is held here stays bounded. An advertiser that
 * sends more than it may is served all the same up to offers_held; beyond that its offers are dropped. */
#include "matching/engine/state.h"

/* ---- advertisers --------------------------------------------------------------------------------------- */

struct advertiser *advertiser_get(struct matching_engine *e, const struct advertiser_id *id,
        uint64_t incarnation, struct instant now)
{
    struct advertiser_key key;
    memset(&key, 0, sizeof(key));
    key.member = id->member;
    key.lane = id->lane;
    struct map_node *n = map_get(&e->advertisers, str_of(&key, sizeof(key)));
    if (n) {
        struct advertiser *known = map_entry(n, struct advertiser, by_id);
        if (incarnation < known->incarnation) {
            return NULL;
        }
        if (known->incarnation != incarnation) {
            advertiser_void(e, known);
            known->incarnation = incarnation;
            known->began_anew = now;
        }
        return known;
    }
    struct advertiser *a = pool_alloc(&e->pool, sizeof(*a));
    a->key = key;
    a->incarnation = incarnation;
    list_init(&a->sources);
    list_init(&a->dirty_sources);
    map_put(&e->advertisers, &a->by_id, str_of(&a->key, sizeof(a->key)));
    return a;
}

void advertiser_void(struct matching_engine *e, struct advertiser *a)
{
    list_each(&a->sources, n)
    {
        struct source *s = list_entry(n, struct source, in_advertiser);
        struct queue *q = s->queue;
        source_forget(e, s);
        queue_plan(e, q, q->used_at);
    }
    list_remove(&a->dirty);
}

void advertiser_forget(struct matching_engine *e, struct advertiser *a)
{
    advertiser_void(e, a);
    map_remove(&e->advertisers, &a->by_id);
    pool_free(&e->pool, a, sizeof(*a));
}

/* ---- offers -------------------------------------------------------------------------------------------- */

static struct offer_key offer_key_of(const struct source *s, const struct task_ref *t)
{
    struct offer_key key;
    memset(&key, 0, sizeof(key));
    key.source = s;
    key.run_id = t->run_id;
    key.scheduled_event_id = t->scheduled_event_id;
    key.attempt = t->attempt;
    key.stamp = t->stamp;
    return key;
}

static struct offer *offer_new(
        struct matching_engine *e, struct source *s, const struct matching_offer *from)
{
    size_t size = sizeof(struct offer) + from->task.workflow_id.len;
    struct offer *o = pool_alloc(&e->pool, size);
    o->size = size;
    o->source = s;
    o->task = from->task;
    if (from->task.workflow_id.len > 0) {
        memcpy(o->workflow_id, from->task.workflow_id.ptr, from->task.workflow_id.len);
    }
    o->task.workflow_id.ptr = o->workflow_id;
    o->since = from->since;
    o->level = level_of(&from->priority);
    o->weight = from->priority.weight;
    return o;
}

/* Out of everything that finds held offers; stays in the list of its source. */
static void offer_unhold(struct matching_engine *e, struct offer *o)
{
    order_remove(e, o);
    heap_remove(&e->expiries, &o->expiry);
    map_remove(&e->offers, &o->by_key);
    list_remove(&o->in_source);
    o->source->levels[o->level - 1].held--;
    o->source->held_count--;
}

void offer_leave(struct matching_engine *e, struct offer *o, bool is_refused)
{
    offer_unhold(e, o);
    o->is_refused = is_refused;
    list_append(&o->source->leaving, &o->in_source);
    source_mark_dirty(e, o->source);
}

static struct str fairness_key_of(const struct priority *p)
{
    return p->fairness_key.len <= FAIRNESS_KEY_MAX ? p->fairness_key
                                                   : str_of(p->fairness_key.ptr, FAIRNESS_KEY_MAX);
}

struct offer *source_take_offer(struct matching_engine *e, struct source *s,
        const struct matching_offer *from, struct instant now)
{
    struct queue *q = s->queue;
    struct source_level *level = &s->levels[level_of(&from->priority) - 1];
    level->credit -= level->credit > 0;
    level->heard_at = now;
    level->stalls = 0;
    source_mark_dirty(e, s); /* the credit comes back, one way or another */
    if (from->task.workflow_id.len > NAME_MAX_BYTES) {
        e->totals.dropped++;
        return NULL;
    }
    struct offer_key key = offer_key_of(s, &from->task);
    if (map_get(&e->offers, str_of(&key, sizeof(key)))) {
        e->totals.duplicates++;
        return NULL;
    }
    struct offer *o = offer_new(e, s, from);
    if (s->held_count >= e->limits.offers_held) {
        e->totals.dropped++;
        list_append(&s->leaving, &o->in_source);
        return NULL;
    }
    o->key = key;
    map_put(&e->offers, &o->by_key, str_of(&o->key, sizeof(o->key)));
    order_add(e, o, fairness_key_of(&from->priority));
    level->held++;
    if (q->is_sticky) {
        struct duration wait = from->sticky_schedule_to_start.ns > 0
                                       ? from->sticky_schedule_to_start
                                       : e->limits.sticky_alive;
        heap_insert(&e->expiries, &o->expiry, instant_add(now, wait).ns);
    }
    list_append(&s->held, &o->in_source);
    s->held_count++;
    return o;
}

/* ---- sources ------------------------------------------------------------------------------------------- */

struct source *source_get(struct matching_engine *e, struct queue *q, struct advertiser *a,
        struct instant now, bool *is_new)
{
    struct source_key key = { q, a };
    struct map_node *n = map_get(&e->sources, str_of(&key, sizeof(key)));
    *is_new = !n;
    if (n) {
        return map_entry(n, struct source, by_key);
    }
    struct source *s = pool_alloc(&e->pool, sizeof(*s));
    s->key = key;
    s->queue = q;
    s->advertiser = a;
    for (size_t i = 0; i < PRIORITY_LEVELS; i++) {
        s->levels[i].credit = e->limits.credit_initial;
        s->levels[i].heard_at = now;
    }
    list_init(&s->held);
    list_init(&s->leaving);
    list_append(&q->sources, &s->in_queue);
    list_append(&a->sources, &s->in_advertiser);
    map_put(&e->sources, &s->by_key, str_of(&s->key, sizeof(s->key)));
    return s;
}

static void source_drop_leaving(struct matching_engine *e, struct source *s)
{
    list_each(&s->leaving, n)
    {
        struct offer *o = list_entry(n, struct offer, in_source);
        list_remove(n);
        pool_free(&e->pool, o, o->size);
    }
}

static void source_set_level(struct matching_engine *e, struct source *s, size_t i,
        uint64_t backlog, struct instant oldest)
{
    struct source_level *level = &s->levels[i];
    if (backlog != level->backlog) {
        order_level(e, s->queue, (uint32_t)i + 1)->backlog += backlog - level->backlog;
        s->queue->backlog += backlog - level->backlog;
        s->backlog += backlog - level->backlog;
        e->totals.backlog += backlog - level->backlog;
    }
    level->backlog = backlog;
    level->oldest = oldest;
}

void source_forget(struct matching_engine *e, struct source *s)
{
    list_each(&s->held, n)
    {
        struct offer *o = list_entry(n, struct offer, in_source);
        offer_unhold(e, o);
        pool_free(&e->pool, o, o->size);
    }
    source_drop_leaving(e, s);
    for (size_t i = 0; i < PRIORITY_LEVELS; i++) {
        source_set_level(e, s, i, 0, (struct instant){ 0 });
    }
    list_remove(&s->dirty);
    list_remove(&s->in_queue);
    list_remove(&s->in_advertiser);
    map_remove(&e->sources, &s->by_key);
    pool_free(&e->pool, s, sizeof(*s));
}

/* Tasks that came since the last figures: the backlog's growth and what was sent out of it. */
static uint64_t tasks_added(uint64_t before, bool is_new, uint64_t backlog, uint64_t offers)
{
    if (is_new) {
        return offers; /* how much of its backlog is old is not known */
    }
    return backlog + offers > before ? backlog + offers - before : 0;
}

void source_take_figures(
        struct matching_engine *e, struct source *s, const struct matching_event *ev, bool is_new)
{
    struct matching_level_figures now[PRIORITY_LEVELS] = { 0 };
    uint64_t offers[PRIORITY_LEVELS] = { 0 };
    now[PRIORITY_NORMAL - 1].backlog = ev->advertise.backlog;
    now[PRIORITY_NORMAL - 1].oldest = ev->advertise.oldest;
    for (size_t i = 0; i < ev->advertise.level_count; i++) {
        const struct matching_level_figures *f = &ev->advertise.levels[i];
        if (f->level >= 1 && f->level <= PRIORITY_LEVELS && f->level != PRIORITY_NORMAL) {
            now[f->level - 1] = *f;
        }
    }
    for (size_t i = 0; i < ev->advertise.offer_count; i++) {
        const struct matching_offer *o = &ev->advertise.offers[i];
        /* Who begins anew tells again of what has been counted. */
        bool is_old = is_new && instant_before(o->since, s->advertiser->began_anew);
        offers[level_of(&o->priority) - 1] += !is_old;
    }
    for (size_t i = 0; i < PRIORITY_LEVELS; i++) {
        uint64_t added = tasks_added(s->levels[i].backlog, is_new, now[i].backlog, offers[i]);
        source_set_level(e, s, i, now[i].backlog, now[i].oldest);
        if (added > 0) {
            rate_count_add(&s->queue->added, ev->now, added);
            if (i != PRIORITY_NORMAL - 1) {
                rate_count_add(&order_level(e, s->queue, (uint32_t)i + 1)->added, ev->now, added);
            }
        }
    }
}

void source_mark_dirty(struct matching_engine *e, struct source *s)
{
    if (!list_linked(&s->dirty)) {
        list_append(&s->advertiser->dirty_sources, &s->dirty);
    }
    if (!list_linked(&s->advertiser->dirty)) {
        list_append(&e->dirty, &s->advertiser->dirty);
    }
}

void queue_ask_for_more(struct matching_engine *e, struct queue *q)
{
    if (q->backlog == 0 || q->offer_count > 0) {
        return;
    }
    list_each(&q->sources, n)
    {
        struct source *s = list_entry(n, struct source, in_queue);
        if (s->backlog > 0) {
            source_mark_dirty(e, s);
        }
    }
}

static void source_level_unstall(
        struct matching_engine *e, struct source *s, size_t i, struct instant now)
{
    struct source_level *l = &s->levels[i];
    int64_t patience = e->limits.stall.ns << l->stalls;
    if (l->backlog == 0 || instant_since(now, l->heard_at).ns < patience) {
        return;
    }
    if (s->queue->offer_count == 0 || s->queue->levels[i]->held == 0) {
        l->credit = 0;
        l->stalls += l->stalls < STALLS_MAX;
        l->heard_at = now;
        source_mark_dirty(e, s);
    }
}

void queue_unstall(struct matching_engine *e, struct queue *q, struct instant now)
{
    if (q->backlog == 0 || (q->poll_count == 0 && q->offer_count == 0)) {
        return;
    }
    list_each(&q->sources, n)
    {
        struct source *s = list_entry(n, struct source, in_queue);
        for (size_t i = 0; s->backlog > 0 && i < PRIORITY_LEVELS; i++) {
            source_level_unstall(e, s, i, now);
        }
    }
}

/* ---- what advertisers are told ------------------------------------------------------------------------- */

static uint32_t source_grant(const struct matching_engine *e, struct source *s, size_t i)
{
    struct source_level *l = &s->levels[i];
    const struct level *order = s->queue->levels[i];
    uint64_t want = e->limits.credit_initial;
    uint64_t extra = s->queue->poll_count < l->backlog ? s->queue->poll_count : l->backlog;
    want += extra < e->limits.credit_extra ? extra : e->limits.credit_extra;
    want += order && order->keys.len > 0 ? e->limits.credit_fair : 0;
    uint64_t have = (uint64_t)l->credit + l->held;
    uint32_t more = have < want ? (uint32_t)(want - have) : 0;
    l->credit += more;
    return more;
}

static void source_flush(struct matching_engine *e, struct source *s, struct arena *arena,
        struct matching_demand *ret)
{
    struct matching_demanded_queue told = { .more = source_grant(e, s, PRIORITY_NORMAL - 1) };
    for (size_t i = 0; i < PRIORITY_LEVELS; i++) {
        uint32_t more = i != PRIORITY_NORMAL - 1 && s->queue->levels[i] ? source_grant(e, s, i) : 0;
        if (more > 0) {
            vec_push(arena, &told.more_at, ((struct matching_level_more){ (uint32_t)i + 1, more }));
        }
    }
    list_each(&s->leaving, n)
    {
        struct offer *o = list_entry(n, struct offer, in_source);
        struct task_ref task = o->task;
        task.workflow_id = str_dup(arena, task.workflow_id);
        if (o->is_refused) {
            vec_push(arena, &told.refused, task);
        } else {
            vec_push(arena, &told.gone, task);
        }
    }
    source_drop_leaving(e, s);
    if (told.more > 0 || told.more_at.len > 0 || told.gone.len > 0 || told.refused.len > 0) {
        told.queue = s->queue->id;
        told.queue.name = str_dup(arena, told.queue.name);
        vec_push(arena, &ret->queues, told);
    }
}

void matching_flush(struct matching_engine *e, struct matching_demands *ret,
        bool (*reaches)(void *ctx, struct uuid member), void *ctx)
{
    struct list later;
    list_init(&later);
    for (struct list_node *an; (an = list_pop(&e->dirty));) {
        struct advertiser *a = list_entry(an, struct advertiser, dirty);
        if (reaches && !reaches(ctx, a->key.member)) {
            list_append(&later, &a->dirty);
            continue;
        }
        struct matching_demand demand = { .to = { a->key.member, a->key.lane },
            .incarnation = a->incarnation };
        for (struct list_node *sn; (sn = list_pop(&a->dirty_sources));) {
            source_flush(e, list_entry(sn, struct source, dirty), ret->arena, &demand);
        }
        if (demand.queues.len > 0) {
            vec_push(ret->arena, &ret->list, demand);
        }
    }
    for (struct list_node *an; (an = list_pop(&later));) {
        list_append(&e->dirty, an);
    }
}
