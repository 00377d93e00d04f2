/* Namespaces: register, describe, list. A namespace's row holds its DescribeNamespaceResponse in
 * wire form; what depends on the server (capabilities, limits) is filled in when it is read. */
#include <stdlib.h>

#include "common/api/capabilities.h"
#include "common/api/codec.h"
#include "common/api/errors.h"
#include "common/api/view.h"
#include "frontend/api.h"

enum { RETENTION_MIN_SECONDS = 3600, PAGE_MAX = 1000 };

/* ---- describing -------------------------------------------------------------------------------- */

static Api__DescribeNamespaceResponse *describe(
        struct request *rq, const struct namespace_entry *ns)
{
    struct arena *arena = &rq->call->arena;
    const struct config *config = rq->fe->shared->config;
    Api__DescribeNamespaceResponse *r = (void *)api_decode(
            &api__describe_namespace_response__descriptor, arena, ns->data, &rq->fail);
    if (!r || !r->namespace_info) {
        fail(&rq->fail, ERR_CORRUPT, "the row of namespace " STR_FMT " cannot be read",
                STR_ARG(ns->name));
        return NULL;
    }
    r->namespace_info->name = ns->name.ptr;
    r->namespace_info->id = uuid_dup(arena, ns->id).ptr;
    r->namespace_info->state = (Api__NamespaceState)ns->state;
    api_namespace_features(arena, r->namespace_info, config->limit_blob, config->limit_memo);
    return r;
}

static const struct namespace_entry *find(struct request *rq)
{
    const Api__DescribeNamespaceRequest *r = (const void *)rq->message;
    struct uuid id;
    if (*r->namespace_) {
        return namespaces_by_name(rq->fe->namespaces, str_from_cstr(r->namespace_));
    }
    return uuid_parse(str_from_cstr(r->id), &id) ? namespaces_by_id(rq->fe->namespaces, id) : NULL;
}

static void on_read_for_describe(struct namespace_wait *wait, enum err err)
{
    struct request *rq = container_of(wait, struct request, wait);
    const Api__DescribeNamespaceRequest *r = (const void *)rq->message;
    const struct namespace_entry *ns = err ? NULL : find(rq);
    rq->call->on_cancel = NULL;
    if (err) {
        fail(&rq->fail, ERR_UNAVAILABLE, "the database is not reachable");
    } else if (!ns) {
        fail_namespace_not_found(
                &rq->fail, &rq->call->arena, str_from_cstr(*r->namespace_ ? r->namespace_ : r->id));
    }
    Api__DescribeNamespaceResponse *answer = ns ? describe(rq, ns) : NULL;
    if (answer) {
        request_reply(rq, &answer->base);
    } else {
        request_fail(rq);
    }
}

static void on_cancel_waiting(struct grpc_call *call, enum grpc_cancel why)
{
    struct request *rq = call->owner;
    namespace_wait_cancel(&rq->wait);
    fail(&rq->fail, ERR_CANCELLED, "cancelled");
    request_fail(rq);
}

static void read_then(struct request *rq, void (*done)(struct namespace_wait *wait, enum err err))
{
    rq->wait.done = done;
    rq->call->on_cancel = on_cancel_waiting;
    namespaces_refresh(rq->fe->namespaces, &rq->wait);
}

void frontend_describe_namespace(struct request *rq)
{
    const Api__DescribeNamespaceRequest *r = (const void *)rq->message;
    if (!*r->namespace_ && !*r->id) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "Namespace not set on request.");
        request_fail(rq);
        return;
    }
    read_then(rq, on_read_for_describe);
}

/* ---- listing ----------------------------------------------------------------------------------- */

static void on_read_for_list(struct namespace_wait *wait, enum err err)
{
    struct request *rq = container_of(wait, struct request, wait);
    const Api__ListNamespacesRequest *ask = (const void *)rq->message;
    struct arena *arena = &rq->call->arena;
    struct str after = str_of(ask->next_page_token.data, ask->next_page_token.len);
    size_t count, limit = ask->page_size > 0 && ask->page_size < PAGE_MAX ? (size_t)ask->page_size
                                                                          : PAGE_MAX;
    rq->call->on_cancel = NULL;
    if (err) {
        fail(&rq->fail, ERR_UNAVAILABLE, "the database is not reachable");
        request_fail(rq);
        return;
    }
    const struct namespace_entry *const *all = namespaces_all(rq->fe->namespaces, arena, &count);
    Api__ListNamespacesResponse r = API__LIST_NAMESPACES_RESPONSE__INIT;
    r.namespaces = NEW(arena, Api__DescribeNamespaceResponse *, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (after.len && str_cmp(all[i]->name, after) <= 0) {
            continue;
        }
        if (r.n_namespaces == limit) {
            struct str last = str_from_cstr(r.namespaces[limit - 1]->namespace_info->name);
            r.next_page_token = (ProtobufCBinaryData){ .len = last.len,
                .data = (uint8_t *)(uintptr_t)last.ptr };
            break;
        }
        Api__DescribeNamespaceResponse *one = describe(rq, all[i]);
        if (!one) {
            request_fail(rq);
            return;
        }
        r.namespaces[r.n_namespaces++] = one;
    }
    request_reply(rq, &r.base);
}

void frontend_list_namespaces(struct request *rq)
{
    read_then(rq, on_read_for_list);
}

/* ---- registering ------------------------------------------------------------------------------- */

struct registration {
    struct frontend *fe;
    struct request *rq; /* NULL: at start, for the process itself */
    struct store_put_namespace op;
    struct namespace_wait wait;
    void (*done)(struct registration *reg, enum err err, const struct fail *f);
};

static Api__NamespaceInfo__DataEntry **copy_data(
        struct arena *arena, const Api__RegisterNamespaceRequest *ask)
{
    Api__NamespaceInfo__DataEntry **all =
            NEW(arena, Api__NamespaceInfo__DataEntry *, ask->n_data + 1);
    for (size_t i = 0; i < ask->n_data; i++) {
        all[i] = api_new(arena, &api__namespace_info__data_entry__descriptor);
        all[i]->key = ask->data[i]->key;
        all[i]->value = ask->data[i]->value;
    }
    return all;
}

static struct str new_row_data(
        struct arena *arena, const char *name, const Api__RegisterNamespaceRequest *ask)
{
    Api__NamespaceInfo info = API__NAMESPACE_INFO__INIT;
    Api__NamespaceConfig config = API__NAMESPACE_CONFIG__INIT;
    Api__DescribeNamespaceResponse r = API__DESCRIBE_NAMESPACE_RESPONSE__INIT;
    Api__ClusterReplicationConfig cluster = API__CLUSTER_REPLICATION_CONFIG__INIT;
    Api__ClusterReplicationConfig *clusters[] = { &cluster };
    Api__NamespaceReplicationConfig replication = API__NAMESPACE_REPLICATION_CONFIG__INIT;
    Api__Duration retention = API__DURATION__INIT;
    retention.seconds = 86400;
    info.name = name;
    if (ask) {
        info.description = ask->description;
        info.owner_email = ask->owner_email;
        info.n_data = ask->n_data;
        info.data = copy_data(arena, ask);
        retention = *ask->workflow_execution_retention_period;
    }
    config.workflow_execution_retention_ttl = &retention;
    config.history_archival_state = API__ARCHIVAL_STATE__ARCHIVAL_STATE_DISABLED;
    config.visibility_archival_state = API__ARCHIVAL_STATE__ARCHIVAL_STATE_DISABLED;
    cluster.cluster_name = "active";
    replication.active_cluster_name = "active";
    replication.clusters = clusters;
    replication.n_clusters = 1;
    r.namespace_info = &info;
    r.config = &config;
    r.replication_config = &replication;
    return api_encode(arena, &r.base);
}

static void on_registered_read(struct namespace_wait *wait, enum err err)
{
    struct registration *reg = container_of(wait, struct registration, wait);
    struct fail f = { 0 };
    reg->done(reg, err ? fail(&f, err, "the database is not reachable") : ERR_NONE, &f);
}

static void on_put(struct store_op *base, enum err err, const struct fail *f)
{
    struct store_put_namespace *op = container_of(base, struct store_put_namespace, op);
    struct registration *reg = container_of(op, struct registration, op);
    if (err) {
        reg->done(reg, err, f);
        return;
    }
    reg->wait.done = on_registered_read; /* usable here at once, elsewhere within a second */
    namespaces_refresh(reg->fe->namespaces, &reg->wait);
}

static void put(struct registration *reg, struct arena *arena, struct str name,
        const Api__RegisterNamespaceRequest *ask)
{
    reg->op.op.done = on_put;
    reg->op.row = (struct store_namespace){
        .id = uuid_v4(lane_rand(reg->fe->lane)),
        .name = name,
        .state = NAMESPACE_REGISTERED,
        .data = new_row_data(arena, name.ptr, ask),
    };
    store_put_namespace(reg->fe->sl, &reg->op);
}

static void on_request_done(struct registration *reg, enum err err, const struct fail *f)
{
    struct request *rq = reg->rq;
    if (err == ERR_ALREADY_EXISTS) {
        fail_namespace_already_exists(&rq->fail, &rq->call->arena, reg->op.row.name);
        request_fail(rq);
    } else if (err) {
        rq->fail = *f;
        request_fail(rq);
    } else {
        request_reply_bytes(rq, STR(""));
    }
}

static enum err check_registration(struct request *rq, const Api__RegisterNamespaceRequest *r)
{
    if (!*r->namespace_) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "Namespace not set on request.");
    }
    if (!r->workflow_execution_retention_period ||
            r->workflow_execution_retention_period->seconds < RETENTION_MIN_SECONDS) {
        return fail(
                &rq->fail, ERR_INVALID_ARGUMENT, "A valid retention period is not set on request.");
    }
    if (r->is_global_namespace) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "global namespaces are not supported: there is one cluster");
    }
    return ERR_NONE;
}

void frontend_register_namespace(struct request *rq)
{
    const Api__RegisterNamespaceRequest *r = (const void *)rq->message;
    struct arena *arena = &rq->call->arena;
    if (check_registration(rq, r)) {
        request_fail(rq);
        return;
    }
    struct registration *reg = NEW(arena, struct registration, 1);
    reg->fe = rq->fe;
    reg->rq = rq;
    reg->done = on_request_done;
    put(reg, arena, str_from_cstr(r->namespace_), r);
}

/* ---- at start ---------------------------------------------------------------------------------- */

struct ensure {
    struct registration reg;
    struct arena arena;
    struct frontend *fe;
    const struct str *names;
    size_t count, next;
    struct lane_timer timer;
    void (*done)(void *arg);
    void *arg;
};

static void ensure_next(struct ensure *e);

static void on_retry(struct lane_timer *timer)
{
    ensure_next(container_of(timer, struct ensure, timer));
}

static void on_ensured(struct registration *reg, enum err err, const struct fail *f)
{
    struct ensure *e = container_of(reg, struct ensure, reg);
    if (err && err != ERR_ALREADY_EXISTS) {
        lane_timer_start(e->fe->lane, &e->timer, DURATION_MS(100), on_retry);
        return;
    }
    e->next++;
    ensure_next(e);
}

static void ensure_next(struct ensure *e)
{
    while (e->next < e->count && namespaces_by_name(e->fe->namespaces, e->names[e->next])) {
        e->next++;
    }
    if (e->next == e->count) {
        void (*done)(void *) = e->done;
        void *arg = e->arg;
        arena_deinit(&e->arena);
        free(e);
        done(arg);
        return;
    }
    e->reg = (struct registration){ .fe = e->fe, .done = on_ensured };
    put(&e->reg, &e->arena, str_dup(&e->arena, e->names[e->next]), NULL);
}

void frontend_ensure_namespaces(struct frontend *fe, const struct str *names, size_t count,
        void (*done)(void *arg), void *arg)
{
    struct ensure *e = calloc(1, sizeof(*e));
    check(e);
    e->fe = fe;
    e->names = names;
    e->count = count;
    e->done = done;
    e->arg = arg;
    ensure_next(e);
}
