/* The end of a workflow task: completion with commands, or failure. */
#include "common/model/wire.h"
#include "history/engine_view.h"
#include "history/handlers.h"
#include "history/queries.h"

static struct workflow_task_token task_token(const struct api_token *t)
{
    return (struct workflow_task_token){
        .scheduled_event_id = t->scheduled_event_id,
        .started_event_id = t->started_event_id,
        .attempt = t->attempt,
        .scheduled_time = t->scheduled_time,
        .started_time = t->started_time,
        .identity = t->identity,
        .request_id = t->request_id,
        .history_size = t->history_size,
        .suggest_continue_as_new = t->suggest_continue_as_new,
        .suggest_reasons = t->suggest_reasons,
        .worker_version = t->worker_version,
    };
}

/* ---- completion ---------------------------------------------------------------------------------------- */

/* What the worker says of the version that it is: in the old form, in the new one, in both, or not at all. */
struct deployment {
    struct str name, build_id;
    uint64_t mode; /* of the new form */
    bool is_set;
};

static struct deployment deployment_of(struct str message)
{
    struct deployment d = { .is_set = message.len > 0 };
    struct wire_field f;
    while (wire_next(&message, &f)) {
        if (f.number == 1 && f.type == WIRE_LEN) {
            d.name = f.bytes;
        } else if (f.number == 2 && f.type == WIRE_LEN) {
            d.build_id = f.bytes;
        } else if (f.number == 3 && f.type == WIRE_VARINT) {
            d.mode = f.varint;
        }
    }
    return d;
}

enum { VERSIONED = 2 };

/* What this server cannot take is better refused than taken for something else. */
static enum err check_completion(const Api__RespondWorkflowTaskCompletedRequest *r, struct fail *f)
{
    if (r->intermediate_page || r->page_number > 0) {
        return fail(f, ERR_FAILED_PRECONDITION,
                "completions of workflow tasks in several pages are not enabled");
    }
    if (!r->versioning_behavior || r->deployment.len ||
            deployment_of(api_bytes(r->deployment_options)).mode == VERSIONED) {
        return ERR_NONE;
    }
    return fail(f, ERR_INVALID_ARGUMENT,
            "versioning behavior cannot be specified without deployment options being set with "
            "versioned mode");
}

/* An old worker may report a behavior that it has for a default, though it is not versioned: that counts as none. */
static void put_versioning(struct buf *out, const Api__RespondWorkflowTaskCompletedRequest *r)
{
    struct deployment new_form = deployment_of(api_bytes(r->deployment_options));
    struct deployment old_form = deployment_of(api_bytes(r->deployment));
    bool is_versioned = new_form.mode == VERSIONED;
    if (!new_form.is_set || is_versioned) {
        wire_opt_varint(out, 8, (uint64_t)r->versioning_behavior);
    }
    wire_opt_bytes(out, 10, new_form.name.len ? new_form.name : old_form.name);
}

/* The message WorkerDeploymentVersion; empty: the worker has none. */
static struct str deployment_version_of(
        struct arena *arena, const Api__RespondWorkflowTaskCompletedRequest *r)
{
    struct deployment new_form = deployment_of(api_bytes(r->deployment_options));
    struct deployment old_form = deployment_of(api_bytes(r->deployment));
    bool is_versioned = new_form.mode == VERSIONED;
    const struct deployment *d = is_versioned ? &new_form : &old_form;
    struct buf out;
    buf_init_arena(&out, arena, d->build_id.len + d->name.len + 16);
    if (is_versioned || old_form.is_set) {
        wire_opt_bytes(&out, 1, d->build_id);
        wire_opt_bytes(&out, 2, d->name);
    }
    return buf_str(&out);
}

/* Fields that pass into the completed event, with that event's numbers. */
static struct str completed_fields(
        struct arena *arena, const Api__RespondWorkflowTaskCompletedRequest *r)
{
    struct buf out;
    buf_init_arena(&out, arena, (size_t)128 << 20); /* as large as the largest request may be */
    wire_opt_bytes(&out, 6, api_bytes(r->sdk_metadata));
    put_versioning(&out, r);
    wire_opt_bytes(&out, 13, api_bytes(r->metering_metadata));
    return buf_str(&out);
}

/* As if the worker had not asked for any. */
static const struct command *without_eager(
        struct arena *arena, const struct command *commands, size_t count)
{
    struct command *copy = NEW(arena, struct command, count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = commands[i];
        if (copy[i].type == COMMAND_SCHEDULE_ACTIVITY_TASK) {
            copy[i].schedule_activity.request_eager_execution = false;
        }
    }
    return copy;
}

static bool take_completion(struct call *call, const Api__RespondWorkflowTaskCompletedRequest *r,
        const struct api_token *token, struct event *ev)
{
    struct event_workflow_task_completed *c = &ev->workflow_task_completed;
    struct fail f = { 0 };
    if (check_completion(r, &f) || !commands_decode(&call->arena, &call->history->zones,
                                           r->commands, r->n_commands, &c->commands, &f)) {
        call_fail_now(call, &f);
        return false;
    }
    c->token = task_token(token);
    c->command_count = r->n_commands;
    if (ev->limits->no_eager_activities) {
        c->commands = without_eager(&call->arena, c->commands, c->command_count);
    }
    update_messages_take(&call->arena, r, c);
    c->identity = text(r->identity);
    c->return_new_workflow_task = r->return_new_workflow_task;
    c->force_create_new_workflow_task = r->force_create_new_workflow_task;
    c->binary_checksum = text(r->binary_checksum);
    c->worker_version = api_bytes(r->worker_version_stamp);
    c->deployment_version = deployment_version_of(&call->arena, r);
    c->completed_event_fields = completed_fields(&call->arena, r);
    c->poll_id = uuid_dup(&call->arena, uuid_v4(&ev->rand));
    const Api__StickyExecutionAttributes *sticky = r->sticky_attributes;
    if (sticky && sticky->worker_task_queue) {
        c->sticky_task_queue = text(sticky->worker_task_queue->name);
        return handler_span(call, sticky->schedule_to_start_timeout, "schedule_to_start_timeout",
                &c->sticky_schedule_to_start);
    }
    return true;
}

struct completion {
    Api__RespondWorkflowTaskCompletedResponse reply;
    struct workflow_task_answer task;
    struct page page;
};

static void reply_completion(struct call *call, struct completion *done)
{
    done->reply.workflow_task = workflow_task_answer_encode(&done->task, &call->arena);
    call_reply_now(call, api_encode(&call->arena, &done->reply.base));
}

static void history_read(struct call *call, struct page *page)
{
    struct completion *done = call->state;
    done->task.events = page->events;
    done->task.start.to_event_id = page->from + page->count - 1;
    reply_completion(call, done);
}

static void read_history(struct call *call)
{
    struct completion *done = call->state;
    page_read(&done->page);
}

/* A new task handed out with the answer; its history is short, and nearly always in memory. */
static void reply_with_task(
        struct call *call, struct execution *ex, struct completion *done, const struct effects *fx)
{
    workflow_task_answer_take(&done->task, &call->arena, ex, &fx->workflow_task);
    if (done->task.has_events) {
        done->reply.workflow_task = workflow_task_answer_encode(&done->task, &call->arena);
        handler_reply(call, ex, &done->reply.base);
        return;
    }
    done->page = (struct page){
        .call = call,
        .key = ex->key,
        .from = done->task.start.from_event_id,
        .end = done->task.stored_end,
        .max_events = INT64_MAX / 2,
        .max_bytes = TASK_PAGE_BYTES,
        .done = history_read,
    };
    call->state = done;
    call_then(call, ex, read_history);
}

/* The start was perhaps decided elsewhere, by a clock that is ahead of ours: the task does not end before it. */
static void task_event(struct call *call, const struct execution *ex, enum event_kind kind,
        const struct api_token *token, struct event *ret)
{
    execution_event(call->history, ex, kind, ret);
    ret->now = instant_max(ret->now, token->started_time);
}

void handle_workflow_task_completed(struct call *call)
{
    Api__RespondWorkflowTaskCompletedRequest *r =
            HANDLER_DECODE(call, api__respond_workflow_task_completed_request);
    struct api_token token;
    struct execution *ex;
    struct event ev;
    struct effects fx;
    if (!r || !handler_token(call, r->task_token, API_TOKEN_WORKFLOW_TASK, &token) ||
            !handler_find_key(call, token.run_id, token.key, &ex)) {
        return;
    }
    task_event(call, ex, EVENT_WORKFLOW_TASK_COMPLETED, &token, &ev);
    if (!take_completion(call, r, &token, &ev)) {
        return;
    }
    ev.workflow_task_completed.commands =
            history_type_attributes(ev.limits, ev.workflow_task_completed.commands,
                    ev.workflow_task_completed.command_count, &call->arena);
    queries_hold(ex);
    if (!handler_step(call, ex, &ev, &fx)) {
        queries_release(ex);
        return;
    }
    queries_answered(ex, r);
    queries_release(ex);
    dispatch_claimed(&call->history->dispatch, ex, TASK_QUEUE_WORKFLOW, token.scheduled_event_id);
    struct completion *done = NEW(&call->arena, struct completion, 1);
    api__respond_workflow_task_completed_response__init(&done->reply);
    done->reply.reset_history_event_id = fx.reset_history_event_id;
    size_t n = fx.eager_activities.len;
    done->reply.activity_tasks = NEW(&call->arena, Api__PollActivityTaskQueueResponse *, n + 1);
    for (size_t i = 0; i < n; i++) {
        done->reply.activity_tasks[i] =
                activity_task_answer(&call->arena, ex, &fx.eager_activities.ptr[i]);
    }
    done->reply.n_activity_tasks = n;
    if (fx.has_workflow_task) {
        reply_with_task(call, ex, done, &fx);
    } else {
        handler_reply(call, ex, &done->reply.base);
    }
}

/* ---- failure ------------------------------------------------------------------------------------------- */

void handle_workflow_task_failed(struct call *call)
{
    Api__RespondWorkflowTaskFailedRequest *r =
            HANDLER_DECODE(call, api__respond_workflow_task_failed_request);
    struct api_token token;
    struct execution *ex;
    struct event ev;
    struct effects fx;
    if (!r || !handler_token(call, r->task_token, API_TOKEN_WORKFLOW_TASK, &token) ||
            !handler_find_key(call, token.run_id, token.key, &ex)) {
        return;
    }
    task_event(call, ex, EVENT_WORKFLOW_TASK_FAILED, &token, &ev);
    struct buf fields;
    buf_init_arena(&fields, &call->arena, (size_t)128 << 20); /* as above */
    wire_opt_bytes(&fields, 9, text(r->binary_checksum));
    wire_opt_bytes(&fields, 10, api_bytes(r->worker_version));
    ev.workflow_task_failed = (struct event_workflow_task_failed){
        .token = task_token(&token),
        .cause = (enum workflow_task_failed_cause)r->cause,
        .failure = api_bytes(r->failure),
        .identity = text(r->identity),
        .failed_event_fields = buf_str(&fields),
    };
    if (handler_step(call, ex, &ev, &fx)) {
        handler_reply(call, ex, NULL);
    }
}
