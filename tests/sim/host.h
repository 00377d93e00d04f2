/* A simulated process: production services on simulated lanes, started and ended as deploy/ does it.
 * A process that falls dead is abandoned where it stands; its successor is another struct host in
 * the same place. */
#pragma once

#include "common/cluster/cluster.h"
#include "frontend/frontend.h"
#include "history/service.h"
#include "matching/service.h"
#include "tests/sim/world.h"

#define SIM_EPOCH_NS 1700000000000000000

enum host_state { HOST_UP, HOST_LEAVING, HOST_DEAD };

struct host_lane {
    struct host *host;
    struct lane *lane;
    struct rpc_lane *rl;
    struct store_lane *sl;
    struct cluster_lane *cl;
    struct namespaces_lane *nl;
    struct grpc_server *grpc;
    struct frontend *frontend;
    struct matching *matching;
    struct history *history;
    struct lane_task start, step;
    struct lane_timer ready;
    bool serves; /* clients */
};

struct host {
    unsigned number, place; /* of the incarnation, of the machine */
    unsigned roles;
    enum host_state state;
    struct uuid member;
    struct rpc *rpc;
    struct cluster *cluster;
    struct namespaces *namespaces;
    struct cluster_config cluster_config;
    struct history_config history_config;
    unsigned lane_count;
    struct host_lane lanes[2];
    struct duration clock; /* how wrong its wall clock is */
    struct instant frozen_until;
    unsigned effects_left;         /* until it falls dead; 0: it does not */
    struct instant no_store_until; /* the database is out of its reach */
    unsigned stopped_lanes;
    struct list api_calls;              /* on their way to it: sim_grpc.c */
    struct sim_event patience, manager; /* manager: of sim_net.c */
};

struct host *host_boot(unsigned place, unsigned roles);
/* The process is no more; called by whoever ends it and by a turn that was left. */
void host_fell(struct host *host);
/* As SIGTERM does. */
void host_leave(struct host *host);
void host_freeze(struct host *host, struct duration span);
struct host *host_of_member(struct uuid member); /* NULL: never was */
/* The one that lives at a place now; NULL: none. */
struct host *host_at(unsigned place);
unsigned host_places(void);
unsigned host_roles(unsigned place);
/* Boots every place. */
void hosts_start(void);
bool hosts_are_ready(void); /* every place has a process, and each frontend serves */
