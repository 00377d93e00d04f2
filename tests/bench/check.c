/* Reads histories back after the run and compares each with what its scenario must have produced:
 * ids without gaps, workflow tasks in order, every command once, every activity completed once,
 * closed as completed. Independent of worker.c on purpose: it shares only the reading of single
 * events. */
#include <stdarg.h>
#include <stdio.h>

#include "common/base/check.h"
#include "tests/bench/bench.h"

enum { PARALLEL = 32, EVENTS_MAX = 4096 };

struct checker;

/* One history being read. */
struct reading {
    struct checker *checker;
    struct workflow *wf;
    struct buf page;
    struct event events[EVENTS_MAX];
    size_t count;
};

struct checker {
    struct bench *bench;
    struct check_result *result;
    uint32_t sample, next, ended;
    void (*finished)(struct bench *);
    struct reading readings[PARALLEL];
};

static bool wrong(char text[400], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(char text[400], const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, 400, fmt, args);
    va_end(args);
    return false;
}

/* What the workflow did, without its workflow tasks and signals: the order is fixed. */
static bool check_actions(
        const struct scenario *s, const struct event *events, size_t count, char text[400])
{
    int done = 0, part = 0, signals = 0;
    bool is_activity = s->activities > 0;
    const enum event_type activity[] = { EVENT_ACTIVITY_SCHEDULED, EVENT_ACTIVITY_STARTED,
        EVENT_ACTIVITY_COMPLETED };
    const enum event_type timer[] = { EVENT_TIMER_STARTED, EVENT_TIMER_FIRED };
    const enum event_type *cycle = is_activity ? activity : timer;
    int parts = is_activity ? 3 : 2, wanted = is_activity ? s->activities : s->timers;
    int64_t first = 0, before = 0;
    for (size_t i = 1; i + 1 < count; i++) {
        const struct event *e = &events[i];
        if (e->type >= EVENT_TASK_SCHEDULED && e->type <= EVENT_TASK_FAILED) {
            continue;
        }
        if (e->type == EVENT_SIGNALED && s->signals) {
            signals++;
            continue;
        }
        if (done == wanted || e->type != cycle[part]) {
            return wrong(text, "event %lld has type %d, expected %d (part %d of %d)",
                    (long long)e->id, e->type, done == wanted ? EVENT_COMPLETED : (int)cycle[part],
                    done + 1, wanted);
        }
        bool links = part == 0 || (is_activity ? e->scheduled_id == first &&
                                                          (part == 1 || e->started_id == before)
                                               : e->started_id == first);
        if (!links) {
            return wrong(
                    text, "event %lld does not name the events that it follows", (long long)e->id);
        }
        first = part == 0 ? e->id : first;
        before = e->id;
        done += part + 1 == parts;
        part = (part + 1) % parts;
    }
    if (done != wanted || part != 0 || signals != s->signals) {
        return wrong(
                text, "%d of %d actions and %d of %d signals", done, wanted, signals, s->signals);
    }
    return true;
}

/* Scheduled, started, then one end; commands name the completion that they came with. */
static bool check_tasks(const struct event *events, size_t count, char text[400])
{
    int64_t scheduled = 0, started = 0, completed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &events[i];
        bool ok = true;
        switch (e->type) {
        case EVENT_TASK_SCHEDULED:
            ok = !scheduled;
            scheduled = e->id;
            break;
        case EVENT_TASK_STARTED:
            ok = scheduled && !started && e->scheduled_id == scheduled;
            started = e->id;
            break;
        case EVENT_TASK_COMPLETED:
        case EVENT_TASK_FAILED:
            ok = started && e->scheduled_id == scheduled && e->started_id == started;
            completed = e->type == EVENT_TASK_COMPLETED ? e->id : completed;
            scheduled = started = 0;
            break;
        case EVENT_TASK_TIMED_OUT: /* without a start when a sticky queue had no worker */
            ok = scheduled && e->scheduled_id == scheduled && e->started_id == started;
            scheduled = started = 0;
            break;
        case EVENT_COMPLETED:
        case EVENT_ACTIVITY_SCHEDULED:
        case EVENT_TIMER_STARTED:
            ok = completed && e->task_completed_id == completed;
            break;
        default:
            break;
        }
        if (!ok) {
            return wrong(text, "event %lld of type %d does not fit the workflow tasks before it",
                    (long long)e->id, e->type);
        }
    }
    return true;
}

static bool check_history(
        const struct scenario *s, const struct event *events, size_t count, char text[400])
{
    if (count < 2 || events[0].type != EVENT_STARTED) {
        return wrong(text, "%zu events, the first of type %d", count, count ? events[0].type : 0);
    }
    for (size_t i = 0; i < count; i++) {
        if (events[i].id != (int64_t)i + 1) {
            return wrong(text, "event %zu has the id %lld", i + 1, (long long)events[i].id);
        }
    }
    if (events[count - 1].type != EVENT_COMPLETED) {
        return wrong(text, "the last event is of type %d", events[count - 1].type);
    }
    return check_tasks(events, count, text) && check_actions(s, events, count, text);
}

static void reading_next(struct reading *reading);

static void reading_ended(struct reading *reading, const char *problem)
{
    struct checker *checker = reading->checker;
    struct check_result *result = checker->result;
    char text[400] = "", id[96];
    result->checked++;
    result->events += reading->count;
    if (problem ||
            !check_history(checker->bench->scenario, reading->events, reading->count, text)) {
        workflow_id(reading->wf, id);
        if (result->wrong++ == 0) {
            snprintf(result->first, sizeof(result->first), "%s: %s", id, problem ? problem : text);
        }
    }
    checker->ended++;
    reading_next(reading);
}

static void reading_ask(struct reading *reading);

static void reading_replied(void *owner, const struct reply *reply)
{
    struct reading *reading = owner;
    struct str history, page;
    struct event event;
    if (reply->status != GRPC_OK) {
        reading_ended(reading, grpc_code_name(reply->status));
        return;
    }
    if (!read_history(reply->body, &history, &page)) {
        reading_ended(reading, "malformed answer");
        return;
    }
    while (event_next(&history, &event)) {
        if (reading->count == EVENTS_MAX) {
            reading_ended(reading, "more events than any scenario makes");
            return;
        }
        reading->events[reading->count++] = event;
    }
    if (!wire_ok(history)) {
        reading_ended(reading, "malformed event");
        return;
    }
    if (page.len) {
        buf_reset(&reading->page);
        buf_append_str(&reading->page, page);
        reading_ask(reading);
    } else {
        reading_ended(reading, NULL);
    }
}

static void reading_ask(struct reading *reading)
{
    struct bench *bench = reading->checker->bench;
    char id[96];
    buf_reset(&bench->scratch);
    /* By workflow id alone: a second run under the same id would show as another history. */
    write_history(&bench->scratch, &bench->api, workflow_id(reading->wf, id), STR(""),
            buf_str(&reading->page), false, false);
    rpc_call(&bench->rpc, METHOD_HISTORY, buf_str(&bench->scratch), DURATION_SECONDS(10),
            reading_replied, reading);
}

static void reading_next(struct reading *reading)
{
    struct checker *checker = reading->checker;
    if (checker->next < checker->sample) {
        uint64_t index = (uint64_t)checker->next++ * checker->bench->started / checker->sample;
        reading->wf = &checker->bench->workflows[index];
        reading->count = 0;
        buf_reset(&reading->page);
        reading_ask(reading);
    } else if (checker->ended == checker->sample) {
        checker->finished(checker->bench);
    }
}

void check_start(struct bench *bench, uint32_t sample, struct check_result *result,
        void (*finished)(struct bench *))
{
    struct checker *checker = NEW(bench->arena, struct checker, 1);
    checker->bench = bench;
    checker->result = result;
    checker->sample = sample < bench->started ? sample : bench->started;
    checker->finished = finished;
    if (!checker->sample) {
        finished(bench);
        return;
    }
    for (size_t i = 0; i < PARALLEL && checker->next < checker->sample; i++) {
        struct reading *reading = &checker->readings[i];
        reading->checker = checker;
        buf_init(&reading->page, 1 << 20);
        reading_next(reading);
    }
}
