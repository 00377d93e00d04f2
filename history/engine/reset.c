/* Reset: a new run that begins with the first events of another one, goes on as if its workflow task had failed
 * there, and gets again what others have sent since. And the ends of runs that are no longer wanted: the one that was
 * reset, and one that is deleted. Copying events is step_copy's and the driver's; what events mean is apply.c's. */
#include "common/model/wire.h"
#include "history/engine/step.h"

enum { FAILURE_MAX = 1024 * 1024 };

bool reset_reapplies(struct str event, uint32_t exclude)
{
    struct wire_field f;
    enum event_type type = 0;
    while (wire_next(&event, &f)) {
        type = f.number == 3 ? (enum event_type)f.varint : type;
    }
    switch (type) {
    case HISTORY_WORKFLOW_EXECUTION_SIGNALED:
        return !(exclude & RESET_EXCLUDE_SIGNALS);
    case HISTORY_UPDATE_ACCEPTED:
    case HISTORY_UPDATE_ADMITTED:
        return !(exclude & RESET_EXCLUDE_UPDATES);
    case HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED:
        return true;
    case HISTORY_START_CHILD_FAILED:
    case HISTORY_CHILD_STARTED:
    case HISTORY_CHILD_COMPLETED:
    case HISTORY_CHILD_FAILED:
    case HISTORY_CHILD_CANCELED:
    case HISTORY_CHILD_TIMED_OUT:
    case HISTORY_CHILD_TERMINATED:
        return !(
                exclude & RESET_EXCLUDE_CHILDREN); /* if the copied events have it: reapply_child */
    default:
        return false;
    }
}

void reset_copy_records(struct buf *records, int64_t event_count)
{
    record_write(records, &(struct record){ .kind = RECORD_COPIED, .count = event_count });
}

/* Is a workflow task scheduled or started after these events? */
static bool has_task_after(const struct workflow *wf, struct str events)
{
    bool has_task = wf->task.state != WORKFLOW_TASK_NONE;
    struct str bytes;
    while (history_next(&events, &bytes)) {
        struct wire_field f;
        while (wire_next(&bytes, &f)) {
            if (f.number == 3 && f.varint == HISTORY_WORKFLOW_TASK_SCHEDULED) {
                has_task = true;
            } else if (f.number == 3 && f.varint >= HISTORY_WORKFLOW_TASK_COMPLETED &&
                       f.varint <= HISTORY_WORKFLOW_TASK_FAILED) {
                has_task = false;
            }
        }
    }
    return has_task;
}

static struct str reset_failure(struct arena *arena, struct str reason)
{
    struct buf b;
    buf_init_arena(&b, arena, FAILURE_MAX);
    wire_opt_bytes(&b, 1, reason);
    wire_put_bytes(&b, 2, STR("Server"));
    wire_end(&b, wire_begin(&b, 10));
    return buf_str(&b);
}

/* Timeouts of the run count from the reset. */
static void begin_anew(struct step *st)
{
    const struct event_reset *r = &st->ev->reset;
    const struct history_event *s = &st->wf->start;
    struct instant begin = r->start_time.ns ? r->start_time : st->now;
    int64_t fork = st->wf->next_event_id - 1;
    bool is_first = !r->base_copied_until || fork < r->base_copied_until;
    struct record rec = { .kind = RECORD_RESET,
        .namespace_id = r->namespace_id,
        .run_id = r->run_id,
        .base_run_id = r->base_run_id,
        .text = r->namespace_name,
        .request_id = r->start_request_id,
        .details = r->request_id,
        .count = is_first ? fork : r->base_copied_until,
        .time = begin };
    if (s->execution_timeout.ns) {
        rec.deadline = rec.original_time = instant_add(begin, s->execution_timeout);
    }
    if (s->run_timeout.ns) {
        struct instant at = instant_add(begin, s->run_timeout);
        rec.deadline = rec.deadline.ns ? instant_min(at, rec.deadline) : at;
    }
    step_record(st, &rec);
}

/* The task that was pending at the point ends as failed: what a worker does next is a first attempt at the same. */
static void fail_task(struct step *st)
{
    const struct event_reset *r = &st->ev->reset;
    const struct workflow_task *t = &st->wf->task;
    struct history_event he = { .type = HISTORY_WORKFLOW_TASK_STARTED,
        .scheduled_event_id = t->scheduled_event_id,
        .identity = STR("history-service"),
        .history_size = st->wf->history_size };
    if (t->state == WORKFLOW_TASK_SCHEDULED) {
        step_event(st, &he);
    }
    he = (struct history_event){ .type = HISTORY_WORKFLOW_TASK_FAILED,
        .scheduled_event_id = t->scheduled_event_id,
        .started_event_id = t->started_event_id,
        .cause = CAUSE_RESET_WORKFLOW,
        .failure = reset_failure(st->fx->arena, r->reason),
        .identity = STR("history-service"),
        .base_run_id = uuid_dup(st->fx->arena, r->base_run_id),
        .new_run_id = uuid_dup(st->fx->arena, r->run_id) };
    step_event(st, &he);
}

/* What the base run heard of a child that the copied events have asked for. */
static void reapply_child(struct step *st, struct history_event *he)
{
    const struct child *c = workflow_child(st->wf, he->initiated_event_id);
    if (!c || (he->type == HISTORY_CHILD_STARTED && c->stage != CHILD_STARTING)) {
        return;
    }
    if (he->type != HISTORY_CHILD_STARTED) {
        he->started_event_id = c->started_event_id;
    }
    step_happened(st, he);
}

/* Accepted by what did not happen: it is admitted once more, with its request, unless the copied events have it. An
 * acceptance without a request stands behind the event that has it. */
static void reapply_update(struct step *st, const struct history_event *he)
{
    enum { ORIGIN_REAPPLY = 1 };
    struct str id = update_request_id(he->update_request);
    struct history_event admitted = { .type = HISTORY_UPDATE_ADMITTED,
        .update_request = he->update_request,
        .origin = ORIGIN_REAPPLY };
    if (id.len && !workflow_update(st->wf, id)) {
        step_event(st, &admitted);
    }
}

static void reapply(struct step *st)
{
    struct str events = st->ev->reset.reapply, bytes;
    while (history_next(&events, &bytes)) {
        struct history_event he;
        check(history_event_read(bytes, st->fx->arena, &he));
        he.event_id = 0;
        he.time = (struct instant){ 0 };
        if (he.type == HISTORY_WORKFLOW_EXECUTION_SIGNALED) {
            step_happened(st, &he);
        } else if (he.type == HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED) {
            step_happened_quietly(st, &he);
        } else if (he.type == HISTORY_UPDATE_ACCEPTED || he.type == HISTORY_UPDATE_ADMITTED) {
            reapply_update(st, &he);
        } else {
            reapply_child(st, &he);
        }
    }
}

/* Nothing that was under way in the base run is under way here. */
static void send_all(struct step *st)
{
    struct effects *fx = st->fx;
    fx->messages.len = 0;
    workflow_messages(st->wf, fx->arena, fx);
    activity_each(st->wf, a)
    {
        struct task_offer o = activity_offer_of(st->wf, a, fx->arena);
        vec_push(fx->arena, &fx->offers, o);
    }
}

enum err reset_check(const struct workflow *wf, struct str copied, struct fail *f)
{
    int64_t at = wf->next_event_id;
    struct str rest = copied, bytes;
    if (has_task_after(wf, copied)) {
        return ERR_NONE;
    }
    while (history_next(&rest, &bytes)) {
        at++;
    }
    return fail(f, ERR_INVALID_ARGUMENT,
            "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, "
            "WorkflowTaskStarted + 1]: %lld",
            (long long)at);
}

enum err reset_step(struct step *st)
{
    const struct event_reset *r = &st->ev->reset;
    struct workflow *wf = st->wf;
    enum err err = reset_check(wf, r->copied, st->fail);
    if (err) {
        return err;
    }
    step_copy(st, r->copied);
    begin_anew(st);
    fail_task(st);
    if (!str_empty(wf->sticky_queue)) {
        step_record(st, &(struct record){ .kind = RECORD_STICKY });
    }
    reapply(st);
    send_all(st);
    st->wants_task = true;
    return ERR_NONE;
}

/* --- what is left behind ---------------------------------------------------------------------------- */

enum err reset_away_step(struct step *st)
{
    const struct event_reset_away *r = &st->ev->reset_away;
    bool is_open = workflow_is_open(st->wf);
    step_record(st, &(struct record){
                            .kind = RECORD_RESET_AWAY, .run_id = r->new_run_id, .flag = is_open });
    if (is_open) {
        close_terminate(
                st, r->reason, (struct str){ 0 }, STR("history-resetter"), (struct str){ 0 });
    }
    return ERR_NONE;
}

enum err delete_step(struct step *st)
{
    if (st->wf->is_deleted) {
        return fail(st->fail, ERR_NOT_FOUND, "the workflow is deleted");
    }
    if (workflow_is_open(st->wf)) {
        close_terminate(st, STR("Delete workflow execution"), (struct str){ 0 },
                STR("history-service"), (struct str){ 0 });
    }
    step_record(st, &(struct record){ .kind = RECORD_DELETED });
    return ERR_NONE;
}
