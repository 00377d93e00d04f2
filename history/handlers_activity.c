/* The end of an activity attempt and its heartbeats, by token or by id. */
#include "history/engine_view.h"
#include "history/handlers.h"

static bool by_token(struct call *call, ProtobufCBinaryData bytes, struct execution **ex,
        struct activity_ref *ref)
{
    struct api_token token;
    if (!handler_token(call, bytes, API_TOKEN_ACTIVITY, &token) ||
            !handler_find_key(call, token.run_id, token.key, ex)) {
        return false;
    }
    *ref = (struct activity_ref){
        .scheduled_event_id = token.scheduled_event_id,
        .activity_id = token.activity_id,
        .attempt = token.attempt,
        .started_time = token.started_time,
        .identity = token.identity,
        .request_id = token.request_id,
    };
    return true;
}

static bool by_id(struct call *call, const char *run_id, const char *activity_id,
        struct execution **ex, struct activity_ref *ref)
{
    if (!*activity_id) {
        struct fail f = { 0 };
        fail(&f, ERR_INVALID_ARGUMENT, "ActivityId is not set on request.");
        call_fail_now(call, &f);
        return false;
    }
    if (!handler_find(call, run_id, ex)) {
        return false;
    }
    *ref = (struct activity_ref){ .activity_id = text(activity_id) };
    return true;
}

/* ---- one step per way to end ----------------------------------------------------------------------------- */

static void completed(struct call *call, struct execution *ex, const struct activity_ref *ref,
        ProtobufCBinaryData result, const char *identity)
{
    struct event ev;
    struct effects fx;
    execution_event(call->history, ex, EVENT_ACTIVITY_COMPLETED, &ev);
    ev.activity_completed = (struct event_activity_completed){
        .ref = *ref,
        .result = api_bytes(result),
        .identity = text(identity),
    };
    if (handler_step(call, ex, &ev, &fx)) {
        dispatch_claimed(
                &call->history->dispatch, ex, TASK_QUEUE_ACTIVITY, ref->scheduled_event_id);
        handler_reply(call, ex, NULL);
    }
}

/* What was too large to be kept. The responses of both calls differ in name only. */
static Api__RespondActivityTaskFailedResponse *failed_answer(
        struct arena *arena, const struct effects *fx)
{
    Api__RespondActivityTaskFailedResponse *m =
            api_new(arena, &api__respond_activity_task_failed_response__descriptor);
    m->failures = NEW(arena, ProtobufCBinaryData, fx->failures.len + 1);
    for (size_t i = 0; i < fx->failures.len; i++) {
        m->failures[m->n_failures++] = api_data(fx->failures.ptr[i]);
    }
    return m;
}

static void failed(struct call *call, struct execution *ex, const struct activity_ref *ref,
        ProtobufCBinaryData failure, ProtobufCBinaryData details, const char *identity)
{
    struct event ev;
    struct effects fx;
    execution_event(call->history, ex, EVENT_ACTIVITY_FAILED, &ev);
    ev.activity_failed = (struct event_activity_failed){
        .ref = *ref,
        .failure = api_bytes(failure),
        .last_heartbeat_details = api_bytes(details),
        .identity = text(identity),
    };
    if (handler_step(call, ex, &ev, &fx)) {
        handler_reply(call, ex, &failed_answer(&call->arena, &fx)->base);
    }
}

static void canceled(struct call *call, struct execution *ex, const struct activity_ref *ref,
        ProtobufCBinaryData details, const char *identity)
{
    struct event ev;
    struct effects fx;
    execution_event(call->history, ex, EVENT_ACTIVITY_CANCELED, &ev);
    ev.activity_canceled = (struct event_activity_canceled){
        .ref = *ref,
        .details = api_bytes(details),
        .identity = text(identity),
    };
    if (handler_step(call, ex, &ev, &fx)) {
        handler_reply(call, ex, NULL);
    }
}

/* The two responses differ in name only. */
static void heartbeat(struct call *call, struct execution *ex, const struct activity_ref *ref,
        ProtobufCBinaryData details, const char *identity)
{
    struct event ev;
    struct effects fx;
    Api__RecordActivityTaskHeartbeatResponse m = API__RECORD_ACTIVITY_TASK_HEARTBEAT_RESPONSE__INIT;
    execution_event(call->history, ex, EVENT_ACTIVITY_HEARTBEAT, &ev);
    ev.activity_heartbeat = (struct event_activity_heartbeat){
        .ref = *ref,
        .details = api_bytes(details),
        .identity = text(identity),
    };
    if (handler_step(call, ex, &ev, &fx)) {
        m.cancel_requested = fx.cancel_requested;
        handler_reply(call, ex, &m.base);
    }
}

/* ---- the calls ----------------------------------------------------------------------------------------- */

void handle_activity_completed(struct call *call)
{
    Api__RespondActivityTaskCompletedRequest *r =
            HANDLER_DECODE(call, api__respond_activity_task_completed_request);
    struct execution *ex;
    struct activity_ref ref;
    if (r && by_token(call, r->task_token, &ex, &ref)) {
        completed(call, ex, &ref, r->result, r->identity);
    }
}

void handle_activity_completed_by_id(struct call *call)
{
    Api__RespondActivityTaskCompletedByIdRequest *r =
            HANDLER_DECODE(call, api__respond_activity_task_completed_by_id_request);
    struct execution *ex;
    struct activity_ref ref;
    if (r && by_id(call, r->run_id, r->activity_id, &ex, &ref)) {
        completed(call, ex, &ref, r->result, r->identity);
    }
}

void handle_activity_failed(struct call *call)
{
    Api__RespondActivityTaskFailedRequest *r =
            HANDLER_DECODE(call, api__respond_activity_task_failed_request);
    struct execution *ex;
    struct activity_ref ref;
    if (r && by_token(call, r->task_token, &ex, &ref)) {
        failed(call, ex, &ref, r->failure, r->last_heartbeat_details, r->identity);
    }
}

void handle_activity_failed_by_id(struct call *call)
{
    Api__RespondActivityTaskFailedByIdRequest *r =
            HANDLER_DECODE(call, api__respond_activity_task_failed_by_id_request);
    struct execution *ex;
    struct activity_ref ref;
    if (r && by_id(call, r->run_id, r->activity_id, &ex, &ref)) {
        failed(call, ex, &ref, r->failure, r->last_heartbeat_details, r->identity);
    }
}

void handle_activity_canceled(struct call *call)
{
    Api__RespondActivityTaskCanceledRequest *r =
            HANDLER_DECODE(call, api__respond_activity_task_canceled_request);
    struct execution *ex;
    struct activity_ref ref;
    if (r && by_token(call, r->task_token, &ex, &ref)) {
        canceled(call, ex, &ref, r->details, r->identity);
    }
}

void handle_activity_canceled_by_id(struct call *call)
{
    Api__RespondActivityTaskCanceledByIdRequest *r =
            HANDLER_DECODE(call, api__respond_activity_task_canceled_by_id_request);
    struct execution *ex;
    struct activity_ref ref;
    if (r && by_id(call, r->run_id, r->activity_id, &ex, &ref)) {
        canceled(call, ex, &ref, r->details, r->identity);
    }
}

void handle_activity_heartbeat(struct call *call)
{
    Api__RecordActivityTaskHeartbeatRequest *r =
            HANDLER_DECODE(call, api__record_activity_task_heartbeat_request);
    struct execution *ex;
    struct activity_ref ref;
    if (r && by_token(call, r->task_token, &ex, &ref)) {
        heartbeat(call, ex, &ref, r->details, r->identity);
    }
}

void handle_activity_heartbeat_by_id(struct call *call)
{
    Api__RecordActivityTaskHeartbeatByIdRequest *r =
            HANDLER_DECODE(call, api__record_activity_task_heartbeat_by_id_request);
    struct execution *ex;
    struct activity_ref ref;
    if (r && by_id(call, r->run_id, r->activity_id, &ex, &ref)) {
        heartbeat(call, ex, &ref, r->details, r->identity);
    }
}
