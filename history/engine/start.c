/* The first step of a run: event 1, what events do not say (ids, deadlines), and the first workflow task or the
 * moment at which it is due. Whether the workflow id is free was decided before, by start_decide. */
#include "history/engine/cron.h"
#include "history/engine/retry.h"
#include "history/engine/step.h"

static struct duration clip(struct duration d, struct duration max)
{
    return max.ns > 0 && (d.ns == 0 || d.ns > max.ns) ? max : d;
}

void start_timeouts(const struct step *st, struct duration execution, struct duration *run,
        struct duration *task)
{
    *run = clip(*run, execution);
    *task = task->ns ? *task : st->limits->default_workflow_task_timeout;
    *task = clip(duration_min(*task, DURATION_SECONDS(120)), *run);
}

static struct str uuid_or(struct arena *arena, struct uuid id, struct uuid otherwise)
{
    return uuid_dup(arena, uuid_is_zero(id) ? otherwise : id);
}

enum { FIELD_STARTED_CALLBACKS = 30 };

/* A longer wait would be the same as for ever, which means something else here. */
#define BACKOFF_MAX DURATION_SECONDS(INT64_C(100) * 365 * 86400)

/* How long the first task waits. The first run of a cron schedule waits for its time, as the later ones do; whoever
 * follows another run is told. */
static void fill_backoff(struct step *st, struct history_event *he)
{
    const struct event_start *s = &st->ev->start;
    he->first_task_backoff = s->first_task_backoff.ns ? s->first_task_backoff : s->start_delay;
    if (s->cron_schedule.len && uuid_is_zero(s->continued_run_id)) {
        he->initiator = CONTINUE_INITIATOR_CRON;
        (void)cron_backoff(
                s->cron_schedule, st->ev->zone, st->now, st->now, &he->first_task_backoff);
    }
    he->first_task_backoff = duration_min(he->first_task_backoff, BACKOFF_MAX);
}

static void fill_event(struct step *st, struct history_event *he)
{
    const struct event_start *s = &st->ev->start;
    struct arena *arena = st->fx->arena;
    *he = (struct history_event){ .type = HISTORY_WORKFLOW_EXECUTION_STARTED,
        .workflow_id = s->workflow_id,
        .workflow_type = s->workflow_type,
        .task_queue.name = s->task_queue,
        .input = s->input,
        .identity = s->identity,
        .header = s->header,
        .memo = properties_without_nulls(arena, s->memo),
        .priority = s->priority,
        .search_attributes = properties_without_nulls(arena, s->search_attributes),
        .completion_callbacks =
                callbacks_encode(arena, FIELD_STARTED_CALLBACKS, s->callbacks, s->callback_count),
        .user_metadata = s->user_metadata,
        .links = s->links,
        .cron_schedule = s->cron_schedule,
        .retry = s->retry.is_set ? retry_policy_with_defaults(s->retry) : s->retry,
        .initiator = (int32_t)s->initiator,
        .attempt = s->attempt ? s->attempt : 1,
        .continued_failure = s->continued_failure,
        .last_completion_result = s->last_completion_result,
        .versioning_override = s->versioning_override,
        .reset_points = s->reset_points };
    he->execution_timeout = s->execution_timeout;
    he->run_timeout = s->run_timeout;
    he->task_timeout = s->task_timeout;
    start_timeouts(st, s->execution_timeout, &he->run_timeout, &he->task_timeout);
    he->original_run_id = uuid_or(arena, s->original_run_id, s->run_id);
    he->first_run_id = uuid_or(arena, s->first_run_id, s->run_id);
    if (!uuid_is_zero(s->continued_run_id)) {
        he->continued_run_id = uuid_dup(arena, s->continued_run_id);
    }
    if (s->parent) {
        he->parent_namespace = s->parent->namespace_name;
        he->parent_namespace_id = uuid_dup(arena, s->parent->namespace_id);
        he->parent = (struct execution_ref){ s->parent->workflow_id,
            uuid_dup(arena, s->parent->run_id) };
        he->parent_initiated_event_id = s->parent->initiated_event_id;
        he->root = (struct execution_ref){ s->parent->root_workflow_id, s->parent->root_run_id };
    }
    fill_backoff(st, he);
    he->expiration = s->expiration;
    if (!he->expiration.ns && s->execution_timeout.ns) {
        he->expiration = instant_add(st->now, s->execution_timeout);
    }
    he->eager_execution_accepted = s->request_eager_execution && !he->first_task_backoff.ns;
}

enum err start_step(struct step *st)
{
    const struct event_start *s = &st->ev->start;
    struct history_event he;
    check(st->wf->status == 0);
    fill_event(st, &he);
    bool waits = he.first_task_backoff.ns > 0 || s->waits_for_parent;
    struct instant first_at =
            waits ? instant_add(st->now, he.first_task_backoff) : (struct instant){ 0 };
    if (s->waits_for_parent) {
        first_at = INSTANT_NEVER;
    }
    struct instant deadline = { 0 };
    if (he.run_timeout.ns) {
        deadline = instant_add(instant_add(st->now, he.run_timeout), he.first_task_backoff);
        deadline = he.expiration.ns ? instant_min(deadline, he.expiration) : deadline;
    }
    bool is_eager = he.eager_execution_accepted;
    step_event(st, &he);
    step_record(st, &(struct record){ .kind = RECORD_START,
                            .namespace_id = s->namespace_id,
                            .run_id = s->run_id,
                            .text = s->namespace_name,
                            .request_id = s->request_id,
                            .time = first_at,
                            .deadline = deadline.ns ? deadline : he.expiration });
    if (s->signal) {
        struct history_event signal = signal_event(st, s->signal);
        step_event(st, &signal);
    }
    if (s->update) {
        update_admit(st, s->update);
    }
    st->wants_task = !waits;
    if (is_eager) {
        workflow_task_schedule(st);
        workflow_task_start(st, s->identity, s->request_id, (struct str){ 0 }, false, false);
        st->fx->offers.len = 0;
    }
    return ERR_NONE;
}
