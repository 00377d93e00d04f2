/* The simulated world: one thread, one clock, one seed. Everything that happens is an event in one
 * heap, ordered by time; events of the same moment in the order of their making. A world is made
 * once per process: main.c forks one for each seed, and nothing in it is freed. */
#pragma once

#include "common/base/heap.h"
#include "common/base/vec.h"
#include "common/io/lane.h"
#include "tests/sim/shrink.h"
#include "tests/sim/sim_store.h"

struct host;

struct sim_event {
    struct heap_node node;
    void (*fire)(struct sim_event *event);
};

struct world {
    uint64_t seed;
    struct instant now; /* the simulation's; starts at one hour */
    struct heap events;
    struct rand rand; /* of the schedule: delays, order, faults */
    struct rand play; /* of clients and workers */
    struct swarm swarm;
    struct sim_db *db;
    struct arena arena;
    VEC(struct host *) hosts; /* dead ones included */
    struct lane *database;    /* where operations of dead processes end */
    struct uuid namespace_id;
    bool calm; /* faults have stopped */
    uint64_t steps;
};
extern struct world world;

void world_init(uint64_t seed, const struct cut *cut);
/* Runs events until the time, or until done() says so. */
void world_run(struct duration span, bool (*done)(void));

void event_after(
        struct sim_event *event, struct duration after, void (*fire)(struct sim_event *event));
void event_stop(struct sim_event *event);
static inline bool event_is_set(const struct sim_event *event)
{
    return event->node.linked;
}

/* ---- what has been played: counted, so that a feature that nobody uses shows ---- */
#define TALLIES(X)      \
    X(runs)             \
    X(continued)        \
    X(retried_or_cron)  \
    X(resets)           \
    X(deleted)          \
    X(signals)          \
    X(updates_accepted) \
    X(updates_again)    \
    X(updates_refused)  \
    X(children)         \
    X(activities)       \
    X(eager_activities) \
    X(eager_tasks)      \
    X(queries)          \
    X(signals_out)      \
    X(cancels_out)      \
    X(lent_reread)      \
    X(paged_reads)
enum tally {
#define TALLY(name) TALLY_##name,
    TALLIES(TALLY)
#undef TALLY
            TALLY_COUNT
};
extern uint64_t tally[TALLY_COUNT];

/* ---- dice ---- */
static inline bool chance(unsigned permille)
{
    return permille && rand_below(&world.rand, 1000) < permille;
}
static inline struct duration up_to(struct duration max)
{
    return (struct duration){ max.ns > 0 ? (int64_t)rand_below(&world.rand, (uint64_t)max.ns) : 0 };
}
static inline bool plays(unsigned permille)
{
    return permille && rand_below(&world.play, 1000) < permille;
}

/* ---- lanes of simulated processes: sim_lane.c ---- */
struct lane *sim_lane_new(struct host *host, unsigned index, struct rand rand);
/* Whose turn it is; NULL outside of turns. */
struct host *sim_current_host(void);
/* An effect leaves the process: it may fall dead right before it. */
void sim_effect(void);
/* Ends the turn under way at this very place, never to go on. */
_Noreturn void sim_leave_turn(void);

/* ---- the recorder ---- */
/* Columns: time in ms, host, what, and up to three numbers. Texts are literals. */
void record(const struct host *host, const char *what, int64_t a, int64_t b, int64_t c);
uint64_t record_hash(void);  /* of everything recorded so far */
void record_dump(int lines); /* to stderr */
void record_follow(bool on); /* print each line at once */
/* The world is not as it must be: prints text, seed and the last lines, and ends the process. */
_Noreturn void violation(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
