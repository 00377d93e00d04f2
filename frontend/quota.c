/* Token buckets and counts that the lanes of a process share: a bucket is one number per priority, changed with
 * compare-and-swap, so that a call costs a few atomic operations when its rate is limited, and none when it is not.
 * Which call draws from which bucket, and what a refusal says, is admission.c's. */
#include "frontend/quota.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/check.h"

enum { OPERATOR_SHARE = 5 }; /* the operator's part of a rate is one in so many */

/* ---- buckets ----------------------------------------------------------------------------------- */

/* `due` is the moment at which a bucket would be full if nothing more were taken. It is full when that has passed,
 * empty when it lies burst tokens ahead; each token taken moves it by the time that one needs to come. */
struct measure {
    int64_t token; /* ns until a new one comes */
    int64_t full;  /* ns until an empty bucket is full */
};

static struct measure measure_of(struct quota_rate rate, unsigned priority)
{
    int64_t share = priority == 0 ? OPERATOR_SHARE : 1;
    int64_t burst = rate.burst / share;
    int64_t token = DURATION_SECONDS(1).ns * share / rate.per_second;
    return (struct measure){ token, token * (burst < 1 ? 1 : burst) };
}

static bool take_own(_Atomic int64_t *due, struct measure m, int64_t now)
{
    int64_t old = atomic_load_explicit(due, memory_order_relaxed), begin;
    do {
        begin = old > now ? old : now;
        if (begin + m.token - now > m.full) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
            due, &old, begin + m.token, memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* What a priority before it has taken, this one has not: it may owe, but for no longer than a second. */
static void take_from_behind(_Atomic int64_t *due, struct measure m, int64_t now)
{
    int64_t most = now + m.full + DURATION_SECONDS(1).ns, next;
    int64_t old = atomic_load_explicit(due, memory_order_relaxed);
    do {
        next = (old > now ? old : now) + m.token;
        next = next > most ? most : next;
        if (next <= old) {
            return;
        }
    } while (!atomic_compare_exchange_weak_explicit(
            due, &old, next, memory_order_relaxed, memory_order_relaxed));
}

bool quota_take(
        struct quota_bucket *bucket, struct quota_rate rate, unsigned priority, struct instant now)
{
    check(priority < QUOTA_PRIORITIES);
    if (!rate.per_second) {
        return true;
    }
    if (!take_own(&bucket->due[priority], measure_of(rate, priority), now.ns)) {
        return false;
    }
    for (unsigned behind = priority + 1; behind < QUOTA_PRIORITIES; behind++) {
        take_from_behind(&bucket->due[behind], measure_of(rate, behind), now.ns);
    }
    return true;
}

bool quota_begins(_Atomic int64_t *refused_at, struct instant now, struct duration quiet)
{
    int64_t before = atomic_exchange_explicit(refused_at, now.ns, memory_order_relaxed);
    return !before || now.ns - before > quiet.ns;
}

/* ---- calls that wait --------------------------------------------------------------------------- */

bool quota_wait(struct quota_namespace *ns, unsigned wait, int64_t max)
{
    check(wait < QUOTA_WAITS);
    if (atomic_fetch_add_explicit(&ns->waiting[wait], 1, memory_order_relaxed) < max) {
        return true;
    }
    quota_wait_over(ns, wait);
    return false;
}

void quota_wait_over(struct quota_namespace *ns, unsigned wait)
{
    check(atomic_fetch_sub_explicit(&ns->waiting[wait], 1, memory_order_relaxed) > 0);
}

/* ---- the process's, and a lane's --------------------------------------------------------------- */

struct quotas {
    struct quota_bucket buckets[QUOTA_KINDS];
    pthread_mutex_t lock; /* of the map; taken once per lane and namespace */
    struct map namespaces;
};

struct known {
    struct map_node node;
    struct quota_namespace *ns;
};

struct quotas *quotas_new(void)
{
    struct quotas *quotas = calloc(1, sizeof(*quotas));
    check(quotas);
    pthread_mutex_init(&quotas->lock, NULL);
    map_init(&quotas->namespaces, NULL);
    return quotas;
}

void quotas_free(struct quotas *quotas)
{
    if (!quotas) {
        return;
    }
    map_each(&quotas->namespaces, node)
    {
        free(map_entry(node, struct quota_namespace, node));
    }
    map_deinit(&quotas->namespaces);
    pthread_mutex_destroy(&quotas->lock);
    free(quotas);
}

struct quota_bucket *quotas_bucket(struct quotas *quotas, enum quota_kind kind)
{
    return &quotas->buckets[kind];
}

void quotas_lane_init(struct quotas_lane *ql, struct quotas *quotas)
{
    ql->quotas = quotas;
    map_init(&ql->known, NULL);
}

void quotas_lane_deinit(struct quotas_lane *ql)
{
    map_each(&ql->known, node)
    {
        free(map_entry(node, struct known, node));
    }
    map_deinit(&ql->known);
}

static struct quota_namespace *find_shared(struct quotas *quotas, struct uuid id)
{
    pthread_mutex_lock(&quotas->lock);
    struct map_node *found = map_get(&quotas->namespaces, uuid_bytes(&id));
    struct quota_namespace *ns = found ? map_entry(found, struct quota_namespace, node) : NULL;
    if (!ns) {
        ns = calloc(1, sizeof(*ns));
        check(ns);
        ns->id = id;
        map_put(&quotas->namespaces, &ns->node, uuid_bytes(&ns->id));
    }
    pthread_mutex_unlock(&quotas->lock);
    return ns;
}

struct quota_namespace *quotas_namespace(struct quotas_lane *ql, struct uuid id)
{
    struct map_node *found = map_get(&ql->known, uuid_bytes(&id));
    if (found) {
        return map_entry(found, struct known, node)->ns;
    }
    struct known *known = calloc(1, sizeof(*known));
    check(known);
    known->ns = find_shared(ql->quotas, id);
    map_put(&ql->known, &known->node, uuid_bytes(&known->ns->id));
    return known->ns;
}
