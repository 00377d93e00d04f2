/* Activities: scheduling, hand-out, heartbeats, and the worker's answers.
 *
 *            event 10                     activity_claim, token of a lost start
 *      () ------------> SCHEDULED ------------------------------------------> STARTED
 *                        ^  |                                                  |  |
 *                        |  | timeouts, cancel                 failed, timed   |  | completed, failed,
 *                        |  v                                  out: again      |  v timed out, canceled
 *                        |  ()                                                 |  ()
 *                        +-----------------------------------------------------+
 *
 * SCHEDULED: waits, for its time (attempt_scheduled_time, after a failure) or for a poll.
 * STARTED: a worker has it. The start is volatile at first and becomes a record after a grace time, with a
 *   heartbeat, or at once when there may be no second attempt. Event 11 is written just before the closing one.
 *
 * Leaves timeouts to activity_timeout.c and retry arithmetic to retry.c. */
#include "history/engine/priority.h"
#include "history/engine/retry.h"
#include "history/engine/step.h"
#include "history/engine/tally.h"

static const char not_found[] =
        "invalid activityID or activity already timed out or invoking workflow is completed";

struct task_offer activity_offer_of(
        const struct workflow *wf, const struct activity *a, struct arena *arena)
{
    struct str priority = priority_merge(arena, wf->start.priority, a->priority);
    return (struct task_offer){ .type = TASK_QUEUE_ACTIVITY,
        .queue = str_dup(arena, a->task_queue.name),
        .priority = priority.len ? str_dup(arena, priority) : priority,
        .scheduled_event_id = a->scheduled_event_id,
        .attempt = a->attempt,
        .stamp = a->stamp,
        .since = a->attempt_scheduled_time };
}

static void offer(struct step *st, const struct activity *a)
{
    struct task_offer o = activity_offer_of(st->wf, a, st->fx->arena);
    vec_push(st->fx->arena, &st->fx->offers, o);
}

/* --- hand-out --------------------------------------------------------------------------------------- */

static struct activity_start start_of(struct step *st, const struct activity *a)
{
    struct arena *arena = st->fx->arena;
    struct retry_policy retry = a->retry;
    struct str *types = NEW(arena, struct str, retry.non_retryable_count);
    for (size_t i = 0; i < retry.non_retryable_count; i++) {
        types[i] = str_dup(arena, retry.non_retryable_types[i]);
    }
    retry.non_retryable_types = types;
    return (struct activity_start){ .scheduled_event_id = a->scheduled_event_id,
        .scheduled_event = str_dup(arena, a->scheduled_event),
        .activity_id = str_dup(arena, a->activity_id),
        .activity_type = str_dup(arena, a->activity_type),
        .attempt = a->attempt,
        .scheduled_time = a->scheduled_time,
        .attempt_scheduled_time = a->attempt_scheduled_time,
        .started_time = a->started_time,
        .heartbeat_details = str_dup(arena, a->heartbeat_details),
        .identity = str_dup(arena, a->identity),
        .request_id = str_dup(arena, a->request_id),
        .schedule_to_close = a->schedule_to_close,
        .start_to_close = a->start_to_close,
        .heartbeat = a->heartbeat,
        .retry = retry };
}

static void start(
        struct step *st, const struct activity *a, struct str identity, struct str request_id)
{
    bool once = a->retry.maximum_attempts == 1; /* at most once: known before the worker knows */
    step_record(st, &(struct record){ .kind = RECORD_ACTIVITY_STARTED,
                            .is_volatile = !once,
                            .scheduled_event_id = a->scheduled_event_id,
                            .time = st->now,
                            .identity = identity,
                            .request_id = request_id,
                            .deadline = instant_add(st->now, st->limits->activity_start_grace) });
}

enum err activity_claim(struct step *st)
{
    const struct event_claim *c = &st->ev->claim;
    const struct activity *a = workflow_activity(st->wf, c->scheduled_event_id);
    if (!a || a->attempt != c->attempt || a->stamp != c->stamp) {
        return fail(st->fail, ERR_OBSOLETE, "%s", not_found);
    }
    if (a->state == ACTIVITY_STARTED) {
        if (str_empty(c->poll_id) || !str_eq(c->poll_id, a->request_id)) {
            return fail(st->fail, ERR_OBSOLETE, "activity task is already started");
        }
    } else {
        start(st, a, c->identity, c->poll_id);
    }
    st->fx->has_activity = true;
    st->fx->activity = start_of(st, a);
    return ERR_NONE;
}

enum err activity_unclaim(struct step *st)
{
    const struct event_claim *c = &st->ev->claim;
    const struct activity *a = workflow_activity(st->wf, c->scheduled_event_id);
    if (!a || a->state != ACTIVITY_STARTED || a->attempt != c->attempt ||
            !str_eq(c->poll_id, a->request_id)) {
        return fail(st->fail, ERR_OBSOLETE, "%s", not_found);
    }
    step_record(st, &(struct record){ .kind = RECORD_ACTIVITY_UNSTARTED,
                            .is_volatile = a->is_start_volatile,
                            .scheduled_event_id = a->scheduled_event_id });
    offer(st, a);
    return ERR_NONE;
}

/* --- commands --------------------------------------------------------------------------------------- */

/* Is it handed out with the answer to the completion that schedules it? */
static bool is_eager(const struct workflow *wf, const struct command_schedule_activity *in)
{
    return in->request_eager_execution && str_eq(in->task_queue, wf->start.task_queue.name);
}

void activity_schedule(struct step *st, const struct command *cmd)
{
    const struct command_schedule_activity *in = &cmd->schedule_activity;
    struct history_event he;
    const char *why;
    check(activity_defaults(st->wf, in, &he, &why));
    step_command_event(st, cmd, &he);
    if (is_eager(st->wf, in)) {
        vec_push(st->fx->arena, &st->eager, he.event_id);
    } else {
        offer(st, workflow_activity(st->wf, he.event_id));
    }
}

void activity_start_eager(struct step *st, struct str identity)
{
    for (size_t i = 0; i < st->eager.len && workflow_is_open(st->wf); i++) {
        const struct activity *a = workflow_activity(st->wf, st->eager.ptr[i]);
        if (a) {
            start(st, a, identity, uuid_dup(st->fx->arena, step_fresh_uuid(st)));
            vec_push(st->fx->arena, &st->fx->eager_activities, start_of(st, a));
        }
    }
}

void activity_request_cancel(struct step *st, const struct command *cmd, struct str identity)
{
    int64_t scheduled_event_id = cmd->request_cancel_activity.scheduled_event_id;
    struct activity *a = workflow_activity(st->wf, scheduled_event_id);
    struct history_event he = { .type = HISTORY_ACTIVITY_TASK_CANCEL_REQUESTED,
        .scheduled_event_id = scheduled_event_id };
    step_command_event(st, cmd, &he);
    if (a && a->state == ACTIVITY_SCHEDULED) {
        struct history_event canceled = { .type = HISTORY_ACTIVITY_TASK_CANCELED,
            .scheduled_event_id = scheduled_event_id,
            .identity = identity,
            .latest_cancel_requested_event_id = he.event_id,
            .details = STR("\x0a\x33\x0a\x16\x0a\x08"
                           "encoding"
                           "\x12\x0a"
                           "json/plain" /* one payload */
                           "\x12\x19"
                           "\"ACTIVITY_ID_NOT_STARTED\"") };
        step_happened(st, &canceled);
    }
}

/* --- answers of workers ----------------------------------------------------------------------------- */

/* Finds the attempt that a worker speaks of: running, or one whose start a crash has lost (see revive). */
static struct activity *find(struct step *st, const struct activity_ref *ref, bool may_be_unstarted)
{
    struct workflow *wf = st->wf;
    struct activity *a = NULL;
    if (ref->scheduled_event_id) {
        a = workflow_activity(wf, ref->scheduled_event_id);
    } else {
        struct map_node *n = map_get(&wf->activities_by_id, ref->activity_id);
        a = n ? map_entry(n, struct activity, by_id) : NULL;
    }
    if (!a || (ref->attempt && ref->attempt != a->attempt)) {
        return NULL;
    }
    if (a->state == ACTIVITY_STARTED) {
        bool is_other = ref->started_time.ns && ref->started_time.ns != a->started_time.ns;
        return is_other ? NULL : a;
    }
    if (!ref->started_time.ns) {
        return may_be_unstarted ? a : NULL;
    }
    bool fits = !instant_before(ref->started_time, a->attempt_scheduled_time) &&
                !step_is_of_the_future(st, ref->started_time);
    return fits ? a : NULL;
}

/* The token brings a start back that a crash has lost. Called when nothing can be refused any more. */
static void revive(struct step *st, const struct activity *a, const struct activity_ref *ref)
{
    if (a->state == ACTIVITY_STARTED || !ref->started_time.ns) {
        return;
    }
    step_record(st, &(struct record){ .kind = RECORD_ACTIVITY_STARTED,
                            .time = ref->started_time,
                            .scheduled_event_id = a->scheduled_event_id,
                            .identity = ref->identity,
                            .request_id = ref->request_id });
}

static enum err missing(struct step *st, const struct activity_ref *ref)
{
    if (!workflow_is_open(st->wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "workflow execution already completed");
    }
    if (!ref->scheduled_event_id && !map_get(&st->wf->activities_by_id, ref->activity_id)) {
        return fail(st->fail, ERR_NOT_FOUND,
                "cannot find pending activity with ActivityID " STR_FMT
                ", check workflow execution history for more details",
                STR_ARG(ref->activity_id));
    }
    return fail(st->fail, ERR_NOT_FOUND, "%s", not_found);
}

/* The start is written right before the close, with the times and ids of the attempt that closes. */
void activity_close_event(struct step *st, struct activity *a, struct history_event *he)
{
    he->scheduled_event_id = a->scheduled_event_id;
    if (a->state == ACTIVITY_STARTED) {
        struct history_event started = { .type = HISTORY_ACTIVITY_TASK_STARTED,
            .time = a->started_time,
            .scheduled_event_id = a->scheduled_event_id,
            .identity = a->identity,
            .request_id = a->request_id,
            .attempt = a->attempt,
            .last_failure = a->last_failure };
        step_happened_quietly(st, &started);
        he->started_event_id = started.event_id; /* 0 while buffered: wired by the flush */
    }
    step_happened(st, he);
}

/* Another attempt, or the end. */
static void end_failed(struct step *st, struct activity *a, struct str failure, struct str identity)
{
    struct failure_info info = failure_parse(failure);
    enum retry_state state = activity_retry(st, a, &info, failure);
    if (state != RETRY_STATE_IN_PROGRESS) {
        struct history_event he = { .type = HISTORY_ACTIVITY_TASK_FAILED,
            .failure = failure,
            .identity = identity,
            .retry_state = (int32_t)state };
        activity_close_event(st, a, &he);
    }
}

/* What a worker has sent is too large to be kept: the activity fails for good, the worker is answered normally. */
static void fail_by_size(
        struct step *st, struct activity *a, struct str message, struct str identity)
{
    end_failed(st, a, server_failure(st->fx->arena, message, true), identity);
}

static bool is_too_large(const struct step *st, struct str payload)
{
    return payload.len > st->limits->blob_size_error;
}

enum err activity_completed(struct step *st)
{
    const struct event_activity_completed *e = &st->ev->activity_completed;
    struct activity *a = find(st, &e->ref, true);
    if (!a) {
        return missing(st, &e->ref);
    }
    revive(st, a, &e->ref);
    if (a->state == ACTIVITY_SCHEDULED) { /* by id, before any worker had it */
        step_record(st, &(struct record){ .kind = RECORD_ACTIVITY_STARTED,
                                .time = st->now,
                                .scheduled_event_id = a->scheduled_event_id,
                                .identity = e->identity });
    }
    if (is_too_large(st, e->result)) {
        fail_by_size(st, a, STR("Complete result exceeds size limit."), e->identity);
        return ERR_NONE;
    }
    struct history_event he = {
        .type = HISTORY_ACTIVITY_TASK_COMPLETED, .result = e->result, .identity = e->identity
    };
    activity_close_event(st, a, &he);
    return ERR_NONE;
}

static void keep_heartbeat(struct step *st, const struct activity *a, struct str details)
{
    step_record(st, &(struct record){ .kind = RECORD_ACTIVITY_HEARTBEAT,
                            .time = st->now,
                            .details = details,
                            .scheduled_event_id = a->scheduled_event_id });
}

enum err activity_failed(struct step *st)
{
    const struct event_activity_failed *e = &st->ev->activity_failed;
    struct activity *a = find(st, &e->ref, false);
    if (!a) {
        return missing(st, &e->ref);
    }
    struct failure_info info = failure_parse(e->failure);
    if (e->failure.len && (info.is_malformed || info.kind != FAILURE_APPLICATION)) {
        return fail(st->fail, ERR_INVALID_ARGUMENT, "Failure must have ApplicationFailureInfo.");
    }
    revive(st, a, &e->ref);
    if (is_too_large(st, e->last_heartbeat_details)) {
        vec_push(st->fx->arena, &st->fx->failures,
                server_failure(st->fx->arena, STR("Heartbeat details exceed size limit."), true));
    } else if (!str_empty(e->last_heartbeat_details)) {
        keep_heartbeat(st, a, e->last_heartbeat_details);
    }
    struct str failure = e->failure;
    if (is_too_large(st, failure)) {
        failure = failure_cut(st->fx->arena, failure, true, st->limits->blob_size_error / 4);
        vec_push(st->fx->arena, &st->fx->failures, failure);
    }
    end_failed(st, a, failure, e->identity);
    return ERR_NONE;
}

enum err activity_canceled(struct step *st)
{
    const struct event_activity_canceled *e = &st->ev->activity_canceled;
    struct activity *a = find(st, &e->ref, false);
    if (!a) {
        return missing(st, &e->ref);
    }
    if (!a->cancel_requested_event_id) {
        return fail(st->fail, ERR_INVALID_ARGUMENT,
                "unable to mark activity as canceled without activity being request canceled "
                "first");
    }
    revive(st, a, &e->ref);
    if (is_too_large(st, e->details)) {
        fail_by_size(st, a, STR("Cancel details exceed size limit."), e->identity);
        return ERR_NONE;
    }
    struct history_event he = { .type = HISTORY_ACTIVITY_TASK_CANCELED,
        .details = e->details,
        .identity = e->identity,
        .latest_cancel_requested_event_id = a->cancel_requested_event_id };
    activity_close_event(st, a, &he);
    return ERR_NONE;
}

enum err activity_heartbeat(struct step *st)
{
    const struct event_activity_heartbeat *e = &st->ev->activity_heartbeat;
    struct activity *a = find(st, &e->ref, false);
    if (!a) {
        return missing(st, &e->ref);
    }
    revive(st, a, &e->ref);
    if (is_too_large(st, e->details)) {
        fail_by_size(st, a, STR("Heartbeat details exceed size limit."), e->identity);
        st->fx->cancel_requested = true;
        return ERR_NONE;
    }
    if (a->is_start_volatile) {
        activity_store_start(st, a);
    }
    keep_heartbeat(st, a, e->details);
    st->fx->cancel_requested = a->cancel_requested_event_id != 0;
    return ERR_NONE;
}

void activity_store_start(struct step *st, struct activity *a)
{
    step_record(st, &(struct record){ .kind = RECORD_ACTIVITY_STARTED,
                            .time = a->started_time,
                            .scheduled_event_id = a->scheduled_event_id,
                            .identity = a->identity,
                            .request_id = a->request_id });
}

/* --- when its time has come -------------------------------------------------------------------------- */

static void one_is_due(struct step *st, struct activity *a)
{
    struct activity_due due = activity_due(a);
    if (due.what == DUE_TIMEOUT && due.at.ns <= st->now.ns) {
        activity_timed_out(st, a, due.timeout);
        return;
    }
    if (a->needs_dispatch && a->state == ACTIVITY_SCHEDULED &&
            a->attempt_scheduled_time.ns <= st->now.ns) {
        activity_mark_dispatched(st->wf, a);
        offer(st, a);
    }
    if (a->is_start_volatile && a->durable_at.ns <= st->now.ns) {
        activity_store_start(st, a);
    }
}

/* Everything that is due now, once, in the order of scheduling, whatever moment each had been due at. */
void activity_time(struct step *st)
{
    int64_t *ids;
    size_t count = tally_due_activities(st->wf, st->fx->arena, st->now, &ids);
    for (size_t i = 0; i < count; i++) {
        one_is_due(st, workflow_activity(st->wf, ids[i]));
    }
}
