/* What a seed switches on and off, and how hard: sizes, faults, features. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/rand.h"
#include "common/base/time.h"

enum fault {
    FAULT_CRASH,     /* a process falls dead, between any two of its effects */
    FAULT_FREEZE,    /* it stops for a while and goes on as if nothing had happened */
    FAULT_LEAVE,     /* it is restarted in order */
    FAULT_LINK,      /* a connection between two processes breaks */
    FAULT_PARTITION, /* nothing passes from one process to another, perhaps in one direction */
    FAULT_AWAY,      /* the database is away for everybody */
    FAULT_CUT_OFF,   /* the database is away for one process */
    FAULT_CLOCK,     /* a wall clock steps */
    FAULT_CLIENT,    /* a connection of a client or a worker breaks */
    FAULT_COUNT,
};

enum feature {
    FEATURE_ACTIVITY = 1 << 0,
    FEATURE_RETRY = 1 << 1, /* of activities */
    FEATURE_TIMER = 1 << 2,
    FEATURE_SIGNAL = 1 << 3,
    FEATURE_CHILD = 1 << 4,
    FEATURE_EXTERNAL = 1 << 5, /* signals to other workflows */
    FEATURE_CONTINUE = 1 << 6,
    FEATURE_MARKER = 1 << 7,
    FEATURE_CANCEL_STEP = 1 << 8, /* activities and timers are cancelled */
    FEATURE_QUERY = 1 << 9,
    FEATURE_CANCEL = 1 << 10, /* clients cancel workflows */
    FEATURE_TERMINATE = 1 << 11,
    FEATURE_WORKFLOW_RETRY = 1 << 12,
    FEATURE_SIGNAL_WITH_START = 1 << 13,
    FEATURE_START_DELAY = 1 << 14,
    FEATURE_RUN_TIMEOUT = 1 << 15,
    FEATURE_STICKY = 1 << 16,
    FEATURE_HEARTBEAT = 1 << 17,
    FEATURE_UPDATE = 1 << 18,
    FEATURE_UPDATE_WITH_START = 1 << 19,
    FEATURE_RESET = 1 << 20,
    FEATURE_CRON = 1 << 21,
    FEATURE_EAGER_START = 1 << 22,
    FEATURE_EAGER_ACTIVITY = 1 << 23,
    FEATURE_DELETE = 1 << 24,
    FEATURE_EXTERNAL_CANCEL = 1 << 25,
    FEATURE_LONG = 1 << 26, /* histories of several pages */
    FEATURE_ALL = (1 << 27) - 1,
};

struct swarm {
    unsigned history_hosts, matching_hosts, frontend_hosts, whole_hosts; /* whole: all roles */
    unsigned lanes;
    struct duration every[FAULT_COUNT]; /* mean time between; 0: never */
    struct duration store_delay, net_delay;
    unsigned store_lost;  /* per mille of operations whose connection is lost */
    struct duration skew; /* of wall clocks, at most, both ways */
    bool small_cache;
    bool patient; /* offers of which nothing is heard are not read again */
    /* workers and clients, per mille of their deeds */
    unsigned worker_dies, worker_stalls, worker_twice, worker_old, worker_fails, worker_forgets;
    unsigned workers, workflows;
    unsigned features;       /* enum feature */
    struct duration turmoil; /* how long faults go on */
    unsigned max_faults;     /* 0: no limit */
};

struct swarm swarm_make(struct rand *rand);
void swarm_print(const struct swarm *swarm);
