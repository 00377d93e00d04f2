/* What a lane does in its life: open its doors, make the services of the process's roles, say when
 * it is ready, and at the end drain, leave, flush and close, in this order. The main thread
 * (process.c) starts each step. */
#include "deploy/process_lane.h"

#include <stdio.h>

#include "common/obs/log.h"
#include "deploy/ports.h"
#include "proto/descriptor_set.h"

static const struct str health_names[] = {
    STR_INIT("temporal.api.workflowservice.v1.WorkflowService"),
    STR_INIT("temporal.api.operatorservice.v1.OperatorService"),
};

void process_lane_done(struct process_lane *pl)
{
    sem_post(&pl->process->steps);
}

static bool has_role(const struct process_lane *pl, enum cluster_role role)
{
    return pl->process->options->roles & role;
}

/* ---- start ------------------------------------------------------------------------------------- */

static void start_frontend(struct process_lane *pl)
{
    pl->health = health_new(pl->grpc, health_names, ARRAY_LEN(health_names));
    pl->reflection = reflection_new(pl->grpc, proto_descriptor_set());
    pl->frontend =
            frontend_new(pl->lane, pl->rl, pl->sl, pl->cl, pl->nl, pl->grpc, &pl->process->shared);
}

static void start_history(struct process_lane *pl)
{
    pl->history =
            history_new(pl->lane, pl->rl, pl->sl, pl->cl, pl->nl, &pl->process->history_config);
}

void process_lane_start(struct process_lane *pl)
{
    struct process *p = pl->process;
    /* First of all: a process whose port is taken must not have joined the cluster. Nobody is accepted before this
     * turn of the lane ends. */
    if (ports_open(pl, &p->start_failure)) {
        p->start_failed = true; /* lanes start one after the other */
        process_lane_done(pl);
        return;
    }
    pl->rl = rpc_lane_new(p->rpc, pl->lane);
    pl->sl = store_lane_open(p->store, pl->lane);
    if (pl->index == 0) {
        p->cluster = cluster_new(&p->cluster_config, pl->lane, p->rpc, pl->rl, pl->sl);
        p->namespaces = namespaces_new(pl->lane, pl->sl, p->config);
    }
    pl->cl = cluster_lane_new(p->cluster, pl->lane, pl->rl);
    pl->nl = namespaces_lane_new(p->namespaces, pl->lane);
    if (pl->index == 0) {
        namespaces_serve(pl->nl, pl->rl);
    }
    if (has_role(pl, CLUSTER_MATCHING)) {
        pl->matching = matching_new(pl->lane, pl->rl, pl->cl, pl->nl);
    }
    if (has_role(pl, CLUSTER_HISTORY)) {
        start_history(pl);
    }
    if (has_role(pl, CLUSTER_FRONTEND)) {
        start_frontend(pl);
    }
    process_lane_done(pl);
}

/* ---- readiness --------------------------------------------------------------------------------- */

static void become_ready(struct process_lane *pl)
{
    struct process *p = pl->process;
    atomic_store(&p->is_ready, true);
    log_info("ready", LOG_U64("lanes", p->lane_count),
            LOG_U64("port", p->ports[H2_PORT_GRPC].number),
            LOG_U64("http_port", p->ports[H2_PORT_WEB].number),
            LOG_U64("metrics_port", p->ports[H2_PORT_OPERATOR].number),
            LOG_STR("address", p->cluster_config.address));
    if (p->options->banner) {
        p->options->banner(
                p->options, p->ports[H2_PORT_WEB].number, p->ports[H2_PORT_OPERATOR].number);
    }
}

static void serve_health(struct lane_task *task)
{
    struct process_lane *pl = container_of(task, struct process_lane, ready_task);
    frontend_serve(pl->frontend);
    health_set_serving(pl->health, true);
}

static void on_namespaces_made(void *arg)
{
    ((struct process_lane *)arg)->namespaces_made = true;
}

static void check_ready(struct lane_timer *timer);

static bool is_ready(struct process_lane *pl)
{
    struct process *p = pl->process;
    if (!cluster_is_complete(pl->cl) &&
            !has_role(pl, CLUSTER_HISTORY | CLUSTER_MATCHING | CLUSTER_WORKER)) {
        return false;
    }
    if (has_role(pl, CLUSTER_HISTORY) && !history_is_serving(pl->history)) {
        return false;
    }
    if (!has_role(pl, CLUSTER_FRONTEND)) {
        return cluster_member_is_alive(pl->cl, p->cluster_config.member_id);
    }
    if (!cluster_is_complete(pl->cl) || !frontend_is_ready(pl->frontend)) {
        return false;
    }
    if (p->start.namespace_count && !pl->namespaces_asked) {
        pl->namespaces_asked = true;
        frontend_ensure_namespaces(pl->frontend, &p->start, on_namespaces_made, pl);
    }
    return pl->namespaces_made || !p->start.namespace_count;
}

static void check_ready(struct lane_timer *timer)
{
    struct process_lane *pl = container_of(timer, struct process_lane, ready_timer);
    if (!is_ready(pl)) {
        lane_timer_start(pl->lane, &pl->ready_timer, DURATION_MS(2), check_ready);
        return;
    }
    for (unsigned i = 0; has_role(pl, CLUSTER_FRONTEND) && i < pl->process->lane_count; i++) {
        struct process_lane *other = &pl->process->lanes[i];
        other->ready_task.run = serve_health;
        lane_post(other->lane, &other->ready_task);
    }
    become_ready(pl);
}

void process_lane_watch_ready(struct process_lane *pl)
{
    lane_timer_start(pl->lane, &pl->ready_timer, DURATION_MS(0), check_ready);
    process_lane_done(pl);
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void on_step_done(void *arg)
{
    process_lane_done(arg);
}

void process_lane_drain(struct process_lane *pl)
{
    lane_timer_stop(pl->lane, &pl->ready_timer);
    atomic_store(&pl->process->is_ready, false);
    if (pl->health) {
        health_set_serving(pl->health, false);
    }
    if (pl->grpc) {
        grpc_server_drain(pl->grpc);
    }
    ports_drain(pl, on_step_done);
}

void process_lane_leave(struct process_lane *pl)
{
    if (!pl->process->cluster) {
        process_lane_done(pl);
        return;
    }
    cluster_leave(pl->process->cluster, DURATION_SECONDS(10), on_step_done, pl);
}

void process_lane_flush(struct process_lane *pl)
{
    if (pl->history) {
        history_stop(pl->history, on_step_done, pl);
    } else {
        process_lane_done(pl);
    }
}

/* What the lane did in its life: for the eyes of whoever measures. */
static void log_stats(const struct process_lane *pl)
{
    if (pl->frontend) {
        struct frontend_stats s = frontend_stats(pl->frontend);
        log_debug("frontend_stats", LOG_U64("calls", s.calls), LOG_U64("failed", s.failed),
                LOG_U64("history_retries", s.history_retries),
                LOG_U64("polls_empty", s.polls_empty), LOG_U64("polls_matched", s.polls_matched),
                LOG_U64("claims_obsolete", s.claims_obsolete),
                LOG_U64("tasks_returned", s.tasks_returned));
    }
    if (pl->history) {
        struct history_stats s = history_stats(pl->history);
        log_debug("history_stats", LOG_U64("calls", s.calls), LOG_U64("steps", s.steps),
                LOG_U64("commits", s.commits), LOG_U64("committed_rows", s.committed_rows),
                LOG_U64("loads", s.loads), LOG_U64("offers", s.offers_sent),
                LOG_U64("claims", s.claims), LOG_U64("obsolete_claims", s.obsolete_claims),
                LOG_U64("reoffers", s.reoffers), LOG_U64("history_reads", s.history_reads),
                LOG_U64("checkpoints", s.checkpoints), LOG_U64("snapshots", s.snapshots),
                LOG_U64("updates", s.updates), LOG_U64("tasks_discarded", s.tasks_discarded),
                LOG_U64("resets", s.resets), LOG_U64("deletes", s.deletes),
                LOG_U64("expired_runs", s.expired_runs), LOG_U64("reaped_runs", s.reaped_runs),
                LOG_U64("reaped_rows", s.reaped_rows), LOG_U64("cached_runs", s.cached_runs),
                LOG_U64("cached_bytes", s.cached_bytes));
    }
    if (pl->matching) {
        struct matching_stats s = matching_stats(pl->matching);
        log_debug("matching_stats", LOG_U64("polls", s.polls_received),
                LOG_U64("polls_gone", s.polls_gone), LOG_U64("advertised", s.advertised),
                LOG_U64("demands", s.demands_sent), LOG_U64("handed", s.engine.handed),
                LOG_U64("empty", s.engine.answered_empty), LOG_U64("refused", s.engine.refused),
                LOG_U64("expired", s.engine.expired), LOG_U64("duplicates", s.engine.duplicates));
    }
}

static void close_services(struct lane_task *task)
{
    struct process_lane *pl = container_of(task, struct process_lane, step);
    log_stats(pl);
    frontend_free(pl->frontend);
    if (pl->grpc) {
        health_free(pl->health);
        reflection_free(pl->reflection);
        grpc_server_free(pl->grpc);
    }
    history_free(pl->history);
    matching_free(pl->matching);
    namespaces_lane_free(pl->nl);
    cluster_lane_free(pl->cl);
    store_lane_close(pl->sl);
    process_lane_done(pl);
}

/* Behind what the services have deferred to the end of a turn: such a task is part of what is freed. */
void process_lane_close(struct process_lane *pl)
{
    pl->step.run = close_services;
    lane_defer(pl->lane, &pl->step);
}

void process_lane_free(struct process_lane *pl)
{
    ports_free(pl); /* they have worked at the end of each turn */
    lane_free(pl->lane);
}
