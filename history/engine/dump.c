/* The state as stable text, for scenarios and for those who debug. Times are in seconds since the start. */
#include "history/engine/step.h"

static const char *status_name(enum workflow_status status)
{
    static const char *const names[] = { "none", "running", "completed", "failed", "canceled",
        "terminated", "continued-as-new", "timed-out" };
    return names[status];
}

/* Without floating point: the engine's archive stays free of the big formatting code. */
static void put_time(struct buf *out, const struct workflow *wf, const char *name, struct instant t)
{
    if (t.ns) {
        int64_t ms = (t.ns - wf->start_time.ns) / 1000000;
        buf_printf(out, " %s=%lld.%03llds", name, (long long)(ms / 1000), (long long)(ms % 1000));
    }
}

static void dump_task(const struct workflow *wf, struct buf *out)
{
    const struct workflow_task *t = &wf->task;
    if (t->state == WORKFLOW_TASK_NONE) {
        return;
    }
    buf_printf(out, "task %s attempt=%d scheduled=%lld%s%s%s",
            t->state == WORKFLOW_TASK_STARTED ? "started" : "scheduled", (int)t->attempt,
            (long long)t->scheduled_event_id,
            t->is_transient && !t->is_speculative ? " transient" : "",
            t->is_speculative ? " speculative" : "", t->is_sticky ? " sticky" : "");
    if (t->state == WORKFLOW_TASK_STARTED) {
        buf_printf(out, " started=%lld", (long long)t->started_event_id);
    }
    buf_append_byte(out, '\n');
}

static void dump_activity(const struct workflow *wf, const struct activity *a, struct buf *out)
{
    buf_printf(out, "activity " STR_FMT " event=%lld %s%s attempt=%d", STR_ARG(a->activity_id),
            (long long)a->scheduled_event_id,
            a->state == ACTIVITY_STARTED ? "started" : "scheduled",
            a->is_start_volatile ? " (volatile)" : "", (int)a->attempt);
    put_time(out, wf, "at", a->attempt_scheduled_time);
    if (a->cancel_requested_event_id) {
        buf_printf(out, " cancel-requested");
    }
    if (a->heartbeat_details.len) {
        buf_printf(out, " has-heartbeat-details");
    }
    buf_append_byte(out, '\n');
}

static void dump_update(const struct workflow *wf, const struct update *u, struct buf *out)
{
    static const char *const stages[] = { "", "admitted", "accepted", "completed" };
    bool is_out =
            u->is_sent && u->stage == UPDATE_ADMITTED && wf->task.state == WORKFLOW_TASK_STARTED;
    buf_printf(out, "update " STR_FMT " %s", STR_ARG(u->update_id),
            is_out ? "sent" : stages[u->stage]);
    if (u->accepted_event_id) {
        buf_printf(out, " accepted=%lld", (long long)u->accepted_event_id);
    }
    if (u->completed_event_id) {
        buf_printf(out, " completed=%lld", (long long)u->completed_event_id);
    }
    buf_append_byte(out, '\n');
}

/* Those that stay come first: the order of the others among them is no part of the state. */
static void dump_updates(const struct workflow *wf, struct buf *out)
{
    map_each(&wf->updates->by_id, n)
    {
        const struct update *u = map_entry(n, struct update, by_id);
        if (u->stage != UPDATE_ADMITTED) {
            dump_update(wf, u, out);
        }
    }
    list_each(&wf->updates->pending, n)
    {
        dump_update(wf, list_entry(n, struct update, pending), out);
    }
}

void workflow_dump(const struct workflow *wf, struct buf *out)
{
    buf_printf(out, "run %s next-event=%lld next-attempt=%d%s%s\n", status_name(wf->status),
            (long long)wf->next_event_id, (int)wf->next_attempt,
            wf->close_attempted ? " close-attempted" : "",
            wf->cancel_requested ? " cancel-requested" : "");
    if (wf->sticky_queue.len) {
        buf_printf(out, "sticky " STR_FMT "\n", STR_ARG(wf->sticky_queue));
    }
    dump_task(wf, out);
    activity_each(wf, a)
    {
        dump_activity(wf, a, out);
    }
    map_each(&wf->timers, n)
    {
        buf_printf(out, "timer " STR_FMT " event=%lld", STR_ARG(timer_of(n)->timer_id),
                (long long)timer_of(n)->started_event_id);
        put_time(out, wf, "at", timer_of(n)->fire_at);
        buf_append_byte(out, '\n');
    }
    list_each(&wf->buffered, n)
    {
        const struct buffered_event *b = list_entry(n, struct buffered_event, node);
        buf_printf(out, "buffered %s\n", event_type_name(b->type));
    }
    map_each(&wf->children, n)
    {
        const struct child *c = child_of(n);
        static const char *const stages[] = { "", "starting", "confirming", "running", "late",
            "ending" };
        buf_printf(out, "child " STR_FMT " event=%lld %s\n", STR_ARG(c->workflow_id),
                (long long)c->initiated_event_id, stages[c->stage]);
    }
    if (wf->updates) {
        dump_updates(wf, out);
    }
    map_each(&wf->attached, n)
    {
        buf_printf(out, "attached " STR_FMT " event=%lld\n", STR_ARG(n->key),
                (long long)map_entry(n, struct attached_id, node)->event_id);
    }
    if (wf->callback_count) {
        buf_printf(out, "callbacks %u\n", (unsigned)wf->callback_count);
    }
    buf_printf(out, "%s", wf->close_event.len ? "parent to be told\n" : "");
    buf_printf(out, "%s", uuid_is_zero(wf->base_run_id) ? "" : "is a reset\n");
    buf_printf(out, "%s", uuid_is_zero(wf->reset_run_id) ? "" : "was reset\n");
    buf_printf(out, "%s", wf->is_deleted ? "deleted\n" : "");
    map_each(&wf->outbox, n)
    {
        buf_printf(out, "outbox %lld\n", (long long)map_entry(n, struct outbox_entry, by_id)->id);
    }
}
