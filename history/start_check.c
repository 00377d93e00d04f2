/* The rules of a start request that need no state: sets, sizes, signs, and policies that exclude each other. Lengths of
 * ids are checked at the edge for all requests alike. */
#include "history/start_check.h"

#include "common/api/codec.h"
#include "common/model/wire.h"
#include "history/engine/cron.h"
#include "history/engine/priority.h"
#include "history/engine/retry.h"

enum {
    CALLBACK_URL_MAX = 1000,
    CALLBACK_HEADER_MAX = 8 * 1024,
};

/* ---- policies ---------------------------------------------------------------------------------- */

enum err start_check_policies(const Api__StartWorkflowExecutionRequest *r, struct fail *f)
{
    int reuse = (int)r->workflow_id_reuse_policy, conflict = (int)r->workflow_id_conflict_policy;
    if (reuse < ID_REUSE_UNSPECIFIED || reuse > ID_REUSE_TERMINATE_IF_RUNNING) {
        return fail(f, ERR_INVALID_ARGUMENT, "Invalid WorkflowIDReusePolicy: %d", reuse);
    }
    if (conflict < ID_CONFLICT_UNSPECIFIED || conflict > ID_CONFLICT_TERMINATE_EXISTING) {
        return fail(f, ERR_INVALID_ARGUMENT, "Invalid WorkflowIDConflictPolicy: %d", conflict);
    }
    if (reuse == ID_REUSE_TERMINATE_IF_RUNNING && conflict != ID_CONFLICT_UNSPECIFIED) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING "
                "cannot be used together with a WorkflowIDConflictPolicy");
    }
    if (reuse == ID_REUSE_REJECT_DUPLICATE && conflict == ID_CONFLICT_TERMINATE_EXISTING) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot "
                "be used together with WorkflowIdConflictPolicy "
                "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING");
    }
    const Api__OnConflictOptions *o = r->on_conflict_options;
    if (o && o->attach_completion_callbacks && !o->attach_request_id) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "attaching request ID is required for attaching completion callbacks");
    }
    return ERR_NONE;
}

/* ---- names, times ------------------------------------------------------------------------------ */

static enum err check_times(const struct event_start *s, struct fail *f)
{
    const struct {
        struct duration d;
        const char *name;
    } spans[] = { { s->execution_timeout, "WorkflowExecutionTimeoutSeconds" },
        { s->run_timeout, "WorkflowRunTimeoutSeconds" },
        { s->task_timeout, "WorkflowTaskTimeoutSeconds" } };
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        if (spans[i].d.ns < 0) {
            return fail(f, ERR_INVALID_ARGUMENT,
                    "An invalid %s is set on request. cause: negative duration", spans[i].name);
        }
    }
    return ERR_NONE;
}

static enum err check_retry(const struct retry_policy *p, struct fail *f)
{
    const char *why = retry_policy_problem(p);
    return why ? fail(f, ERR_INVALID_ARGUMENT, "%s", why) : ERR_NONE;
}

static enum err check_schedule(
        const Api__StartWorkflowExecutionRequest *r, const struct event *ev, struct fail *f)
{
    const struct event_start *s = &ev->start;
    if (s->cron_schedule.len && r->workflow_start_delay) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "CronSchedule and WorkflowStartDelay may not be used together.");
    }
    if (s->start_delay.ns < 0) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "An invalid WorkflowStartDelaySeconds is set on request. cause: negative duration");
    }
    const char *why = cron_problem(s->cron_schedule, ev->zone, ev->now);
    return why ? fail(f, ERR_INVALID_ARGUMENT, "%s", why) : ERR_NONE;
}

static enum err check_names(
        const Api__StartWorkflowExecutionRequest *r, const struct event_start *s, struct fail *f)
{
    if (!s->workflow_type.len) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowType is not set on request.");
    }
    if (!s->task_queue.len) {
        return fail(f, ERR_INVALID_ARGUMENT,
                r->task_queue ? "missing task queue name" : "taskQueue is not set");
    }
    return ERR_NONE;
}

/* ---- what is carried --------------------------------------------------------------------------- */

enum err links_check(const ProtobufCBinaryData *links, size_t count,
        const struct engine_limits *limits, struct fail *f)
{
    if (count > limits->links) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "cannot attach more than %u links per request, got %zu", limits->links, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (links[i].len > limits->link_bytes) {
            return fail(f, ERR_INVALID_ARGUMENT, "link exceeds allowed size of %zu, got %zu",
                    limits->link_bytes, links[i].len);
        }
    }
    return ERR_NONE;
}

static enum err check_nexus_callback(struct str message, struct fail *f)
{
    struct wire_field field;
    size_t header = 0;
    while (wire_next(&message, &field)) {
        if (field.number == 1 && field.bytes.len > CALLBACK_URL_MAX) {
            return fail(f, ERR_INVALID_ARGUMENT,
                    "invalid url: url length longer than max length allowed of %d",
                    CALLBACK_URL_MAX);
        }
        header += field.number == 2 ? field.bytes.len : 0;
    }
    if (header > CALLBACK_HEADER_MAX) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "invalid header: header size longer than max allowed size of %d",
                CALLBACK_HEADER_MAX);
    }
    return ERR_NONE;
}

static enum err check_callback(struct str message, struct fail *f)
{
    enum { FIELD_NEXUS = 2, FIELD_INTERNAL = 3 };
    struct wire_field field;
    while (wire_next(&message, &field)) {
        if (field.number == FIELD_NEXUS && field.type == WIRE_LEN) {
            return check_nexus_callback(field.bytes, f);
        }
        if (field.number == FIELD_INTERNAL) {
            return ERR_NONE;
        }
    }
    return fail(f, ERR_UNIMPLEMENTED, "unknown callback variant");
}

enum err callbacks_check(const ProtobufCBinaryData *callbacks, size_t count,
        const struct engine_limits *l, struct fail *f)
{
    if (count > l->callbacks) {
        return fail(f, ERR_INVALID_ARGUMENT, "cannot attach more than %u callbacks to an execution",
                l->callbacks);
    }
    for (size_t i = 0; i < count; i++) {
        if (check_callback(api_bytes(callbacks[i]), f)) {
            return f->err;
        }
    }
    return ERR_NONE;
}

static enum err check_user_metadata(
        struct str message, const struct engine_limits *l, struct fail *f)
{
    const struct {
        const char *name;
        size_t max;
    } parts[] = { { "", 0 }, { "summary", l->summary_bytes }, { "details", l->details_bytes } };
    struct wire_field field;
    while (message.len && wire_next(&message, &field)) {
        if (field.number < ARRAY_LEN(parts) && field.bytes.len > parts[field.number].max) {
            return fail(f, ERR_INVALID_ARGUMENT,
                    "user_metadata.%s exceeds size limit. Length=%zu Limit=%zu",
                    parts[field.number].name, field.bytes.len, parts[field.number].max);
        }
    }
    return ERR_NONE;
}

static enum err check_sizes(
        const struct event_start *s, const struct engine_limits *l, struct fail *f)
{
    if (s->input.len > l->blob_size_error || s->header.len > l->blob_size_error) {
        return fail(f, ERR_INVALID_ARGUMENT, "Blob data size exceeds limit.");
    }
    if (s->memo.len > l->memo_size_error) {
        return fail(f, ERR_INVALID_ARGUMENT, "Memo size exceeds limit.");
    }
    return check_user_metadata(s->user_metadata, l, f);
}

/* ---- the whole --------------------------------------------------------------------------------- */

enum err start_check(
        const Api__StartWorkflowExecutionRequest *r, const struct event *ev, struct fail *f)
{
    const struct event_start *s = &ev->start;
    const char *why;
    if (check_retry(&s->retry, f) || check_schedule(r, ev, f) || check_names(r, s, f) ||
            check_times(s, f) || start_check_policies(r, f)) {
        return f->err;
    }
    if ((why = priority_problem(s->priority))) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s", why);
    }
    if (override_check(s->versioning_override, ev->limits, f)) {
        return f->err;
    }
    if (callbacks_check(r->completion_callbacks, r->n_completion_callbacks, ev->limits, f) ||
            links_check(r->links, r->n_links, ev->limits, f)) {
        return f->err;
    }
    if (ev->limits->search_attributes &&
            search_attributes_check(s->search_attributes, ev->limits->search_attributes,
                    &ev->limits->search_attribute_limits, f)) {
        return f->err;
    }
    return check_sizes(s, ev->limits, f);
}
