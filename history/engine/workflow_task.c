/* The workflow task: how a worker gets to see what has happened and to answer with commands.
 *
 *               workflow_task_schedule            workflow_task_start
 *      NONE ------------------------> SCHEDULED --------------------> STARTED
 *       ^                              |     ^                        |  |
 *       | sticky queue not polled      |     +------------------------+  |
 *       +------------------------------+        workflow_task_unclaim,   |
 *       |                                       crash                    |
 *       +----------------------------------------------------------------+
 *               completed, failed, timed out, run closed
 *
 * NONE: nothing is out; no event is buffered.
 * SCHEDULED: waits for a poll. Normal: its event is stored. Transient (an attempt after a failure, nothing new
 *   since): the event has only an expected id. Events may be buffered, after a crash.
 * STARTED: volatile; everything else that happens is buffered until it ends. started_event_id is the id that
 *   the started event gets when it is stored, at the end.
 *
 * Speculative: only for updates that wait. Volatile as a whole: its schedule, too, has no event. It vanishes if
 *   nothing came of it; whatever else happens makes it a normal one first (workflow_task_materialize), with the
 *   same ids. Lost in a crash, with its updates.
 *
 * Leaves commands to completion.c and the deadline's watch to time.c. */
#include "history/engine/step.h"

#include "common/model/wire.h"

static struct fail_text {
    const char *not_found, *completed;
} const text = { "Workflow task not found.", "workflow execution already completed" };

/* The run counts as sticky unless its task was polled elsewhere: then the sticky worker has lost it. */
static bool is_sticky_run(const struct workflow *wf)
{
    bool polled_elsewhere = wf->task.state == WORKFLOW_TASK_STARTED && !wf->task.started_sticky;
    return !str_empty(wf->sticky_queue) && !polled_elsewhere;
}

static struct duration grown_timeout(const struct step *st, int32_t attempt)
{
    struct duration base = st->wf->start.task_timeout;
    int64_t extra = 5000000000;
    if (attempt <= 3) {
        return base;
    }
    for (int32_t n = 4; n < attempt && extra < st->limits->workflow_task_retry_max.ns; n++) {
        extra *= 2;
    }
    extra = extra > st->limits->workflow_task_retry_max.ns ? st->limits->workflow_task_retry_max.ns
                                                           : extra;
    return (struct duration){ time_add_saturating(base.ns, extra) };
}

/* --- scheduling ------------------------------------------------------------------------------------- */

struct task_offer workflow_task_offer_of(const struct workflow *wf, struct arena *arena)
{
    struct str priority = wf->start.priority;
    const struct workflow_task *t = &wf->task;
    return (struct task_offer){ .type = TASK_QUEUE_WORKFLOW,
        .queue = str_dup(arena, t->is_sticky ? wf->sticky_queue : wf->start.task_queue.name),
        .priority = priority.len ? str_dup(arena, priority) : priority,
        .is_sticky = t->is_sticky,
        .sticky_schedule_to_start = t->schedule_to_start,
        .scheduled_event_id = t->scheduled_event_id,
        .attempt = t->attempt,
        .since = t->scheduled_time };
}

void workflow_task_offer(struct step *st)
{
    struct task_offer offer = workflow_task_offer_of(st->wf, st->fx->arena);
    vec_push(st->fx->arena, &st->fx->offers, offer);
}

static void schedule_normal(struct step *st)
{
    struct workflow *wf = st->wf;
    struct history_event he = { .type = HISTORY_WORKFLOW_TASK_SCHEDULED,
        .attempt = 1,
        .start_to_close = wf->start.task_timeout };
    he.task_queue.name = wf->start.task_queue.name;
    if (!str_empty(wf->sticky_queue)) {
        he.task_queue = (struct queue_ref){ wf->sticky_queue, wf->start.task_queue.name };
    }
    step_event(st, &he);
}

static void schedule_transient(struct step *st)
{
    struct workflow *wf = st->wf;
    step_record(st, &(struct record){ .kind = RECORD_TASK_SCHEDULED,
                            .scheduled_event_id = wf->next_event_id,
                            .attempt = wf->next_attempt,
                            .time = st->now,
                            .original_time = st->now,
                            .start_to_close = grown_timeout(st, wf->next_attempt),
                            .flag = true });
}

void workflow_task_schedule(struct step *st)
{
    struct workflow *wf = st->wf;
    if (!st->wants_task || wf->task.state != WORKFLOW_TASK_NONE || !workflow_is_open(wf)) {
        return;
    }
    step_flush(st);
    if (wf->next_attempt > 1) {
        schedule_transient(st);
    } else {
        schedule_normal(st);
    }
    st->wants_task = false;
    workflow_task_offer(st);
}

void workflow_task_schedule_speculative(struct step *st)
{
    struct workflow *wf = st->wf;
    bool is_sticky = !str_empty(wf->sticky_queue);
    if (wf->task.state != WORKFLOW_TASK_NONE || !workflow_is_open(wf)) {
        return;
    }
    if (!workflow_was_seen(wf) || wf->next_attempt > 1) { /* there is no task to go back to */
        st->wants_task = true;
        return;
    }
    step_record(st, &(struct record){ .kind = RECORD_TASK_SCHEDULED,
                            .is_volatile = true,
                            .is_speculative = true,
                            .scheduled_event_id = wf->next_event_id,
                            .attempt = 1,
                            .time = st->now,
                            .original_time = st->now,
                            .start_to_close = wf->start.task_timeout,
                            .flag = true,
                            .sticky = is_sticky,
                            .schedule_to_start = is_sticky ? wf->sticky_schedule_to_start
                                                           : SPECULATIVE_SCHEDULE_TO_START });
    workflow_task_offer(st);
}

/* --- starting --------------------------------------------------------------------------------------- */

/* The packed enum values of the event's reasons. */
static struct str reasons_of(struct arena *arena, int32_t bits)
{
    struct buf b;
    buf_init_arena(&b, arena, 64);
    for (int n = 1; n < 32; n++) {
        if (bits & (1 << (n - 1))) {
            buf_append_byte(&b, (char)n);
        }
    }
    return buf_str(&b);
}

static void started_events(const struct workflow *wf, struct arena *arena,
        struct history_event *scheduled, struct history_event *started)
{
    const struct workflow_task *t = &wf->task;
    *scheduled = (struct history_event){ .type = HISTORY_WORKFLOW_TASK_SCHEDULED,
        .time = t->scheduled_time,
        .event_id = t->scheduled_event_id,
        .attempt = t->attempt,
        .start_to_close = t->start_to_close,
        .task_queue.name = wf->start.task_queue.name };
    if (t->is_sticky) {
        scheduled->task_queue = (struct queue_ref){ wf->sticky_queue, wf->start.task_queue.name };
    }
    *started = (struct history_event){ .type = HISTORY_WORKFLOW_TASK_STARTED,
        .time = t->started_time,
        .event_id = t->started_event_id,
        .scheduled_event_id = t->scheduled_event_id,
        .identity = t->identity,
        .request_id = t->request_id,
        .worker_version = t->worker_version,
        .history_size = t->history_size,
        .suggest_continue_as_new = t->suggest_continue_as_new,
        .suggest_reasons = reasons_of(arena, t->suggest_reasons) };
}

void workflow_task_materialize(struct step *st)
{
    struct history_event scheduled, started;
    started_events(st->wf, st->fx->arena, &scheduled, &started);
    step_event(st, &scheduled);
}

void workflow_task_write_started(struct step *st)
{
    struct history_event scheduled, started;
    started_events(st->wf, st->fx->arena, &scheduled, &started);
    if (st->wf->task.is_transient) {
        step_event(st, &scheduled);
    }
    step_event(st, &started);
}

enum which_updates { ALL_UPDATES, NEW_UPDATES, SENT_UPDATES };

/* The updates that go with the task: all, those that no worker has had, or when it is claimed again those that went. */
static size_t updates_of(const struct workflow *wf, enum which_updates which, struct arena *arena,
        const struct update_request **ret)
{
    VEC(struct update_request) out = { 0 };
    if (!workflow_has_pending_updates(wf)) {
        return 0;
    }
    list_each(&wf->updates->pending, n)
    {
        const struct update *u = list_entry(n, struct update, pending);
        struct update_request r = { str_dup(arena, u->update_id), str_dup(arena, u->request) };
        bool is_meant = which == ALL_UPDATES || u->is_sent == (which == SENT_UPDATES);
        if (is_meant && !u->admitted_event_id) { /* otherwise the history has the request */
            vec_push(arena, &out, r);
        }
    }
    *ret = out.ptr;
    return out.len;
}

struct str workflow_task_promised(const struct workflow *wf, struct arena *arena)
{
    const struct workflow_task *t = &wf->task;
    struct history_event scheduled, started;
    struct buf out;
    if (t->state != WORKFLOW_TASK_SCHEDULED || !t->is_transient ||
            t->scheduled_event_id !=
                    wf->next_event_id) { /* what happened since will show it anew */
        return (struct str){ 0 };
    }
    buf_init_arena(&out, arena, 64 * 1024);
    started_events(wf, arena, &scheduled, &started);
    history_event_append(&out, &scheduled);
    return buf_str(&out);
}

static void answer_started(struct step *st)
{
    const struct workflow *wf = st->wf;
    const struct workflow_task *t = &wf->task;
    struct arena *arena = st->fx->arena;
    struct history_event scheduled, started;
    struct buf suffix;
    buf_init_arena(&suffix, arena, 64 * 1024);
    started_events(wf, arena, &scheduled, &started);
    if (t->is_transient) {
        history_event_append(&suffix, &scheduled);
    }
    history_event_append(&suffix, &started);
    st->fx->has_workflow_task = true;
    st->fx->workflow_task = (struct workflow_task_start){
        .token = { .scheduled_event_id = t->scheduled_event_id,
                .started_event_id = t->started_event_id,
                .attempt = t->attempt,
                .scheduled_time = t->scheduled_time,
                .started_time = t->started_time,
                .identity = str_dup(arena, t->identity),
                .request_id = str_dup(arena, t->request_id),
                .history_size = t->history_size,
                .suggest_continue_as_new = t->suggest_continue_as_new,
                .suggest_reasons = t->suggest_reasons,
                .worker_version = str_dup(arena, t->worker_version) },
        .previous_started_event_id = wf->previous_started_event_id,
        .from_event_id = t->started_sticky ? wf->previous_started_event_id + 1 : 1,
        .to_event_id = wf->next_event_id - 1,
        .suffix = buf_str(&suffix),
        .normal_task_queue = str_dup(arena, wf->start.task_queue.name),
    };
}

void workflow_task_start(struct step *st, struct str identity, struct str request_id,
        struct str version, bool from_sticky, bool after_heartbeat)
{
    struct workflow *wf = st->wf;
    int32_t reasons = limits_suggest(st);
    const struct update_request *updates = NULL;
    size_t count =
            updates_of(wf, after_heartbeat ? NEW_UPDATES : ALL_UPDATES, st->fx->arena, &updates);
    step_record(st, &(struct record){ .kind = RECORD_TASK_STARTED,
                            .is_volatile = true,
                            .time = st->now,
                            .started_event_id = wf->next_event_id + (wf->task.is_transient ? 1 : 0),
                            .identity = identity,
                            .request_id = request_id,
                            .worker_version = version,
                            .history_size = wf->history_size,
                            .flag = reasons != 0,
                            .suggest_reasons = reasons,
                            .sticky = from_sticky });
    updates_send(st);
    answer_started(st);
    st->fx->workflow_task.updates = updates;
    st->fx->workflow_task.update_count = count;
}

/* Before the hand-out: what was buffered before a crash becomes history, and a transient task that is no longer
 * the next thing to happen becomes a normal one. Both make older tokens void. */
static void make_current(struct step *st)
{
    struct workflow *wf = st->wf;
    step_flush(st);
    if (wf->task.is_transient && wf->task.scheduled_event_id != wf->next_event_id) {
        step_record(st, &(struct record){ .kind = RECORD_TASK_ENDED, .attempt = 1 });
        schedule_normal(st);
    }
    st->wants_task = false;
}

enum err workflow_task_claim(struct step *st)
{
    struct workflow *wf = st->wf;
    const struct event_claim *c = &st->ev->claim;
    struct workflow_task *t = &wf->task;
    if (!workflow_is_open(wf)) {
        return fail(st->fail, ERR_OBSOLETE, "%s", text.completed);
    }
    if (t->state == WORKFLOW_TASK_NONE || t->scheduled_event_id != c->scheduled_event_id ||
            t->attempt != c->attempt) {
        return fail(st->fail, ERR_OBSOLETE, "%s", text.not_found);
    }
    if (t->state == WORKFLOW_TASK_STARTED) {
        if (str_empty(c->poll_id) || !str_eq(c->poll_id, t->request_id)) {
            return fail(st->fail, ERR_OBSOLETE, "workflow task is already started");
        }
        answer_started(st);
        st->fx->workflow_task.update_count =
                updates_of(wf, SENT_UPDATES, st->fx->arena, &st->fx->workflow_task.updates);
        return ERR_NONE;
    }
    bool from_sticky = str_empty(c->task_queue) ? t->is_sticky
                                                : !str_eq(c->task_queue, wf->start.task_queue.name);
    if (from_sticky && c->task_queue.len &&
            (str_empty(wf->sticky_queue) || !str_eq(c->task_queue, wf->sticky_queue))) {
        return fail(st->fail, ERR_OBSOLETE, "the run is not on this sticky queue");
    }
    make_current(st);
    workflow_task_start(st, c->identity, c->poll_id, c->worker_version, from_sticky, false);
    return ERR_NONE;
}

enum err workflow_task_unclaim(struct step *st)
{
    const struct workflow_task *t = &st->wf->task;
    const struct event_claim *c = &st->ev->claim;
    if (t->state != WORKFLOW_TASK_STARTED || !str_eq(c->poll_id, t->request_id) ||
            t->attempt != c->attempt) {
        return fail(st->fail, ERR_OBSOLETE, "%s", text.not_found);
    }
    step_record(st, &(struct record){ .kind = RECORD_TASK_UNSTARTED, .is_volatile = true });
    workflow_task_offer(st);
    return ERR_NONE;
}

/* --- ending ----------------------------------------------------------------------------------------- */

bool workflow_task_accept(struct step *st, const struct workflow_task_token *token)
{
    struct workflow *wf = st->wf;
    const struct workflow_task *t = &wf->task;
    if (t->state == WORKFLOW_TASK_NONE || t->scheduled_event_id != token->scheduled_event_id ||
            t->attempt != token->attempt) {
        return false;
    }
    if (t->state == WORKFLOW_TASK_STARTED) {
        return t->started_event_id == token->started_event_id &&
               t->started_time.ns == token->started_time.ns &&
               str_eq(t->request_id, token->request_id); /* clocks may stand still */
    }
    /* A start that a crash has lost lies in the past, but for what clocks may differ by: a later one would carry
     * the run's time away. That of a speculative task is never lost without its schedule: this one is younger. */
    if (t->is_speculative ||
            token->started_event_id != wf->next_event_id + (t->is_transient ? 1 : 0) ||
            step_is_of_the_future(st, token->started_time)) {
        return false;
    }
    step_record(st, &(struct record){ .kind = RECORD_TASK_STARTED,
                            .is_volatile = true,
                            .started_event_id = token->started_event_id,
                            .time = token->started_time,
                            .identity = token->identity,
                            .request_id = token->request_id,
                            .history_size = token->history_size,
                            .flag = token->suggest_continue_as_new,
                            .suggest_reasons = token->suggest_reasons,
                            .worker_version = token->worker_version,
                            .sticky = t->is_sticky });
    return true;
}

static void clear_sticky(struct step *st)
{
    if (!str_empty(st->wf->sticky_queue)) {
        step_record(st, &(struct record){ .kind = RECORD_STICKY });
    }
}

/* A sticky failure is not counted: the next task is a normal first attempt, on the normal queue. So is one
 * before which new events have come. */
static void end_unsuccessfully(struct step *st, struct history_event *he)
{
    struct workflow *wf = st->wf;
    bool counts = !is_sticky_run(wf);
    int32_t next = counts && !wf->buffered_count ? wf->task.attempt + 1 : 1;
    if (!wf->task.is_transient || wf->task.is_speculative) {
        workflow_task_write_started(st);
        step_event(st, he);
    }
    clear_sticky(st);
    if (wf->task.state != WORKFLOW_TASK_NONE || counts) {
        step_record(
                st, &(struct record){ .kind = RECORD_TASK_ENDED, .attempt = next, .flag = counts });
    }
    problems_report(st, he);
    step_flush(st);
    st->wants_task = true;
}

void workflow_task_fail(struct step *st, enum workflow_task_failed_cause cause, struct str failure,
        struct str identity, struct str extra)
{
    const struct workflow_task *t = &st->wf->task;
    struct history_event he = { .type = HISTORY_WORKFLOW_TASK_FAILED,
        .scheduled_event_id = t->scheduled_event_id,
        .started_event_id = t->started_event_id,
        .cause = (int32_t)cause,
        .failure = failure,
        .identity = identity,
        .extra = extra };
    end_unsuccessfully(st, &he);
}

void workflow_task_timeout(struct step *st, enum timeout_type type)
{
    const struct workflow_task *t = &st->wf->task;
    struct history_event he = { .type = HISTORY_WORKFLOW_TASK_TIMED_OUT,
        .scheduled_event_id = t->scheduled_event_id,
        .timeout_type = (int32_t)type };
    if (type == TIMEOUT_SCHEDULE_TO_START) { /* nobody polls the sticky queue */
        step_event(st, &he);
        clear_sticky(st);
        st->wants_task = true;
        return;
    }
    he.started_event_id = t->started_event_id;
    end_unsuccessfully(st, &he);
}

enum err workflow_task_failed(struct step *st)
{
    const struct event_workflow_task_failed *e = &st->ev->workflow_task_failed;
    if (!workflow_is_open(st->wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "%s", text.completed);
    }
    if (!workflow_task_accept(st, &e->token)) {
        return fail(st->fail, ERR_NOT_FOUND, "%s", text.not_found);
    }
    if (e->cause == CAUSE_GRPC_MESSAGE_TOO_LARGE) { /* trying again would not help */
        close_terminate(st, STR("GrpcMessageTooLarge"), (struct str){ 0 }, STR("history-service"),
                (struct str){ 0 });
    } else {
        workflow_task_fail(st, e->cause, e->failure, e->identity, e->failed_event_fields);
    }
    return ERR_NONE;
}

enum err sticky_reset(struct step *st)
{
    if (!workflow_is_open(st->wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "%s", text.completed);
    }
    if (str_empty(st->wf->sticky_queue)) {
        return ERR_NONE;
    }
    bool was_offered = st->wf->task.state == WORKFLOW_TASK_SCHEDULED && st->wf->task.is_sticky;
    clear_sticky(st);
    if (was_offered) {
        workflow_task_offer(st);
    }
    return ERR_NONE;
}

struct instant workflow_task_due(const struct workflow *wf, enum timeout_type *type)
{
    const struct workflow_task *t = &wf->task;
    if (t->state == WORKFLOW_TASK_STARTED) {
        *type = TIMEOUT_START_TO_CLOSE;
        return instant_add(t->started_time, t->start_to_close);
    }
    if (t->state == WORKFLOW_TASK_SCHEDULED && (t->is_sticky || t->is_speculative) &&
            t->schedule_to_start.ns > 0) {
        *type = TIMEOUT_SCHEDULE_TO_START;
        return instant_add(t->scheduled_time, t->schedule_to_start);
    }
    return INSTANT_NEVER;
}
