/* Which offer goes next: the lowest level; within it the key of fairness whose turn it is; within that the oldest.
 *
 * Turns. Each key of a level has a pass, a virtual time. The smallest pass goes first, and each task that goes moves
 * its key's pass on by STRIDE / weight. A key that had nothing waiting joins at the level's present time, so that it
 * can't save up turns. So keys that always have tasks share by weight, whatever their number.
 *
 *     (unknown) --offer--> ACTIVE --its last offer goes--> RESTING, while its pass is ahead of the others'
 *                          |    ^                            |    |
 *               over its   v    |  its time has come         |    `--others have caught up--> (unknown)
 *               own rate   PAUSED                            `--offer--> ACTIVE
 *
 * What is remembered of keys without offers is bounded (fair_keys): the one that is ahead the least goes first. A level
 * with nothing waiting anywhere forgets all. While no key has a name there are no turns: nothing here costs more than
 * one heap by age. */
#include "matching/engine/state.h"

#define STRIDE 1000000.0

/* ---- keys ---------------------------------------------------------------------------------------------- */

static void key_move(struct fair_key *k, struct heap *to, int64_t at)
{
    if (k->in) {
        heap_remove(k->in, &k->turn);
    }
    k->in = to;
    if (to) {
        heap_insert(to, &k->turn, at);
    }
}

static void key_forget(struct matching_engine *e, struct fair_key *k)
{
    key_move(k, NULL, 0);
    if (k->level->nameless == k) {
        k->level->nameless = NULL;
    } else {
        map_remove(&k->level->keys, &k->by_name);
    }
    pool_free(&e->pool, k, k->size);
}

static struct fair_key *key_get(struct matching_engine *e, struct level *l, struct str name)
{
    if (!name.len && l->nameless) {
        return l->nameless;
    }
    struct map_node *n = name.len ? map_get(&l->keys, name) : NULL;
    if (n) {
        return map_entry(n, struct fair_key, by_name);
    }
    size_t size = sizeof(struct fair_key) + name.len;
    struct fair_key *k = pool_alloc(&e->pool, size);
    k->size = size;
    k->level = l;
    k->pass = l->virtual_time;
    if (name.len) {
        memcpy(k->name, name.ptr, name.len);
        map_put(&l->keys, &k->by_name, str_of(k->name, name.len));
    } else {
        l->nameless = k;
    }
    return k;
}

static bool has_turns(const struct level *l)
{
    return l->keys.len > 0;
}

/* Its last offer is gone. The nameless one stays for the next. */
static void key_rest(struct matching_engine *e, struct fair_key *k)
{
    struct level *l = k->level;
    if (k->pass > l->virtual_time || k->limit.is_set) {
        key_move(k, &l->resting, k->pass);
    } else if (l->nameless == k) {
        key_move(k, NULL, 0);
    } else {
        key_forget(e, k);
    }
}

/* Those of the resting that tell nothing any more, or are too many. */
static void forget_rested(struct matching_engine *e, struct level *l, struct instant now)
{
    for (struct heap_node *n; (n = heap_min(&l->resting));) {
        struct fair_key *k = container_of(n, struct fair_key, turn);
        bool is_over = k->pass <= l->virtual_time && k->limit.empty_at <= now.ns;
        if (!is_over && l->resting.len <= e->limits.fair_keys) {
            return;
        }
        key_forget(e, k);
    }
}

static void forget_all_resting(struct matching_engine *e, struct level *l)
{
    for (struct heap_node *n; (n = heap_min(&l->resting));) {
        key_forget(e, container_of(n, struct fair_key, turn));
    }
}

/* ---- levels -------------------------------------------------------------------------------------------- */

static void level_init(struct level *l)
{
    map_init(&l->keys, NULL);
}

struct level *order_level(struct matching_engine *e, struct queue *q, uint32_t level)
{
    struct level *l = q->levels[level - 1];
    if (!l) {
        l = q->levels[level - 1] = pool_alloc(&e->pool, sizeof(*l));
        level_init(l);
        l->added.began = l->handed.began = q->added.began;
    }
    return l;
}

void order_init(struct matching_engine *e, struct queue *q)
{
    q->levels[PRIORITY_NORMAL - 1] = &q->normal;
    level_init(&q->normal);
    map_init(&q->weights, NULL);
}

static void forget_weights(struct matching_engine *e, struct queue *q)
{
    map_each(&q->weights, n)
    {
        struct weight *w = map_entry(n, struct weight, by_key);
        map_remove(&q->weights, n);
        pool_free(&e->pool, w, w->size);
    }
}

void order_deinit(struct matching_engine *e, struct queue *q)
{
    check(q->offer_count == 0);
    for (size_t i = 0; i < PRIORITY_LEVELS; i++) {
        struct level *l = q->levels[i];
        if (!l) {
            continue;
        }
        map_each(&l->keys, n)
        {
            key_forget(e, map_entry(n, struct fair_key, by_name));
        }
        if (l->nameless) {
            key_forget(e, l->nameless);
        }
        map_deinit(&l->keys);
        if (l != &q->normal) {
            pool_free(&e->pool, l, sizeof(*l));
        }
    }
    forget_weights(e, q);
    map_deinit(&q->weights);
}

/* ---- offers -------------------------------------------------------------------------------------------- */

void order_add(struct matching_engine *e, struct offer *o, struct str name)
{
    struct queue *q = o->source->queue;
    struct level *l = order_level(e, q, o->level);
    struct fair_key *k = key_get(e, l, name);
    o->fair = k;
    heap_insert(&k->offers, &o->by_since, o->since.ns);
    l->held++;
    q->offer_count++;
    if (k->in == &l->active || k->in == &l->paused) {
        return;
    }
    k->pass = k->pass > l->virtual_time ? k->pass : l->virtual_time;
    if (k->limit.is_set) {
        key_move(k, &l->paused, rate_limit_next(&k->limit, (struct instant){ 0 }).ns);
    } else {
        key_move(k, &l->active, k->pass);
    }
}

void order_remove(struct matching_engine *e, struct offer *o)
{
    struct fair_key *k = o->fair;
    struct level *l = k->level;
    heap_remove(&k->offers, &o->by_since);
    l->held--;
    o->source->queue->offer_count--;
    if (k->offers.len == 0) {
        key_rest(e, k);
    }
    if (l->held == 0 && l->backlog == 0 && l->resting.len > 0 && !o->source->queue->has_key_rate) {
        forget_all_resting(e, l);
    }
}

static struct offer *first_of(const struct fair_key *k)
{
    return container_of(heap_min(&k->offers), struct offer, by_since);
}

struct offer *order_next(struct queue *q, struct instant now)
{
    bool is_stopped = q->has_key_rate && !(q->key_rate > 0);
    for (size_t i = 0; i < PRIORITY_LEVELS && !is_stopped; i++) {
        struct level *l = q->levels[i];
        if (!l || l->held == 0) {
            continue;
        }
        for (struct heap_node *n; (n = heap_min(&l->paused)) && n->key <= now.ns;) {
            struct fair_key *k = container_of(n, struct fair_key, turn);
            k->pass = k->pass > l->virtual_time ? k->pass : l->virtual_time;
            key_move(k, &l->active, k->pass);
        }
        if (heap_min(&l->active)) {
            return first_of(container_of(heap_min(&l->active), struct fair_key, turn));
        }
    }
    return NULL;
}

struct instant order_wait(const struct queue *q)
{
    struct instant at = INSTANT_NEVER;
    for (size_t i = 0; i < PRIORITY_LEVELS; i++) {
        const struct level *l = q->levels[i];
        if (l && heap_min(&l->paused)) {
            at = instant_min(at, (struct instant){ heap_min(&l->paused)->key });
        }
    }
    return at;
}

/* What is configured goes before what the task says. */
static double weight_of(const struct queue *q, const struct offer *o)
{
    struct map_node *n = q->weights.len > 0 ? map_get(&q->weights, o->fair->by_name.key) : NULL;
    return n ? map_entry(n, struct weight, by_key)->weight : fairness_weight(o->weight);
}

void order_turn(struct matching_engine *e, struct offer *o, struct instant now)
{
    struct queue *q = o->source->queue;
    struct fair_key *k = o->fair;
    struct level *l = k->level;
    if (!has_turns(l) && !q->has_key_rate) {
        return;
    }
    double weight = weight_of(q, o);
    l->virtual_time = k->pass > l->virtual_time ? k->pass : l->virtual_time;
    k->pass += (int64_t)(STRIDE / weight);
    struct instant next = now;
    if (q->has_key_rate) {
        rate_limit_set(&k->limit, q->key_rate * weight, now);
        rate_limit_take(&k->limit, now);
        next = rate_limit_next(&k->limit, now);
    }
    if (instant_before(now, next)) {
        key_move(k, &l->paused, next.ns);
    } else {
        key_move(k, &l->active, k->pass);
    }
    forget_rested(e, l, now);
}

struct offer *order_any(const struct queue *q)
{
    for (size_t i = 0; q->offer_count > 0 && i < PRIORITY_LEVELS; i++) {
        const struct level *l = q->levels[i];
        struct heap_node *n = !l                     ? NULL
                              : heap_min(&l->active) ? heap_min(&l->active)
                                                     : heap_min(&l->paused);
        if (n) {
            return first_of(container_of(n, struct fair_key, turn));
        }
    }
    return NULL;
}

struct instant order_oldest(const struct queue *q, uint32_t level)
{
    struct instant oldest = INSTANT_NEVER;
    const struct level *l = q->levels[level - 1];
    if (!l || l->held == 0) {
        return oldest;
    }
    if (l->nameless && l->nameless->offers.len > 0) {
        oldest = first_of(l->nameless)->since;
    }
    map_each(&l->keys, n)
    {
        const struct fair_key *k = map_entry(n, struct fair_key, by_name);
        if (k->offers.len > 0) {
            oldest = instant_min(oldest, first_of(k)->since);
        }
    }
    return oldest;
}

/* ---- what is configured ---------------------------------------------------------------------------------- */

/* Keys start with a full bucket at a new rate; without one nothing is paused. */
static void restart_key(struct fair_key *k)
{
    rate_limit_lift(&k->limit);
    if (k->in == &k->level->paused) {
        key_move(k, &k->level->active, k->pass);
    }
}

void order_configure(
        struct matching_engine *e, struct queue *q, const struct matching_queue_config *config)
{
    bool is_other = q->has_key_rate != config->has_key_rate || q->key_rate != config->key_rate;
    q->has_key_rate = config->has_key_rate;
    q->key_rate = config->key_rate;
    for (size_t i = 0; is_other && i < PRIORITY_LEVELS; i++) {
        struct level *l = q->levels[i];
        if (l && l->nameless) {
            restart_key(l->nameless);
        }
        for (struct map_node *n = l ? map_first(&l->keys) : NULL; n; n = map_next(&l->keys, n)) {
            restart_key(map_entry(n, struct fair_key, by_name));
        }
    }
    forget_weights(e, q);
    for (size_t i = 0; i < config->weight_count && i < MATCHING_WEIGHTS_MAX; i++) {
        const struct matching_weight *from = &config->weights[i];
        if (from->key.len > FAIRNESS_KEY_MAX || map_get(&q->weights, from->key)) {
            continue;
        }
        struct weight *w = pool_alloc(&e->pool, sizeof(*w) + from->key.len);
        w->size = sizeof(*w) + from->key.len;
        w->weight = fairness_weight(from->weight);
        memcpy(w->key, from->key.ptr, from->key.len);
        map_put(&q->weights, &w->by_key, str_of(w->key, from->key.len));
    }
}
