/* What a program's run decides in a workflow task: commands as an SDK would send them. */
#include "tests/sim/decide.h"
#include "common/api/codec.h"

Api__Command *decide_add(struct decision *d, Api__CommandType type)
{
    Api__Command *c = api_new(d->arena, &api__command__descriptor);
    c->command_type = type;
    if (d->to->count < COMMANDS_MAX) {
        d->to->commands[d->to->count++] = c;
    }
    return c;
}

const char *decide_text(struct decision *d, struct str s)
{
    return str_cstr(d->arena, s);
}

static Api__TaskQueue *queue(struct decision *d, const char *name)
{
    Api__TaskQueue *q = api_new(d->arena, &api__task_queue__descriptor);
    q->name = name;
    return q;
}

static void activity(struct decision *d, const struct step *s, struct str name)
{
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK);
    Api__ScheduleActivityTaskCommandAttributes *m =
            api_new(d->arena, &api__schedule_activity_task_command_attributes__descriptor);
    bool waits = s->kind == STEP_CANCELLED_ACTIVITY;
    m->activity_id = decide_text(d, name);
    m->activity_type = api_new(d->arena, &api__activity_type__descriptor);
    m->activity_type->name = waits ? "wait" : "work";
    m->task_queue = queue(d, activity_queue());
    m->input = api_data(payloads_of(d->arena, d->p->type));
    m->start_to_close_timeout = api_duration(d->arena, DURATION_SECONDS(waits ? 40 : 12));
    if (s->heartbeats || waits) {
        m->heartbeat_timeout = api_duration(d->arena, DURATION_SECONDS(4));
    }
    m->retry_policy = api_new(d->arena, &api__retry_policy__descriptor);
    m->retry_policy->initial_interval = api_duration(d->arena, DURATION_MS(200));
    m->retry_policy->backoff_coefficient = 1.5;
    m->retry_policy->maximum_interval = api_duration(d->arena, DURATION_SECONDS(2));
    m->retry_policy->maximum_attempts = (int32_t)s->max_attempts;
    c->attributes_case = API__COMMAND__ATTRIBUTES_SCHEDULE_ACTIVITY_TASK_COMMAND_ATTRIBUTES;
    c->schedule_activity_task_command_attributes = m;
}

static void timer(struct decision *d, const struct step *s, struct str name)
{
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_START_TIMER);
    Api__StartTimerCommandAttributes *m =
            api_new(d->arena, &api__start_timer_command_attributes__descriptor);
    m->timer_id = decide_text(d, name);
    m->start_to_fire_timeout =
            api_duration(d->arena, s->kind == STEP_TIMER ? s->span : DURATION_SECONDS(15));
    c->attributes_case = API__COMMAND__ATTRIBUTES_START_TIMER_COMMAND_ATTRIBUTES;
    c->start_timer_command_attributes = m;
}

static void marker(struct decision *d, const struct step *s, struct str name)
{
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_RECORD_MARKER);
    Api__RecordMarkerCommandAttributes *m =
            api_new(d->arena, &api__record_marker_command_attributes__descriptor);
    m->marker_name = decide_text(d, name);
    if (s->bulk) {
        struct str bulk = { NEW(d->arena, char, s->bulk), s->bulk };
        m->n_details = 1;
        m->details = NEW(d->arena, Api__RecordMarkerCommandAttributes__DetailsEntry *, 1);
        m->details[0] = api_new(
                d->arena, &api__record_marker_command_attributes__details_entry__descriptor);
        m->details[0]->key = "bulk";
        m->details[0]->value = api_data(payloads_of(d->arena, bulk));
    }
    c->attributes_case = API__COMMAND__ATTRIBUTES_RECORD_MARKER_COMMAND_ATTRIBUTES;
    c->record_marker_command_attributes = m;
}

static void child(struct decision *d, const struct step *s, unsigned group, unsigned step)
{
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION);
    Api__StartChildWorkflowExecutionCommandAttributes *m =
            api_new(d->arena, &api__start_child_workflow_execution_command_attributes__descriptor);
    m->workflow_id = decide_text(d, child_id(d->arena, d->p, group, step));
    m->workflow_type = api_new(d->arena, &api__workflow_type__descriptor);
    m->workflow_type->name =
            decide_text(d, program_type(d->arena, s->child, d->p->program.depth + 1, 0));
    m->task_queue = queue(d, "wq");
    m->workflow_task_timeout = api_duration(d->arena, DURATION_SECONDS(3));
    m->parent_close_policy = (Api__ParentClosePolicy)s->policy;
    c->attributes_case = API__COMMAND__ATTRIBUTES_START_CHILD_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
    c->start_child_workflow_execution_command_attributes = m;
}

/* Never itself. */
static struct str other_workflow(struct decision *d, const struct step *s)
{
    struct str target = str_printf(d->arena, "w%u", s->target);
    if (str_eq(target, d->p->workflow_id)) {
        target = str_printf(d->arena, "w%u", (s->target + 1) % world.swarm.workflows);
    }
    return target;
}

static void signal_external(struct decision *d, const struct step *s, struct str name)
{
    Api__Command *c =
            decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION);
    Api__SignalExternalWorkflowExecutionCommandAttributes *m = api_new(
            d->arena, &api__signal_external_workflow_execution_command_attributes__descriptor);
    m->execution = api_new(d->arena, &api__workflow_execution__descriptor);
    m->execution->workflow_id = decide_text(d, other_workflow(d, s));
    m->signal_name = decide_text(d,
            str_printf(d->arena, "x:" STR_FMT ":" STR_FMT, STR_ARG(d->p->run_id), STR_ARG(name)));
    c->attributes_case =
            API__COMMAND__ATTRIBUTES_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
    c->signal_external_workflow_execution_command_attributes = m;
}

static void cancel_external(struct decision *d, const struct step *s, struct str name)
{
    Api__Command *c = decide_add(
            d, API__COMMAND_TYPE__COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION);
    Api__RequestCancelExternalWorkflowExecutionCommandAttributes *m = api_new(d->arena,
            &api__request_cancel_external_workflow_execution_command_attributes__descriptor);
    m->workflow_id = decide_text(d, other_workflow(d, s));
    m->control = decide_text(d, name);
    c->attributes_case =
            API__COMMAND__ATTRIBUTES_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
    c->request_cancel_external_workflow_execution_command_attributes = m;
}

static void begin(struct decision *d, unsigned group, unsigned step)
{
    const struct step *s = &d->p->program.step[group][step];
    struct str name = step_name(d->arena, group, step);
    switch (s->kind) {
    case STEP_ACTIVITY:
    case STEP_CANCELLED_ACTIVITY:
        activity(d, s, name);
        return;
    case STEP_TIMER:
    case STEP_CANCELLED_TIMER:
        timer(d, s, name);
        return;
    case STEP_MARKER:
        marker(d, s, name);
        return;
    case STEP_CHILD:
        child(d, s, group, step);
        return;
    case STEP_SIGNAL_EXTERNAL:
        signal_external(d, s, name);
        return;
    case STEP_CANCEL_EXTERNAL:
        cancel_external(d, s, name);
        return;
    case STEP_SIGNALS:
    case STEP_KINDS:
        return;
    }
}

static void cancel(struct decision *d, unsigned group, unsigned step)
{
    struct step_state *st = &d->p->state[group][step];
    if (d->p->program.step[group][step].kind == STEP_CANCELLED_ACTIVITY) {
        Api__Command *c =
                decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK);
        Api__RequestCancelActivityTaskCommandAttributes *m = api_new(
                d->arena, &api__request_cancel_activity_task_command_attributes__descriptor);
        m->scheduled_event_id = st->begun;
        c->attributes_case =
                API__COMMAND__ATTRIBUTES_REQUEST_CANCEL_ACTIVITY_TASK_COMMAND_ATTRIBUTES;
        c->request_cancel_activity_task_command_attributes = m;
        return;
    }
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_CANCEL_TIMER);
    Api__CancelTimerCommandAttributes *m =
            api_new(d->arena, &api__cancel_timer_command_attributes__descriptor);
    m->timer_id = decide_text(d, step_name(d->arena, group, step));
    st->over = true;
    st->outcome = 'x';
    c->attributes_case = API__COMMAND__ATTRIBUTES_CANCEL_TIMER_COMMAND_ATTRIBUTES;
    c->cancel_timer_command_attributes = m;
}

static void end_failed(struct decision *d)
{
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION);
    Api__FailWorkflowExecutionCommandAttributes *m =
            api_new(d->arena, &api__fail_workflow_execution_command_attributes__descriptor);
    m->failure = api_data(STR("\x0a\x07planned\x2a\x00"));
    c->attributes_case = API__COMMAND__ATTRIBUTES_FAIL_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
    c->fail_workflow_execution_command_attributes = m;
}

static void end_continued(struct decision *d)
{
    Api__Command *c =
            decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION);
    Api__ContinueAsNewWorkflowExecutionCommandAttributes *m = api_new(
            d->arena, &api__continue_as_new_workflow_execution_command_attributes__descriptor);
    const struct program *p = &d->p->program;
    m->workflow_type = api_new(d->arena, &api__workflow_type__descriptor);
    m->workflow_type->name =
            decide_text(d, program_type(d->arena, p->seed, p->depth, p->runs_left - 1));
    m->task_queue = queue(d, "wq");
    if (p->depth == 0 && world.swarm.features & FEATURE_WORKFLOW_RETRY) {
        m->retry_policy = api_new(d->arena, &api__retry_policy__descriptor);
        m->retry_policy->initial_interval = api_duration(d->arena, DURATION_MS(300));
        m->retry_policy->backoff_coefficient = 2;
        m->retry_policy->maximum_attempts = 5;
    }
    c->attributes_case =
            API__COMMAND__ATTRIBUTES_CONTINUE_AS_NEW_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
    c->continue_as_new_workflow_execution_command_attributes = m;
}

static void end_cancelled(struct decision *d)
{
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION);
    c->attributes_case = API__COMMAND__ATTRIBUTES_CANCEL_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
    c->cancel_workflow_execution_command_attributes =
            api_new(d->arena, &api__cancel_workflow_execution_command_attributes__descriptor);
}

static void end(struct decision *d)
{
    const struct program *p = &d->p->program;
    if (d->p->attempt <= p->fails) {
        end_failed(d);
    } else if (p->runs_left) {
        end_continued(d);
    } else {
        Api__Command *c =
                decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION);
        Api__CompleteWorkflowExecutionCommandAttributes *m =
                api_new(d->arena, &api__complete_workflow_execution_command_attributes__descriptor);
        m->result = api_data(payloads_of(d->arena, progress_result(d->p, d->arena)));
        c->attributes_case =
                API__COMMAND__ATTRIBUTES_COMPLETE_WORKFLOW_EXECUTION_COMMAND_ATTRIBUTES;
        c->complete_workflow_execution_command_attributes = m;
    }
}

static bool is_cancelled_kind(enum step_kind kind)
{
    return kind == STEP_CANCELLED_ACTIVITY || kind == STEP_CANCELLED_TIMER;
}

/* True: the group is over. */
static bool decide_group(struct decision *d, unsigned g)
{
    const struct program *p = &d->p->program;
    bool others_over = true, over = true;
    for (unsigned s = 0; s < p->steps[g]; s++) {
        struct step_state *st = &d->p->state[g][s];
        if (!st->begun) {
            begin(d, g, s);
        }
        st->over |= p->step[g][s].kind == STEP_MARKER;
        others_over &= st->over || is_cancelled_kind(p->step[g][s].kind);
    }
    for (unsigned s = 0; s < p->steps[g]; s++) {
        const struct step_state *st = &d->p->state[g][s];
        if (others_over && is_cancelled_kind(p->step[g][s].kind) && st->begun && !st->over &&
                !st->cancelled) {
            cancel(d, g, s);
        }
        over &= st->over;
    }
    return over;
}

void progress_decide(const struct progress *p, struct arena *arena,
        const struct asked_update *asked, size_t asked_count, struct completion *ret)
{
    struct progress now = *p;
    struct decision d = { .p = &now, .arena = arena, .to = ret };
    ret->count = ret->message_count = 0;
    if (p->closed) {
        return;
    }
    decide_updates(&d, asked, asked_count);
    if (p->cancel_requested && p->program.honours_cancel) {
        end_cancelled(&d);
        return;
    }
    for (unsigned g = 0; g < p->program.groups; g++) {
        if (!decide_group(&d, g)) {
            return;
        }
    }
    if (!progress_owes_updates(&now)) {
        end(&d);
    }
}
