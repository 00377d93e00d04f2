/* The effects of a step as text: events with the attributes that rules speak of, and what else must happen. */
#include "common/model/priority.h"
#include "common/model/wire.h"
#include "history/engine/child.h"
#include "history/engine/records.h"
#include "history/engine/retry.h"
#include "tests/history/scenario.h"

void scenario_print_time(struct buf *out, struct instant t)
{
    if (t.ns == INT64_MAX) {
        buf_printf(out, "never");
        return;
    }
    int64_t ms = (t.ns - scenario_epoch.ns) / 1000000;
    buf_printf(out, ms % 1000 ? "%lld.%03llds" : "%llds", (long long)(ms / 1000),
            (long long)(ms % 1000));
}

static void put_i(struct buf *out, const char *name, int64_t v)
{
    if (v) {
        buf_printf(out, " %s=%lld", name, (long long)v);
    }
}

static void put_s(struct buf *out, const char *name, struct str v)
{
    if (v.len) {
        buf_printf(out, " %s=" STR_FMT, name, STR_ARG(v));
    }
}

static void put_d(struct buf *out, const char *name, struct duration d)
{
    if (d.ns) {
        buf_printf(out, d.ns % 1000000000 ? " %s=%lldms" : " %s=%llds", name,
                (long long)(d.ns % 1000000000 ? d.ns / 1000000 : d.ns / 1000000000));
    }
}

/* The text of a single payload made by payloads_of. */
static struct str payload_text(struct str payloads)
{
    struct wire_field f = { 0 };
    struct str data = { 0 };
    if (!wire_next(&payloads, &f)) {
        return data;
    }
    while (wire_next(&f.bytes, &f)) {
        if (f.number == 2) {
            return f.bytes;
        }
        break;
    }
    return STR("(payload)");
}

static void put_properties(struct buf *out, const char *name, struct str properties)
{
    struct wire_field f, part;
    for (int i = 0; properties.len && wire_next(&properties, &f); i++) {
        struct str key = { 0 }, value = { 0 }, payload = { 0 };
        while (wire_next(&f.bytes, &part)) {
            key = part.number == 1 ? part.bytes : key;
            payload = part.number == 2 ? part.bytes : payload;
        }
        while (payload.len && wire_next(&payload, &part)) {
            value = part.number == 2 ? part.bytes : value;
        }
        buf_printf(out, i ? "," : " %s=", name);
        buf_printf(out, STR_FMT "/" STR_FMT, STR_ARG(key), STR_ARG(value));
    }
}

static int64_t count_fields(struct str list)
{
    struct wire_field f;
    int64_t n = 0;
    while (list.len && wire_next(&list, &f)) {
        n++;
    }
    return n;
}

/* The builds that the points of a message ResetPoints name. */
static void put_builds(struct buf *out, struct str points)
{
    struct wire_field point, f;
    const char *before = " reset_points=";
    while (points.len && wire_next(&points, &point)) {
        while (point.bytes.len && wire_next(&point.bytes, &f)) {
            if (f.number == 7) {
                buf_printf(out, "%s" STR_FMT, before, STR_ARG(f.bytes));
                before = ",";
            }
        }
    }
}

/* What event 55 says beside what is attached; of event 1 the override. */
static void put_options(const struct history_event *he, struct buf *out)
{
    struct str options = he->update_options;
    struct wire_field f;
    int64_t callbacks = 0;
    put_s(out, "override", he->versioning_override);
    if (he->unset_versioning_override) {
        buf_printf(out, " no-override");
    }
    if (he->type == HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED && he->priority.len) {
        put_i(out, "priority", he->priority.ptr[1]);
    }
    while (options.len && wire_next(&options, &f)) {
        if (f.number == 3) {
            callbacks++;
        } else {
            put_s(out, f.number == 1 ? "of-update" : "update-request", f.bytes);
        }
    }
    put_i(out, "update-callbacks", callbacks);
}

/* Of a timeout. */
static struct str last_details(struct str timeout)
{
    struct wire_field f;
    struct str details = { 0 };
    while (wire_next(&timeout, &f)) {
        details = f.number == 2 ? f.bytes : details;
    }
    return details;
}

static void put_failure(struct buf *out, const char *name, struct str failure)
{
    struct wire_field f;
    struct failure_info info = failure_parse(failure);
    if (!failure.len) {
        return;
    }
    buf_printf(out, " %s=\"", name);
    struct str cause = { 0 }, details = { 0 };
    while (wire_next(&failure, &f)) {
        if (f.number == 1) {
            enum { SHOWN = 200 };
            buf_append_str(out, f.bytes.len > SHOWN ? str_of(f.bytes.ptr, SHOWN) : f.bytes);
            buf_printf(out, "%s", f.bytes.len > SHOWN ? "..." : "");
        } else if (f.number == 4) {
            cause = f.bytes;
        } else if (f.number == 6) {
            details = last_details(f.bytes);
        }
    }
    buf_printf(out, "\"%s",
            info.kind != FAILURE_TIMEOUT                ? ""
            : info.timeout == TIMEOUT_SCHEDULE_TO_CLOSE ? "(ScheduleToClose)"
            : info.timeout == TIMEOUT_SCHEDULE_TO_START ? "(ScheduleToStart)"
            : info.timeout == TIMEOUT_HEARTBEAT         ? "(Heartbeat)"
                                                        : "(StartToClose)");
    put_s(out, "last_heartbeat", payload_text(details));
    if (info.kind == FAILURE_SERVER && info.non_retryable) {
        buf_printf(out, "(final)");
    }
    put_failure(out, "because", cause);
}

static void put_outcome(struct buf *out, struct str outcome)
{
    struct wire_field f;
    while (wire_next(&outcome, &f)) {
        if (f.number == 1) {
            put_s(out, "result", payload_text(f.bytes));
        } else {
            put_failure(out, "failure", f.bytes);
        }
    }
}

/* The id in a Request or a Meta, as deep as it is. */
static struct str update_id_in(struct str message, int depth)
{
    struct wire_field f = { 0 };
    while (depth-- > 0 && wire_next(&message, &f)) {
        message = f.bytes;
    }
    return message;
}

static void print_update(const struct history_event *he, struct buf *out)
{
    put_s(out, "update", he->update_id);
    put_s(out, "update", update_id_in(he->update_meta, he->update_meta.len ? 1 : 0));
    put_s(out, "message", he->update_message_id);
    put_i(out, "sequencing", he->sequencing_event_id);
    put_s(out, "request", update_id_in(he->update_request, he->update_request.len ? 2 : 0));
    put_i(out, "accepted", he->accepted_event_id);
    put_outcome(out, he->outcome);
}

static void print_links(const struct history_event *he, struct buf *out)
{
    put_i(out, "completed", he->workflow_task_completed_event_id);
    put_i(out, "scheduled", he->scheduled_event_id);
    put_i(out, "started", he->started_event_id);
    put_i(out, "initiated", he->initiated_event_id);
    put_i(out, "cancel-requested", he->latest_cancel_requested_event_id);
}

static void print_event(const struct history_event *he, struct buf *out)
{
    buf_printf(out, "    %lld %s", (long long)he->event_id, event_type_name(he->type));
    print_links(he, out);
    put_s(out, "activity", he->activity_id);
    put_s(out, "timer", he->timer_id);
    put_s(out, "signal", he->signal_name);
    put_s(out, "marker", he->marker_name);
    if (he->task_queue.normal_name.len) {
        put_s(out, "sticky", he->task_queue.name);
    }
    if (he->attempt > 1) {
        put_i(out, "attempt", he->attempt);
    }
    put_d(out, "schedule_to_close", he->schedule_to_close);
    put_d(out, "schedule_to_start", he->schedule_to_start);
    if (he->type != HISTORY_WORKFLOW_TASK_SCHEDULED || he->start_to_close.ns != 10000000000) {
        put_d(out, "start_to_close", he->start_to_close);
    }
    put_d(out, "heartbeat", he->heartbeat);
    put_d(out, "fires_in", he->start_to_fire);
    put_d(out, "execution_timeout", he->execution_timeout);
    put_d(out, "run_timeout", he->run_timeout);
    if (he->task_timeout.ns != 10000000000) {
        put_d(out, "task_timeout", he->task_timeout);
    }
    put_s(out, "cron", he->cron_schedule);
    put_d(out, "backoff", he->first_task_backoff);
    put_d(out, "backoff", he->backoff_start_interval);
    put_i(out, "cause", he->cause);
    put_i(out, "initiator", he->initiator);
    if (he->timeout_type) {
        buf_printf(out, " timeout=%s", timeout_type_name((enum timeout_type)he->timeout_type));
    }
    put_i(out, "retry_state", he->retry_state);
    put_failure(out, "failure", he->failure);
    put_failure(out, "last_failure", he->last_failure);
    put_s(out, "result", payload_text(he->result));
    put_s(out, "details", payload_text(he->details));
    put_s(out, "reason", he->reason);
    print_update(he, out);
    put_properties(out, "memo", he->memo);
    put_properties(out, "sa", he->search_attributes);
    put_s(out, "last_result", payload_text(he->last_completion_result));
    put_i(out, "callbacks", count_fields(he->completion_callbacks));
    put_options(he, out);
    if (he->type == HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED) {
        put_s(out, "request", he->request_id);
    }
    put_s(out, "to", he->execution.workflow_id);
    bool about_child =
            he->type >= HISTORY_START_CHILD_INITIATED && he->type <= HISTORY_CHILD_TERMINATED;
    if (about_child && !he->execution.workflow_id.len) {
        put_s(out, "child", he->workflow_id);
    }
    if (he->type == HISTORY_START_CHILD_INITIATED) {
        put_d(out, "retry_after", he->retry.initial_interval);
        put_d(out, "at_most", he->retry.maximum_interval);
    }
    if (about_child) {
        put_s(out, "run", str_drop(he->execution.run_id, he->execution.run_id.len ? 34 : 0));
        put_i(out, "policy", he->parent_close_policy);
    }
    put_s(out, "parent", he->parent.workflow_id);
    put_s(out, "root", he->root.workflow_id);
    put_i(out, "suggest_continue_as_new", he->suggest_continue_as_new);
    for (size_t i = 0; i < he->suggest_reasons.len; i++) {
        put_i(out, "suggest_reason", he->suggest_reasons.ptr[i]);
    }
    put_i(out, "eager", he->eager_execution_accepted);
    buf_printf(out, "%s", he->new_run_id.len ? " new-run" : "");
    if (he->type == HISTORY_ACTIVITY_TASK_STARTED || he->type == HISTORY_WORKFLOW_TASK_STARTED ||
            he->type == HISTORY_ACTIVITY_TASK_CANCELED) {
        put_s(out, "by", he->identity);
    }
    buf_append_byte(out, '\n');
}

static void print_events(struct arena *arena, struct str events, const char *title, struct buf *out)
{
    struct str bytes;
    while (history_next(&events, &bytes)) {
        struct history_event he;
        check(history_event_read(bytes, arena, &he));
        buf_printf(out, "%s", title);
        print_event(&he, out);
    }
    check(wire_ok(events));
}

static void print_task(const struct workflow_task_start *t, struct arena *arena, struct buf *out)
{
    buf_printf(out, "    task attempt=%d history=%lld..%lld previous_started=%lld\n",
            (int)t->token.attempt, (long long)t->from_event_id, (long long)t->to_event_id,
            (long long)t->previous_started_event_id);
    print_events(arena, t->suffix, "    suffix", out);
    for (size_t i = 0; i < t->update_count; i++) {
        buf_printf(out, "    with update " STR_FMT "\n",
                STR_ARG(update_id_in(t->updates[i].request, 2)));
    }
}

static void print_updates(const struct effects *fx, struct buf *out)
{
    static const char *const stages[] = { "", "admitted", "accepted", "completed" };
    if (fx->update_status.stage) {
        buf_printf(out, "    update is %s", stages[fx->update_status.stage]);
        put_i(out, "event", fx->update_status.completed_event_id);
        buf_append_byte(out, '\n');
    }
    for (size_t i = 0; i < fx->updates.len; i++) {
        const struct update_news *n = &fx->updates.ptr[i];
        struct fail f = { 0 };
        buf_printf(out, "    update " STR_FMT, STR_ARG(n->update_id));
        if (update_news_fail(n->kind, &f)) {
            buf_printf(out, " error %s: %s\n", err_name(f.err), f.message);
            continue;
        }
        buf_printf(out, n->kind == UPDATE_NEWS_ACCEPTED ? " accepted" : " completed");
        put_outcome(out, n->outcome);
        buf_append_byte(out, '\n');
    }
    if (fx->reset_history_event_id) {
        buf_printf(out, "    back to event %lld\n", (long long)fx->reset_history_event_id);
    }
}

static void print_activity(const struct activity_start *a, const char *title, struct buf *out)
{
    buf_printf(
            out, "    %s " STR_FMT " attempt=%d", title, STR_ARG(a->activity_id), (int)a->attempt);
    put_s(out, "heartbeat_details", payload_text(a->heartbeat_details));
    buf_append_byte(out, '\n');
}

static void print_message(const struct outbox_message *m, struct buf *out)
{
    static const char *const kinds[] = { [OUTBOX_SIGNAL] = "signal",
        [OUTBOX_REQUEST_CANCEL] = "request-cancel",
        [OUTBOX_START_CHILD] = "start-child",
        [OUTBOX_FIRST_TASK] = "first-task",
        [OUTBOX_TERMINATE] = "terminate",
        [OUTBOX_CHILD_CLOSED] = "child-closed" };
    buf_printf(out, "    message %lld %s to " STR_FMT "%s%s\n", (long long)message_event_id(m->id),
            kinds[m->kind], STR_ARG(m->workflow_id),
            m->flags & OUTBOX_CHILD_ONLY ? " (child only)" : "",
            m->flags & OUTBOX_SOURCE_CLOSED  ? " (only if it exists)"
            : m->flags & OUTBOX_SOURCE_RESET ? " (from a reset run)"
                                             : "");
}

static void put_priority(struct buf *out, struct str message)
{
    struct priority p = priority_read(message);
    if (message.len) {
        buf_printf(out, " priority=%d/" STR_FMT "/%g", (int)p.key, STR_ARG(p.fairness_key),
                (double)p.weight);
    }
}

static void print_offers(const struct effects *fx, struct buf *out)
{
    for (size_t i = 0; i < fx->offers.len; i++) {
        const struct task_offer *o = &fx->offers.ptr[i];
        buf_printf(out, "    offer %s " STR_FMT "%s event=%lld attempt=%d",
                o->type == TASK_QUEUE_WORKFLOW ? "workflow" : "activity", STR_ARG(o->queue),
                o->is_sticky ? " (sticky)" : "", (long long)o->scheduled_event_id, (int)o->attempt);
        put_priority(out, o->priority);
        buf_append_byte(out, '\n');
    }
    for (size_t i = 0; i < fx->messages.len; i++) {
        const struct outbox_message *m = &fx->messages.ptr[i];
        print_message(m, out);
    }
    if (fx->successor) {
        const struct event_start *n = fx->successor;
        buf_printf(out, "    successor type=" STR_FMT " queue=" STR_FMT " initiator=%d attempt=%d",
                STR_ARG(n->workflow_type), STR_ARG(n->task_queue), (int)n->initiator,
                (int)n->attempt);
        put_d(out, "backoff", n->first_task_backoff);
        put_s(out, "input", payload_text(n->input));
        put_properties(out, "memo", n->memo);
        put_properties(out, "sa", n->search_attributes);
        put_s(out, "cron", n->cron_schedule);
        put_s(out, "last_result", payload_text(n->last_completion_result));
        put_i(out, "callbacks", (int64_t)n->callback_count);
        put_s(out, "override", n->versioning_override);
        put_builds(out, n->reset_points);
        put_d(out, "run_timeout", n->run_timeout);
        put_failure(out, "continued_failure", n->continued_failure);
        put_priority(out, n->priority);
        buf_printf(out, "%s%s\n", n->retry.is_set ? " retry" : "", n->parent ? " as-child" : "");
    }
}

void scenario_print_properties(const struct workflow *wf, struct buf *out)
{
    buf_printf(out, "   ");
    put_properties(out, "memo", workflow_memo(wf));
    put_properties(out, "sa", workflow_search_attributes(wf));
    buf_append_byte(out, '\n');
}

void scenario_print_reset_points(struct str points, struct buf *out)
{
    struct wire_field point, f;
    while (points.len && wire_next(&points, &point)) {
        buf_printf(out, "    point");
        while (point.bytes.len && wire_next(&point.bytes, &f)) {
            switch (f.number) {
            case 1:
                put_s(out, "checksum", f.bytes);
                break;
            case 2:
                put_s(out, "run", str_drop(f.bytes, f.bytes.len - 2));
                break;
            case 3:
                put_i(out, "event", (int64_t)f.varint);
                break;
            case 4:
            case 5:
                buf_printf(out, f.number == 4 ? " at=" : " until=");
                scenario_print_time(out, wire_timestamp(f.bytes));
                break;
            case 6:
                buf_printf(out, " resettable");
                break;
            case 7:
                put_s(out, "build", f.bytes);
                break;
            }
        }
        buf_append_byte(out, '\n');
    }
}

/* The events of a reset's step, without those that it has copied. */
static void print_new_events(struct scenario *s, const struct effects *fx, struct buf *out)
{
    struct str events = buf_str(&fx->events), records = buf_str(&fx->records), bytes;
    struct record r;
    while (record_next(&records, &r)) {
        for (int64_t i = 0; r.kind == RECORD_COPIED && i < r.count; i++) {
            check(history_next(&events, &bytes));
        }
    }
    print_events(&s->h.arena, events, "", out);
}

void scenario_print(struct scenario *s, enum err err, const struct fail *f,
        const struct effects *fx, struct buf *out)
{
    if (err) {
        buf_printf(out, "    error %s: %s\n", err_name(err), f->message);
        return;
    }
    print_new_events(s, fx, out);
    if (fx->answer.err) {
        buf_printf(out, "    answer %s: %s\n", err_name(fx->answer.err), fx->answer.message);
    }
    if (fx->is_duplicate) {
        buf_printf(out, "    duplicate\n");
    }
    if (fx->has_workflow_task) {
        print_task(&fx->workflow_task, &s->h.arena, out);
    }
    if (fx->has_activity) {
        print_activity(&fx->activity, "activity", out);
    }
    for (size_t i = 0; i < fx->eager_activities.len; i++) {
        print_activity(&fx->eager_activities.ptr[i], "eager activity", out);
    }
    buf_printf(out, "%s", fx->cancel_requested ? "    cancel requested\n" : "");
    print_updates(fx, out);
    for (size_t i = 0; i < fx->failures.len; i++) {
        buf_printf(out, "    the worker is told:");
        put_failure(out, "failure", fx->failures.ptr[i]);
        buf_append_byte(out, '\n');
    }
    print_offers(fx, out);
    buf_printf(out, "%s", fx->closed ? "    closed\n" : "");
}
