/* Signals and cancel requests to other runs: an initiated event, a message that is delivered at least once, and
 * an event for the outcome. The message's id is the id of the initiated event; its request id is made from
 * run id and event id, so that the receiver can tell a second delivery. */
#include "common/model/wire.h"
#include "history/engine/step.h"

enum { FAILED_NOT_FOUND = 1, FAILED_NO_NAMESPACE = 2, FAILED_SIGNAL_LIMIT = 3 };

static void has_ended(struct step *st, const struct outbox_entry *e, enum err outcome);

void external_initiate(struct step *st, const struct command *cmd)
{
    const struct command_external *in = &cmd->external;
    bool is_signal = cmd->type == COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION;
    struct history_event he = { .type = is_signal ? HISTORY_SIGNAL_EXTERNAL_INITIATED
                                                  : HISTORY_REQUEST_CANCEL_EXTERNAL_INITIATED,
        .namespace_name = in->namespace_name.len ? in->namespace_name : st->wf->namespace_name,
        .namespace_id = uuid_dup(st->fx->arena, st->wf->namespace_id),
        .execution = { in->workflow_id, in->run_id },
        .signal_name = in->signal_name,
        .input = in->input,
        .header = in->header,
        .control = in->control,
        .reason = in->reason,
        .child_workflow_only = in->child_workflow_only };
    step_command_event(st, cmd, &he);
    struct map_node *n = map_get(&st->wf->outbox, str_of(&he.event_id, sizeof(he.event_id)));
    const struct outbox_entry *e = map_entry(n, struct outbox_entry, by_id);
    if (str_eq(in->workflow_id,
                st->wf->start.workflow_id)) { /* to itself: nobody to be found, whatever the run */
        has_ended(st, e, ERR_NOT_FOUND);
        return;
    }
    struct outbox_message m = outbox_message_of(st->wf, e, st->fx->arena);
    vec_push(st->fx->arena, &st->fx->messages, m);
}

static struct str body_of(
        const struct workflow *wf, const struct outbox_entry *e, struct arena *arena)
{
    const struct history_event *i = &e->initiated;
    bool is_signal = i->type == HISTORY_SIGNAL_EXTERNAL_INITIATED;
    struct str run_id = uuid_dup(arena, wf->run_id);
    if (e->id <=
            wf->copied_until) { /* it may have arrived already: the run that this one is a reset of has sent it */
        run_id = wf->start.original_run_id;
    }
    struct str request_id = str_printf(arena, STR_FMT "-%lld", STR_ARG(run_id), (long long)e->id);
    struct buf b;
    buf_init_arena(&b, arena, 16 * 1024 * 1024);
    wire_opt_bytes(&b, 1, i->namespace_name);
    size_t mark = wire_begin(&b, 2);
    wire_opt_bytes(&b, 1, i->execution.workflow_id);
    wire_opt_bytes(&b, 2, i->execution.run_id);
    wire_end(&b, mark);
    if (is_signal) { /* SignalWorkflowExecutionRequest */
        wire_opt_bytes(&b, 3, i->signal_name);
        wire_opt_bytes(&b, 4, i->input);
        wire_put_bytes(&b, 5, STR("history-service"));
        wire_put_bytes(&b, 6, request_id);
        wire_opt_bytes(&b, 7, i->control);
        wire_opt_bytes(&b, 8, i->header);
    } else { /* RequestCancelWorkflowExecutionRequest */
        wire_put_bytes(&b, 3, STR("history-service"));
        wire_put_bytes(&b, 4, request_id);
        wire_opt_bytes(&b, 6, i->reason);
    }
    return buf_str(&b);
}

struct outbox_message outbox_message_of(
        const struct workflow *wf, const struct outbox_entry *e, struct arena *arena)
{
    const struct history_event *i = &e->initiated;
    struct outbox_message m = { .id = e->id,
        .namespace_name = str_dup(arena, i->namespace_name),
        .kind = i->type == HISTORY_SIGNAL_EXTERNAL_INITIATED ? OUTBOX_SIGNAL
                                                             : OUTBOX_REQUEST_CANCEL,
        .flags = i->child_workflow_only ? OUTBOX_CHILD_ONLY | workflow_message_flags(wf) : 0,
        .workflow_id = str_dup(arena, i->execution.workflow_id),
        .body = body_of(wf, e, arena) };
    if (i->execution.run_id.len && !uuid_parse(i->execution.run_id, &m.run_id)) {
        m.run_id = (struct uuid){ { 0 } };
    }
    return m;
}

static enum event_type outcome_type(bool is_signal, enum err outcome)
{
    if (is_signal) {
        return outcome ? HISTORY_SIGNAL_EXTERNAL_FAILED : HISTORY_EXTERNAL_SIGNALED;
    }
    return outcome ? HISTORY_REQUEST_CANCEL_EXTERNAL_FAILED : HISTORY_EXTERNAL_CANCEL_REQUESTED;
}

static int32_t failed_cause(const struct step *st, bool is_signal, enum err outcome)
{
    if (outcome == ERR_NOT_FOUND && st->ev->kind == EVENT_MESSAGE_SETTLED &&
            str_eq(st->ev->settled.body, STR("namespace"))) {
        return FAILED_NO_NAMESPACE;
    }
    return is_signal && outcome == ERR_INVALID_ARGUMENT ? FAILED_SIGNAL_LIMIT : FAILED_NOT_FOUND;
}

static void has_ended(struct step *st, const struct outbox_entry *e, enum err outcome)
{
    const struct history_event *i = &e->initiated;
    bool is_signal = i->type == HISTORY_SIGNAL_EXTERNAL_INITIATED;
    struct history_event he = { .type = outcome_type(is_signal, outcome),
        .initiated_event_id = e->id,
        .namespace_name = i->namespace_name,
        .namespace_id = i->namespace_id,
        .execution = i->execution,
        .control = i->control };
    if (outcome) {
        he.cause = failed_cause(st, is_signal, outcome);
        he.workflow_task_completed_event_id = i->workflow_task_completed_event_id;
    }
    step_happened(st, &he);
}

enum err outbox_settled(struct step *st)
{
    struct workflow *wf = st->wf;
    int64_t id = st->ev->settled.message_id;
    struct map_node *n = map_get(&wf->outbox, str_of(&id, sizeof(id)));
    if (!n) {
        return child_settled(st);
    }
    if (!workflow_is_open(wf)) { /* nobody is left to be told */
        step_record(
                st, &(struct record){ .kind = RECORD_OUTBOX_SETTLED, .scheduled_event_id = id });
        return ERR_NONE;
    }
    has_ended(st, map_entry(n, struct outbox_entry, by_id), st->ev->settled.outcome);
    return ERR_NONE;
}
