/* A completed workflow task: check everything, then write the completed event, apply the commands in order, let
 * the buffered events follow, and decide about the next task. A refused command fails the whole task and leaves
 * no trace of the others. Leaves the commands' own rules to command_check.c and their concepts. */
#include "history/engine/retry.h"
#include "history/engine/step.h"

static bool is_heartbeat(const struct event_workflow_task_completed *c)
{
    return c->force_create_new_workflow_task && c->command_count == 0 && c->message_count == 0;
}

static enum err refuse(struct step *st, const struct event_workflow_task_completed *c,
        const struct command_refusal *r)
{
    const char *name = failed_cause_name(r->cause);
    struct str message = r->text.len
                                 ? str_printf(st->fx->arena, "%s: " STR_FMT, name, STR_ARG(r->text))
                                 : str_from_cstr(name);
    bool is_unhandled = r->cause == CAUSE_UNHANDLED_COMMAND;
    if (st->wf->task.attempt > 1 &&
            !is_unhandled) { /* whatever the mistake: it may be mended meanwhile */
        if (!workflow_has_pending_updates(st->wf)) {
            return fail_text(st->fail, ERR_INVALID_ARGUMENT, message);
        }
        updates_fail_sent(st); /* they do not wait for that */
        (void)fail_text(&st->fx->answer, ERR_INVALID_ARGUMENT, message);
        return ERR_NONE;
    }
    (void)fail_text(&st->fx->answer, ERR_INVALID_ARGUMENT, message);
    updates_fail_sent(st);
    workflow_task_fail(st, r->cause, server_failure(st->fx->arena, message, false), c->identity,
            (struct str){ 0 });
    if (is_unhandled) { /* after the end of the task, which makes it forgotten */
        step_record(st, &(struct record){ .kind = RECORD_CLOSE_ATTEMPTED });
    }
    if (r->terminate) {
        close_terminate(st, message, (struct str){ 0 }, STR("history-service"), (struct str){ 0 });
    }
    return ERR_NONE;
}

static void set_sticky(struct step *st, const struct event_workflow_task_completed *c)
{
    const struct workflow *wf = st->wf;
    if (!str_eq(wf->sticky_queue, c->sticky_task_queue) ||
            wf->sticky_schedule_to_start.ns != c->sticky_schedule_to_start.ns) {
        step_record(st,
                &(struct record){ .kind = RECORD_STICKY,
                        .text = c->sticky_task_queue,
                        .schedule_to_start = c->sticky_task_queue.len ? c->sticky_schedule_to_start
                                                                      : (struct duration){ 0 } });
    }
}

/* The next task of a heartbeating worker counts from the first one's schedule. */
static void keep_original_time(struct step *st, struct instant original)
{
    const struct workflow_task *t = &st->wf->task;
    step_record(st, &(struct record){ .kind = RECORD_TASK_SCHEDULED,
                            .attempt = t->attempt,
                            .scheduled_event_id = t->scheduled_event_id,
                            .time = t->scheduled_time,
                            .original_time = original,
                            .start_to_close = t->start_to_close,
                            .flag = t->is_transient,
                            .sticky = t->is_sticky,
                            .schedule_to_start = t->schedule_to_start });
}

static void next_task(
        struct step *st, const struct event_workflow_task_completed *c, struct instant original)
{
    st->wants_task |= c->force_create_new_workflow_task;
    bool has_updates = workflow_has_pending_updates(st->wf);
    if (!workflow_is_open(st->wf) || (!st->wants_task && !has_updates)) {
        return;
    }
    if (!st->wants_task && c->return_new_workflow_task) {
        workflow_task_schedule_speculative(st);
    }
    st->wants_task |= st->wf->task.state == WORKFLOW_TASK_NONE;
    workflow_task_schedule(st);
    if (is_heartbeat(c)) {
        keep_original_time(st, original);
    }
    if (c->return_new_workflow_task) {
        st->fx->offers.len--; /* it is handed out right here */
        /* the worker still has the run, sticky or not: only what is new is sent */
        workflow_task_start(st, c->identity, c->poll_id, (struct str){ 0 }, true,
                c->force_create_new_workflow_task);
    }
}

enum { EVENTS_TO_DISCARD_MAX = 10 };

/* A speculative task of which nothing came but refused updates: it has never been. The worker may have to get the
 * events that it shipped once more. */
static bool leaves_no_trace(const struct step *st, const struct event_workflow_task_completed *c)
{
    const struct workflow *wf = st->wf;
    int64_t shipped = wf->next_event_id - (wf->previous_started_event_id + 2);
    if (!wf->task.is_speculative || c->command_count || c->force_create_new_workflow_task ||
            shipped > (c->discards_with_events ? EVENTS_TO_DISCARD_MAX : 0)) {
        return false;
    }
    for (size_t i = 0; i < c->message_count; i++) {
        if (c->messages[i].kind != UPDATE_MESSAGE_REJECTION) {
            return false;
        }
    }
    return true;
}

static void discard(struct step *st, const struct event_workflow_task_completed *c)
{
    st->fx->reset_history_event_id = st->wf->previous_started_event_id;
    step_record(
            st, &(struct record){ .kind = RECORD_TASK_ENDED, .is_volatile = true, .attempt = 1 });
    set_sticky(st, c);
    update_apply_rest(st, c);
    updates_reject_unprocessed(st);
    next_task(st, c, st->now);
}

static void accept(struct step *st, const struct event_workflow_task_completed *c)
{
    struct workflow *wf = st->wf;
    struct instant original = wf->task.original_scheduled_time;
    workflow_task_write_started(st);
    struct history_event he = { .type = HISTORY_WORKFLOW_TASK_COMPLETED,
        .identity = c->identity,
        .scheduled_event_id = wf->task.scheduled_event_id,
        .started_event_id = wf->task.started_event_id,
        .binary_checksum = c->binary_checksum,
        .worker_version = c->worker_version,
        .deployment = c->deployment,
        .deployment_version = c->deployment_version,
        .extra = c->completed_event_fields };
    step_event(st, &he);
    problems_clear(st);
    checksums_show(st, he.event_id);
    set_sticky(st, c);
    st->completed_event_id = he.event_id;
    st->is_completing = true;
    commands_apply(st, c);
    update_apply_rest(st, c);
    if (workflow_is_open(wf) && !c->force_create_new_workflow_task) {
        updates_reject_unprocessed(st);
    }
    st->is_completing = false;
    if (workflow_is_open(wf)) {
        step_flush(st);
    }
    next_task(st, c, original);
}

/* More than one transaction may hold: the run ends, none of the commands happens. */
static enum err refuse_transaction(struct step *st, size_t size)
{
    struct buf details;
    (void)fail(&st->fx->answer, ERR_INVALID_ARGUMENT,
            "transaction size of %zu bytes exceeds limit of %zu bytes", size,
            st->limits->transaction_size_error);
    buf_init_arena(&details, st->fx->arena, 4096);
    text_payloads(&details,
            str_printf(st->fx->arena, "transaction size of %zu bytes exceeds limit of %zu bytes",
                    size, st->limits->transaction_size_error));
    close_terminate(st, STR("Transaction size exceeds limit."), buf_str(&details),
            STR("history-service"), (struct str){ 0 });
    return ERR_NONE;
}

/* The worker runs what the namespace has declared broken. */
static bool is_bad_binary(struct step *st, const struct event_workflow_task_completed *c,
        struct command_refusal *refusal)
{
    for (size_t i = 0; i < st->limits->bad_binary_count; i++) {
        if (str_eq(st->limits->bad_binaries[i], c->binary_checksum)) {
            *refusal = (struct command_refusal){ .cause = CAUSE_BAD_BINARY,
                .text = str_printf(st->fx->arena, "binary " STR_FMT " is marked as bad deployment",
                        STR_ARG(c->binary_checksum)) };
            return true;
        }
    }
    return false;
}

enum err workflow_task_completed(struct step *st)
{
    const struct event_workflow_task_completed *c = &st->ev->workflow_task_completed;
    struct workflow *wf = st->wf;
    struct command_refusal refusal = { 0 };
    if (!workflow_is_open(wf) || !workflow_task_accept(st, &c->token)) {
        return fail(st->fail, ERR_NOT_FOUND, "Workflow task not found.");
    }
    if (is_heartbeat(c) && instant_since(st->now, wf->task.original_scheduled_time).ns >
                                   st->limits->workflow_task_heartbeat_max.ns) {
        workflow_task_timeout(st, TIMEOUT_START_TO_CLOSE);
        (void)fail(&st->fx->answer, ERR_NOT_FOUND, "workflow task heartbeat timeout");
        return ERR_NONE;
    }
    if (is_bad_binary(st, c, &refusal)) {
        return refuse(st, c, &refusal);
    }
    enum err err = commands_check(st, c, &refusal);
    if (err) {
        return err;
    }
    if (refusal.cause || refusal.terminate) {
        return refuse(st, c, &refusal);
    }
    size_t size = limits_completion_bytes(wf, c);
    if (size > st->limits->transaction_size_error) {
        return refuse_transaction(st, size);
    }
    if (leaves_no_trace(st, c)) {
        discard(st, c);
    } else {
        accept(st, c);
    }
    return ERR_NONE;
}
