/* Each seed gets a world of its own kind: most faults are off in most worlds, so that the ones that
 * are on meet states which a world of everything never reaches. */
#include "tests/sim/swarm.h"

#include <stdio.h>

static const char *const fault_names[FAULT_COUNT] = {
    "crash",
    "freeze",
    "leave",
    "link",
    "partition",
    "away",
    "cut-off",
    "clock",
    "client",
};

static unsigned below(struct rand *r, unsigned n)
{
    return (unsigned)rand_below(r, n);
}

static unsigned permille(struct rand *r, unsigned odds, unsigned max)
{
    return below(r, 100) < odds ? 1 + below(r, max) : 0;
}

static struct duration span(struct rand *r, int64_t min_ms, int64_t max_ms)
{
    return DURATION_MS(min_ms + (int64_t)rand_below(r, (uint64_t)(max_ms - min_ms)));
}

static void make_hosts(struct swarm *s, struct rand *r)
{
    s->lanes = 1 + (below(r, 3) == 0);
    if (below(r, 4) == 0) {
        s->whole_hosts = 1 + below(r, 3);
        return;
    }
    s->history_hosts = 1 + below(r, 3);
    s->matching_hosts = 1 + below(r, 2);
    s->frontend_hosts = 1 + below(r, 2);
}

static void make_faults(struct swarm *s, struct rand *r)
{
    bool none = below(r, 12) == 0;
    for (int i = 0; i < FAULT_COUNT; i++) {
        struct duration every = span(r, 1500, 20000);
        s->every[i] = !none && below(r, 100) < 35 ? every : (struct duration){ 0 };
    }
    s->store_delay = below(r, 4) == 0 ? span(r, 5, 60) : span(r, 0, 4);
    s->net_delay = below(r, 4) == 0 ? span(r, 5, 60) : span(r, 0, 3);
    s->store_lost = none ? 0 : permille(r, 40, 30);
    s->skew = below(r, 2) ? span(r, 0, 5000) : (struct duration){ 0 };
    s->turmoil = span(r, 5000, 60000);
}

struct swarm swarm_make(struct rand *r)
{
    struct swarm s = { 0 };
    make_hosts(&s, r);
    make_faults(&s, r);
    s.small_cache = below(r, 2);
    s.patient = below(r, 4);
    s.worker_dies = permille(r, 40, 60);
    s.worker_stalls = permille(r, 40, 60);
    s.worker_twice = permille(r, 40, 100);
    s.worker_old = permille(r, 40, 60);
    s.worker_fails = permille(r, 40, 60);
    s.worker_forgets = permille(r, 40, 200);
    s.workers = 1 + below(r, 3);
    s.workflows = 3 + below(r, 18);
    s.features = (unsigned)rand_u64(r) & (unsigned)rand_u64(r) & FEATURE_ALL;
    s.features |= (unsigned)rand_u64(r) & FEATURE_ALL;
    if (below(r, 4)) {
        s.features &= ~(unsigned)FEATURE_LONG; /* dear */
    }
    return s;
}

void swarm_print(const struct swarm *s)
{
    fprintf(stderr,
            "hosts: %u history, %u matching, %u frontend, %u whole; %u lanes; %u workers; %u "
            "workflows\n",
            s->history_hosts, s->matching_hosts, s->frontend_hosts, s->whole_hosts, s->lanes,
            s->workers, s->workflows);
    fprintf(stderr, "faults for %lld ms:", (long long)duration_ms(s->turmoil));
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (s->every[i].ns) {
            fprintf(stderr, " %s/%lldms", fault_names[i], (long long)duration_ms(s->every[i]));
        }
    }
    fprintf(stderr,
            "\ndelays: store %lld us, net %lld us; store lost %u/1000; skew %lld ms; %s cache\n",
            (long long)s->store_delay.ns / 1000, (long long)s->net_delay.ns / 1000, s->store_lost,
            (long long)duration_ms(s->skew), s->small_cache ? "small" : "large");
    fprintf(stderr, "faults at most: %u (0: any number)\n", s->max_faults);
    fprintf(stderr,
            "workers, per mille: die %u, stall %u, twice %u, old %u, fail %u, forget %u; features "
            "%#x\n",
            s->worker_dies, s->worker_stalls, s->worker_twice, s->worker_old, s->worker_fails,
            s->worker_forgets, s->features);
}
