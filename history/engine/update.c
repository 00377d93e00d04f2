/* Updates: calls into a workflow that its code may refuse. They wait in memory for a workflow task, go to the worker
 * with it, and come back as messages: accepted (event 41), completed (event 43), or rejected, which leaves no trace.
 * Relies on workflow_task.c for the task and on completion.c for the order of things; what changes is in
 * apply_update.c. Who waits for an update is the driver's business: it gets news. */
#include "history/engine/update.h"

#include "common/model/wire.h"
#include "history/engine/step.h"

enum { FAILING_ATTEMPT = 3, MESSAGE_MAX = 64 * 1024 * 1024 };

/* --- outcomes and errors ------------------------------------------------------------------------------ */

static struct str outcome_failure(struct arena *arena, struct str failure)
{
    enum { OUTCOME_FAILURE = 2 };
    struct buf b;
    buf_init_arena(&b, arena, MESSAGE_MAX);
    wire_put_bytes(&b, OUTCOME_FAILURE, failure);
    return buf_str(&b);
}

/* A failure of the server's own, as if workflow code had failed for good. */
static struct str application_failure(struct arena *arena, struct str message, struct str type)
{
    struct buf b;
    buf_init_arena(&b, arena, 4096);
    wire_put_bytes(&b, 1, message);
    wire_put_bytes(&b, 2, STR("Server"));
    size_t mark = wire_begin(&b, 5);
    wire_put_bytes(&b, 1, type);
    wire_put_varint(&b, 2, 1);
    wire_end(&b, mark);
    return buf_str(&b);
}

struct str update_closed_outcome(struct arena *arena)
{
    return outcome_failure(arena,
            application_failure(arena,
                    STR("Workflow Update failed because the Workflow completed before the Update "
                        "completed."),
                    STR("AcceptedUpdateCompletedWorkflow")));
}

static enum err not_ready(struct fail *f, const char *text)
{
    (void)fail(f, ERR_FAILED_PRECONDITION, "%s", text);
    fail_set_detail(f, STR("WorkflowNotReadyFailure"), STR(""));
    return ERR_FAILED_PRECONDITION;
}

enum err update_news_fail(enum update_news_kind kind, struct fail *f)
{
    switch (kind) {
    case UPDATE_NEWS_CLOSED:
        return fail(f, ERR_NOT_FOUND, "workflow update was aborted by closing workflow");
    case UPDATE_NEWS_CONTINUED:
        return workflow_is_closing(f);
    case UPDATE_NEWS_TASK_FAILED:
        return not_ready(f,
                "Unable to perform workflow execution update due to unexpected workflow task "
                "failure.");
    case UPDATE_NEWS_ACCEPTED:
    case UPDATE_NEWS_COMPLETED:
        break;
    }
    return ERR_NONE;
}

void update_tell(
        struct step *st, struct str update_id, enum update_news_kind kind, struct str outcome)
{
    struct update_news news = { str_dup(st->fx->arena, update_id), kind, outcome };
    vec_push(st->fx->arena, &st->fx->updates, news);
}

/* --- arriving ----------------------------------------------------------------------------------------- */

struct update_status workflow_update_status(const struct workflow *wf, struct str update_id)
{
    const struct update *u = workflow_update(wf, update_id);
    struct update_status s = { UPDATE_UNKNOWN, 0 };
    if (u) {
        s.stage = u->stage;
        s.completed_event_id = u->completed_event_id;
        if (u->stage == UPDATE_ACCEPTED && !workflow_is_open(wf)) {
            s.stage = UPDATE_COMPLETED;
        }
    }
    return s;
}

enum err update_check_total(
        const struct workflow *wf, size_t more, const struct engine_limits *l, struct fail *f)
{
    size_t known = wf->updates ? wf->updates->by_id.len : 0;
    if (!l->updates_total || known + more < l->updates_total) {
        return ERR_NONE;
    }
    return fail(f, ERR_FAILED_PRECONDITION,
            "The limit on the total number of distinct updates in this workflow has been reached "
            "(%u). Updates that are sent again count once if they have the same Update ID; "
            "Continue-as-New begins with none.",
            l->updates_total);
}

static enum err concurrent_limit(struct fail *f, const char *what, size_t limit)
{
    (void)fail(f, ERR_RESOURCE_EXHAUSTED, "limit on %s in-flight updates has been reached (%zu)",
            what, limit);
    fail_set_detail(f, STR("ResourceExhaustedFailure"),
            STR("\x08\x02\x10\x01")); /* CONCURRENT_LIMIT, NAMESPACE */
    return ERR_RESOURCE_EXHAUSTED;
}

static enum err check_limits(struct step *st, const struct event_update *e)
{
    const struct updates *us = st->wf->updates;
    const struct engine_limits *l = st->limits;
    size_t in_flight = us ? us->by_id.len - us->completed_count : 0;
    size_t bytes = (us ? us->pending_bytes : 0) + e->update_id.len + e->request.len;
    if (l->updates_in_flight && in_flight >= l->updates_in_flight) {
        return concurrent_limit(st->fail, "number of concurrent", l->updates_in_flight);
    }
    if (l->updates_in_flight_bytes && bytes > l->updates_in_flight_bytes) {
        return concurrent_limit(st->fail, "total payload size of", l->updates_in_flight_bytes);
    }
    return update_check_total(st->wf, 0, l, st->fail);
}

void update_admit(struct step *st, const struct event_update *e)
{
    step_record(st, &(struct record){ .kind = RECORD_UPDATE_ADMITTED,
                            .is_volatile = true,
                            .text = e->update_id,
                            .attributes = e->request });
    st->fx->update_status = (struct update_status){ UPDATE_ADMITTED, 0 };
}

enum err update_step(struct step *st)
{
    const struct event_update *e = &st->ev->update;
    const struct workflow *wf = st->wf;
    struct update_status known = workflow_update_status(wf, e->update_id);
    st->fx->update_status = known;
    st->fx->is_duplicate = known.stage != UPDATE_UNKNOWN;
    if (known.stage >=
            UPDATE_ACCEPTED) { /* before all questions: the same call again gets the same answer */
        return update_attach(st, workflow_update(wf, e->update_id));
    }
    if (!workflow_is_open(wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "workflow execution already completed");
    }
    if (wf->task.state != WORKFLOW_TASK_NONE && wf->task.attempt >= FAILING_ATTEMPT) {
        return not_ready(st->fail,
                "Unable to perform workflow execution update due to Workflow Task in failed "
                "state.");
    }
    if (wf->close_attempted && wf->task.state == WORKFLOW_TASK_STARTED) {
        return workflow_is_closing(st->fail);
    }
    if (known.stage == UPDATE_ADMITTED) {
        return update_attach(st, workflow_update(wf, e->update_id));
    }
    enum err err = check_limits(st, e);
    err = err ? err : update_check_callbacks(st, e->request);
    if (err) {
        return err;
    }
    update_admit(st, e);
    if (!workflow_waits_for_parent(wf)) {
        workflow_task_schedule_speculative(st); /* unless one is there */
    }
    return ERR_NONE;
}

/* --- to the worker ------------------------------------------------------------------------------------ */

void updates_send(struct step *st)
{
    if (workflow_has_pending_updates(st->wf)) {
        step_record(st, &(struct record){ .kind = RECORD_UPDATES_SENT, .is_volatile = true });
    }
}

bool updates_suggest_new_run(const struct workflow *wf, const struct engine_limits *l)
{
    return wf->updates && l->updates_total &&
           wf->updates->by_id.len * 10 >= (size_t)l->updates_total * 9;
}

/* --- leaving ----------------------------------------------------------------------------------------- */

static void drop_update(struct step *st, const struct update *u)
{
    step_record(st, &(struct record){ .kind = RECORD_UPDATE_DROPPED,
                            .is_volatile = !u->admitted_event_id,
                            .text = u->update_id });
}

void update_reject(struct step *st, struct str update_id, struct str failure)
{
    const struct update *u = workflow_update(st->wf, update_id);
    update_tell(st, update_id, UPDATE_NEWS_COMPLETED, outcome_failure(st->fx->arena, failure));
    if (u) {
        drop_update(st, u);
    }
}

/* --- those that nobody has answered --------------------------------------------------------------------- */

void updates_reject_unprocessed(struct step *st)
{
    if (!workflow_has_pending_updates(st->wf)) {
        return;
    }
    list_each(&st->wf->updates->pending, n)
    {
        const struct update *u = list_entry(n, struct update, pending);
        if (u->is_sent) {
            update_reject(st, u->update_id,
                    application_failure(st->fx->arena,
                            STR("Workflow Update is rejected because it wasn't processed by "
                                "worker. "
                                "Probably, Workflow Update is not supported by the worker."),
                            STR("UnprocessedUpdate")));
        }
    }
}

void updates_fail_sent(struct step *st)
{
    if (!workflow_has_pending_updates(st->wf)) {
        return;
    }
    list_each(&st->wf->updates->pending, n)
    {
        const struct update *u = list_entry(n, struct update, pending);
        if (u->is_sent &&
                !u->admitted_event_id) { /* one that history has admitted goes out again */
            update_tell(st, u->update_id, UPDATE_NEWS_TASK_FAILED, (struct str){ 0 });
            drop_update(st, u);
        }
    }
}

void updates_close(struct step *st)
{
    enum update_news_kind kind = st->fx->successor ? UPDATE_NEWS_CONTINUED : UPDATE_NEWS_CLOSED;
    map_each(&st->wf->updates->by_id, n)
    {
        const struct update *u = map_entry(n, struct update, by_id);
        if (u->stage == UPDATE_ACCEPTED) {
            update_tell(
                    st, u->update_id, UPDATE_NEWS_COMPLETED, update_closed_outcome(st->fx->arena));
        }
    }
    list_each(&st->wf->updates->pending, n)
    {
        update_tell(st, list_entry(n, struct update, pending)->update_id, kind, (struct str){ 0 });
    }
}
