/* The ends of a run: by its own command, from outside, by its deadline; and the run that may follow it: the next try,
 * the next time of a cron schedule, or what continue-as-new asks for. */
#include "history/engine/cron.h"
#include "history/engine/retry.h"
#include "history/engine/step.h"

static struct str copy(struct step *st, struct str s)
{
    return str_dup(st->fx->arena, s);
}

static struct retry_policy copy_retry(struct step *st, const struct retry_policy *in)
{
    struct retry_policy p = *in;
    struct str *types = NEW(st->fx->arena, struct str, in->non_retryable_count);
    for (size_t i = 0; i < in->non_retryable_count; i++) {
        types[i] = copy(st, in->non_retryable_types[i]);
    }
    p.non_retryable_types = types;
    return p;
}

/* A chain keeps its parent. */
static const struct event_parent *parent_again(struct step *st)
{
    const struct history_event *s = &st->wf->start;
    if (!workflow_has_parent(st->wf)) {
        return NULL;
    }
    struct event_parent *p = NEW(st->fx->arena, struct event_parent, 1);
    check(uuid_parse(s->parent_namespace_id, &p->namespace_id) &&
            uuid_parse(s->parent.run_id, &p->run_id));
    p->namespace_name = copy(st, s->parent_namespace);
    p->workflow_id = copy(st, s->parent.workflow_id);
    p->initiated_event_id = s->parent_initiated_event_id;
    p->root_workflow_id = copy(st, s->root.workflow_id);
    p->root_run_id = copy(st, s->root.run_id);
    return p;
}

/* What every successor takes over. */
static struct event_start *successor_new(struct step *st)
{
    const struct workflow *wf = st->wf;
    const struct history_event *s = &wf->start;
    struct event_start *n = NEW(st->fx->arena, struct event_start, 1);
    n->namespace_id = wf->namespace_id;
    n->namespace_name = copy(st, wf->namespace_name);
    n->run_id = step_fresh_uuid(st);
    n->request_id = uuid_dup(st->fx->arena, step_fresh_uuid(st));
    n->workflow_id = copy(st, s->workflow_id);
    n->workflow_type = copy(st, s->workflow_type);
    n->task_queue = copy(st, s->task_queue.name);
    n->identity = copy(st, s->identity);
    n->priority = copy(st, s->priority);
    n->links = copy(st, s->links);
    n->execution_timeout = s->execution_timeout;
    n->run_timeout = s->run_timeout;
    n->task_timeout = s->task_timeout;
    n->expiration = wf->expiration;
    n->continued_run_id = wf->run_id;
    if (!uuid_parse(s->first_run_id, &n->first_run_id)) {
        n->first_run_id = wf->run_id;
    }
    n->attempt = 1;
    n->parent = parent_again(st);
    n->versioning_override = copy(st, wf->versioning_override);
    n->reset_points = reset_points_of_successor(st);
    st->fx->successor = n;
    return n;
}

/* Those who wait for the end of the chain: not of a cron chain, which has none. */
static void keep_callbacks(struct step *st, struct event_start *n)
{
    struct str *callbacks = NEW(st->fx->arena, struct str, st->wf->callback_count);
    list_each(&st->wf->callbacks, node)
    {
        const struct callback *c = list_entry(node, struct callback, node);
        if (!c->update_id.len) {
            callbacks[n->callback_count++] = copy(st, c->callback);
        }
    }
    n->callbacks = callbacks;
}

/* A run that lived for less than a second does not make the chain spin: its successor waits for the rest. */
static struct duration successor_backoff(const struct step *st, struct duration asked)
{
    struct instant began = instant_add(st->wf->start_time, st->wf->start.first_task_backoff);
    struct duration lived = instant_since(st->now, began);
    int64_t rest = DURATION_SECONDS(1).ns - (lived.ns > 0 ? lived.ns : 0);
    return rest > asked.ns ? (struct duration){ rest } : asked;
}

/* The same again, as event 1 has it: upserts belonged to the run that made them. */
static struct event_start *successor_again(struct step *st, struct duration delay)
{
    const struct history_event *s = &st->wf->start;
    struct event_start *n = successor_new(st);
    n->input = copy(st, s->input);
    n->header = copy(st, s->header);
    n->memo = copy(st, s->memo);
    n->search_attributes = copy(st, s->search_attributes);
    n->user_metadata = copy(st, s->user_metadata);
    n->last_completion_result = copy(st, s->last_completion_result);
    n->cron_schedule = copy(st, s->cron_schedule);
    n->retry = copy_retry(st, &s->retry);
    n->first_task_backoff = successor_backoff(st, delay);
    return n;
}

static struct str successor_by_retry(struct step *st, struct duration delay, struct str failure)
{
    struct event_start *n = successor_again(st, delay);
    n->initiator = CONTINUE_INITIATOR_RETRY;
    n->attempt = st->wf->start.attempt + 1;
    n->continued_failure = copy(st, failure);
    keep_callbacks(st, n);
    return uuid_dup(st->fx->arena, n->run_id);
}

/* The next run of a cron schedule, for the event that ends this one; empty: there is no schedule. After a failure the
 * last result is still the one before. */
static struct str successor_by_cron(struct step *st, struct str result, struct str failure)
{
    const struct workflow *wf = st->wf;
    struct duration delay;
    if (!cron_backoff(wf->start.cron_schedule, st->ev->zone, workflow_execution_time(wf), st->now,
                &delay)) {
        return (struct str){ 0 };
    }
    struct event_start *n = successor_again(st, delay);
    n->initiator = CONTINUE_INITIATOR_CRON;
    if (failure.len) {
        n->continued_failure = copy(st, failure);
    } else {
        n->last_completion_result = copy(st, result);
    }
    return uuid_dup(st->fx->arena, n->run_id);
}

/* --- commands --------------------------------------------------------------------------------------- */

static void fail_run(struct step *st, const struct command *cmd)
{
    const struct workflow *wf = st->wf;
    struct failure_info info = failure_parse(cmd->fail.failure);
    if (wf->start.retry.maximum_interval.ns >
            0) { /* for runs the cap holds for an asked delay as well */
        info.next_retry_delay =
                duration_min(info.next_retry_delay, wf->start.retry.maximum_interval);
    }
    struct retry_verdict v =
            retry_decide(&wf->start.retry, wf->start.attempt, st->now, wf->expiration, &info);
    struct history_event he = { .type = HISTORY_WORKFLOW_EXECUTION_FAILED,
        .failure = cmd->fail.failure,
        .retry_state = (int32_t)v.state };
    he.new_run_id = v.state == RETRY_STATE_IN_PROGRESS
                            ? successor_by_retry(st, v.delay, cmd->fail.failure)
                            : successor_by_cron(st, (struct str){ 0 }, cmd->fail.failure);
    step_command_event(st, cmd, &he);
}

static void continue_as_new(struct step *st, const struct command *cmd)
{
    const struct command_continue_as_new *c = &cmd->continue_as_new;
    struct event_start *n = successor_new(st);
    n->initiator = c->initiator ? c->initiator : CONTINUE_INITIATOR_WORKFLOW;
    n->workflow_type = c->workflow_type.len ? copy(st, c->workflow_type) : n->workflow_type;
    n->task_queue = c->task_queue.len ? copy(st, c->task_queue) : n->task_queue;
    n->run_timeout = c->run_timeout.ns ? c->run_timeout : n->run_timeout;
    n->task_timeout = c->task_timeout.ns ? c->task_timeout : n->task_timeout;
    start_timeouts(st, n->execution_timeout, &n->run_timeout, &n->task_timeout);
    n->input = copy(st, c->input);
    n->header = copy(st, c->header);
    n->memo = copy(st, properties_without_nulls(st->fx->arena, c->memo));
    n->search_attributes = copy(st, properties_without_nulls(st->fx->arena, c->search_attributes));
    keep_callbacks(st, n);
    n->last_completion_result = copy(st, c->last_completion_result);
    n->continued_failure = copy(st, c->failure);
    n->cron_schedule = copy(st, c->cron_schedule);
    n->retry = copy_retry(st, &c->retry);
    n->first_task_backoff = successor_backoff(st, c->backoff_start_interval);
    n->attempt = n->initiator == CONTINUE_INITIATOR_RETRY ? st->wf->start.attempt + 1 : 1;
    struct history_event he = { .type = HISTORY_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        .new_run_id = uuid_dup(st->fx->arena, n->run_id),
        .workflow_type = n->workflow_type,
        .task_queue.name = n->task_queue,
        .input = n->input,
        .run_timeout = n->run_timeout,
        .task_timeout = n->task_timeout,
        .backoff_start_interval = n->first_task_backoff,
        .initiator = (int32_t)n->initiator,
        .failure = n->continued_failure,
        .last_completion_result = n->last_completion_result,
        .header = n->header,
        .memo = n->memo,
        .search_attributes = n->search_attributes };
    step_command_event(st, cmd, &he);
}

void close_with_command(struct step *st, const struct command *cmd)
{
    struct history_event he = { 0 };
    switch (cmd->type) {
    case COMMAND_COMPLETE_WORKFLOW_EXECUTION:
        he.type = HISTORY_WORKFLOW_EXECUTION_COMPLETED;
        he.result = cmd->complete.result;
        he.new_run_id = successor_by_cron(st, cmd->complete.result, (struct str){ 0 });
        step_command_event(st, cmd, &he);
        return;
    case COMMAND_CANCEL_WORKFLOW_EXECUTION:
        he.type = HISTORY_WORKFLOW_EXECUTION_CANCELED;
        he.details = cmd->cancel.details;
        step_command_event(st, cmd, &he);
        return;
    case COMMAND_FAIL_WORKFLOW_EXECUTION:
        fail_run(st, cmd);
        return;
    default:
        continue_as_new(st, cmd);
        return;
    }
}

/* --- from outside ----------------------------------------------------------------------------------- */

/* A task that is out fails first; what was buffered becomes history before the end. */
static void end_task(struct step *st)
{
    if (st->wf->task.state == WORKFLOW_TASK_STARTED) {
        workflow_task_fail(st, CAUSE_FORCE_CLOSE_COMMAND, (struct str){ 0 }, STR("history-service"),
                (struct str){ 0 });
    } else if (st->wf->task.is_speculative) {
        step_record(st,
                &(struct record){ .kind = RECORD_TASK_ENDED, .is_volatile = true, .attempt = 1 });
    }
    step_flush(st);
    st->fx->offers.len = 0;
    st->fx->eager_activities.len = 0;
    st->fx->has_workflow_task = false;
}

void close_terminate(struct step *st, struct str reason, struct str details, struct str identity,
        struct str links)
{
    struct history_event he = { .type = HISTORY_WORKFLOW_EXECUTION_TERMINATED,
        .reason = reason,
        .details = details,
        .identity = identity,
        .links = links };
    end_task(st);
    step_event(st, &he);
}

void close_timed_out(struct step *st)
{
    const struct workflow *wf = st->wf;
    struct history_event he = { .type = HISTORY_WORKFLOW_EXECUTION_TIMED_OUT,
        .retry_state = RETRY_STATE_TIMEOUT };
    bool has_expired = wf->expiration.ns && wf->expiration.ns <= st->now.ns;
    end_task(st);
    if (!has_expired) {
        struct failure_info info = { .kind = FAILURE_TIMEOUT, .timeout = TIMEOUT_START_TO_CLOSE };
        struct retry_verdict v =
                retry_decide(&wf->start.retry, wf->start.attempt, st->now, wf->expiration, &info);
        he.retry_state = (int32_t)v.state;
        struct str failure = timeout_failure(st->fx->arena, STR("workflow timeout"),
                TIMEOUT_START_TO_CLOSE, (struct str){ 0 }, (struct str){ 0 });
        he.new_run_id = v.state == RETRY_STATE_IN_PROGRESS
                                ? successor_by_retry(st, v.delay, failure)
                                : successor_by_cron(st, (struct str){ 0 }, failure);
    }
    step_event(st, &he);
}
