/* The commands of a completion: "activity a1 start_to_close=10s | timer t1 5s | done". */
#include "common/model/wire.h"
#include "tests/history/scenario.h"

/* text=... as a payload, or text_size=N letters. */
static struct str payload_or_large(
        struct arena *arena, struct words *w, const char *text, const char *size)
{
    struct str large = words_large(arena, w, size);
    return large.len ? large : payloads_of(arena, words_get(w, text));
}

static struct str name_or(struct words *w, const char *key, struct str otherwise)
{
    struct str name = words_get(w, key);
    return words_has(w, "no-type") ? STR("") : name.len ? name : otherwise;
}

/* "name size=N" */
static struct str large_property(struct arena *arena, struct words *w)
{
    struct str value = words_large(arena, w, "size"), name = words_next(w);
    return properties_of(
            arena, str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(name), STR_ARG(value)));
}

static void activity(struct scenario *s, struct words *w, struct command *c)
{
    struct arena *a = &s->h.arena;
    struct str type = name_or(w, "type", STR("Act")), queue = words_get(w, "queue");
    bool no_queue = words_has(w, "no-queue");
    c->schedule_activity = (struct command_schedule_activity){ .activity_type = type,
        .task_queue = queue.len || no_queue ? queue : STR("q"),
        .schedule_to_close = words_duration(w, "schedule_to_close"),
        .schedule_to_start = words_duration(w, "schedule_to_start"),
        .start_to_close = words_duration(w, "start_to_close"),
        .heartbeat = words_duration(w, "heartbeat"),
        .retry = words_retry(s, w),
        .priority = words_priority(s, w),
        .request_eager_execution = words_has(w, "eager"),
        .input = words_large(a, w, "input_size") };
    c->schedule_activity.activity_id = words_next(w);
}

static void timer(struct words *w, struct command *c)
{
    struct duration d = { 0 };
    c->start_timer.timer_id = words_next(w);
    c->start_timer.has_start_to_fire = duration_parse(words_next(w), &d);
    c->start_timer.start_to_fire = d;
}

static void external(struct scenario *s, struct words *w, struct command *c)
{
    c->external.input = words_large(&s->h.arena, w, "input_size");
    c->external.child_workflow_only = words_has(w, "child_only");
    c->external.workflow_id = words_has(w, "no-id") ? STR("") : words_next(w);
    c->external.run_id = words_get(w, "run");
    c->external.namespace_name = words_get(w, "namespace");
    if (c->type == COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION) {
        c->external.signal_name = words_next(w);
    }
}

static void child(struct scenario *s, struct words *w, struct command *c)
{
    struct str type = name_or(w, "type", STR("Child")), policy = words_get(w, "policy");
    c->start_child = (struct command_start_child){ .workflow_id = words_next(w),
        .workflow_type = type,
        .task_queue = words_get(w, "queue"),
        .namespace_name = words_get(w, "namespace"),
        .cron_schedule = schedule_of(&s->h.arena, words_get(w, "cron")),
        .input = payload_or_large(&s->h.arena, w, "input", "input_size"),
        .memo = words_large(&s->h.arena, w, "memo_size"),
        .search_attributes = attributes_of(s, words_get(w, "sa")),
        .execution_timeout = words_duration(w, "execution_timeout"),
        .task_timeout = words_duration(w, "task_timeout"),
        .run_timeout = words_duration(w, "run_timeout"),
        .retry = words_retry(s, w),
        .priority = words_priority(s, w),
        .parent_close_policy = str_eq(policy, STR("abandon"))  ? PARENT_CLOSE_ABANDON
                               : str_eq(policy, STR("cancel")) ? PARENT_CLOSE_REQUEST_CANCEL
                                                               : PARENT_CLOSE_UNSPECIFIED };
    c->start_child.cron_zone = zone_of_schedule(s, c->start_child.cron_schedule);
}

static void continue_as_new(struct scenario *s, struct words *w, struct command *c)
{
    struct arena *a = &s->h.arena;
    c->continue_as_new = (struct command_continue_as_new){ .workflow_type = words_get(w, "type"),
        .task_queue = words_get(w, "queue"),
        .input = payload_or_large(a, w, "input", "input_size"),
        .search_attributes = attributes_of(s, words_get(w, "sa")),
        .cron_schedule = schedule_of(a, words_get(w, "cron")),
        .run_timeout = words_duration(w, "run_timeout"),
        .task_timeout = words_duration(w, "task_timeout"),
        .retry = words_retry(s, w),
        .backoff_start_interval = words_duration(w, "backoff") };
    c->continue_as_new.memo = words_get(w, "memo_size").len
                                      ? words_large(a, w, "memo_size")
                                      : properties_of(a, words_get(w, "memo"));
    c->continue_as_new.cron_zone = zone_of_schedule(s, c->continue_as_new.cron_schedule);
}

static void marker(struct scenario *s, struct words *w, struct command *c)
{
    struct marker_detail *d = NEW(&s->h.arena, struct marker_detail, 1);
    c->marker.marker_name = words_next(w);
    struct str data = words_large(&s->h.arena, w, "details_size");
    *d = (struct marker_detail){ STR("data"),
        data.len ? data : payloads_of(&s->h.arena, words_next(w)) };
    c->marker.details = d;
    c->marker.detail_count = d->payloads.len ? 1 : 0;
}

static const struct {
    const char *word;
    int type;
} verbs[] = {
    { "activity", 1 },
    { "cancel-activity", 2 },
    { "timer", 3 },
    { "done", 4 },
    { "fail", 5 },
    { "cancel-timer", 6 },
    { "canceled", 7 },
    { "cancel-external", 8 },
    { "marker", 9 },
    { "continue-as-new", 10 },
    { "child", 11 },
    { "signal-external", 12 },
    { "upsert", 13 },
    { "protocol-message", 14 },
    { "memo", 16 },
    { "nexus", 17 },
    { "unknown", 99 },
};

static bool one(struct scenario *s, struct words *w, struct command *c)
{
    struct arena *a = &s->h.arena;
    struct str verb = words_next(w);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (str_eq(verb, str_from_cstr(verbs[i].word))) {
            c->type = (enum command_type)verbs[i].type;
        }
    }
    c->has_attributes = !words_has(w, "no-attributes");
    switch ((int)c->type) {
    case 1:
        activity(s, w, c);
        return true;
    case 2:
        check(str_to_i64(words_next(w), &c->request_cancel_activity.scheduled_event_id));
        return true;
    case 3:
        timer(w, c);
        return true;
    case 4:
        c->complete.result = words_large(a, w, "result_size");
        if (!c->complete.result.len) {
            c->complete.result = payloads_of(a, words_next(w));
        }
        return true;
    case 5:
        c->fail.failure = failure_of_text(a, w, words_next(w));
        return true;
    case 6:
        c->cancel_timer.timer_id = words_next(w);
        return true;
    case 7:
        c->cancel.details = payloads_of(a, words_next(w));
        return true;
    case 9:
        marker(s, w, c);
        return true;
    case 10:
        continue_as_new(s, w, c);
        return true;
    case 8:
    case 12:
        external(s, w, c);
        return true;
    case 11:
        child(s, w, c);
        return true;
    case 14:
        c->protocol_message.message_id = words_next(w);
        return true;
    case 13:
        c->upsert.search_attributes =
                words_get(w, "size").len ? large_property(a, w) : attributes_of(s, words_next(w));
        return true;
    case 16:
        c->modify_properties.upserted_memo =
                words_get(w, "size").len ? large_property(a, w) : properties_of(a, words_next(w));
        return true;
    default:
        s->problem = "unknown command";
        return c->type != 0;
    }
}

/* "accept u1", "complete-update u1 text", "reject u1 text": the message, and the command that names it unless the
 * line says alone. */
static bool update_message(struct scenario *s, struct words *w, struct str part,
        struct update_message *m, bool *ret_commanded)
{
    struct arena *a = &s->h.arena;
    static const struct {
        const char *word;
        enum update_message_kind kind;
        const char *type;
    } kinds[] = {
        { "accept", UPDATE_MESSAGE_ACCEPTANCE, "Acceptance" },
        { "complete-update", UPDATE_MESSAGE_RESPONSE, "Response" },
        { "reject", UPDATE_MESSAGE_REJECTION, "Rejection" },
        { "foreign-message", UPDATE_MESSAGE_UNKNOWN, "other.v1.Thing" },
        { "broken-message", UPDATE_MESSAGE_MALFORMED, "Acceptance" },
    };
    struct str verb = str_split(str_trim(part), ' ', &part);
    *m = (struct update_message){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq(verb, str_from_cstr(kinds[i].word))) {
            m->kind = kinds[i].kind;
            m->type = str_from_cstr(kinds[i].type);
        }
    }
    if (!m->type.len) {
        return false;
    }
    (void)words_next(w);
    m->update_id = words_next(w);
    struct str id = words_get(w, "id"), meta = words_get(w, "meta"), text = words_next(w);
    m->id = id.len ? id : str_printf(a, STR_FMT "/" STR_FMT, STR_ARG(m->update_id), STR_ARG(verb));
    m->size = (size_t)words_number(w, "size", 100);
    m->request_message_id = str_printf(a, STR_FMT "/request", STR_ARG(m->update_id));
    m->sequencing_event_id = words_number(w, "sequencing", 2);
    m->request =
            words_has(w, "with-request") ? scenario_update(a, m->update_id) : (struct str){ 0 };
    m->failure = failure_of_text(a, w, text);
    m->meta_update_id = meta.len ? meta : m->update_id;
    m->meta = str_printf(
            a, "\x0a%c" STR_FMT, (char)m->meta_update_id.len, STR_ARG(m->meta_update_id));
    m->has_outcome = !words_has(w, "no-outcome");
    m->outcome = words_has(w, "fails") ? scenario_outcome(a, 2, m->failure)
                                       : scenario_outcome(a, 1, payloads_of(a, text));
    *ret_commanded = !words_has(w, "alone") && m->kind != UPDATE_MESSAGE_REJECTION;
    return true;
}

bool scenario_commands(
        struct scenario *s, struct str text, struct event_workflow_task_completed *completed)
{
    VEC(struct command) commands = { 0 };
    VEC(struct update_message) messages = { 0 };
    while (str_trim(text).len) {
        struct str part = str_split(text, '|', &text);
        struct words w = words_split(part);
        struct command c = { 0 };
        struct update_message m;
        bool commanded = true;
        if (update_message(s, &w, part, &m, &commanded)) {
            vec_push(&s->h.arena, &messages, m);
            c = (struct command){ .type = COMMAND_PROTOCOL_MESSAGE,
                .has_attributes = true,
                .protocol_message.message_id = m.id };
        } else if (!one(s, &w, &c)) {
            return false;
        }
        if (commanded) {
            vec_push(&s->h.arena, &commands, c);
        }
    }
    completed->commands = commands.ptr;
    completed->command_count = commands.len;
    completed->messages = messages.ptr;
    completed->message_count = messages.len;
    return true;
}
