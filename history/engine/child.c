/* Child workflows, from both ends: a parent asks for a child, hears that it has started and how it has ended, and
 * takes care of it when it ends itself; a child waits for its parent's nod and tells it about its end. All of it goes
 * through messages, whose forms are here; what they change is in apply_message.c. The stages are in workflow.h. */
#include "history/engine/child.h"

#include "common/model/wire.h"
#include "history/engine/priority.h"
#include "history/engine/retry.h"
#include "history/engine/step.h"

enum { BODY_MAX = 64 * 1024 * 1024 };
enum { START_CHILD_EXISTS = 1, START_CHILD_NO_NAMESPACE = 2 };

/* --- forms of messages -------------------------------------------------------------------------------- */

static struct str retry_bytes(struct arena *arena, const struct retry_policy *retry)
{
    struct buf b;
    buf_init_arena(&b, arena, BODY_MAX);
    if (retry->is_set) {
        retry_policy_write(&b, 12, retry);
    }
    return buf_str(&b);
}

static void opt_duration(struct buf *b, uint32_t field, struct duration d)
{
    if (d.ns) {
        wire_put_duration(b, field, d);
    }
}

static void opt_name(struct buf *b, uint32_t field, struct str name)
{
    size_t mark = wire_begin(b, field);
    wire_opt_bytes(b, 1, name);
    wire_end(b, mark);
}

/* A StartWorkflowExecutionRequest, with an id that is the same however often it is sent. */
static void put_start_request(struct buf *b, const struct workflow *wf, const struct child *c,
        const struct history_event *i, struct arena *arena)
{
    wire_opt_bytes(b, 1, i->namespace_name);
    wire_opt_bytes(b, 2, i->workflow_id);
    opt_name(b, 3, i->workflow_type);
    opt_name(b, 4, i->task_queue.name);
    wire_opt_bytes(b, 5, i->input);
    opt_duration(b, 6, i->execution_timeout);
    opt_duration(b, 7, i->run_timeout);
    opt_duration(b, 8, i->task_timeout);
    wire_put_bytes(b, 9, wf->start.identity);
    wire_put_bytes(b, 10,
            str_printf(
                    arena, "%s-%lld", uuid_format(wf->run_id).s, (long long)c->initiated_event_id));
    wire_opt_varint(b, 11, (uint64_t)i->id_reuse_policy);
    buf_append_str(b, retry_bytes(arena, &i->retry));
    wire_opt_bytes(b, 13, i->cron_schedule);
    wire_opt_bytes(b, 14, i->memo);
    wire_opt_bytes(b, 15, i->search_attributes);
    wire_opt_bytes(b, 16, i->header);
    wire_opt_bytes(b, 23, i->user_metadata);
    wire_opt_bytes(b, 27, i->priority);
}

static struct str start_body(const struct workflow *wf, const struct child *c, struct arena *arena)
{
    struct history_event i;
    struct buf b;
    check(history_event_read(c->initiated, arena, &i));
    buf_init_arena(&b, arena, BODY_MAX);
    size_t mark = wire_begin(&b, 1);
    put_start_request(&b, wf, c, &i, arena);
    wire_end(&b, mark);
    bool is_root = str_empty(wf->start.root.workflow_id);
    wire_put_varint(&b, 2, (uint64_t)c->initiated_event_id);
    wire_opt_bytes(&b, 3, wf->namespace_name);
    wire_put_bytes(&b, 4, is_root ? wf->start.workflow_id : wf->start.root.workflow_id);
    wire_put_bytes(&b, 5, is_root ? uuid_dup(arena, wf->run_id) : wf->start.root.run_id);
    return buf_str(&b);
}

/* TerminateWorkflowExecutionRequest or RequestCancelWorkflowExecutionRequest: the chain that began with the child's
 * first run. */
static struct str policy_body(
        const struct workflow *wf, const struct child *c, bool cancel, struct arena *arena)
{
    struct str reason = STR("by parent close policy");
    struct buf b;
    buf_init_arena(&b, arena, BODY_MAX);
    wire_opt_bytes(&b, 1, c->namespace_name);
    opt_name(&b, 2, c->workflow_id);
    if (cancel) {
        wire_put_bytes(&b, 3, STR("history-service"));
        wire_put_bytes(&b, 4,
                str_printf(arena, "%s-%lld", uuid_format(wf->run_id).s,
                        (long long)c->initiated_event_id));
        wire_put_bytes(&b, 5, uuid_dup(arena, c->run_id));
        wire_put_bytes(&b, 6, reason);
    } else {
        wire_put_bytes(&b, 3, reason);
        wire_put_bytes(&b, 5, STR("history-service"));
        wire_put_bytes(&b, 6, uuid_dup(arena, c->run_id));
    }
    return buf_str(&b);
}

static bool message_to_child(const struct workflow *wf, const struct child *c, struct arena *arena,
        struct outbox_message *ret)
{
    struct outbox_message m = { .namespace_name = str_dup(arena, c->namespace_name),
        .workflow_id = str_dup(arena, c->workflow_id),
        .run_id = c->run_id };
    bool cancel = c->parent_close_policy == PARENT_CLOSE_REQUEST_CANCEL;
    switch (c->stage) {
    case CHILD_STARTING:
    case CHILD_LATE:
        m.kind = OUTBOX_START_CHILD;
        m.id = message_id(MESSAGE_START, c->initiated_event_id);
        m.flags = c->stage == CHILD_LATE ? OUTBOX_SOURCE_CLOSED : workflow_message_flags(wf);
        m.body = start_body(wf, c, arena);
        break;
    case CHILD_CONFIRMING:
        m.kind = OUTBOX_FIRST_TASK;
        m.id = message_id(MESSAGE_FIRST_TASK, c->initiated_event_id);
        m.body = uuid_dup(arena, c->run_id);
        break;
    case CHILD_ENDING:
        m.kind = cancel ? OUTBOX_REQUEST_CANCEL : OUTBOX_TERMINATE;
        m.id = message_id(MESSAGE_POLICY, c->initiated_event_id);
        m.run_id = (struct uuid){ { 0 } };
        m.body = policy_body(wf, c, cancel, arena);
        break;
    case CHILD_RUNNING:
        return false;
    }
    *ret = m;
    return true;
}

/* Settled by the parent's run that started the chain, whether or not it still cares. */
static struct outbox_message message_to_parent(const struct workflow *wf, struct arena *arena)
{
    const struct history_event *s = &wf->start;
    struct outbox_message m = { .kind = OUTBOX_CHILD_CLOSED,
        .id = message_id(MESSAGE_CLOSED, wf->next_event_id - 1),
        .namespace_name = str_dup(arena, s->parent_namespace),
        .workflow_id = str_dup(arena, s->parent.workflow_id) };
    struct buf b;
    buf_init_arena(&b, arena, BODY_MAX);
    wire_put_varint(&b, 1, (uint64_t)s->parent_initiated_event_id);
    wire_put_bytes(&b, 2, s->parent.run_id);
    wire_put_bytes(&b, 3, s->first_run_id);
    wire_put_bytes(&b, 4, s->workflow_type);
    wire_put_bytes(&b, 5, wf->close_event);
    m.body = buf_str(&b);
    check(uuid_parse(s->parent.run_id, &m.run_id));
    return m;
}

void child_messages(const struct workflow *wf, struct arena *arena, struct effects *fx)
{
    struct outbox_message m;
    map_each(&wf->children, n)
    {
        if (message_to_child(wf, child_of(n), arena, &m)) {
            vec_push(arena, &fx->messages, m);
        }
    }
    if (wf->close_event.len) {
        m = message_to_parent(wf, arena);
        vec_push(arena, &fx->messages, m);
    }
}

void child_tell_all(struct step *st)
{
    struct effects *fx = st->fx;
    size_t kept = 0;
    for (size_t i = 0; i < fx->messages.len;
            i++) { /* what this very step has said of children is out of date */
        if (fx->messages.ptr[i].kind == OUTBOX_SIGNAL ||
                fx->messages.ptr[i].kind == OUTBOX_REQUEST_CANCEL) {
            fx->messages.ptr[kept++] = fx->messages.ptr[i];
        }
    }
    fx->messages.len = kept;
    child_messages(st->wf, fx->arena, fx);
}

/* --- the parent's side -------------------------------------------------------------------------------- */

static void tell_child(struct step *st, const struct child *c)
{
    struct outbox_message m;
    if (c && message_to_child(st->wf, c, st->fx->arena, &m)) {
        vec_push(st->fx->arena, &st->fx->messages, m);
    }
}

void child_initiate(struct step *st, const struct command *cmd)
{
    const struct command_start_child *in = &cmd->start_child;
    const struct workflow *wf = st->wf;
    struct history_event he = { .type = HISTORY_START_CHILD_INITIATED,
        .namespace_name = in->namespace_name.len ? in->namespace_name : wf->namespace_name,
        .namespace_id = uuid_dup(st->fx->arena, wf->namespace_id),
        .workflow_id = in->workflow_id,
        .workflow_type = in->workflow_type,
        .task_queue.name = in->task_queue.len ? in->task_queue : wf->start.task_queue.name,
        .input = in->input,
        .header = in->header,
        .memo = in->memo,
        .search_attributes = in->search_attributes,
        .priority = priority_merge(st->fx->arena, wf->start.priority, in->priority),
        .control = in->control,
        .cron_schedule = in->cron_schedule,
        .execution_timeout = duration_min(in->execution_timeout, duration_longest),
        .run_timeout = in->run_timeout,
        .task_timeout = in->task_timeout,
        .retry = in->retry.is_set ? retry_policy_with_defaults(in->retry) : in->retry,
        .id_reuse_policy =
                in->id_reuse_policy ? (int32_t)in->id_reuse_policy : ID_REUSE_ALLOW_DUPLICATE,
        .parent_close_policy = in->parent_close_policy ? (int32_t)in->parent_close_policy
                                                       : PARENT_CLOSE_TERMINATE };
    start_timeouts(st, he.execution_timeout, &he.run_timeout, &he.task_timeout);
    step_command_event(st, cmd, &he);
    tell_child(st, workflow_child(wf, he.event_id));
}

static struct history_event event_about(
        const struct step *st, const struct child *c, enum event_type type)
{
    return (struct history_event){ .type = type,
        .initiated_event_id = c->initiated_event_id,
        .namespace_name = c->namespace_name,
        .namespace_id = uuid_dup(st->fx->arena, st->wf->namespace_id),
        .workflow_type = c->workflow_type };
}

static void has_started(struct step *st, const struct child *c, struct uuid run_id)
{
    struct history_event i, he = event_about(st, c, HISTORY_CHILD_STARTED);
    check(history_event_read(c->initiated, st->fx->arena, &i));
    he.header = i.header;
    he.execution = (struct execution_ref){ c->workflow_id, uuid_dup(st->fx->arena, run_id) };
    step_happened(st, &he);
}

static void has_not_started(struct step *st, const struct child *c)
{
    struct history_event he = event_about(st, c, HISTORY_START_CHILD_FAILED);
    he.workflow_id = c->workflow_id;
    he.control = c->control;
    he.workflow_task_completed_event_id = c->completed_event_id;
    he.cause = st->ev->settled.outcome == ERR_NOT_FOUND ? START_CHILD_NO_NAMESPACE
                                                        : START_CHILD_EXISTS;
    step_happened(st, &he);
}

static void start_settled(struct step *st, struct child *c)
{
    int64_t id = c->initiated_event_id;
    struct uuid run_id;
    bool exists = !st->ev->settled.outcome && uuid_parse(st->ev->settled.body, &run_id);
    if (c->stage == CHILD_STARTING && exists) {
        has_started(st, c, run_id);
        tell_child(st, workflow_child(st->wf, id));
    } else if (c->stage == CHILD_STARTING) {
        has_not_started(st, c);
    } else if (exists) {
        step_record(st, &(struct record){ .kind = RECORD_CHILD_STARTED_LATE,
                                .scheduled_event_id = id,
                                .run_id = run_id });
        tell_child(st, workflow_child(st->wf, id));
    } else {
        step_record(
                st, &(struct record){ .kind = RECORD_OUTBOX_SETTLED, .scheduled_event_id = id });
    }
}

/* Whatever the target of a first task, a policy or a closing said: it has heard it, or is beyond hearing. */
enum err child_settled(struct step *st)
{
    const struct workflow *wf = st->wf;
    int64_t id = st->ev->settled.message_id;
    struct child *c = workflow_child(wf, message_event_id(id));
    bool fits = false;
    switch (message_topic(id)) {
    case MESSAGE_START:
        if (c && (c->stage == CHILD_STARTING || c->stage == CHILD_LATE)) {
            start_settled(st, c);
            return ERR_NONE;
        }
        break;
    case MESSAGE_FIRST_TASK:
        fits = c && c->stage == CHILD_CONFIRMING;
        break;
    case MESSAGE_POLICY:
        fits = c && c->stage == CHILD_ENDING;
        break;
    case MESSAGE_CLOSED:
        fits = wf->close_event.len > 0 && message_event_id(id) == wf->next_event_id - 1;
        break;
    }
    if (fits) {
        step_record(
                st, &(struct record){ .kind = RECORD_OUTBOX_SETTLED, .scheduled_event_id = id });
    } else {
        st->fx->is_duplicate = true;
    }
    return ERR_NONE;
}

static enum event_type type_of_end(enum event_type close)
{
    switch (close) {
    case HISTORY_WORKFLOW_EXECUTION_COMPLETED:
        return HISTORY_CHILD_COMPLETED;
    case HISTORY_WORKFLOW_EXECUTION_FAILED:
        return HISTORY_CHILD_FAILED;
    case HISTORY_WORKFLOW_EXECUTION_CANCELED:
        return HISTORY_CHILD_CANCELED;
    case HISTORY_WORKFLOW_EXECUTION_TIMED_OUT:
        return HISTORY_CHILD_TIMED_OUT;
    default:
        return HISTORY_CHILD_TERMINATED;
    }
}

enum err child_closed(struct step *st)
{
    const struct event_child_closed *e = &st->ev->child_closed;
    struct child *c = workflow_child(st->wf, e->initiated_event_id);
    struct history_event close;
    if (!workflow_is_open(st->wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "workflow execution already completed");
    }
    if (!history_event_read(e->close_event, st->fx->arena, &close)) {
        return fail(st->fail, ERR_INVALID_ARGUMENT, "malformed closing event");
    }
    bool is_ours = c && str_eq(c->workflow_id, e->workflow_id) &&
                   (uuid_is_zero(c->run_id) || uuid_eq(c->run_id, e->first_run_id));
    if (!is_ours) { /* heard of before, or another chain under the same id */
        st->fx->is_duplicate = true;
        return ERR_NONE;
    }
    /* Our own start is under way still: it may have come after this end, and then it starts a child that waits for our
     * nod. What it is answered counts. */
    if (c->stage == CHILD_STARTING && e->is_base_s) {
        st->fx->is_duplicate = true;
        return ERR_NONE;
    }
    if (c->stage == CHILD_STARTING) { /* its end has overtaken the answer to its start */
        has_started(st, c, e->first_run_id);
    }
    struct history_event he = event_about(st, c, type_of_end(close.type));
    he.started_event_id = c->started_event_id;
    he.execution = (struct execution_ref){ c->workflow_id, uuid_dup(st->fx->arena, e->run_id) };
    he.result = close.result;
    he.failure = close.failure;
    he.details = close.details;
    he.retry_state = close.retry_state;
    step_happened(st, &he);
    return ERR_NONE;
}

/* --- the child's side --------------------------------------------------------------------------------- */

enum err child_first_task(struct step *st)
{
    const struct workflow *wf = st->wf;
    if (!workflow_is_open(wf) || !workflow_waits_for_parent(wf)) {
        st->fx->is_duplicate = true;
        return ERR_NONE;
    }
    struct instant at = instant_add(wf->start_time, wf->start.first_task_backoff);
    if (wf->start.first_task_backoff.ns && at.ns > st->now.ns) {
        step_record(st, &(struct record){ .kind = RECORD_FIRST_TASK_NOW, .time = at });
    } else {
        st->wants_task = true;
    }
    return ERR_NONE;
}
