/* The loop around a change of a namespace, and the namespaces of a process's start. What is changed is in the files of
 * the calls. */
#include "frontend/namespace_change.h"

#include <stdlib.h>

#include "common/api/capabilities.h"
#include "common/api/codec.h"
#include "common/api/errors.h"

enum { ATTEMPTS_MAX = 20 };

#define TELL_TIME DURATION_MS(1500)

/* ---- the row ----------------------------------------------------------------------------------- */

Api__DescribeNamespaceResponse *namespace_row(
        const struct namespace_entry *ns, struct arena *arena, struct fail *f)
{
    Api__DescribeNamespaceResponse *r =
            (void *)api_decode(&api__describe_namespace_response__descriptor, arena, ns->data, f);
    if (!r || !r->namespace_info || !r->config) {
        fail(f, ERR_CORRUPT, "the row of namespace " STR_FMT " cannot be read", STR_ARG(ns->name));
        return NULL;
    }
    return r;
}

Api__DescribeNamespaceResponse *namespace_described(
        const struct namespace_entry *ns, struct arena *arena, struct fail *f)
{
    Api__DescribeNamespaceResponse *r = namespace_row(ns, arena, f);
    if (r) {
        r->namespace_info->name = str_cstr(arena, ns->name);
        r->namespace_info->id = uuid_dup(arena, ns->id).ptr;
        r->namespace_info->state = (Api__NamespaceState)ns->state;
        api_namespace_features(
                arena, r->namespace_info, ns->config->limit_blob, ns->config->limit_memo);
    }
    return r;
}

void namespace_draft_init(struct namespace_draft *draft, struct arena *arena)
{
    Api__DescribeNamespaceResponse *r =
            api_new(arena, &api__describe_namespace_response__descriptor);
    Api__ClusterReplicationConfig *cluster =
            api_new(arena, &api__cluster_replication_config__descriptor);
    r->namespace_info = api_new(arena, &api__namespace_info__descriptor);
    r->config = api_new(arena, &api__namespace_config__descriptor);
    r->replication_config = api_new(arena, &api__namespace_replication_config__descriptor);
    r->config->workflow_execution_retention_ttl = api_duration(arena, DURATION_SECONDS(86400));
    r->config->history_archival_state = API__ARCHIVAL_STATE__ARCHIVAL_STATE_DISABLED;
    r->config->visibility_archival_state = API__ARCHIVAL_STATE__ARCHIVAL_STATE_DISABLED;
    cluster->cluster_name = "active";
    r->replication_config->active_cluster_name = "active";
    r->replication_config->state = API__REPLICATION_STATE__REPLICATION_STATE_NORMAL;
    r->replication_config->clusters = NEW(arena, Api__ClusterReplicationConfig *, 1);
    r->replication_config->clusters[0] = cluster;
    r->replication_config->n_clusters = 1;
    draft->row = r;
    draft->state = NAMESPACE_REGISTERED;
    draft->changed = true;
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static void finish(struct namespace_change *c, const struct namespace_entry *now)
{
    c->done(c, now);
}

static void end_with(struct namespace_change *c, enum err err, const struct fail *f)
{
    if (err == ERR_UNAVAILABLE || !f) {
        fail(&c->fail, err, "the database is not reachable");
    } else {
        c->fail = *f;
    }
    finish(c, NULL);
}

static const struct namespace_entry *find(const struct namespace_change *c)
{
    return c->name.len ? namespaces_by_name(c->fe->namespaces, c->name)
                       : namespaces_by_id(c->fe->namespaces, c->id);
}

/* One other process that hears of the change. */
struct telling {
    struct rpc_call call;
    struct namespace_change *change;
};

static void end_written(struct namespace_change *c);

static void on_told(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct telling *t = container_of(call, struct telling, call);
    if (--t->change->untold == 0) { /* who has not answered reads the table within a second */
        end_written(t->change);
    }
}

/* What is answered can be used at once, whoever serves the next call. */
static void tell_all(struct namespace_change *c)
{
    size_t count;
    struct rpc_peer *const *peers = cluster_members(c->fe->cl, c->arena, &count);
    c->telling = NEW(c->arena, struct telling, count + 1);
    c->untold = count;
    for (size_t i = 0; i < count; i++) {
        c->telling[i] = (struct telling){ .call.done = on_told, .change = c };
        rpc_call(c->fe->rl, peers[i], RPC_CLUSTER_NAMESPACES, 0, STR(""), TELL_TIME,
                &c->telling[i].call);
    }
    if (!count) {
        end_written(c);
    }
}

static void on_written_read(struct namespace_wait *wait, enum err err)
{
    struct namespace_change *c = container_of(wait, struct namespace_change, wait);
    const struct namespace_entry *now =
            err ? NULL : namespaces_by_id(c->fe->namespaces, c->op.row.id);
    if (!now) {
        end_with(c, ERR_UNAVAILABLE, NULL);
        return;
    }
    tell_all(c);
}

static void end_written(struct namespace_change *c)
{
    const struct namespace_entry *now = namespaces_by_id(c->fe->namespaces, c->op.row.id);
    if (now) {
        finish(c, now);
    } else {
        end_with(c, ERR_UNAVAILABLE, NULL);
    }
}

static void on_put(struct store_op *base, enum err err, const struct fail *f)
{
    struct store_put_namespace *op = container_of(base, struct store_put_namespace, op);
    struct namespace_change *c = container_of(op, struct namespace_change, op);
    bool was_beaten = err == ERR_ABORTED || err == ERR_ALREADY_EXISTS || err == ERR_NOT_FOUND;
    if (was_beaten && ++c->attempts < ATTEMPTS_MAX) {
        namespace_change_run(c);
        return;
    }
    if (err) {
        end_with(c, err, f);
        return;
    }
    c->wait.done = on_written_read; /* known here at once, elsewhere within a second */
    namespaces_refresh(c->fe->namespaces, &c->wait);
}

static void put(struct namespace_change *c, const struct namespace_draft *draft)
{
    c->op.op.done = on_put;
    c->op.row = (struct store_namespace){
        .id = draft->old ? draft->old->id : uuid_v4(lane_rand(c->fe->lane)),
        .name = str_dup(c->arena, draft->name),
        .state = (int)draft->state,
        .data = api_encode(c->arena, &draft->row->base),
        .task_queues = draft->task_queues,
        .version = draft->old ? draft->old->version : 0,
    };
    store_put_namespace(c->fe->sl, &c->op);
}

static void on_read(struct namespace_wait *wait, enum err err)
{
    struct namespace_change *c = container_of(wait, struct namespace_change, wait);
    if (err) {
        end_with(c, ERR_UNAVAILABLE, NULL);
        return;
    }
    struct namespace_draft draft = { .old = find(c), .name = c->name };
    if (draft.old) {
        draft.name = str_dup(c->arena, draft.old->name);
        draft.state = draft.old->state;
        draft.task_queues = str_dup(c->arena, draft.old->task_queues);
        draft.row = namespace_row(draft.old, c->arena, &c->fail);
    }
    if ((draft.old && !draft.row) || c->edit(c, &draft)) {
        finish(c, NULL);
    } else if (!draft.changed) {
        finish(c, draft.old);
    } else {
        put(c, &draft);
    }
}

void namespace_change_run(struct namespace_change *c)
{
    c->wait.done = on_read;
    namespaces_refresh(c->fe->namespaces, &c->wait);
}

void namespace_change_for(struct request *rq, struct str name,
        enum err (*edit)(struct namespace_change *c, struct namespace_draft *draft),
        void (*done)(struct namespace_change *c, const struct namespace_entry *now))
{
    struct namespace_change *c = NEW(&rq->call->arena, struct namespace_change, 1);
    *c = (struct namespace_change){
        .fe = rq->fe,
        .arena = &rq->call->arena,
        .rq = rq,
        .name = name,
        .edit = edit,
        .done = done,
    };
    namespace_change_run(c);
}

/* ---- at start ---------------------------------------------------------------------------------- */

struct ensure {
    struct namespace_change change;
    struct arena arena;
    const struct frontend_start *start;
    size_t next;
    struct lane_timer timer;
    void (*done)(void *arg);
    void *arg;
};

static void ensure_next(struct ensure *e);

static void on_retry(struct lane_timer *timer)
{
    ensure_next(container_of(timer, struct ensure, timer));
}

static void on_ensured(struct namespace_change *c, const struct namespace_entry *now)
{
    struct ensure *e = c->ctx;
    if (!now) {
        lane_timer_start(c->fe->lane, &e->timer, DURATION_MS(100), on_retry);
        return;
    }
    e->next++;
    ensure_next(e);
}

static enum err edit_ensured(struct namespace_change *c, struct namespace_draft *draft)
{
    const struct ensure *e = c->ctx;
    if (!draft->old) {
        namespace_draft_init(draft, c->arena);
    }
    for (size_t i = 0; i < e->start->attribute_count; i++) {
        enum err err = namespace_add_attribute(c, draft, &e->start->attributes[i]);
        if (err) {
            return err;
        }
    }
    return ERR_NONE;
}

static void ensure_next(struct ensure *e)
{
    struct frontend *fe = e->change.fe;
    if (e->next == e->start->namespace_count) {
        void (*done)(void *) = e->done;
        void *arg = e->arg;
        arena_deinit(&e->arena);
        free(e);
        done(arg);
        return;
    }
    e->change = (struct namespace_change){
        .fe = fe,
        .arena = &e->arena,
        .name = e->start->namespaces[e->next],
        .ctx = e,
        .edit = edit_ensured,
        .done = on_ensured,
    };
    namespace_change_run(&e->change);
}

void frontend_ensure_namespaces(
        struct frontend *fe, const struct frontend_start *start, void (*done)(void *arg), void *arg)
{
    struct ensure *e = calloc(1, sizeof(*e));
    check(e);
    e->change.fe = fe;
    e->start = start;
    e->done = done;
    e->arg = arg;
    ensure_next(e);
}
