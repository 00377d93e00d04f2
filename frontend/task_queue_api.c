/* Task queues: describe, partitions, and a worker's goodbye. Their owners are asked. */
#include "common/api/codec.h"
#include "common/api/view.h"
#include "common/model/wire.h"
#include "frontend/queue_ask.h"

/* What is told where nothing limits a queue. */
#define RATE_UNLIMITED 100000.0

static const enum task_queue_type both_types[] = { TASK_QUEUE_WORKFLOW, TASK_QUEUE_ACTIVITY };

/* ---- what one answer tells --------------------------------------------------------------------- */

/* DescribeTaskQueue: the answers of the types that were asked for, in their order. */
struct described {
    enum task_queue_type type;
    struct msg_describe_queue_answer answer;
};

static Api__PollerInfo *poller_info(struct arena *arena, const struct msg_poller *from)
{
    Api__PollerInfo *p = api_new(arena, &api__poller_info__descriptor);
    struct str details = from->details;
    struct wire_field f;
    p->identity = str_cstr(arena, from->identity);
    p->last_access_time = api_timestamp(arena, from->last_access);
    p->rate_per_second = from->rate_per_second >= 0 ? from->rate_per_second : RATE_UNLIMITED;
    while (wire_next(&details, &f)) {
        *(f.number == 4 ? &p->worker_version_capabilities : &p->deployment_options) =
                api_data(f.bytes);
    }
    return p;
}

static size_t fill_pollers(
        struct arena *arena, const struct msg_describe_queue_answer *a, Api__PollerInfo ***ret)
{
    *ret = NEW(arena, Api__PollerInfo *, a->poller_count + 1);
    for (size_t i = 0; i < a->poller_count; i++) {
        (*ret)[i] = poller_info(arena, &a->pollers[i]);
    }
    return a->poller_count;
}

static Api__TaskQueueStats *stats_of(struct request *rq, const struct msg_describe_queue_answer *a)
{
    struct arena *arena = &rq->call->arena;
    Api__TaskQueueStats *stats = api_new(arena, &api__task_queue_stats__descriptor);
    struct instant now = lane_now(rq->fe->lane);
    struct duration age = a->backlog ? instant_since(now, a->oldest) : (struct duration){ 0 };
    age.ns = age.ns < 0 ? 0 : age.ns;
    stats->approximate_backlog_count = (int64_t)a->backlog;
    stats->approximate_backlog_age = api_duration(arena, age);
    stats->tasks_add_rate = (float)a->add_rate;
    stats->tasks_dispatch_rate = (float)a->dispatch_rate;
    stats->rate_limiting_active = a->is_limited;
    return stats;
}

/* ---- DescribeTaskQueue ------------------------------------------------------------------------- */

static void fill_status(struct arena *arena, const struct msg_describe_queue_answer *a,
        Api__DescribeTaskQueueResponse *r)
{
    r->task_queue_status = api_new(arena, &api__task_queue_status__descriptor);
    r->task_queue_status->backlog_count_hint = (int64_t)a->backlog;
    r->task_queue_status->rate_per_second = a->rate_source ? a->rate_limit : RATE_UNLIMITED;
    r->task_queue_status->task_id_block = api_new(arena, &api__task_id_block__descriptor);
}

static void fill_stats(struct request *rq, const struct msg_describe_queue_answer *a,
        Api__DescribeTaskQueueResponse *r)
{
    struct arena *arena = &rq->call->arena;
    r->stats = stats_of(rq, a);
    r->stats_by_priority_key = NEW(
            arena, Api__DescribeTaskQueueResponse__StatsByPriorityKeyEntry *, a->level_count + 1);
    for (size_t i = 0; i < a->level_count; i++) {
        const struct msg_level_stats *l = &a->levels[i];
        struct msg_describe_queue_answer level = { .backlog = l->backlog,
            .oldest = l->oldest,
            .add_rate = l->add_rate,
            .dispatch_rate = l->dispatch_rate,
            .is_limited = a->is_limited && l->backlog > 0 };
        Api__DescribeTaskQueueResponse__StatsByPriorityKeyEntry *entry = api_new(
                arena, &api__describe_task_queue_response__stats_by_priority_key_entry__descriptor);
        entry->key = (int32_t)l->level;
        entry->value = stats_of(rq, &level);
        r->stats_by_priority_key[r->n_stats_by_priority_key++] = entry;
    }
}

static bool is_enhanced(const Api__DescribeTaskQueueRequest *r)
{
    return r->api_mode == API__DESCRIBE_TASK_QUEUE_MODE__DESCRIBE_TASK_QUEUE_MODE_ENHANCED;
}

static size_t types_of(const Api__DescribeTaskQueueRequest *r, enum task_queue_type ret[2])
{
    bool wants[2] = { false, false };
    size_t count = 0;
    if (!is_enhanced(r)) {
        ret[0] = r->task_queue_type == API__TASK_QUEUE_TYPE__TASK_QUEUE_TYPE_ACTIVITY
                         ? TASK_QUEUE_ACTIVITY
                         : TASK_QUEUE_WORKFLOW;
        return 1;
    }
    for (size_t i = 0; i < r->n_task_queue_types; i++) {
        int t = (int)r->task_queue_types[i];
        wants[0] = wants[0] || t == TASK_QUEUE_WORKFLOW;
        wants[1] = wants[1] || t == TASK_QUEUE_ACTIVITY;
    }
    for (size_t i = 0; i < 2; i++) {
        if (wants[i] || !r->n_task_queue_types) {
            ret[count++] = both_types[i];
        }
    }
    return count;
}

static void reply_plain(struct request *rq, const struct msg_describe_queue_answer *a)
{
    const Api__DescribeTaskQueueRequest *ask_for = (const void *)rq->message;
    struct arena *arena = &rq->call->arena;
    Api__DescribeTaskQueueResponse r = API__DESCRIBE_TASK_QUEUE_RESPONSE__INIT;
    Api__DescribeTaskQueueResponse__EffectiveRateLimit limit =
            API__DESCRIBE_TASK_QUEUE_RESPONSE__EFFECTIVE_RATE_LIMIT__INIT;
    r.n_pollers = fill_pollers(arena, a, &r.pollers);
    if (ask_for->include_task_queue_status) {
        fill_status(arena, a, &r);
    }
    if (ask_for->report_stats) {
        fill_stats(rq, a, &r);
    }
    limit.requests_per_second = (float)(a->rate_source ? a->rate_limit : RATE_UNLIMITED);
    limit.rate_limit_source =
            a->rate_source == MSG_RATE_CONFIG ? API__RATE_LIMIT_SOURCE__RATE_LIMIT_SOURCE_API
            : a->rate_source == MSG_RATE_POLL ? API__RATE_LIMIT_SOURCE__RATE_LIMIT_SOURCE_WORKER
                                              : API__RATE_LIMIT_SOURCE__RATE_LIMIT_SOURCE_SYSTEM;
    r.effective_rate_limit = &limit;
    if (ask_for->report_config) {
        enum task_queue_type types[2];
        types_of(ask_for, types);
        r.config = task_queue_config(rq, str_from_cstr(ask_for->task_queue->name), types[0]);
    }
    request_reply(rq, &r.base);
}

/* Tasks have no build id: those of another one than "" have none, and nobody is told to poll for them here. */
static Api__DescribeTaskQueueResponse__VersionsInfoEntry *version_entry(
        struct request *rq, const char *build_id, const struct described *all, size_t count)
{
    static const struct msg_describe_queue_answer nothing;
    const Api__DescribeTaskQueueRequest *ask_for = (const void *)rq->message;
    struct arena *arena = &rq->call->arena;
    Api__DescribeTaskQueueResponse__VersionsInfoEntry *entry =
            api_new(arena, &api__describe_task_queue_response__versions_info_entry__descriptor);
    Api__TaskQueueVersionInfo *info = api_new(arena, &api__task_queue_version_info__descriptor);
    info->types_info = NEW(arena, Api__TaskQueueVersionInfo__TypesInfoEntry *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const struct msg_describe_queue_answer *a = *build_id ? &nothing : &all[i].answer;
        Api__TaskQueueVersionInfo__TypesInfoEntry *type =
                api_new(arena, &api__task_queue_version_info__types_info_entry__descriptor);
        type->key = (int32_t)all[i].type;
        type->value = api_new(arena, &api__task_queue_type_info__descriptor);
        if (ask_for->report_pollers) {
            type->value->n_pollers = fill_pollers(arena, a, &type->value->pollers);
        }
        type->value->stats = ask_for->report_stats ? stats_of(rq, a) : NULL;
        info->types_info[info->n_types_info++] = type;
    }
    if (ask_for->report_task_reachability) {
        info->task_reachability =
                *build_id ? API__BUILD_ID_TASK_REACHABILITY__BUILD_ID_TASK_REACHABILITY_UNREACHABLE
                          : API__BUILD_ID_TASK_REACHABILITY__BUILD_ID_TASK_REACHABILITY_REACHABLE;
    }
    entry->key = build_id;
    entry->value = info;
    return entry;
}

static void reply_enhanced(struct request *rq, const struct described *all, size_t count)
{
    const Api__DescribeTaskQueueRequest *ask_for = (const void *)rq->message;
    const Api__TaskQueueVersionSelection *v = ask_for->versions;
    struct arena *arena = &rq->call->arena;
    Api__DescribeTaskQueueResponse r = API__DESCRIBE_TASK_QUEUE_RESPONSE__INIT;
    size_t named = v ? v->n_build_ids : 0;
    bool with_unversioned = !v || v->unversioned || v->all_active || !named;
    r.versions_info = NEW(arena, Api__DescribeTaskQueueResponse__VersionsInfoEntry *, named + 1);
    for (size_t i = 0; i < named; i++) {
        if (*v->build_ids[i] || !with_unversioned) {
            r.versions_info[r.n_versions_info++] = version_entry(rq, v->build_ids[i], all, count);
        }
    }
    if (with_unversioned) {
        r.versions_info[r.n_versions_info++] = version_entry(rq, "", all, count);
    }
    request_reply(rq, &r.base);
}

static void on_described(struct queue_asks *asks)
{
    struct request *rq = asks->rq;
    const Api__DescribeTaskQueueRequest *ask_for = (const void *)rq->message;
    struct described all[2];
    enum task_queue_type types[2];
    size_t count = types_of(ask_for, types);
    for (size_t i = 0; i < count; i++) {
        all[i].type = types[i];
        if (!asks->asks[i].is_answered) {
            rq->fail = asks->asks[i].fail;
            request_fail(rq);
            return;
        }
        if (msg_describe_queue_answer_decode(
                    asks->asks[i].answer, &rq->call->arena, &all[i].answer, &rq->fail)) {
            request_fail(rq);
            return;
        }
    }
    if (is_enhanced(ask_for)) {
        reply_enhanced(rq, all, count);
    } else {
        reply_plain(rq, &all[0].answer);
    }
}

static enum err check_describe(struct request *rq, const Api__DescribeTaskQueueRequest *r)
{
    if (!r->task_queue || !*r->task_queue->name) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "TaskQueue is not set on request.");
    }
    if (is_enhanced(r) && r->task_queue->kind == API__TASK_QUEUE_KIND__TASK_QUEUE_KIND_STICKY) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "Enhanced DescribeTaskQueue is not valid for a sticky queue, use "
                "api_mode=UNSPECIFIED or a normal queue.");
    }
    return ERR_NONE;
}

void frontend_describe_task_queue(struct request *rq)
{
    const Api__DescribeTaskQueueRequest *r = (const void *)rq->message;
    enum task_queue_type types[2];
    if (check_describe(rq, r)) {
        request_fail(rq);
        return;
    }
    struct queue_asks *asks = queue_asks_new(rq, on_described);
    size_t count = types_of(r, types);
    for (size_t i = 0; i < count; i++) {
        struct msg_describe_queue m = {
            .namespace_id = rq->namespace_id,
            .task_queue = str_from_cstr(r->task_queue->name),
            .type = types[i],
        };
        struct buf body;
        buf_init_arena(&body, &rq->call->arena, 4096);
        msg_describe_queue_encode(&m, &body);
        queue_asks_add(asks, RPC_MATCHING_DESCRIBE,
                task_queue_hash(m.namespace_id, m.task_queue, m.type), buf_str(&body));
    }
    queue_asks_send(asks);
}

/* ---- ListTaskQueuePartitions ------------------------------------------------------------------- */

static void fill_partition(struct request *rq, struct str name, enum task_queue_type type,
        Api__TaskQueuePartitionMetadata *ret)
{
    struct rpc_peer *peer =
            cluster_matching_peer(rq->fe->cl, task_queue_hash(rq->namespace_id, name, type));
    *ret = (Api__TaskQueuePartitionMetadata)API__TASK_QUEUE_PARTITION_METADATA__INIT;
    ret->key = str_cstr(&rq->call->arena, name);
    if (peer) {
        ret->owner_host_name = str_cstr(
                &rq->call->arena, cluster_member_address(rq->fe->cl, rpc_peer_member(peer)));
    }
}

/* A queue has one partition of each type: order and figures are exact. */
void frontend_list_task_queue_partitions(struct request *rq)
{
    const Api__ListTaskQueuePartitionsRequest *ask_for = (const void *)rq->message;
    Api__ListTaskQueuePartitionsResponse r = API__LIST_TASK_QUEUE_PARTITIONS_RESPONSE__INIT;
    Api__TaskQueuePartitionMetadata activity, workflow;
    Api__TaskQueuePartitionMetadata *activities[] = { &activity }, *workflows[] = { &workflow };
    if (!ask_for->task_queue || !*ask_for->task_queue->name) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "TaskQueue is not set on request.");
        request_fail(rq);
        return;
    }
    struct str name = str_from_cstr(ask_for->task_queue->name);
    fill_partition(rq, name, TASK_QUEUE_ACTIVITY, &activity);
    fill_partition(rq, name, TASK_QUEUE_WORKFLOW, &workflow);
    r.activity_task_queue_partitions = activities;
    r.n_activity_task_queue_partitions = 1;
    r.workflow_task_queue_partitions = workflows;
    r.n_workflow_task_queue_partitions = 1;
    request_reply(rq, &r.base);
}

/* ---- ShutdownWorker ---------------------------------------------------------------------------- */

/* Best effort: stickiness ends by itself ten seconds later, polls at their deadlines. */
static void on_said(struct queue_asks *asks)
{
    request_reply_bytes(asks->rq, STR(""));
}

static void say(struct queue_asks *asks, const struct msg_shutdown_worker *m, struct str queue)
{
    struct buf body;
    buf_init_arena(&body, &asks->rq->call->arena, 8192);
    msg_shutdown_worker_encode(m, &body);
    queue_asks_add(asks, RPC_MATCHING_SHUTDOWN, task_queue_hash(m->namespace_id, queue, m->type),
            buf_str(&body));
}

static bool has_type(const Api__ShutdownWorkerRequest *r, enum task_queue_type type)
{
    for (size_t i = 0; i < r->n_task_queue_types; i++) {
        if ((int)r->task_queue_types[i] == (int)type) {
            return true;
        }
    }
    return r->n_task_queue_types == 0;
}

void frontend_shutdown_worker(struct request *rq)
{
    const Api__ShutdownWorkerRequest *r = (const void *)rq->message;
    struct queue_asks *asks = queue_asks_new(rq, on_said);
    struct msg_shutdown_worker m = {
        .namespace_id = rq->namespace_id,
        .sticky_task_queue = str_from_cstr(r->sticky_task_queue),
        .type = TASK_QUEUE_WORKFLOW,
        .worker_instance_key = str_from_cstr(r->worker_instance_key),
    };
    size_t max = (size_t)rq->fe->shared->config->limit_id;
    if (strlen(r->task_queue) > max) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "TaskQueue length exceeds limit.");
        request_fail(rq);
        return;
    }
    if (m.sticky_task_queue.len) {
        say(asks, &m, m.sticky_task_queue);
    }
    m.sticky_task_queue = STR("");
    m.task_queue = str_from_cstr(r->task_queue);
    for (size_t i = 0; m.task_queue.len && m.worker_instance_key.len && i < 2; i++) {
        m.type = both_types[i];
        if (has_type(r, m.type)) {
            say(asks, &m, m.task_queue);
        }
    }
    queue_asks_send(asks);
}
