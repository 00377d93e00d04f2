/* Random sequences of events from seeds: plausible ones, stale ones, crashes and clock jumps. The engine's
 * properties are checked at every step by the harness; every run must in the end be brought to a close, and its
 * history must read back as a valid sequence. Usage: run_random FIRST_SEED COUNT */
#include <stdio.h>
#include <stdlib.h>

#include "common/model/wire.h"
#include "tests/history/harness.h"

enum { STEPS = 60, TOKENS = 8 };

struct player {
    struct harness h;
    struct rand rand;
    struct instant now;
    struct engine_limits limits;
    struct workflow_task_token tasks[TOKENS];
    size_t task_count;
    struct activity_ref activities[TOKENS];
    size_t activity_count;
    int next_id;
    uint64_t refused, done;
};

static uint64_t below(struct player *p, uint64_t n)
{
    return rand_below(&p->rand, n);
}

static struct str name(struct player *p, const char *prefix, uint64_t range)
{
    return str_printf(&p->h.arena, "%s%d", prefix, (int)below(p, range));
}

static struct str failure(struct player *p)
{
    static const char app[] = "\x0a\x03"
                              "bad"
                              "\x2a\x00";
    static const char final[] = "\x0a\x03"
                                "bad"
                                "\x2a\x02\x10\x01";
    return below(p, 4) ? str_of(app, sizeof(app) - 1) : str_of(final, sizeof(final) - 1);
}

static void random_activity(struct player *p, struct command *c)
{
    c->type = COMMAND_SCHEDULE_ACTIVITY_TASK;
    c->schedule_activity = (struct command_schedule_activity){ .activity_id = name(p, "a", 6),
        .activity_type = STR("Act"),
        .task_queue = STR("q"),
        .request_eager_execution = below(p, 5) == 0,
        .start_to_close = DURATION_SECONDS(below(p, 20)),
        .schedule_to_close = DURATION_SECONDS(below(p, 40)),
        .schedule_to_start = DURATION_SECONDS(below(p, 10)),
        .heartbeat = DURATION_SECONDS(below(p, 5)) };
    c->schedule_activity.retry.is_set = below(p, 2);
    c->schedule_activity.retry.maximum_attempts = (int32_t)below(p, 4);
}

/* One or two entries of a Memo or SearchAttributes; some have no value. */
static struct str random_properties(struct player *p)
{
    struct buf b;
    buf_init_arena(&b, &p->h.arena, 4096);
    for (uint64_t n = below(p, 3); n > 0; n--) {
        size_t entry = wire_begin(&b, 1);
        wire_put_bytes(&b, 1, name(p, "k", 4));
        size_t payload = wire_begin(&b, 2);
        wire_opt_bytes(&b, 2, below(p, 3) ? name(p, "v", 100) : STR(""));
        wire_end(&b, payload);
        wire_end(&b, entry);
    }
    return buf_str(&b);
}

static const struct str *random_callbacks(struct player *p, size_t *count)
{
    static const struct str callbacks[] = { STR_INIT("\x12\x00"), STR_INIT("\x12\x03\x0a\x01u") };
    *count = below(p, 6) ? 0 : 1 + below(p, 2);
    return callbacks;
}

static void random_command(struct player *p, struct command *c, bool last)
{
    *c = (struct command){ .has_attributes = below(p, 50) != 0 };
    switch (below(p, last ? 12 : 9)) {
    case 0:
    case 1:
    case 2:
        random_activity(p, c);
        return;
    case 3:
    case 4:
        c->type = COMMAND_START_TIMER;
        c->start_timer.timer_id = name(p, "t", 5);
        c->start_timer.start_to_fire = DURATION_SECONDS(below(p, 15));
        return;
    case 5:
        c->type = COMMAND_CANCEL_TIMER;
        c->cancel_timer.timer_id = name(p, "t", 5);
        return;
    case 6:
        c->type = COMMAND_REQUEST_CANCEL_ACTIVITY_TASK;
        c->request_cancel_activity.scheduled_event_id =
                (int64_t)below(p, (uint64_t)p->h.wf->next_event_id + 5);
        return;
    case 7:
        c->type = below(p, 3)   ? COMMAND_RECORD_MARKER
                  : below(p, 2) ? COMMAND_MODIFY_WORKFLOW_PROPERTIES
                                : COMMAND_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES;
        if (c->type == COMMAND_RECORD_MARKER) {
            c->marker.marker_name = STR("m");
        } else if (c->type == COMMAND_MODIFY_WORKFLOW_PROPERTIES) {
            c->modify_properties.upserted_memo = random_properties(p);
        } else {
            c->upsert.search_attributes = random_properties(p);
        }
        return;
    case 8:
        if (below(p, 2)) {
            c->type = COMMAND_START_CHILD_WORKFLOW_EXECUTION;
            c->start_child = (struct command_start_child){ .workflow_id = name(p, "kid", 3),
                .workflow_type = STR("Child"),
                .parent_close_policy = (enum parent_close_policy)below(p, 4) };
            return;
        }
        c->type = below(p, 2) ? COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION
                              : COMMAND_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION;
        c->external =
                (struct command_external){ .workflow_id = STR("other"), .signal_name = STR("s") };
        return;
    case 9:
        c->type = COMMAND_FAIL_WORKFLOW_EXECUTION;
        c->fail.failure = failure(p);
        return;
    case 10:
        c->type = COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION;
        return;
    default:
        c->type = below(p, 3) ? COMMAND_RECORD_MARKER : COMMAND_COMPLETE_WORKFLOW_EXECUTION;
        c->marker.marker_name = STR("n");
        c->has_attributes = true;
        if (c->type == COMMAND_COMPLETE_WORKFLOW_EXECUTION) {
            c->complete.result = (struct str){ 0 };
        }
        return;
    }
}

/* About one of few updates, in a state that fits more often than not. */
static struct update_message random_message(struct player *p, size_t number)
{
    struct arena *a = &p->h.arena;
    struct update_message m = { .update_id = name(p, "u", 6), .type = STR("M"), .size = 10 };
    enum update_stage stage = workflow_update_status(p->h.wf, m.update_id).stage;
    m.id = str_printf(a, "m%d", (int)number);
    m.kind = stage == UPDATE_ACCEPTED ? UPDATE_MESSAGE_RESPONSE
             : below(p, 3)            ? UPDATE_MESSAGE_ACCEPTANCE
                                      : UPDATE_MESSAGE_REJECTION;
    if (below(p, 12) == 0) {
        m.kind = (enum update_message_kind)below(p, 5);
    }
    m.request_message_id = STR("r");
    m.sequencing_event_id = 1;
    m.request = stage == UPDATE_UNKNOWN && below(p, 3) ? STR("\x0a\x00") : STR("");
    m.meta = str_printf(a, "\x0a%c" STR_FMT, (int)m.update_id.len, STR_ARG(m.update_id));
    m.meta_update_id = m.update_id;
    m.has_outcome = true;
    m.outcome = STR("\x0a\x00");
    return m;
}

static void random_messages(
        struct player *p, struct event_workflow_task_completed *c, struct command *commands)
{
    size_t n = below(p, 3) ? 0 : 1 + below(p, 2);
    struct update_message *messages = NEW(&p->h.arena, struct update_message, n + 1);
    for (size_t i = 0; i < n; i++) {
        messages[i] = random_message(p, i);
        if (below(p, 2)) { /* in front of the other commands */
            memmove(commands + 1, commands, c->command_count * sizeof(*commands));
            commands[0] = (struct command){ .type = COMMAND_PROTOCOL_MESSAGE,
                .has_attributes = true,
                .protocol_message.message_id = messages[i].id };
            c->command_count++;
        }
    }
    c->messages = messages;
    c->message_count = n;
    c->discards_with_events = below(p, 2);
}

static void random_completion(struct player *p, struct event *ev)
{
    struct event_workflow_task_completed *c = &ev->workflow_task_completed;
    size_t n = below(p, 4);
    struct command *commands = NEW(&p->h.arena, struct command, n + 4);
    for (size_t i = 0; i < n; i++) {
        random_command(p, &commands[i], i + 1 == n && below(p, 3) == 0);
    }
    *c = (struct event_workflow_task_completed){ .commands = commands,
        .command_count = n,
        .identity = STR("w"),
        .poll_id = name(p, "inline", 1000),
        .binary_checksum = below(p, 4) ? (struct str){ 0 } : name(p, "checksum", 30),
        .return_new_workflow_task = below(p, 2),
        .force_create_new_workflow_task = below(p, 4) == 0 };
    random_messages(p, c, commands);
    c->token = p->tasks[p->task_count && below(p, 5) ? p->task_count - 1 : below(p, TOKENS)];
    if (below(p, 2)) {
        c->sticky_task_queue = STR("sticky");
        c->sticky_schedule_to_start = DURATION_SECONDS(5);
    }
}

static struct activity_ref random_ref(struct player *p)
{
    if (below(p, 8) == 0) {
        return (struct activity_ref){ .activity_id = name(p, "a", 6) };
    }
    return p->activities[below(p, TOKENS)];
}

static void random_claim(struct player *p, struct event *ev)
{
    const struct workflow *wf = p->h.wf;
    bool stale = below(p, 8) == 0;
    ev->claim = (struct event_claim){ .poll_id = name(p, "poll", 1000),
        .identity = STR("w"),
        .task_queue = wf->task.is_sticky && below(p, 3) ? STR("sticky") : STR("q") };
    if (ev->kind == EVENT_CLAIM_WORKFLOW_TASK || ev->kind == EVENT_UNCLAIM_WORKFLOW_TASK) {
        ev->claim.scheduled_event_id = wf->task.scheduled_event_id + stale;
        ev->claim.attempt = wf->task.attempt;
        if (ev->kind == EVENT_UNCLAIM_WORKFLOW_TASK) {
            ev->claim.poll_id = wf->task.request_id;
        }
        return;
    }
    const struct activity *chosen = NULL;
    activity_each(wf, a)
    {
        chosen = !chosen || below(p, 2) ? a : chosen;
    }
    if (chosen) {
        ev->claim.scheduled_event_id = chosen->scheduled_event_id;
        ev->claim.attempt = chosen->attempt + stale;
        ev->claim.stamp = chosen->stamp;
        ev->claim.poll_id =
                ev->kind == EVENT_UNCLAIM_ACTIVITY ? chosen->request_id : ev->claim.poll_id;
    }
}

static enum event_kind random_kind(struct player *p)
{
    static const enum event_kind kinds[] = { EVENT_SIGNAL, EVENT_SIGNAL, EVENT_CLAIM_WORKFLOW_TASK,
        EVENT_CLAIM_WORKFLOW_TASK, EVENT_CLAIM_WORKFLOW_TASK, EVENT_WORKFLOW_TASK_COMPLETED,
        EVENT_WORKFLOW_TASK_COMPLETED, EVENT_WORKFLOW_TASK_COMPLETED, EVENT_WORKFLOW_TASK_COMPLETED,
        EVENT_WORKFLOW_TASK_FAILED, EVENT_CLAIM_ACTIVITY, EVENT_CLAIM_ACTIVITY,
        EVENT_CLAIM_ACTIVITY, EVENT_ACTIVITY_COMPLETED, EVENT_ACTIVITY_COMPLETED,
        EVENT_ACTIVITY_FAILED, EVENT_ACTIVITY_CANCELED, EVENT_ACTIVITY_HEARTBEAT,
        EVENT_UNCLAIM_ACTIVITY, EVENT_UNCLAIM_WORKFLOW_TASK, EVENT_RESET_STICKY, EVENT_TIME,
        EVENT_TIME, EVENT_TIME, EVENT_MESSAGE_SETTLED, EVENT_MESSAGE_SETTLED, EVENT_CHILD_CLOSED,
        EVENT_FIRST_TASK, EVENT_ATTACH, EVENT_UPDATE, EVENT_UPDATE, EVENT_UPDATE };
    if (below(p, 120) == 0) {
        return below(p, 4) ? EVENT_TERMINATE : EVENT_DELETE;
    }
    return below(p, 40) == 0 ? EVENT_REQUEST_CANCEL : kinds[below(p, ARRAY_LEN(kinds))];
}

/* The answer to one of the messages that are under way, or to none. */
static void random_settled(struct player *p, struct event *ev)
{
    struct effects fx;
    effects_init(&fx, &p->h.arena);
    workflow_messages(p->h.wf, &p->h.arena, &fx);
    ev->settled.message_id =
            fx.messages.len && below(p, 6) ? fx.messages.ptr[below(p, fx.messages.len)].id : 5;
    ev->settled.outcome = below(p, 3) ? ERR_NONE : below(p, 2) ? ERR_NOT_FOUND : ERR_ALREADY_EXISTS;
    ev->settled.body = uuid_dup(&p->h.arena, uuid_v4(&p->rand));
}

/* The end of one of the children, in any of its ways. */
static void random_child_closed(struct player *p, struct event *ev)
{
    static const enum event_type ends[] = { HISTORY_WORKFLOW_EXECUTION_COMPLETED,
        HISTORY_WORKFLOW_EXECUTION_FAILED, HISTORY_WORKFLOW_EXECUTION_TIMED_OUT,
        HISTORY_WORKFLOW_EXECUTION_CANCELED, HISTORY_WORKFLOW_EXECUTION_TERMINATED };
    struct history_event close = { .event_id = 3, .type = ends[below(p, ARRAY_LEN(ends))] };
    const struct child *chosen = NULL;
    struct buf b;
    map_each(&p->h.wf->children, n)
    {
        chosen = !chosen || below(p, 2) ? child_of(n) : chosen;
    }
    buf_init_arena(&b, &p->h.arena, 4096);
    history_event_write(&b, &close);
    ev->child_closed = (struct event_child_closed){ .initiated_event_id =
                                                            chosen ? chosen->initiated_event_id : 5,
        .first_run_id =
                chosen && !uuid_is_zero(chosen->run_id) ? chosen->run_id : uuid_v4(&p->rand),
        .run_id = uuid_v4(&p->rand),
        .workflow_id = chosen ? chosen->workflow_id : STR("kid0"),
        .close_event = buf_str(&b) };
}

static const struct event_parent *random_parent(struct player *p)
{
    struct event_parent *parent = NEW(&p->h.arena, struct event_parent, 1);
    *parent = (struct event_parent){ .run_id = uuid_v4(&p->rand),
        .namespace_id = uuid_v4(&p->rand),
        .namespace_name = STR("ns"),
        .workflow_id = STR("parent"),
        .initiated_event_id = 5,
        .root_workflow_id = STR("root"),
        .root_run_id = uuid_dup(&p->h.arena, uuid_v4(&p->rand)) };
    return parent;
}

static void random_event(struct player *p, struct event *ev)
{
    ev->kind = p->h.wf->status ? random_kind(p) : EVENT_START;
    switch (ev->kind) {
    case EVENT_START:
        ev->start = (struct event_start){ .run_id = uuid_v4(&p->rand),
            .namespace_name = STR("ns"),
            .workflow_id = STR("wf"),
            .workflow_type = STR("T"),
            .task_queue = STR("q"),
            .request_id = STR("s"),
            .run_timeout = DURATION_SECONDS(below(p, 3) ? 0 : below(p, 100)),
            .start_delay = DURATION_SECONDS(below(p, 4) ? 0 : below(p, 10)),
            .request_eager_execution = below(p, 5) == 0,
            .input = STR("\x0a\x00") };
        if (below(p, 3) == 0) {
            ev->start.parent = random_parent(p);
            ev->start.waits_for_parent = !ev->start.request_eager_execution;
        }
        ev->start.retry.is_set = below(p, 2);
        ev->start.memo = random_properties(p);
        ev->start.search_attributes = random_properties(p);
        ev->start.cron_schedule = below(p, 4) ? STR("") : STR("@every 7s");
        ev->start.callbacks = random_callbacks(p, &ev->start.callback_count);
        return;
    case EVENT_SIGNAL:
        ev->signal =
                (struct event_signal){ .signal_name = STR("s"), .request_id = name(p, "r", 40) };
        return;
    case EVENT_WORKFLOW_TASK_COMPLETED:
        random_completion(p, ev);
        return;
    case EVENT_WORKFLOW_TASK_FAILED:
        ev->workflow_task_failed =
                (struct event_workflow_task_failed){ .cause = CAUSE_NON_DETERMINISTIC_ERROR,
                    .token = p->tasks[p->task_count ? p->task_count - 1 : 0] };
        return;
    case EVENT_CLAIM_WORKFLOW_TASK:
    case EVENT_UNCLAIM_WORKFLOW_TASK:
    case EVENT_CLAIM_ACTIVITY:
    case EVENT_UNCLAIM_ACTIVITY:
        random_claim(p, ev);
        return;
    case EVENT_ACTIVITY_COMPLETED:
        ev->activity_completed.ref = random_ref(p);
        return;
    case EVENT_ACTIVITY_FAILED:
        ev->activity_failed =
                (struct event_activity_failed){ .ref = random_ref(p), .failure = failure(p) };
        return;
    case EVENT_ACTIVITY_CANCELED:
        ev->activity_canceled.ref = random_ref(p);
        return;
    case EVENT_ACTIVITY_HEARTBEAT:
        ev->activity_heartbeat =
                (struct event_activity_heartbeat){ .ref = random_ref(p), .details = STR("d") };
        return;
    case EVENT_ATTACH:
        ev->attach = (struct event_attach){ .request_id = below(p, 5) ? name(p, "s", 9) : STR(""),
            .links = below(p, 5) ? STR("") : STR("\xf2\x12\x00") };
        ev->attach.callbacks = random_callbacks(p, &ev->attach.callback_count);
        return;
    case EVENT_CHILD_CLOSED:
        random_child_closed(p, ev);
        return;
    case EVENT_UPDATE:
        ev->update = (struct event_update){ .update_id = name(p, "u", 6),
            .request = name(p, "request-", 1000) };
        return;
    case EVENT_MESSAGE_SETTLED:
        random_settled(p, ev);
        return;
    default:
        return;
    }
}

static void remember(struct player *p, const struct effects *fx)
{
    if (fx->has_workflow_task) {
        if (p->task_count == TOKENS) {
            memmove(p->tasks, p->tasks + 1, sizeof(p->tasks[0]) * (TOKENS - 1));
            p->task_count--;
        }
        p->tasks[p->task_count++] = fx->workflow_task.token;
    }
    for (size_t i = 0; i < fx->eager_activities.len + fx->has_activity; i++) {
        const struct activity_start *s =
                i < fx->eager_activities.len ? &fx->eager_activities.ptr[i] : &fx->activity;
        p->activities[p->activity_count++ % TOKENS] =
                (struct activity_ref){ .scheduled_event_id = s->scheduled_event_id,
                    .attempt = s->attempt,
                    .started_time = s->started_time,
                    .identity = s->identity,
                    .request_id = s->request_id };
    }
}

static void step(struct player *p, struct event *ev)
{
    struct effects fx;
    struct fail f = { 0 };
    ev->now = p->now;
    ev->limits = &p->limits;
    ev->rand = (struct rand){ (uint64_t)p->h.steps };
    if (harness_step(&p->h, ev, &fx, &f)) {
        p->refused++;
    } else {
        p->done++;
        remember(p, &fx);
    }
}

/* The run, or what was it, is reset at any event; most of them are refused. Tokens name their run: those of the one that
 * is left behind are no use here. */
static void reset(struct player *p)
{
    struct effects left, fx;
    struct fail f = { 0 };
    struct event ev = { .now = p->now, .limits = &p->limits, .rand = { (uint64_t)p->h.steps } };
    int64_t last = p->h.wf->next_event_id - 1;
    if (last < 2) {
        return;
    }
    ev.reset = (struct event_reset){
        .run_id = uuid_v4(&p->rand), .reason = STR("again"), .request_id = name(p, "reset", 10)
    };
    int64_t finish = 2 + (int64_t)below(p, (uint64_t)last - 1);
    if (harness_reset(&p->h, &ev, finish, (uint32_t)below(p, 2), &left, &fx, &f)) {
        p->refused++;
        return;
    }
    p->done++;
    p->task_count = p->activity_count = 0;
    memset(p->tasks, 0, sizeof(p->tasks));
    memset(p->activities, 0, sizeof(p->activities));
    remember(p, &fx);
}

/* After everything that is due has been done, nothing is due: time cannot make the driver spin. */
static void settle_time(struct player *p)
{
    for (int i = 0; workflow_next_need(p->h.wf).ns <= p->now.ns; i++) {
        struct event ev = { .kind = EVENT_TIME };
        check(i < 4);
        step(p, &ev);
    }
}

static void check_history(struct player *p)
{
    int64_t expected = 1;
    for (size_t i = 0; i < p->h.rows.len; i++) {
        struct str events = p->h.rows.ptr[i].events, bytes;
        while (history_next(&events, &bytes)) {
            struct history_event he;
            check(history_event_read(bytes, &p->h.arena, &he));
            check(he.event_id == expected++);
            check(he.scheduled_event_id < he.event_id && he.started_event_id < he.event_id);
        }
    }
    check(expected == p->h.wf->next_event_id);
}

static struct str damaged(struct player *p, struct arena *arena, struct str bytes)
{
    char *copy = NEW(arena, char, bytes.len + 1);
    memcpy(copy, bytes.ptr, bytes.len);
    for (uint64_t n = below(p, 3); bytes.len && n > 0; n--) {
        copy[below(p, bytes.len)] = (char)rand_u64(&p->rand);
    }
    return str_of(copy, below(p, 4) ? bytes.len : below(p, bytes.len + 1));
}

/* Damaged snapshots and rows are refused or read as something else; they never crash the process. */
static void check_damage(struct player *p)
{
    struct arena arena = { 0 };
    struct fail f = { 0 };
    struct buf b;
    for (int round = 0; round < 20; round++) {
        buf_init_arena(&b, &arena, 1 << 26);
        workflow_encode(p->h.wf, &b);
        enum err err = workflow_decode(workflow_new(&arena), damaged(p, &arena, buf_str(&b)), &f);
        struct workflow *wf = workflow_new(&arena);
        err = err == ERR_NONE || err == ERR_CORRUPT ? ERR_NONE : err;
        check(!err);
        for (size_t i = 0; !err && i < p->h.rows.len; i++) {
            const struct row *r = &p->h.rows.ptr[i];
            bool hit = below(p, p->h.rows.len) == 0;
            err = workflow_fold(wf, r->first_event_id,
                    hit ? damaged(p, &arena, r->events) : r->events,
                    hit ? damaged(p, &arena, r->records) : r->records, &f);
            check(err == ERR_NONE || err == ERR_CORRUPT);
        }
    }
    arena_deinit(&arena);
}

static void play(struct player *p, uint64_t seed)
{
    p->rand = (struct rand){ seed * 7919 };
    p->now = (struct instant){ 1700000000000000000 };
    p->limits = engine_limits_default;
    p->limits.buffered_events = 6;
    p->limits.history_count_error = 120;
    p->limits.pending_activities = 4;
    p->limits.state_size_error = seed % 4 == 1 ? 1500 : p->limits.state_size_error;
    p->limits.transaction_size_error = seed % 4 == 2 ? 300 : p->limits.transaction_size_error;
    p->limits.blob_size_error = seed % 4 == 3 ? 20 : p->limits.blob_size_error;
    p->limits.updates_in_flight = 3;
    harness_init(&p->h);
    for (int i = 0; i < STEPS; i++) {
        struct event ev = { 0 };
        p->now = instant_add(p->now, DURATION_MS(below(p, 1500)));
        if (below(p, 30) == 0) {
            p->now = instant_add(p->now, DURATION_SECONDS(-(int64_t)below(p, 3)));
        }
        if (below(p, 20) == 0) {
            reset(p);
        }
        random_event(p, &ev);
        step(p, &ev);
        if (below(p, 3) == 0) {
            settle_time(p);
        }
        if (below(p, 12) == 0) {
            harness_crash(&p->h);
        }
    }
    check_damage(p);
    if (workflow_is_open(p->h.wf)) {
        struct event ev = { .kind = EVENT_TERMINATE };
        step(p, &ev);
    }
    check(!workflow_is_open(p->h.wf));
    check_history(p);
    harness_deinit(&p->h);
}

static uint64_t current_seed;

static void name_the_seed(void)
{
    fprintf(stderr, "seed %llu\n", (unsigned long long)current_seed);
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t done = 0, refused = 0;
    check_set_hook(name_the_seed);
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct player *p = calloc(1, sizeof(*p));
        check(p);
        current_seed = seed;
        play(p, seed);
        done += p->done;
        refused += p->refused;
        free(p);
    }
    printf("%llu seeds, %llu steps done, %llu refused\n", (unsigned long long)count,
            (unsigned long long)done, (unsigned long long)refused);
    return done == 0;
}
