/* One lane of a process with the services that run on it. */
#pragma once

#include <semaphore.h>
#include <stdatomic.h>

#include "common/cluster/cluster.h"
#include "common/cluster/namespaces.h"
#include "common/io/lane_uv.h"
#include "common/rpc/rpc_tls.h"
#include "deploy/process.h"
#include "frontend/frontend.h"
#include "frontend/grpc/health.h"
#include "frontend/grpc/reflection.h"
#include "frontend/transport/transport.h"
#include "history/service.h"
#include "matching/service.h"

struct process_port {
    bool is_open;
    struct str host;
    uint16_t number; /* the real one once the first lane listens */
};

struct process {
    const struct process_options *options;
    const struct config *config;
    struct arena arena;
    struct uuid member;
    struct store *store;
    struct rpc *rpc;
    struct cluster *cluster;       /* made on lane 0 */
    struct namespaces *namespaces; /* the same */
    struct cluster_config cluster_config;
    struct tls_config *tls;
    struct rpc_tls *rpc_tls;
    struct frontend_shared shared;
    struct history_config history_config;
    struct process_port ports[H2_PORT_COUNT];
    struct frontend_start start; /* to be there before the process is ready */
    unsigned lane_count;
    struct process_lane *lanes;
    sem_t steps; /* one post per lane that has finished the step that the main thread waits for */
    struct fail start_failure; /* of the first lane that could not start */
    bool start_failed;
    atomic_bool is_ready; /* serves, and is not ending */
    uint64_t started_at;  /* seconds since 1970 */
};

struct process_lane {
    struct process *process;
    unsigned index;
    struct lane *lane;
    struct rpc_lane *rl;
    struct store_lane *sl;
    struct cluster_lane *cl;
    struct namespaces_lane *nl;
    /* frontend */
    struct grpc_server *grpc;
    struct transport *transports[H2_PORT_COUNT]; /* NULL: not listened on */
    unsigned draining;                           /* of them */
    void (*drained)(void *pl);
    struct health *health;
    struct reflection *reflection;
    struct frontend *frontend;
    /* others */
    struct matching *matching;
    struct history *history;
    struct lane_task step, ready_task;
    void (*run_step)(struct process_lane *pl);
    struct lane_timer ready_timer;
    bool namespaces_asked, namespaces_made;
};

/* The steps of a lane's life, each run on the lane; process_lane_done ends a step. */
void process_lane_start(struct process_lane *pl);
void process_lane_watch_ready(struct process_lane *pl); /* lane 0 */
void process_lane_drain(struct process_lane *pl);       /* frontends: clients go elsewhere */
void process_lane_leave(struct process_lane *pl);       /* lane 0: shards are given away */
void process_lane_flush(struct process_lane *pl);       /* history: everything durable */
void process_lane_close(struct process_lane *pl);
void process_lane_done(struct process_lane *pl);
/* When the lane's thread has ended. */
void process_lane_free(struct process_lane *pl);
