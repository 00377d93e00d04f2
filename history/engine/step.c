/* One step: picks the concept by the event's kind, and gives it the means to emit history events and records,
 * each of which is applied at once. Relies on apply.c for every change; leaves all decisions to the concepts. */
#include "history/engine/step.h"

#include "common/model/wire.h"

enum { EFFECTS_MAX = 256 * 1024 * 1024 };

void effects_init(struct effects *fx, struct arena *arena)
{
    *fx = (struct effects){ .arena = arena };
    buf_init_arena(&fx->events, arena, EFFECTS_MAX);
    buf_init_arena(&fx->records, arena, EFFECTS_MAX);
}

struct workflow *workflow_new(struct arena *arena)
{
    struct workflow *wf = NEW(arena, struct workflow, 1);
    wf->arena = arena;
    wf->next_event_id = 1;
    map_init(&wf->activities_by_id, arena);
    map_init(&wf->activities_by_event, arena);
    map_init(&wf->timers, arena);
    map_init(&wf->request_ids, arena);
    map_init(&wf->outbox, arena);
    map_init(&wf->children, arena);
    map_init(&wf->attached, arena);
    list_init(&wf->callbacks);
    list_init(&wf->buffered);
    list_init(&wf->free_activities);
    list_init(&wf->free_timers);
    return wf;
}

struct uuid step_fresh_uuid(struct step *st)
{
    return uuid_v7(st->now, &st->rand);
}

bool step_is_of_the_future(const struct step *st, struct instant started)
{
    const struct duration clocks_differ_by = DURATION_SECONDS(60);
    return started.ns > instant_add(st->now, clocks_differ_by).ns;
}

/* --- emitting --------------------------------------------------------------------------------------- */

static void end_run_of_events(struct step *st)
{
    if (st->run_of_events) {
        record_write(&st->fx->records,
                &(struct record){ .kind = RECORD_EVENTS, .count = st->run_of_events });
        st->run_of_events = 0;
    }
}

void step_record(struct step *st, const struct record *r)
{
    if (!r->is_volatile) {
        end_run_of_events(st);
        record_write(&st->fx->records, r);
        st->fx->changed = true;
    }
    check(apply_record(st->wf, r));
}

/* Writes the event with the next id; *ret_bytes gets it without the list's frame. */
static void append_event(struct step *st, struct history_event *he, struct str *ret_bytes)
{
    struct effects *fx = st->fx;
    he->event_id = st->wf->next_event_id;
    if (!he->time.ns) {
        he->time = st->now;
    }
    if (fx->event_count == 0) {
        fx->first_event_id = he->event_id;
    }
    struct str frame = { .len = fx->events.len };
    history_event_append(&fx->events, he);
    check(!fx->events.overflow);
    frame = str_drop(buf_str(&fx->events), frame.len);
    check(history_next(&frame, ret_bytes));
    fx->event_count++;
    fx->changed = true;
}

void step_event(struct step *st, struct history_event *he)
{
    struct str bytes;
    if (st->wf->task.is_speculative && he->type != HISTORY_WORKFLOW_TASK_SCHEDULED) {
        workflow_task_materialize(st); /* it may only vanish while nothing else happens */
    }
    if (st->wf->updates && history_is_close(he->type)) {
        updates_close(st);
    }
    append_event(st, he, &bytes);
    st->run_of_events++;
    st->fx->shows_changed |= he->type == HISTORY_UPSERT_SEARCH_ATTRIBUTES ||
                             he->type == HISTORY_WORKFLOW_PROPERTIES_MODIFIED;
    check(apply_event(st->wf, he, bytes));
}

void step_command_event(struct step *st, const struct command *cmd, struct history_event *he)
{
    he->user_metadata = cmd->user_metadata;
    he->group_markers = cmd->group_markers;
    he->workflow_task_completed_event_id = st->completed_event_id;
    step_event(st, he);
}

/* What a buffered event is about: the event it closes, or for children the one that asked for it. */
static int64_t subject_of(const struct history_event *he)
{
    if (he->type >= HISTORY_START_CHILD_FAILED && he->type <= HISTORY_CHILD_TERMINATED) {
        return he->initiated_event_id;
    }
    return he->scheduled_event_id ? he->scheduled_event_id : he->started_event_id;
}

static void buffer_event(struct step *st, const struct history_event *he)
{
    struct buf attributes;
    if (st->wf->task.is_speculative) {
        workflow_task_materialize(st);
    }
    buf_init_arena(&attributes, st->fx->arena, EFFECTS_MAX);
    history_event_write_attributes(&attributes, he);
    step_record(st, &(struct record){ .kind = RECORD_BUFFER,
                            .type = (int32_t)he->type,
                            .time = he->time.ns ? he->time : st->now,
                            .attributes = buf_str(&attributes),
                            .links = he->links,
                            .scheduled_event_id = subject_of(he) });
}

void step_happened_quietly(struct step *st, struct history_event *he)
{
    struct workflow *wf = st->wf;
    if (wf->task.state == WORKFLOW_TASK_STARTED || wf->buffered_count || st->is_completing) {
        buffer_event(st, he);
    } else {
        step_event(st, he);
    }
}

void step_happened(struct step *st, struct history_event *he)
{
    step_happened_quietly(st, he);
    st->wants_task = true;
}

/* --- the flush -------------------------------------------------------------------------------------- */

static bool closes_child(enum event_type type)
{
    return type >= HISTORY_CHILD_COMPLETED && type <= HISTORY_CHILD_TERMINATED;
}

static bool closes_activity(enum event_type type)
{
    return type == HISTORY_ACTIVITY_TASK_COMPLETED || type == HISTORY_ACTIVITY_TASK_FAILED ||
           type == HISTORY_ACTIVITY_TASK_TIMED_OUT || type == HISTORY_ACTIVITY_TASK_CANCELED;
}

size_t buffered_in_order(
        const struct workflow *wf, struct arena *arena, struct buffered_event ***ret)
{
    struct buffered_event **order = NEW(arena, struct buffered_event *, wf->buffered_count + 1);
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        list_each(&wf->buffered, node)
        {
            struct buffered_event *b = list_entry(node, struct buffered_event, node);
            bool is_last = closes_activity(b->type) || closes_child(b->type);
            if (is_last == (pass == 1)) {
                order[n++] = b;
            }
        }
    }
    *ret = order;
    return n;
}

/* The started event that a closing event speaks of may be in the same buffer: it has just got its id. */
static void link_started(
        struct buffered_event **order, const int64_t *ids, size_t end, struct history_event *he)
{
    enum event_type started =
            closes_child(he->type) ? HISTORY_CHILD_STARTED : HISTORY_ACTIVITY_TASK_STARTED;
    int64_t of = closes_child(he->type) ? he->initiated_event_id : he->scheduled_event_id;
    for (size_t j = 0; j < end; j++) {
        if (order[j]->type == started && order[j]->scheduled_event_id == of) {
            he->started_event_id = ids[j];
        }
    }
}

void step_flush(struct step *st)
{
    struct workflow *wf = st->wf;
    struct buffered_event **order;
    if (!wf->buffered_count) {
        return;
    }
    size_t n = buffered_in_order(wf, st->fx->arena, &order);
    step_record(st, &(struct record){ .kind = RECORD_FLUSH, .count = (int64_t)n });
    int64_t *ids = NEW(st->fx->arena, int64_t, n); /* of the started events among them */
    for (size_t i = 0; i < n; i++) {
        const struct buffered_event *b = order[i];
        struct history_event he = { .time = b->time, .links = b->links };
        check(history_event_read_attributes(b->attributes, b->type, st->fx->arena, &he));
        if (closes_activity(b->type) || closes_child(b->type)) {
            link_started(order, ids, i, &he);
        }
        struct str bytes;
        append_event(st, &he, &bytes);
        ids[i] = he.event_id;
        check(apply_flushed_event(wf, &he, bytes));
    }
    st->wants_task = true;
}

/* --- another run's events ----------------------------------------------------------------------------- */

void step_copy(struct step *st, struct str events)
{
    struct effects *fx = st->fx;
    struct str rest = events, bytes;
    int64_t count = 0;
    while (history_next(&rest, &bytes)) {
        count++;
    }
    check(count && wire_ok(rest) && fx->event_count == 0);
    fx->first_event_id = st->wf->next_event_id;
    step_record(st, &(struct record){ .kind = RECORD_COPIED, .count = count });
    buf_append_str(&fx->events, events);
    check(!fx->events.overflow);
    while (history_next(&events, &bytes)) {
        struct history_event he;
        check(history_event_read(bytes, fx->arena, &he) && apply_copied_event(st->wf, &he, bytes));
        fx->event_count++;
    }
    st->now = instant_max(st->now, st->wf->last_event_time);
}

/* --- one step --------------------------------------------------------------------------------------- */

static enum err step_by_kind(struct step *st)
{
    static enum err (*const table[EVENT_COUNT])(struct step *) = {
        [EVENT_START] = start_step,
        [EVENT_SIGNAL] = signal_step,
        [EVENT_REQUEST_CANCEL] = request_cancel_step,
        [EVENT_TERMINATE] = terminate_step,
        [EVENT_CLAIM_WORKFLOW_TASK] = workflow_task_claim,
        [EVENT_UNCLAIM_WORKFLOW_TASK] = workflow_task_unclaim,
        [EVENT_WORKFLOW_TASK_COMPLETED] = workflow_task_completed,
        [EVENT_WORKFLOW_TASK_FAILED] = workflow_task_failed,
        [EVENT_CLAIM_ACTIVITY] = activity_claim,
        [EVENT_UNCLAIM_ACTIVITY] = activity_unclaim,
        [EVENT_ACTIVITY_COMPLETED] = activity_completed,
        [EVENT_ACTIVITY_FAILED] = activity_failed,
        [EVENT_ACTIVITY_CANCELED] = activity_canceled,
        [EVENT_ACTIVITY_HEARTBEAT] = activity_heartbeat,
        [EVENT_RESET_STICKY] = sticky_reset,
        [EVENT_TIME] = time_step,
        [EVENT_MESSAGE_SETTLED] = outbox_settled,
        [EVENT_FIRST_TASK] = child_first_task,
        [EVENT_CHILD_CLOSED] = child_closed,
        [EVENT_UPDATE] = update_step,
        [EVENT_ATTACH] = attach_step,
        [EVENT_OPTIONS] = options_step,
        [EVENT_RESET] = reset_step,
        [EVENT_RESET_AWAY] = reset_away_step,
        [EVENT_DELETE] = delete_step,
    };
    check((unsigned)st->ev->kind < EVENT_COUNT && table[st->ev->kind]);
    return table[st->ev->kind](st);
}

enum err workflow_step(
        struct workflow *wf, const struct event *ev, struct effects *fx, struct fail *f)
{
    struct step st = { .wf = wf,
        .ev = ev,
        .fx = fx,
        .fail = f,
        .rand = ev->rand,
        .now = instant_max(ev->now, wf->last_event_time),
        .limits = ev->limits ? ev->limits : &engine_limits_default };
    bool was_open = workflow_is_open(wf) || wf->status == 0;
    enum err err = step_by_kind(&st);
    if (err) {
        return err;
    }
    if (workflow_is_open(wf)) {
        workflow_task_schedule(&st);
        limits_enforce(&st);
    }
    end_run_of_events(&st);
    if (fx->event_count == 0) {
        fx->first_event_id = wf->next_event_id;
    }
    fx->closed = was_open && !workflow_is_open(wf);
    if (fx->closed) {
        child_tell_all(&st);
    }
    check(!fx->records.overflow);
    return ERR_NONE;
}
