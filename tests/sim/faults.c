/* Each kind of fault comes at random times of its own; what it does is a row of a table. Dead
 * processes are replaced after a while. */
#include "tests/sim/faults.h"

#include "tests/sim/host.h"
#include "tests/sim/sim_grpc.h"
#include "tests/sim/sim_net.h"

static struct host *any_host(void)
{
    return host_at((unsigned)rand_below(&world.rand, host_places()));
}

static void crash(void)
{
    struct host *h = any_host();
    if (h) {
        h->effects_left = 1 + (unsigned)rand_below(&world.rand, 40);
    }
}

static struct duration some_seconds(void)
{
    struct duration d = chance(500) ? up_to(DURATION_MS(800)) : up_to(DURATION_SECONDS(9));
    return d;
}

static void freeze(void)
{
    struct host *h = any_host();
    if (h) {
        host_freeze(h, some_seconds());
    }
}

static void leave(void)
{
    struct host *h = any_host();
    if (h) {
        host_leave(h);
    }
}

static void partition(void)
{
    unsigned a = (unsigned)rand_below(&world.rand, host_places());
    unsigned b = (unsigned)rand_below(&world.rand, host_places());
    struct duration span = some_seconds();
    if (a != b) {
        sim_net_cut(a, b, span);
        if (chance(500)) {
            sim_net_cut(b, a, span);
        }
    }
}

static struct sim_event back;

static void come_back(struct sim_event *event)
{
    record(NULL, "database back", 0, 0, 0);
    sim_db_set_away(world.db, false);
}

static void away(void)
{
    struct duration span = some_seconds();
    record(NULL, "database away", duration_ms(span), 0, 0);
    sim_db_set_away(world.db, true);
    event_after(&back, span, come_back);
}

static void cut_off(void)
{
    struct host *h = any_host();
    if (h) {
        h->no_store_until = instant_add(world.now, some_seconds());
        record(h, "cut off", duration_ms(instant_since(h->no_store_until, world.now)), 0, 0);
    }
}

static void step_clock(void)
{
    struct host *h = any_host();
    if (h) {
        h->clock.ns += up_to(DURATION_SECONDS(6)).ns - DURATION_SECONDS(3).ns;
        record(h, "clock steps", duration_ms(h->clock), 0, 0);
    }
}

static const struct {
    void (*happen)(void);
} rows[FAULT_COUNT] = {
    [FAULT_CRASH] = { crash },
    [FAULT_FREEZE] = { freeze },
    [FAULT_LEAVE] = { leave },
    [FAULT_LINK] = { sim_net_break_one },
    [FAULT_PARTITION] = { partition },
    [FAULT_AWAY] = { away },
    [FAULT_CUT_OFF] = { cut_off },
    [FAULT_CLOCK] = { step_clock },
    [FAULT_CLIENT] = { sim_grpc_break_some },
};

static struct sim_event timers[FAULT_COUNT], respawn;

static void happen(struct sim_event *event)
{
    static unsigned happened;
    size_t kind = (size_t)(event - timers);
    if (world.swarm.max_faults && happened++ >= world.swarm.max_faults) {
        return;
    }
    if (!world.calm) {
        rows[kind].happen();
        event_after(event, up_to((struct duration){ 2 * world.swarm.every[kind].ns }), happen);
    }
}

/* ---- the store --------------------------------------------------------------------------------- */

static struct sim_fault store_fault(void *arg, enum store_kind kind, const struct store_op *op)
{
    struct sim_fault f = { .delay = up_to(world.swarm.store_delay), .reconnect = DURATION_MS(20) };
    struct host *h = sim_current_host();
    sim_effect();
    f.delay.ns += 20000;
    if (world.calm) {
        return f;
    }
    if (h && world.now.ns < h->no_store_until.ns) {
        f.outcome = SIM_LOST_BEFORE;
        f.reconnect = instant_since(h->no_store_until, world.now);
        f.delay = kind == STORE_COMMIT ? f.delay : up_to(DURATION_SECONDS(3));
    } else if (chance(world.swarm.store_lost)) {
        f.outcome = chance(500) ? SIM_LOST_BEFORE : SIM_LOST_AFTER;
        f.reconnect = chance(100) ? up_to(DURATION_SECONDS(7)) : up_to(DURATION_MS(200));
        f.delay = chance(50) ? up_to(DURATION_SECONDS(6)) : f.delay;
    }
    return f;
}

/* ---- life -------------------------------------------------------------------------------------- */

static void watch_places(struct sim_event *event)
{
    static struct instant empty_since[16];
    static struct duration wait[16];
    for (unsigned place = 0; place < host_places(); place++) {
        if (host_at(place)) {
            empty_since[place].ns = 0;
            continue;
        }
        if (!empty_since[place].ns) {
            empty_since[place] = world.now;
            wait[place] = chance(700) ? up_to(DURATION_MS(500)) : up_to(DURATION_SECONDS(8));
        }
        if (world.calm || instant_since(world.now, empty_since[place]).ns > wait[place].ns) {
            host_boot(place, host_roles(place));
        }
    }
    event_after(event, DURATION_MS(100), watch_places);
}

void faults_start(void)
{
    sim_db_set_faults(world.db, store_fault, NULL);
    event_after(&respawn, DURATION_MS(100), watch_places);
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        if (world.swarm.every[i].ns) {
            event_after(
                    &timers[i], up_to((struct duration){ 2 * world.swarm.every[i].ns }), happen);
        }
    }
}

void faults_stop(void)
{
    record(NULL, "calm", 0, 0, 0);
    world.calm = true;
    sim_db_set_away(world.db, false);
    sim_net_heal();
    for (size_t i = 0; i < world.hosts.len; i++) {
        struct host *h = world.hosts.ptr[i];
        h->effects_left = 0;
        h->no_store_until = instant_min(h->no_store_until, world.now);
    }
}
