/* From an internal call to its handler: ownership, load, the chain of its workflow id. */
#include "history/handlers.h"

#include "common/api/methods.h"
#include "common/model/history_event.h"
#include "common/model/wire.h"
#include "common/rpc/methods.h"
#include "history/admit.h"

static const struct api_row {
    api_handler run;
    enum pressure_class asks; /* the first class: those that may begin a run */
} api_rows[] = {
    [API_START_WORKFLOW] = { handle_start, PRESSURE_STARTS },
    [API_SIGNAL_WORKFLOW] = { handle_signal, PRESSURE_CLIENTS },
    [API_SIGNAL_WITH_START] = { handle_signal_with_start, PRESSURE_STARTS },
    [API_TERMINATE_WORKFLOW] = { handle_terminate, PRESSURE_CLIENTS },
    [API_REQUEST_CANCEL_WORKFLOW] = { handle_request_cancel, PRESSURE_CLIENTS },
    [API_DESCRIBE_WORKFLOW] = { handle_describe, PRESSURE_READS },
    [API_QUERY_WORKFLOW] = { handle_query, PRESSURE_READS },
    [API_RESPOND_QUERY_TASK_COMPLETED] = { handle_query_completed, PRESSURE_READS },
    [API_GET_HISTORY] = { handle_get_history, PRESSURE_READS },
    [API_GET_HISTORY_REVERSE] = { handle_get_history_reverse, PRESSURE_READS },
    [API_RESPOND_WORKFLOW_TASK_COMPLETED] = { handle_workflow_task_completed, PRESSURE_WORK },
    [API_RESPOND_WORKFLOW_TASK_FAILED] = { handle_workflow_task_failed, PRESSURE_WORK },
    [API_RESPOND_ACTIVITY_COMPLETED] = { handle_activity_completed, PRESSURE_WORK },
    [API_RESPOND_ACTIVITY_FAILED] = { handle_activity_failed, PRESSURE_WORK },
    [API_RESPOND_ACTIVITY_CANCELED] = { handle_activity_canceled, PRESSURE_WORK },
    [API_RECORD_ACTIVITY_HEARTBEAT] = { handle_activity_heartbeat, PRESSURE_WORK },
    [API_RESPOND_ACTIVITY_COMPLETED_BY_ID] = { handle_activity_completed_by_id, PRESSURE_WORK },
    [API_RESPOND_ACTIVITY_FAILED_BY_ID] = { handle_activity_failed_by_id, PRESSURE_WORK },
    [API_RESPOND_ACTIVITY_CANCELED_BY_ID] = { handle_activity_canceled_by_id, PRESSURE_WORK },
    [API_RECORD_ACTIVITY_HEARTBEAT_BY_ID] = { handle_activity_heartbeat_by_id, PRESSURE_WORK },
    [API_RESET_STICKY] = { handle_reset_sticky, PRESSURE_CLIENTS },
    [API_UPDATE_WORKFLOW] = { handle_update, PRESSURE_CLIENTS },
    [API_POLL_UPDATE] = { handle_poll_update, PRESSURE_READS },
    [API_MULTI_OPERATION] = { handle_multi_operation, PRESSURE_STARTS },
    [API_RESET_WORKFLOW] = { handle_reset, PRESSURE_CLIENTS },
    [API_DELETE_WORKFLOW] = { handle_delete, PRESSURE_CLIENTS },
    [API_UPDATE_OPTIONS] = { handle_update_options, PRESSURE_CLIENTS },
};

/* ---- arrival ----------------------------------------------------------------------------------------- */

static bool refuse(struct rpc_in *in, enum err err, const struct fail *f)
{
    if (err) {
        rpc_reply_fail(in, f);
    }
    return err != ERR_NONE;
}

static void submit(struct call *call, struct uuid namespace_id, struct str workflow_id)
{
    struct history *h = call->history;
    struct fail f = { 0 };
    uint32_t shard = shard_of(namespace_id, workflow_id);
    if (!workflow_id.len || shard != call->in->key) {
        fail(&f, ERR_PROTOCOL, "call for another shard");
        call_fail_now(call, &f);
        return;
    }
    chain_submit(chain_get(h, namespace_id, workflow_id), call);
}

static void serve_api(void *ctx, struct rpc_in *in, struct str body)
{
    struct history *h = ctx;
    struct fail f = { 0 };
    h->stats.calls++;
    if (refuse(in, shard_check(h, (uint32_t)in->key, &f), &f)) {
        return;
    }
    struct call *call = call_new(h, in, body);
    if (msg_api_request_decode(call->body, &call->arena, &call->api, &f)) {
        call_fail_now(call, &f);
        return;
    }
    const struct api_row *row =
            call->api.method < ARRAY_LEN(api_rows) ? &api_rows[call->api.method] : NULL;
    if (!row || !row->run) {
        fail(&f, ERR_UNIMPLEMENTED, "method %u", call->api.method);
        call_fail_now(call, &f);
        return;
    }
    if (row->asks != PRESSURE_READS && history_admit(h, row->asks, &f)) {
        call_fail_now(call, &f);
        return;
    }
    call->run = row->run;
    submit(call, call->api.namespace_id, call->api.workflow_id);
}

static void serve_claim_message(
        struct history *h, struct rpc_in *in, struct str body, api_handler run)
{
    struct fail f = { 0 };
    h->stats.calls++;
    if (refuse(in, shard_check(h, (uint32_t)in->key, &f), &f) ||
            refuse(in, history_admit(h, PRESSURE_WORK, &f), &f)) {
        return;
    }
    struct call *call = call_new(h, in, body);
    if (msg_claim_decode(call->body, &call->arena, &call->claim, &f)) {
        call_fail_now(call, &f);
        return;
    }
    call->run = run;
    submit(call, call->claim.task.namespace_id, call->claim.task.workflow_id);
}

static void serve_claim(void *ctx, struct rpc_in *in, struct str body)
{
    serve_claim_message(ctx, in, body, handle_claim);
}

static void serve_unclaim(void *ctx, struct rpc_in *in, struct str body)
{
    serve_claim_message(ctx, in, body, handle_unclaim);
}

static void serve_message(void *ctx, struct rpc_in *in, struct str body)
{
    struct history *h = ctx;
    struct fail f = { 0 };
    h->stats.messages_received++;
    if (refuse(in, shard_check(h, (uint32_t)in->key, &f), &f) ||
            refuse(in, history_admit(h, PRESSURE_WORK, &f), &f)) {
        return;
    }
    struct call *call = call_new(h, in, body);
    if (msg_outbox_decode(call->body, &call->arena, &call->outbox, &f)) {
        call_fail_now(call, &f);
        return;
    }
    call->run = handle_message;
    submit(call, call->outbox.target_namespace_id, call->outbox.target_workflow_id);
}

static void serve_demand(void *ctx, struct uuid from, uint64_t key, struct str body)
{
    struct history *h = ctx;
    struct msg_demand m;
    if (h->state == HISTORY_SERVING && !msg_demand_decode(body, lane_scratch(h->lane), &m, NULL)) {
        dispatch_demand(&h->dispatch, &m);
    }
}

void history_serve(struct history *h)
{
    rpc_serve(h->rpc, RPC_HISTORY_API, serve_api, h);
    rpc_serve(h->rpc, RPC_HISTORY_CLAIM, serve_claim, h);
    rpc_serve(h->rpc, RPC_HISTORY_UNCLAIM, serve_unclaim, h);
    rpc_serve(h->rpc, RPC_HISTORY_MESSAGE, serve_message, h);
    rpc_serve_notify(h->rpc, RPC_HISTORY_DEMAND, serve_demand, h);
}

/* ---- shared by the handlers ---------------------------------------------------------------------------- */

void handler_detail(struct fail *f)
{
    if (f->err == ERR_NOT_FOUND && !f->detail_type.len) {
        fail_set_detail(f, STR("NotFoundFailure"), STR(""));
    } else if (f->err == ERR_RESOURCE_EXHAUSTED && !f->detail_type.len) {
        fail_set_detail(f, STR("ResourceExhaustedFailure"),
                STR("\x08\x05\x10\x01")); /* BUSY_WORKFLOW, NAMESPACE */
    }
}

void handler_fail(struct call *call, const struct execution *ex, struct fail *f)
{
    handler_detail(f);
    call_fail(call, ex, f);
}

void handler_reply(struct call *call, const struct execution *ex, const ProtobufCMessage *reply)
{
    call_reply(call, ex, reply ? api_encode(&call->arena, reply) : STR(""));
}

void *handler_decode(struct call *call, const ProtobufCMessageDescriptor *type)
{
    struct fail f = { 0 };
    void *m = api_decode(type, &call->arena, call->api.request, &f);
    if (!m) {
        call_fail_now(call, &f);
    }
    return m;
}

bool handler_find_key(struct call *call, struct uuid run_id, run_key key, struct execution **ret)
{
    struct chain *chain = call->chain;
    enum want want = chain_want(chain, call, run_id, key, ret);
    if (want == WANT_ABSENT) {
        struct fail f = { 0 };
        fail(&f, ERR_NOT_FOUND, "workflow not found for ID: " STR_FMT, STR_ARG(chain->workflow_id));
        handler_detail(&f);
        call_fail_absent(call, &f);
    }
    return want == WANT_FOUND;
}

bool handler_find(struct call *call, const char *run_id, struct execution **ret)
{
    struct uuid id = { { 0 } };
    if (run_id && *run_id && !uuid_parse(text(run_id), &id)) {
        struct fail f = { 0 };
        fail(&f, ERR_INVALID_ARGUMENT, "Invalid RunId.");
        call_fail_now(call, &f);
        return false;
    }
    return handler_find_key(call, id, 0, ret);
}

bool handler_token(struct call *call, ProtobufCBinaryData bytes, enum api_token_kind kind,
        struct api_token *ret)
{
    struct fail f = { 0 };
    enum err err = api_token_decode(api_bytes(bytes), &call->arena, ret, &f);
    if (!err && (ret->kind != kind || !uuid_eq(ret->namespace_id, call->chain->namespace_id) ||
                        !str_eq(ret->workflow_id, call->chain->workflow_id))) {
        err = fail(&f, ERR_INVALID_ARGUMENT, "Invalid task token.");
    }
    if (err) {
        call_fail_now(call, &f);
    }
    return !err;
}

bool handler_step(struct call *call, struct execution *ex, struct event *ev, struct effects *fx)
{
    struct fail f = { 0 };
    if (execution_step(ex, ev, &call->arena, fx, &f)) {
        handler_fail(call, ex, &f);
        return false;
    }
    if (fx->answer.err) {
        handler_fail(call, ex, &fx->answer);
        return false;
    }
    return true;
}

const char *uuid_text(struct arena *arena, struct uuid id)
{
    return uuid_is_zero(id) ? "" : uuid_dup(arena, id).ptr;
}

bool handler_span(
        struct call *call, const Api__Duration *d, const char *field, struct duration *ret)
{
    struct fail f = { 0 };
    if (api_span(d, field, ret, &f)) {
        call_fail_now(call, &f);
        return false;
    }
    return true;
}

bool retry_policy_decode(
        struct arena *arena, const Api__RetryPolicy *p, struct retry_policy *ret, struct fail *f)
{
    *ret = (struct retry_policy){ 0 };
    if (!p) {
        return true;
    }
    if (api_span(p->initial_interval, "initial_interval", &ret->initial_interval, f) ||
            api_span(p->maximum_interval, "maximum_interval", &ret->maximum_interval, f)) {
        return false;
    }
    struct str *types = NEW(arena, struct str, p->n_non_retryable_error_types + 1);
    for (size_t i = 0; i < p->n_non_retryable_error_types; i++) {
        types[i] = text(p->non_retryable_error_types[i]);
    }
    ret->is_set = true;
    ret->backoff_coefficient = p->backoff_coefficient;
    ret->maximum_attempts = p->maximum_attempts;
    ret->non_retryable_types = types;
    ret->non_retryable_count = p->n_non_retryable_error_types;
    return true;
}

Api__RetryPolicy *retry_policy_encode(struct arena *arena, const struct retry_policy *p)
{
    if (!p->is_set) {
        return NULL;
    }
    Api__RetryPolicy *out = api_new(arena, &api__retry_policy__descriptor);
    out->initial_interval = api_duration(arena, p->initial_interval);
    out->maximum_interval = api_duration(arena, p->maximum_interval);
    out->backoff_coefficient = p->backoff_coefficient;
    out->maximum_attempts = p->maximum_attempts;
    const char **types = NEW(arena, const char *, p->non_retryable_count + 1);
    for (size_t i = 0; i < p->non_retryable_count; i++) {
        types[i] = str_cstr(arena, p->non_retryable_types[i]);
    }
    out->n_non_retryable_error_types = p->non_retryable_count;
    out->non_retryable_error_types = (void *)types;
    return out;
}

struct str repeated_encode(
        struct arena *arena, uint32_t field, const ProtobufCBinaryData *list, size_t count)
{
    size_t size = 0;
    struct buf out;
    for (size_t i = 0; i < count; i++) {
        size += list[i].len + 16; /* tag and length */
    }
    buf_init_arena(&out, arena, size);
    for (size_t i = 0; i < count; i++) {
        wire_put_bytes(&out, field, api_bytes(list[i]));
    }
    return buf_str(&out);
}
