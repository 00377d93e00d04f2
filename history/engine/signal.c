/* What others do to a run from outside: signal it, ask it to cancel, terminate it. */
#include "history/engine/step.h"

static struct execution_ref external(struct step *st, struct str workflow_id, struct uuid run_id)
{
    struct execution_ref ref = { workflow_id, { 0 } };
    if (!uuid_is_zero(run_id)) {
        ref.run_id = uuid_dup(st->fx->arena, run_id);
    }
    return ref;
}

struct history_event signal_event(struct step *st, const struct event_signal *s)
{
    return (struct history_event){ .type = HISTORY_WORKFLOW_EXECUTION_SIGNALED,
        .signal_name = s->signal_name,
        .input = s->input,
        .identity = s->identity,
        .header = s->header,
        .request_id = s->request_id,
        .links = s->links,
        .execution = external(st, s->external_workflow_id, s->external_run_id) };
}

enum err workflow_is_closing(struct fail *f)
{
    (void)fail(f, ERR_RESOURCE_EXHAUSTED,
            "workflow operation can not be applied because workflow is closing");
    fail_set_detail(f, STR("ResourceExhaustedFailure"),
            STR("\x08\x05\x10\x01")); /* BUSY_WORKFLOW, NAMESPACE */
    return ERR_RESOURCE_EXHAUSTED;
}

enum err signal_step(struct step *st)
{
    const struct event_signal *s = &st->ev->signal;
    const struct workflow *wf = st->wf;
    if (!str_empty(s->request_id) && map_get(&wf->request_ids, s->request_id)) {
        st->fx->is_duplicate =
                true; /* before the question whether the run is open: retries must succeed */
        return ERR_NONE;
    }
    if (!workflow_is_open(wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "workflow execution already completed");
    }
    if (wf->signal_count >= st->limits->signals_per_run) {
        return fail(st->fail, ERR_INVALID_ARGUMENT,
                "exceeded workflow execution limit for signal events");
    }
    if (wf->close_attempted && wf->task.state == WORKFLOW_TASK_STARTED) {
        return workflow_is_closing(st->fail);
    }
    struct history_event he = signal_event(st, s);
    if (wf->first_task_at.ns && !s->wakes_delayed) {
        step_happened_quietly(st, &he); /* a plain signal does not end a start delay */
    } else {
        step_happened(st, &he);
    }
    return ERR_NONE;
}

enum err request_cancel_step(struct step *st)
{
    const struct event_request_cancel *c = &st->ev->request_cancel;
    if (!workflow_is_open(st->wf) || st->wf->cancel_requested) {
        st->fx->is_duplicate = true;
        return ERR_NONE;
    }
    struct history_event he = { .type = HISTORY_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
        .cause_text = c->cause,
        .identity = c->identity,
        .links = c->links,
        .initiated_event_id = c->external_initiated_event_id,
        .execution = external(st, c->external_workflow_id, c->external_run_id) };
    step_happened(st, &he);
    return ERR_NONE;
}

enum err terminate_step(struct step *st)
{
    const struct event_terminate *t = &st->ev->terminate;
    if (!workflow_is_open(st->wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "workflow execution already completed");
    }
    close_terminate(st, t->reason, t->details, t->identity, t->links);
    return ERR_NONE;
}
