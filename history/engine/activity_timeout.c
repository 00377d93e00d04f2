/* The four timeouts of an activity, their defaults, and the decision to try again. */
#include "history/engine/retry.h"
#include "history/engine/step.h"

static const struct duration longest = { (int64_t)100 * 365 * 24 * 3600 * 1000000000 };

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
    if (s2c.ns < 0 || s2s.ns < 0 || stc.ns < 0 || hb.ns < 0) {
        *why = "Activity timeouts cannot be negative.";
        return false;
    }
    s2c = duration_min(s2c, longest);
    s2s = duration_min(s2s, longest);
    stc = duration_min(stc, longest);
    if (s2c.ns) {
        s2s = clip(s2s, s2c);
        stc = clip(stc, s2c);
    } else if (stc.ns) {
        s2c = run;
        s2s = s2s.ns ? s2s : run;
    } else {
        *why = "A valid StartToClose or ScheduleToCloseTimeout is not set on "
               "ScheduleActivityTaskCommand.";
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

/* The durable needs: timeouts. */
struct activity_due activity_due(const struct activity *a)
{
    struct activity_due due = { INSTANT_NEVER, DUE_NONE, 0 };
    consider(&due, a->scheduled_time, a->schedule_to_close, TIMEOUT_SCHEDULE_TO_CLOSE);
    if (a->state == ACTIVITY_SCHEDULED) {
        consider(&due, a->attempt_scheduled_time, a->schedule_to_start, TIMEOUT_SCHEDULE_TO_START);
    } else {
        consider(&due, a->started_time, a->start_to_close, TIMEOUT_START_TO_CLOSE);
        consider(&due, instant_max(a->started_time, a->last_heartbeat), a->heartbeat,
                TIMEOUT_HEARTBEAT);
    }
    return due;
}

/* --- again, or the end ------------------------------------------------------------------------------ */

enum { LAST_FAILURE_MAX = 4096 };

/* A failure that is kept between attempts must stay small: only its message survives, cut. */
static struct str bounded_failure(struct arena *arena, struct str failure)
{
    if (failure.len <= LAST_FAILURE_MAX) {
        return failure;
    }
    return failure_cut(arena, failure, LAST_FAILURE_MAX - 64);
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

static struct str failure_of(
        struct step *st, const struct activity *a, enum timeout_type type, struct str cause)
{
    struct str message = str_printf(st->fx->arena, "activity %s timeout", timeout_type_name(type));
    return timeout_failure(st->fx->arena, message, type, a->heartbeat_details, cause);
}

void activity_timed_out(struct step *st, struct activity *a, enum timeout_type type)
{
    struct str failure = failure_of(st, a, type, (struct str){ 0 });
    enum retry_state state = RETRY_STATE_TIMEOUT;
    if (type == TIMEOUT_START_TO_CLOSE || type == TIMEOUT_HEARTBEAT) {
        struct failure_info info = { .kind = FAILURE_TIMEOUT, .timeout = type };
        state = activity_retry(st, a, &info, failure);
        if (state == RETRY_STATE_IN_PROGRESS) {
            return;
        }
        if (state == RETRY_STATE_TIMEOUT) { /* the budget over all attempts is what ends it */
            failure = failure_of(st, a, TIMEOUT_SCHEDULE_TO_CLOSE,
                    str_empty(a->last_failure) ? failure : a->last_failure);
        } else if (!str_empty(a->last_failure)) {
            failure = failure_of(st, a, type, a->last_failure);
        }
    } else {
        failure = failure_of(st, a, type, a->last_failure);
    }
    struct history_event he = {
        .type = HISTORY_ACTIVITY_TASK_TIMED_OUT, .failure = failure, .retry_state = (int32_t)state
    };
    activity_close_event(st, a, &he);
}
