/* The clock and the heap of events, and the recorder: a ring of the last things that happened, and
 * a hash over all of them, which two runs of a seed must share. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/host.h"

struct world world;
uint64_t tally[TALLY_COUNT];

void world_init(uint64_t seed, const struct cut *cut)
{
    struct rand r = { hash_u64(seed) };
    world.seed = seed;
    world.now = (struct instant){ DURATION_SECONDS(3600).ns };
    world.swarm = swarm_make(&r);
    cut_apply(cut, &world.swarm);
    world.rand.state = rand_u64(&r) + cut->salt;
    world.play.state = rand_u64(&r) + cut->salt;
    world.db = sim_db_new(seed);
    world.namespace_id = uuid_v4(&r);
    world.database = sim_lane_new(NULL, 0, r);
}

void event_after(
        struct sim_event *event, struct duration after, void (*fire)(struct sim_event *event))
{
    heap_remove(&world.events, &event->node);
    event->fire = fire;
    heap_insert(&world.events, &event->node, instant_add(world.now, after).ns);
}

void event_stop(struct sim_event *event)
{
    heap_remove(&world.events, &event->node);
}

void world_run(struct duration span, bool (*done)(void))
{
    struct instant end = instant_add(world.now, span);
    struct heap_node *n;
    while ((n = heap_min(&world.events)) && n->key <= end.ns) {
        struct sim_event *e = container_of(n, struct sim_event, node);
        heap_remove(&world.events, n);
        world.now.ns = n->key > world.now.ns ? n->key : world.now.ns;
        world.steps++;
        e->fire(e);
        if (done && done()) {
            return;
        }
    }
    world.now = instant_max(world.now, end);
}

/* ---- the recorder ---- */

enum { RING = 1 << 12 };

struct line {
    struct instant at;
    int host;
    const char *what;
    int64_t a, b, c;
};

static struct line ring[RING];
static uint64_t recorded, hash;
static bool follow;

static void print_line(const struct line *l)
{
    char host[16] = "-";
    if (l->host >= 0) {
        snprintf(host, sizeof(host), "h%d", l->host);
    }
    fprintf(stderr, "%12.3f %-4s %-22s %lld %lld %lld\n",
            (double)(l->at.ns - DURATION_SECONDS(3600).ns) / 1e6, host, l->what, (long long)l->a,
            (long long)l->b, (long long)l->c);
}

void record(const struct host *host, const char *what, int64_t a, int64_t b, int64_t c)
{
    struct line *l = &ring[recorded++ % RING];
    *l = (struct line){ world.now, host ? (int)host->number : -1, what, a, b, c };
    uint64_t words[] = { (uint64_t)l->at.ns, (uint64_t)l->host, (uint64_t)a, (uint64_t)b,
        (uint64_t)c };
    hash = hash_bytes(str_of(words, sizeof(words)), hash_bytes(str_from_cstr(what), hash));
    if (follow) {
        print_line(l);
    }
}

uint64_t record_hash(void)
{
    return hash;
}

void record_follow(bool on)
{
    follow = on;
}

void record_dump(int lines)
{
    uint64_t n = recorded < RING ? recorded : RING;
    n = n < (uint64_t)lines ? n : (uint64_t)lines;
    fprintf(stderr, "     time/ms host what                   numbers\n");
    for (uint64_t i = recorded - n; i < recorded; i++) {
        print_line(&ring[i % RING]);
    }
}

void violation(const char *fmt, ...)
{
    va_list args;
    record_dump(60);
    fprintf(stderr, "VIOLATION: ");
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nat %.3f ms; repeat: tests/sim/run --seed %llu\n",
            (double)(world.now.ns - DURATION_SECONDS(3600).ns) / 1e6,
            (unsigned long long)world.seed);
    exit(EXIT_FAILURE);
}
