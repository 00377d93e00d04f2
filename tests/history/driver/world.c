/* The machinery of the driver's tests: processes that come and go, calls, and workers. */
#include "tests/history/driver/world.h"

#include <string.h>

#include "common/model/wire.h"
#include "common/rpc/methods.h"
#include "tests/history/driver/fake_rpc.h"

const char *case_name = "";

void expect_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "FAIL %s: %s (%s:%d)\n", case_name, cond, file, line);
    fflush(stderr);
    abort();
}

/* ---- processes ----------------------------------------------------------------------------------------- */

static struct rpc_peer *matching_peer(void *ctx, uint64_t queue_hash)
{
    struct world *w = ctx;
    return w->matching_away ? NULL : (struct rpc_peer *)&w->rl;
}

static struct rpc_peer *history_peer(void *ctx, uint32_t shard)
{
    struct world *w = ctx;
    return (struct rpc_peer *)&w->rl;
}

static bool next_namespace(void *ctx, struct uuid after, struct history_namespace *ret)
{
    struct world *w = ctx;
    bool is_first = uuid_is_zero(after) && (w->retention.ns || w->is_deleted);
    *ret = (struct history_namespace){ w->namespace_id, w->retention, w->is_deleted };
    return is_first;
}

static void lost(void *ctx, const struct fail *fail)
{
    struct world *w = ctx;
    w->lost = true;
}

static void gain_all(struct world *w)
{
    static uint32_t shards[SHARD_COUNT];
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        shards[i] = i;
    }
    history_gain_shards(w->history, shards, SHARD_COUNT);
}

static void on_describe(void *ctx, struct rpc_in *in, struct str body)
{
    struct world *w = ctx;
    struct msg_poller poller = { STR("worker"), { lane_now(w->lane).ns - w->last_poll.ns }, 0 };
    struct msg_describe_queue_answer a = { &poller, 1, 0, { 0 }, 0, 0 };
    struct buf out;
    buf_init_arena(&out, &w->arena, 4096);
    msg_describe_queue_answer_encode(&a, &out);
    rpc_reply(in, buf_str(&out));
}

void world_boot(struct world *w)
{
    struct history_cluster cluster = {
        .ctx = w,
        .matching_peer = matching_peer,
        .history_peer = history_peer,
        .next_namespace = next_namespace,
        .lost = lost,
    };
    w->config.member = (struct uuid){ { 1, (uint8_t)++w->members } };
    w->store = sim_store_new(w->db);
    w->sl = store_lane_open(w->store, w->lane);
    w->lost = false;
    list_init(&w->rl->watches);
    list_init(&w->offers); /* the offers of an older incarnation are void */
    w->history = history_new_with(w->lane, w->rl, w->sl, &cluster, &w->config);
    rpc_serve(w->rl, RPC_MATCHING_DESCRIBE, on_describe, w);
    gain_all(w);
    world_until(w, DURATION_SECONDS(5), history_is_serving(w->history));
}

void world_kill(struct world *w)
{
    world_turn(w); /* tasks that were deferred point into what goes away now */
    store_lane_close(w->sl);
    history_free(w->history);
    store_free(w->store);
    w->history = NULL;
}

void world_crash(struct world *w)
{
    struct uuid dead = w->config.member;
    world_kill(w);
    sim_db_fence(w->db, dead);
    world_boot(w);
}

struct world *world_new_with(void (*tune)(struct history_config *config))
{
    struct world *w = calloc(1, sizeof(*w));
    w->lane = lane_manual_new();
    lane_manual_advance(w->lane, DURATION_SECONDS(1700000000));
    w->db = sim_db_new(1);
    w->rl = calloc(1, sizeof(*w->rl));
    w->rl->world = w;
    list_init(&w->offers);
    w->namespace_id = (struct uuid){ { 4, 2 } };
    w->config = history_config_default();
    if (tune) {
        tune(&w->config);
    }
    world_boot(w);
    return w;
}

struct world *world_new(void)
{
    return world_new_with(NULL);
}

void world_free(struct world *w)
{
    if (w->history) {
        world_kill(w);
    }
    sim_db_free(w->db);
    lane_manual_free(w->lane);
    free(w->rl);
    arena_deinit(&w->arena);
    free(w);
}

void world_turn(struct world *w)
{
    lane_manual_turn(w->lane);
}

void world_advance(struct world *w, struct duration by)
{
    struct duration step = by.ns <= DURATION_SECONDS(1).ns ? DURATION_MS(1) : DURATION_MS(10);
    while (by.ns > 0) {
        struct duration d = duration_min(step, by);
        lane_manual_advance(w->lane, d);
        by.ns -= d.ns;
    }
}

/* ---- calls --------------------------------------------------------------------------------------------- */

struct pending *call_raw(struct world *w, uint16_t method, uint32_t shard, struct str body)
{
    return fake_rpc_deliver(w, method, shard, body, NULL, DURATION_SECONDS(60));
}

struct pending *call_api(
        struct world *w, enum api_method method, const char *workflow_id, const ProtobufCMessage *m)
{
    struct msg_api_request request = {
        .method = method,
        .namespace_id = w->namespace_id,
        .namespace_name = STR("default"),
        .workflow_id = str_from_cstr(workflow_id),
        .request = api_encode(&w->arena, m),
    };
    struct buf body;
    buf_init_arena(&body, &w->arena, (size_t)8 << 20);
    msg_api_request_encode(&request, &body);
    return call_raw(
            w, RPC_HISTORY_API, shard_of(w->namespace_id, request.workflow_id), buf_str(&body));
}

void *answer_of(struct world *w, struct pending *p, const ProtobufCMessageDescriptor *type)
{
    world_until(w, DURATION_SECONDS(90), p->answered);
    if (p->failed) {
        fprintf(stderr, "answer: %s: %s\n", err_name(p->fail.err), p->fail.message);
    }
    expect(!p->failed);
    if (!type) {
        return NULL;
    }
    void *m = api_decode(type, &w->arena, p->body, NULL);
    expect(m);
    return m;
}

enum err error_of(struct world *w, struct pending *p)
{
    world_until(w, DURATION_SECONDS(90), p->answered);
    return p->failed ? p->fail.err : ERR_NONE;
}

void caller_gone(struct pending *p)
{
    p->dead = true;
    if (!p->answered && p->in.gone) {
        p->in.gone(&p->in);
    }
}

/* ---- the usual steps ------------------------------------------------------------------------------------- */

Api__StartWorkflowExecutionRequest *start_request(
        struct world *w, const char *id, const char *request_id)
{
    struct arena *a = &w->arena;
    Api__StartWorkflowExecutionRequest *r =
            api_new(a, &api__start_workflow_execution_request__descriptor);
    r->workflow_id = id;
    r->workflow_type = api_new(a, &api__workflow_type__descriptor);
    r->workflow_type->name = "Order";
    r->task_queue = api_new(a, &api__task_queue__descriptor);
    r->task_queue->name = "q";
    r->request_id = request_id;
    r->identity = "client";
    return r;
}

const char *start(struct world *w, const char *id)
{
    Api__StartWorkflowExecutionResponse *m =
            answer_of(w, call_api(w, API_START_WORKFLOW, id, &start_request(w, id, "")->base),
                    &api__start_workflow_execution_response__descriptor);
    expect(m->started);
    return m->run_id;
}

Api__WorkflowExecution *execution_of(struct world *w, const char *id, const char *run_id)
{
    Api__WorkflowExecution *e = api_new(&w->arena, &api__workflow_execution__descriptor);
    e->workflow_id = id;
    e->run_id = run_id ? run_id : "";
    return e;
}

void signal_run(struct world *w, const char *id, const char *name)
{
    Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.workflow_execution = execution_of(w, id, NULL);
    r.signal_name = name;
    answer_of(w, call_api(w, API_SIGNAL_WORKFLOW, id, &r.base), NULL);
}

Api__DescribeWorkflowExecutionResponse *describe(struct world *w, const char *id)
{
    Api__DescribeWorkflowExecutionRequest r = API__DESCRIBE_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.execution = execution_of(w, id, NULL);
    return answer_of(w, call_api(w, API_DESCRIBE_WORKFLOW, id, &r.base),
            &api__describe_workflow_execution_response__descriptor);
}

Api__GetWorkflowExecutionHistoryResponse *history_of(
        struct world *w, const char *id, const char *run_id)
{
    Api__GetWorkflowExecutionHistoryRequest r = API__GET_WORKFLOW_EXECUTION_HISTORY_REQUEST__INIT;
    r.execution = execution_of(w, id, run_id);
    return answer_of(w, call_api(w, API_GET_HISTORY, id, &r.base),
            &api__get_workflow_execution_history_response__descriptor);
}

int event_count(ProtobufCBinaryData history)
{
    struct str in = api_bytes(history);
    struct wire_field f;
    int n = 0;
    while (wire_next(&in, &f)) {
        n++;
    }
    expect(wire_ok(in));
    return n;
}

const char *event_types(struct world *w, ProtobufCBinaryData history)
{
    struct str in = api_bytes(history);
    struct wire_field f, g;
    struct buf out;
    int64_t last_id = 0;
    buf_init_arena(&out, &w->arena, 1 << 16);
    while (wire_next(&in, &f)) {
        struct str event = f.bytes;
        while (wire_next(&event, &g)) {
            if (g.number == 1) {
                expect(!last_id || (int64_t)g.varint == last_id + 1); /* gapless */
                last_id = (int64_t)g.varint;
            } else if (g.number == 3) {
                buf_printf(&out, out.len ? " %d" : "%d", (int)g.varint);
            }
        }
    }
    buf_append_byte(&out, 0);
    return out.ptr;
}

const char *history_types(struct world *w, const char *id)
{
    return event_types(w, history_of(w, id, NULL)->history);
}

/* ---- workers ------------------------------------------------------------------------------------------- */

struct offered *find_offer(struct world *w, const char *queue)
{
    list_each(&w->offers, n)
    {
        struct offered *o = list_entry(n, struct offered, node);
        if (str_eq(o->queue, str_from_cstr(queue))) {
            return o;
        }
    }
    return NULL;
}

/* Tells the lane that the offer went to a poll, and that one more may come. */
void demand(struct world *w, struct offered *o, bool refuse)
{
    struct msg_level_more level = { o->level, 1 };
    bool is_normal = o->level == PRIORITY_NORMAL;
    struct msg_demanded_queue q = {
        .namespace_id = w->namespace_id,
        .name = o->queue,
        .type = o->task.type,
        .more = is_normal,
        .levels = &level,
        .level_count = !is_normal,
        .gone = &o->task,
        .gone_count = !refuse,
        .refused = &o->task,
        .refused_count = refuse,
    };
    struct msg_demand m = { .incarnation = o->incarnation, .queues = &q, .queue_count = 1 };
    struct buf body;
    buf_init_arena(&body, &w->arena, 1 << 20);
    msg_demand_encode(&m, &body);
    list_remove(&o->node);
    struct served *s = &w->rl->handlers[RPC_HISTORY_DEMAND];
    s->notify(s->ctx, (struct uuid){ { 9 } }, 0, buf_str(&body));
}

struct pending *claim(struct world *w, const struct offered *o, const char *poll_id)
{
    struct msg_claim m = {
        .task = o->task,
        .namespace_name = STR("default"),
        .task_queue = o->queue,
        .poll_id = str_from_cstr(poll_id),
        .poll_request = STR("\x1a\x06worker"),
    };
    struct buf body;
    buf_init_arena(&body, &w->arena, 1 << 20);
    msg_claim_encode(&m, &body);
    return call_raw(
            w, RPC_HISTORY_CLAIM, shard_of(w->namespace_id, o->task.workflow_id), buf_str(&body));
}

static struct pending *poll(struct world *w, const char *queue)
{
    static int polls;
    for (;;) {
        struct offered *o;
        world_until(w, DURATION_SECONDS(120), (o = find_offer(w, queue)));
        demand(w, o, false);
        struct pending *p = claim(w, o, str_printf(&w->arena, "poll-%d", ++polls).ptr);
        if (error_of(w, p) != ERR_OBSOLETE) {
            return p;
        }
    }
}

Api__PollWorkflowTaskQueueResponse *poll_workflow(struct world *w, const char *queue)
{
    return answer_of(w, poll(w, queue), &api__poll_workflow_task_queue_response__descriptor);
}

Api__PollActivityTaskQueueResponse *poll_activity(struct world *w, const char *queue)
{
    return answer_of(w, poll(w, queue), &api__poll_activity_task_queue_response__descriptor);
}

struct pending *complete_task_begin(struct world *w, const char *id,
        const Api__PollWorkflowTaskQueueResponse *task, Api__Command **commands, size_t count,
        const char *sticky)
{
    Api__RespondWorkflowTaskCompletedRequest r = API__RESPOND_WORKFLOW_TASK_COMPLETED_REQUEST__INIT;
    r.task_token = task->task_token;
    r.identity = "worker";
    r.commands = commands;
    r.n_commands = count;
    if (sticky) {
        r.sticky_attributes = api_new(&w->arena, &api__sticky_execution_attributes__descriptor);
        r.sticky_attributes->worker_task_queue = api_new(&w->arena, &api__task_queue__descriptor);
        r.sticky_attributes->worker_task_queue->name = sticky;
        r.sticky_attributes->schedule_to_start_timeout =
                api_duration(&w->arena, DURATION_SECONDS(10));
    }
    return call_api(w, API_RESPOND_WORKFLOW_TASK_COMPLETED, id, &r.base);
}

void complete_task(struct world *w, const char *id, const Api__PollWorkflowTaskQueueResponse *task,
        Api__Command *command)
{
    answer_of(w, complete_task_begin(w, id, task, &command, command ? 1 : 0, NULL), NULL);
}

struct pending *complete_activity_begin(
        struct world *w, const char *id, const Api__PollActivityTaskQueueResponse *task)
{
    Api__RespondActivityTaskCompletedRequest r = API__RESPOND_ACTIVITY_TASK_COMPLETED_REQUEST__INIT;
    r.task_token = task->task_token;
    r.identity = "worker";
    return call_api(w, API_RESPOND_ACTIVITY_COMPLETED, id, &r.base);
}

Api__Command *command_new(
        struct world *w, Api__CommandType type, Api__Command__AttributesCase attributes)
{
    Api__Command *c = api_new(&w->arena, &api__command__descriptor);
    c->command_type = type;
    c->attributes_case = attributes;
    return c;
}

Api__Command *schedule_activity(struct world *w, const char *activity_id)
{
    struct arena *a = &w->arena;
    Api__Command *c = command_new(w, (Api__CommandType)1, (Api__Command__AttributesCase)2);
    Api__ScheduleActivityTaskCommandAttributes *m =
            api_new(a, &api__schedule_activity_task_command_attributes__descriptor);
    m->activity_id = activity_id;
    m->activity_type = api_new(a, &api__activity_type__descriptor);
    m->activity_type->name = "Charge";
    m->task_queue = api_new(a, &api__task_queue__descriptor);
    m->task_queue->name = "aq";
    m->input = api_data(STR("\x0a\x02\x12\x00"));
    m->start_to_close_timeout = api_duration(a, DURATION_SECONDS(60));
    c->schedule_activity_task_command_attributes = m;
    return c;
}

Api__Command *start_timer(struct world *w, int seconds)
{
    Api__Command *c = command_new(w, (Api__CommandType)3, (Api__Command__AttributesCase)3);
    Api__StartTimerCommandAttributes *m =
            api_new(&w->arena, &api__start_timer_command_attributes__descriptor);
    m->timer_id = "t";
    m->start_to_fire_timeout = api_duration(&w->arena, DURATION_SECONDS(seconds));
    c->start_timer_command_attributes = m;
    return c;
}

Api__Command *complete_workflow(struct world *w)
{
    Api__Command *c = command_new(w, (Api__CommandType)4, (Api__Command__AttributesCase)4);
    c->complete_workflow_execution_command_attributes =
            api_new(&w->arena, &api__complete_workflow_execution_command_attributes__descriptor);
    return c;
}

Api__Command *continue_as_new(struct world *w)
{
    Api__Command *c = command_new(w, (Api__CommandType)10, (Api__Command__AttributesCase)11);
    c->continue_as_new_workflow_execution_command_attributes = api_new(
            &w->arena, &api__continue_as_new_workflow_execution_command_attributes__descriptor);
    return c;
}

Api__Command *signal_external(struct world *w, const char *id)
{
    Api__Command *c = command_new(w, (Api__CommandType)12, (Api__Command__AttributesCase)13);
    Api__SignalExternalWorkflowExecutionCommandAttributes *m = api_new(
            &w->arena, &api__signal_external_workflow_execution_command_attributes__descriptor);
    m->execution = execution_of(w, id, NULL);
    m->signal_name = "hello";
    c->signal_external_workflow_execution_command_attributes = m;
    return c;
}
