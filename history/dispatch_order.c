/* In which order the tasks of a queue are told to its owner: the lowest priority level first; within a level the key of
 * fairness that has the fewest tasks with the owner for its weight; within a key first in, first out.
 *
 * Who goes next over all history lanes is the owner's decision (matching/engine/order.c). For that it must hold a task
 * of each key that has one here, so the credit is spread over the keys: a key that the owner hands out fast gets the
 * next place, one that it holds back keeps the few it has. With more keys than credit they take turns by weight. */
#include <string.h>

#include "history/dispatch_queue.h"

#define STRIDE    1000.0 /* of a key of weight 1 */
#define PASS_BITS 52
#define OUT_MAX   1023

struct dispatch_level *dispatch_level_get(struct dispatch_queue *q, uint32_t level)
{
    struct dispatch_level *l = q->levels[level - 1];
    if (!l) {
        l = level == PRIORITY_NORMAL ? &q->normal : NEW(&q->arena, struct dispatch_level, 1);
        q->levels[level - 1] = l;
        l->queue = q;
        l->level = level;
        l->credit = DEMAND_INITIAL;
        l->nameless.level = l;
        list_init(&l->nameless.waiting);
        map_init(&l->keys, NULL);
    }
    return l;
}

void dispatch_levels_deinit(struct dispatch_queue *q)
{
    for (size_t i = 0; i < PRIORITY_LEVELS; i++) {
        struct dispatch_level *l = q->levels[i];
        if (l) {
            map_each(&l->keys, n)
            {
                map_remove(&l->keys, n);
                pool_put(&q->dispatch->keys, map_entry(n, struct dispatch_key, by_name));
            }
            map_deinit(&l->keys);
        }
    }
}

struct dispatch_key *dispatch_key_take(struct dispatch_queue *q, const struct priority *p)
{
    struct dispatch_level *l = dispatch_level_get(q, (uint32_t)p->key);
    struct dispatch_key *k = &l->nameless;
    if (p->fairness_key.len) {
        struct map_node *n = map_get(&l->keys, p->fairness_key);
        k = n ? map_entry(n, struct dispatch_key, by_name) : NULL;
        if (!k) {
            k = POOL_NEW(&q->dispatch->keys, struct dispatch_key);
            k->level = l;
            k->pass = l->virtual_time;
            list_init(&k->waiting);
            memcpy(k->name, p->fairness_key.ptr, p->fairness_key.len);
            map_put(&l->keys, &k->by_name, str_of(k->name, p->fairness_key.len));
        }
    }
    k->tasks++;
    return k;
}

void dispatch_key_drop(struct dispatch_key *k)
{
    check(k->tasks > 0);
    if (--k->tasks == 0 && k != &k->level->nameless) {
        check(!k->turn.linked && !k->sent);
        map_remove(&k->level->keys, &k->by_name);
        pool_put(&k->level->queue->dispatch->keys, k);
    }
}

static float weight_of(const struct dispatch_key *k)
{
    return list_entry(list_first(&k->waiting), struct dispatch_task, in_queue)->weight;
}

void dispatch_key_rank(struct dispatch_key *k)
{
    struct dispatch_level *l = k->level;
    bool has_turns = l->keys.len > 0;
    if (k->turn.linked && !has_turns && !list_empty(&k->waiting)) {
        return; /* the only one */
    }
    heap_remove(&l->turns, &k->turn);
    if (list_empty(&k->waiting)) {
        return;
    }
    if (!has_turns) {
        heap_insert(&l->turns, &k->turn, 0);
        return;
    }
    double out = (double)k->sent / (double)weight_of(k);
    int64_t rank = out < OUT_MAX ? (int64_t)out : OUT_MAX;
    k->pass = k->pass > l->virtual_time ? k->pass : l->virtual_time;
    heap_insert(
            &l->turns, &k->turn, rank << PASS_BITS | (k->pass & ((INT64_C(1) << PASS_BITS) - 1)));
}

struct dispatch_task *dispatch_next(struct dispatch_level *l)
{
    struct heap_node *n = heap_min(&l->turns);
    if (!n) {
        return NULL;
    }
    struct dispatch_key *k = container_of(n, struct dispatch_key, turn);
    struct dispatch_task *task =
            list_entry(list_first(&k->waiting), struct dispatch_task, in_queue);
    if (l->keys.len > 0) {
        l->virtual_time = k->pass;
        k->pass += (int64_t)(STRIDE / (double)task->weight);
    }
    return task;
}

struct instant dispatch_oldest(const struct dispatch_level *l)
{
    struct instant oldest = INSTANT_NEVER;
    if (!list_empty(&l->nameless.waiting)) {
        oldest =
                list_entry(list_first(&l->nameless.waiting), struct dispatch_task, in_queue)->since;
    }
    /* With many keys only those that came first are looked at: each message says it again. */
    size_t left = DEMAND_INITIAL;
    for (struct map_node *n = map_first(&l->keys); n && left > 0;
            n = map_next(&l->keys, n), left--) {
        const struct dispatch_key *k = map_entry(n, struct dispatch_key, by_name);
        if (!list_empty(&k->waiting)) {
            oldest = instant_min(oldest,
                    list_entry(list_first(&k->waiting), struct dispatch_task, in_queue)->since);
        }
    }
    return oldest.ns == INSTANT_NEVER.ns ? (struct instant){ 0 } : oldest;
}
