/* The four timeouts of an activity, their defaults, and the decision to try again. */
#include "history/engine/retry.h"
#include "history/engine/step.h"

static struct duration clip(struct duration d, struct duration max)
{
    return max.ns > 0 && (d.ns == 0 || d.ns > max.ns) ? max : d;
}

bool activity_defaults(const struct workflow *wf, const struct command_schedule_activity *in,
        struct history_event *he, const char **why)
{
    struct duration run = wf->start.run_timeout, s2c = in->schedule_to_close,
                    s2s = in->schedule_to_start, stc = in->start_to_close, hb = in->heartbeat;
    *why = retry_policy_problem(&in->retry);
    if (*why) {
        return false;
    }
    *why = s2c.ns < 0   ? "invalid ScheduleToCloseTimeout: negative duration."
           : s2s.ns < 0 ? "invalid ScheduleToStartTimeout: negative duration."
           : stc.ns < 0 ? "invalid StartToCloseTimeout: negative duration."
           : hb.ns < 0  ? "invalid HeartbeatTimeout: negative duration."
                        : NULL;
    if (*why) {
        return false;
    }
    s2c = duration_min(s2c, duration_longest);
    s2s = duration_min(s2s, duration_longest);
    stc = duration_min(stc, duration_longest);
    if (s2c.ns) {
        s2s = clip(s2s, s2c);
        stc = clip(stc, s2c);
    } else if (stc.ns) {
        s2c = run;
        s2s = s2s.ns ? s2s : run;
    } else {
        *why = "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity.";
        return false;
    }
    if (run.ns > 0) {
        s2c = clip(s2c, run);
        s2s = clip(s2s, run);
        stc = clip(stc, run);
    }
    *he = (struct history_event){ .type = HISTORY_ACTIVITY_TASK_SCHEDULED,
        .activity_id = in->activity_id,
        .activity_type = in->activity_type,
        .task_queue.name = in->task_queue,
        .header = in->header,
        .input = in->input,
        .priority = in->priority,
        .schedule_to_close = s2c,
        .schedule_to_start = s2s,
        .start_to_close = stc,
        .heartbeat = duration_min(hb, stc),
        .retry = retry_policy_with_defaults(in->retry) };
    if (str_empty(in->task_queue)) {
        he->task_queue.name = wf->start.task_queue.name;
    }
    return true;
}

/* --- which is due first ----------------------------------------------------------------------------- */

static void consider(struct activity_due *due, struct instant from, struct duration after,
        enum timeout_type type)
{
    if (after.ns > 0 && instant_add(from, after).ns < due->at.ns) {
        *due = (struct activity_due){ instant_add(from, after), DUE_TIMEOUT, type };
    }
}

/* The durable needs: timeouts. Of the same moment the one with the lower number counts. */
struct activity_due activity_due(const struct activity *a)
{
    struct activity_due due = { INSTANT_NEVER, DUE_NONE, 0 };
    bool is_started = a->state == ACTIVITY_STARTED;
    struct duration none = { 0 };
    consider(&due, a->started_time, is_started ? a->start_to_close : none, TIMEOUT_START_TO_CLOSE);
    consider(&due, a->attempt_scheduled_time, is_started ? none : a->schedule_to_start,
            TIMEOUT_SCHEDULE_TO_START);
    consider(&due, a->scheduled_time, a->schedule_to_close, TIMEOUT_SCHEDULE_TO_CLOSE);
    consider(&due, instant_max(a->started_time, a->last_heartbeat),
            is_started ? a->heartbeat : none, TIMEOUT_HEARTBEAT);
    return due;
}

/* --- again, or the end ------------------------------------------------------------------------------ */

enum { LAST_FAILURE_MAX = 4096 };

/* A failure that is kept between attempts must stay small. */
static struct str bounded_failure(struct arena *arena, struct str failure)
{
    if (failure.len <= LAST_FAILURE_MAX) {
        return failure;
    }
    return failure_cut(arena, failure, false, LAST_FAILURE_MAX);
}

enum retry_state activity_retry(
        struct step *st, struct activity *a, const struct failure_info *info, struct str failure)
{
    struct instant deadline = { 0 };
    if (a->cancel_requested_event_id) {
        return RETRY_STATE_CANCEL_REQUESTED;
    }
    if (a->schedule_to_close.ns > 0) {
        deadline = instant_add(a->scheduled_time, a->schedule_to_close);
    }
    struct retry_verdict v = retry_decide(&a->retry, a->attempt, st->now, deadline, info);
    if (v.state == RETRY_STATE_IN_PROGRESS) {
        step_record(st, &(struct record){ .kind = RECORD_ACTIVITY_RETRY,
                                .original_time = st->now,
                                .attempt = a->attempt + 1,
                                .scheduled_event_id = a->scheduled_event_id,
                                .time = instant_add(st->now, v.delay),
                                .failure = bounded_failure(st->fx->arena, failure),
                                .identity = a->identity });
    }
    return v.state;
}

void activity_timed_out(struct step *st, struct activity *a, enum timeout_type type)
{
    struct str message = str_printf(st->fx->arena, "activity %s timeout", timeout_type_name(type));
    struct failure_info info = { .kind = FAILURE_TIMEOUT, .timeout = type };
    struct str none = { 0 };
    enum retry_state state = RETRY_STATE_TIMEOUT;
    if (type == TIMEOUT_START_TO_CLOSE || type == TIMEOUT_HEARTBEAT) {
        state = activity_retry(
                st, a, &info, timeout_failure(st->fx->arena, message, type, none, none));
    } else if (a->cancel_requested_event_id) {
        state = RETRY_STATE_CANCEL_REQUESTED;
    }
    if (state == RETRY_STATE_IN_PROGRESS) {
        return;
    }
    if (state == RETRY_STATE_TIMEOUT && type != TIMEOUT_SCHEDULE_TO_START) {
        /* the budget over all attempts is what ends it */
        message = STR("Not enough time to schedule next retry before activity ScheduleToClose "
                      "timeout, giving up retrying");
        type = TIMEOUT_SCHEDULE_TO_CLOSE;
    }
    struct history_event he = { .type = HISTORY_ACTIVITY_TASK_TIMED_OUT,
        .failure = timeout_failure(
                st->fx->arena, message, type, a->heartbeat_details, a->last_failure),
        .retry_state = (int32_t)state };
    activity_close_event(st, a, &he);
}
