/* UpdateWorkflowExecutionOptions: the versioning override and the priority of an open run. Which of them is meant, the
 * mask says; an option is changed as a whole. */
#include "history/engine/priority.h"
#include "history/engine/workflow.h"
#include "history/handlers.h"
#include "history/start_check.h"

/* Paths as clients write them: with underscores, or as JSON does. */
static bool is_path(const char *path, const char *with_underscores, const char *as_json)
{
    return !strcmp(path, with_underscores) || !strcmp(path, as_json);
}

static enum err take_path(const char *path, struct event_options *o, struct fail *f)
{
    if (is_path(path, "versioning_override", "versioningOverride")) {
        o->sets_override = true;
        return ERR_NONE;
    }
    if (is_path(path, "priority", "priority")) {
        o->sets_priority = true;
        return ERR_NONE;
    }
    if (is_path(path, "time_skipping_config", "timeSkippingConfig")) {
        return fail(f, ERR_UNIMPLEMENTED, "time skipping is not served");
    }
    if (str_starts_with(text(path), STR("versioning_override.")) ||
            str_starts_with(text(path), STR("versioningOverride."))) {
        return fail(f, ERR_INVALID_ARGUMENT, "versioning_override doesn't support partial updates");
    }
    if (str_starts_with(text(path), STR("priority."))) {
        return fail(f, ERR_UNIMPLEMENTED, "the priority can only be changed as a whole");
    }
    return fail(f, ERR_INVALID_ARGUMENT, "error parsing UpdateMask: invalid path \"%s\"", path);
}

static enum err take(const struct call *call, const Api__UpdateWorkflowExecutionOptionsRequest *r,
        struct event_options *o, struct fail *f)
{
    const Api__WorkflowExecutionOptions *w = r->workflow_execution_options;
    const char *why;
    if (!r->update_mask) {
        return fail(f, ERR_INVALID_ARGUMENT, "UpdateMask is required");
    }
    if (!w) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowExecutionOptions is required");
    }
    *o = (struct event_options){ .identity = text(r->identity),
        .versioning_override = api_bytes(w->versioning_override),
        .priority = api_bytes(w->priority) };
    for (size_t i = 0; i < r->update_mask->n_paths; i++) {
        if (take_path(r->update_mask->paths[i], o, f)) {
            return f->err;
        }
    }
    if ((why = priority_problem(o->priority))) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s", why);
    }
    return o->sets_override ? override_check(o->versioning_override,
                                      history_limits(call->history, call->api.namespace_id), f)
                            : ERR_NONE;
}

void handle_update_options(struct call *call)
{
    Api__UpdateWorkflowExecutionOptionsRequest *r =
            HANDLER_DECODE(call, api__update_workflow_execution_options_request);
    struct event_options options;
    struct execution *ex;
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    if (!r) {
        return;
    }
    if (take(call, r, &options, &f)) {
        call_fail_now(call, &f);
        return;
    }
    if (!handler_find(call, r->workflow_execution ? r->workflow_execution->run_id : NULL, &ex)) {
        return;
    }
    execution_event(call->history, ex, EVENT_OPTIONS, &ev);
    ev.options = options;
    if (!handler_step(call, ex, &ev, &fx)) {
        return;
    }
    Api__UpdateWorkflowExecutionOptionsResponse m =
            API__UPDATE_WORKFLOW_EXECUTION_OPTIONS_RESPONSE__INIT;
    Api__WorkflowExecutionOptions now = API__WORKFLOW_EXECUTION_OPTIONS__INIT;
    now.versioning_override = api_data(ex->wf->versioning_override);
    now.priority = api_data(ex->wf->start.priority);
    m.workflow_execution_options = &now;
    m.update_time = fx.changed ? api_timestamp(&call->arena, ev.now) : NULL;
    handler_reply(call, ex, &m.base);
}
