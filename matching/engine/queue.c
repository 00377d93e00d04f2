/* Task queues: found, made and forgotten; who polls them; when they want attention. Knows nothing of how polls
 * and offers meet (match.c) or of what advertisers are told (source.c). */
#include "matching/engine/state.h"

/* Queue names and namespaces make the key; built on the stack for a look-up. */
struct key_bytes {
    char b[1 + sizeof(struct uuid) + NAME_MAX_BYTES];
    size_t len;
};

static bool key_build(struct key_bytes *key, const struct queue_id *id, bool is_sticky)
{
    if (id->name.len > NAME_MAX_BYTES) {
        return false;
    }
    key->b[0] = (char)((unsigned)id->type | (is_sticky ? 0x10u : 0u));
    memcpy(key->b + 1, id->namespace_id.b, sizeof(struct uuid));
    if (id->name.len > 0) {
        memcpy(key->b + 1 + sizeof(struct uuid), id->name.ptr, id->name.len);
    }
    key->len = 1 + sizeof(struct uuid) + id->name.len;
    return true;
}

static struct queue *find_by_key(const struct matching_engine *e, const struct key_bytes *key)
{
    struct map_node *n = map_get(&e->queues, str_of(key->b, key->len));
    return n ? map_entry(n, struct queue, by_key) : NULL;
}

struct queue *queue_find(const struct matching_engine *e, const struct queue_id *id, bool is_sticky)
{
    struct key_bytes key;
    return key_build(&key, id, is_sticky) ? find_by_key(e, &key) : NULL;
}

bool queue_is_idle(const struct queue *q)
{
    return q->poll_count == 0 && q->offer_count == 0 && q->backlog == 0;
}

bool queue_may_go(const struct queue *q)
{
    if (!queue_is_idle(q)) {
        return false;
    }
    for (struct list_node *n = list_first(&q->sources); n; n = list_next(&q->sources, n)) {
        if (!list_empty(&list_entry(n, struct source, in_queue)->leaving)) {
            return false;
        }
    }
    return true;
}

/* At the limit the queue that has been idle for longest goes. */
static bool make_room(struct matching_engine *e)
{
    if (e->queues.len < e->limits.queues) {
        return true;
    }
    struct list_node *n = list_first(&e->idle);
    struct queue *q = n ? list_entry(n, struct queue, idle) : NULL;
    if (!q || !queue_may_go(q)) {
        return false;
    }
    queue_forget(e, q);
    return true;
}

struct queue *queue_get(
        struct matching_engine *e, const struct queue_id *id, bool is_sticky, struct instant now)
{
    struct key_bytes key;
    if (!key_build(&key, id, is_sticky)) {
        return NULL;
    }
    struct queue *q = find_by_key(e, &key);
    if (!q) {
        if (!make_room(e)) {
            return NULL;
        }
        size_t size = sizeof(*q) + key.len;
        q = pool_alloc(&e->pool, size);
        q->size = size;
        q->is_sticky = is_sticky;
        memcpy(q->key, key.b, key.len);
        q->id = *id;
        q->id.name = str_of(q->key + 1 + sizeof(struct uuid), id->name.len);
        list_init(&q->polls);
        list_init(&q->sources);
        map_init(&q->pollers, NULL);
        map_put(&e->queues, &q->by_key, str_of(q->key, key.len));
        q->poll_rate = MATCHING_NO_RATE;
        rate_count_begin(&q->added, now);
        rate_count_begin(&q->handed, now);
        order_init(e, q);
        if (e->lookup && !is_sticky) {
            queue_configure(e, q, now);
        }
    }
    q->used_at = now;
    return q;
}

static void poller_forget(struct matching_engine *e, struct queue *q, struct poller *p)
{
    map_remove(&q->pollers, &p->by_identity);
    pool_free(&e->pool, p, p->size);
}

void queue_forget(struct matching_engine *e, struct queue *q)
{
    check(q->poll_count == 0);
    list_each(&q->sources, n)
    {
        source_forget(e, list_entry(n, struct source, in_queue));
    }
    map_each(&q->pollers, n)
    {
        poller_forget(e, q, map_entry(n, struct poller, by_identity));
    }
    map_deinit(&q->pollers);
    order_deinit(e, q);
    heap_remove(&e->needs, &q->need);
    list_remove(&q->idle);
    map_remove(&e->queues, &q->by_key);
    pool_free(&e->pool, q, q->size);
}

static struct poller *poller_new(
        struct matching_engine *e, struct queue *q, struct str identity, struct str details)
{
    size_t size = sizeof(struct poller) + identity.len + details.len;
    struct poller *p = pool_alloc(&e->pool, size);
    p->size = size;
    if (identity.len > 0) {
        memcpy(p->identity, identity.ptr, identity.len);
    }
    if (details.len > 0) {
        memcpy(p->identity + identity.len, details.ptr, details.len);
    }
    p->details = str_of(p->identity + identity.len, details.len);
    return p;
}

void queue_saw_poller(struct matching_engine *e, struct queue *q, struct str identity, double rate,
        struct str details, struct instant now)
{
    identity.len = identity.len > IDENTITY_MAX_BYTES ? IDENTITY_MAX_BYTES : identity.len;
    details.len = details.len > DETAILS_MAX_BYTES ? 0 : details.len;
    struct map_node *n = map_get(&q->pollers, identity);
    struct poller *p = n ? map_entry(n, struct poller, by_identity) : NULL;
    if (p && str_eq(p->details, details)) {
        map_remove(&q->pollers, &p->by_identity);
    } else {
        struct map_node *oldest = map_first(&q->pollers);
        struct poller *old = p ? p : oldest ? map_entry(oldest, struct poller, by_identity) : NULL;
        if (old && (old == p || q->pollers.len >= e->limits.pollers_per_queue ||
                           instant_since(now, old->seen_at).ns > e->limits.pollers_kept.ns)) {
            poller_forget(e, q, old);
        }
        p = poller_new(e, q, identity, details);
    }
    map_put(&q->pollers, &p->by_identity, str_of(p->identity, identity.len));
    p->seen_at = now;
    p->rate_per_second = rate;
}

uint64_t queue_backlog(const struct queue *q)
{
    return q->backlog + q->offer_count;
}

void queue_set_limit(struct queue *q, struct instant now)
{
    if (q->has_rate) {
        rate_limit_set(&q->limit, q->config_rate, now);
    } else if (q->poll_rate >= 0) {
        rate_limit_set(&q->limit, q->poll_rate, now);
    } else {
        rate_limit_lift(&q->limit);
    }
}

void queue_configure(struct matching_engine *e, struct queue *q, struct instant now)
{
    struct matching_queue_config config = { 0 };
    bool is_configured = e->lookup(e->lookup_ctx, &q->id, &config);
    if (!is_configured && !q->has_rate && !q->has_key_rate && q->weights.len == 0) {
        return;
    }
    q->has_rate = config.has_rate;
    q->config_rate = config.rate;
    queue_set_limit(q, now);
    order_configure(e, q, &config);
}

bool queue_is_limited(const struct queue *q, struct instant now)
{
    return q->poll_count > 0 && q->offer_count > 0 &&
           instant_before(now, rate_limit_next(&q->limit, now));
}

/* A level whose tasks are not here though others' are: an offer or a grant may have been lost. */
static bool has_silent_level(const struct queue *q)
{
    for (size_t i = 0; q->offer_count > 0 && q->backlog > 0 && i < PRIORITY_LEVELS; i++) {
        const struct level *l = q->levels[i];
        if (l && l->backlog > 0 && l->held == 0) {
            return true;
        }
    }
    return false;
}

/* When an offer may meet the poll that waits beside it. */
static struct instant match_at(struct queue *q, struct instant now)
{
    if (q->is_sticky) {
        return q->closed_until;
    }
    struct instant at = rate_limit_next(&q->limit, now);
    if (q->has_key_rate && !order_next(q, now)) {
        at = instant_max(at, order_wait(q));
    }
    return at;
}

void queue_plan(struct matching_engine *e, struct queue *q, struct instant now)
{
    struct instant at = INSTANT_NEVER;
    if (q->poll_count > 0 && q->offer_count > 0) {
        at = match_at(q, now);
    }
    if (q->is_cut && q->offer_count > 0) {
        at = instant_min(at, q->alive_until);
    }
    if ((q->poll_count > 0 && q->backlog > 0) || has_silent_level(q)) {
        at = instant_min(at, instant_add(now, e->limits.stall));
    }
    list_remove(&q->idle);
    if (queue_is_idle(q)) {
        list_append(&e->idle, &q->idle);
        /* the second: it could not go yet */
        at = instant_max(
                instant_add(q->used_at, e->limits.idle), instant_add(now, e->limits.stall));
    }
    if (instant_is_set(q->foreign_since)) {
        at = instant_min(at, instant_add(q->foreign_since, e->limits.foreign_kept));
    }
    /* Never moved back, or a busy queue would never be looked at: it comes early and is planned anew. */
    if (at.ns != INT64_MAX && !(q->need.linked && q->need.key <= at.ns)) {
        heap_remove(&e->needs, &q->need);
        heap_insert(&e->needs, &q->need, at.ns);
    }
}

struct instant queue_oldest(const struct queue *q, uint32_t level)
{
    struct instant oldest = order_oldest(q, level);
    for (struct list_node *n = list_first(&q->sources); n; n = list_next(&q->sources, n)) {
        const struct source_level *s = &list_entry(n, struct source, in_queue)->levels[level - 1];
        if (s->backlog > 0 && instant_is_set(s->oldest)) {
            oldest = instant_min(oldest, s->oldest);
        }
    }
    return oldest;
}

/* The normal one is always there, the others when they have, or lately had, something. */
static void describe_level(const struct queue *q, uint32_t level, const struct rate_count *added,
        const struct rate_count *handed, struct instant now, struct arena *arena,
        struct matching_queue_info *ret)
{
    struct matching_level_info info = { .level = level,
        .backlog = q->levels[level - 1]->backlog + q->levels[level - 1]->held,
        .oldest = queue_oldest(q, level),
        .add_rate = rate_count_per_second(added, now),
        .dispatch_rate = rate_count_per_second(handed, now) };
    if (level == PRIORITY_NORMAL || info.backlog > 0 || info.add_rate > 0 ||
            info.dispatch_rate > 0) {
        ret->oldest = instant_min(ret->oldest, info.oldest);
        info.oldest = info.oldest.ns == INT64_MAX ? (struct instant){ 0 } : info.oldest;
        vec_push(arena, &ret->levels, info);
    }
}

void matching_describe(const struct matching_engine *e, const struct queue_id *id,
        struct instant now, struct arena *arena, struct matching_queue_info *ret)
{
    *ret = (struct matching_queue_info){ 0 };
    struct queue *q = queue_find(e, id, false);
    if (!q) {
        q = queue_find(e, id, true);
    }
    struct matching_queue_config config;
    if (!q && e->lookup && e->lookup(e->lookup_ctx, id, &config) && config.has_rate) {
        ret->rate_source = MATCHING_RATE_CONFIG; /* it holds from the first task on */
        ret->rate_limit = config.rate;
    }
    if (!q) {
        return;
    }
    map_each(&q->pollers, n)
    {
        struct poller *p = map_entry(n, struct poller, by_identity);
        if (instant_since(now, p->seen_at).ns <= e->limits.pollers_kept.ns) {
            struct matching_poller_info info = { str_dup(arena, p->by_identity.key), p->seen_at,
                p->rate_per_second, str_dup(arena, p->details) };
            vec_push(arena, &ret->pollers, info);
        }
    }
    for (size_t i = 0; i < ret->pollers.len / 2; i++) { /* the latest first */
        struct matching_poller_info *a = &ret->pollers.ptr[i];
        struct matching_poller_info *b = &ret->pollers.ptr[ret->pollers.len - 1 - i];
        struct matching_poller_info t = *a;
        *a = *b;
        *b = t;
    }
    ret->backlog = queue_backlog(q);
    ret->oldest = INSTANT_NEVER;
    struct rate_count added = q->added, handed = q->handed;
    for (uint32_t level = 1; level <= PRIORITY_LEVELS; level++) {
        const struct level *l = q->levels[level - 1];
        if (l && l != &q->normal) {
            added = rate_count_without(&added, &l->added, now);
            handed = rate_count_without(&handed, &l->handed, now);
        }
    }
    for (uint32_t level = 1; level <= PRIORITY_LEVELS; level++) {
        if (q->levels[level - 1]) {
            bool is_normal = level == PRIORITY_NORMAL;
            describe_level(q, level, is_normal ? &added : &q->levels[level - 1]->added,
                    is_normal ? &handed : &q->levels[level - 1]->handed, now, arena, ret);
        }
    }
    ret->oldest = ret->oldest.ns == INT64_MAX ? (struct instant){ 0 } : ret->oldest;
    ret->rate_source = q->has_rate       ? MATCHING_RATE_CONFIG
                       : q->limit.is_set ? MATCHING_RATE_POLL
                                         : MATCHING_RATE_NONE;
    ret->rate_limit = q->limit.per_second;
    ret->is_limited = queue_is_limited(q, now);
    ret->add_rate = rate_count_per_second(&q->added, now);
    ret->dispatch_rate = rate_count_per_second(&q->handed, now);
}
