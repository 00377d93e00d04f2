/* Starts workflows, in a closed loop or at a fixed rate, and sends their signals. Leaves running
 * them to worker.c. */
#include <stdio.h>

#include "common/base/check.h"
#include "tests/bench/bench.h"

#define CALL_TIMEOUT DURATION_SECONDS(10)

const struct scenario scenarios[] = {
    { .name = "one_activity", .doc = "one activity", .activities = 1 },
    { .name = "ten_activities", .doc = "ten activities, one after the other", .activities = 10 },
    { .name = "signals", .doc = "ends after ten signals", .signals = 10 },
    { .name = "timers", .doc = "five timers of 10 to 50 ms, one after the other", .timers = 5 },
};
const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);

struct str workflow_id(const struct workflow *wf, char text[96])
{
    int n = snprintf(text, 96, STR_FMT "-%u", STR_ARG(wf->bench->tag), wf->index);
    return str_of(text, (size_t)n);
}

struct workflow *workflow_find(struct bench *bench, struct str id)
{
    uint64_t index;
    if (!str_starts_with(id, bench->tag) || id.len <= bench->tag.len ||
            !str_to_u64(str_drop(id, bench->tag.len + 1), &index) || index >= bench->count) {
        return NULL;
    }
    return &bench->workflows[index];
}

static void load_fill(struct bench *bench);

static void workflow_ended(struct workflow *wf, enum workflow_status status)
{
    struct bench *bench = wf->bench;
    wf->status = status;
    buf_deinit(&wf->token);
    bench->running--;
    if (status == WORKFLOW_DONE) {
        bench->done++;
    } else {
        bench->refused++;
    }
    if (bench->done + bench->refused == bench->count) {
        bench->ended = loop_now();
        timer_cancel(bench->loop, &bench->deadline);
        bench->finished(bench);
    } else {
        load_fill(bench);
    }
}

void workflow_done(struct workflow *wf)
{
    if (wf->status == WORKFLOW_RUNNING || wf->status == WORKFLOW_STARTING) {
        wf->end_ns = instant_since(loop_now(), wf->asked_at).ns;
        if (wf->status == WORKFLOW_STARTING) { /* it ended before its start was acknowledged */
            wf->start_ns = wf->end_ns;
        }
        workflow_ended(wf, WORKFLOW_DONE);
    }
}

static void confirm(struct workflow *wf, struct str page, bool wait);

static void confirm_replied(struct workflow *wf, const struct reply *reply, bool wait)
{
    struct str history, page;
    struct event event;
    if (reply->status != GRPC_OK || !read_history(reply->body, &history, &page)) {
        return;
    }
    if (event_next(&history, &event) && event.type == EVENT_COMPLETED) {
        workflow_done(wf);
    } else if (wait && wf->status != WORKFLOW_DONE) {
        confirm(wf, page, true);
    }
}

static void confirm_once_replied(void *owner, const struct reply *reply)
{
    confirm_replied(owner, reply, false);
}

static void confirm_wait_replied(void *owner, const struct reply *reply)
{
    confirm_replied(owner, reply, true);
}

static void confirm(struct workflow *wf, struct str page, bool wait)
{
    struct bench *bench = wf->bench;
    char id[96];
    buf_reset(&bench->scratch);
    write_history(&bench->scratch, &bench->api, workflow_id(wf, id), str_from_cstr(wf->run_id),
            page, true, wait);
    rpc_call(&bench->rpc, METHOD_HISTORY, buf_str(&bench->scratch),
            wait ? DURATION_SECONDS(70) : CALL_TIMEOUT,
            wait ? confirm_wait_replied : confirm_once_replied, wf);
}

void workflow_confirm(struct workflow *wf, bool wait)
{
    confirm(wf, STR(""), wait);
}

static void signal_send(struct workflow *wf);

static void signal_replied(void *owner, const struct reply *reply)
{
    struct workflow *wf = owner;
    if (wf->status != WORKFLOW_RUNNING) {
        return;
    }
    /* A signal that is sent again after a lost answer may find that it has ended the workflow. */
    if (reply->status != GRPC_OK && !(reply->status == GRPC_NOT_FOUND && reply->attempts > 1)) {
        workflow_ended(wf, WORKFLOW_REFUSED);
        return;
    }
    wf->signals_sent++;
    if (wf->signals_sent < wf->bench->scenario->signals) {
        signal_send(wf);
    }
}

static void signal_send(struct workflow *wf)
{
    struct bench *bench = wf->bench;
    char id[96], request[128];
    struct str name = workflow_id(wf, id);
    snprintf(request, sizeof(request), "%s-signal-%d", id, wf->signals_sent);
    buf_reset(&bench->scratch);
    write_signal(
            &bench->scratch, &bench->api, name, str_from_cstr(wf->run_id), str_from_cstr(request));
    rpc_call(
            &bench->rpc, METHOD_SIGNAL, buf_str(&bench->scratch), CALL_TIMEOUT, signal_replied, wf);
}

static void start_replied(void *owner, const struct reply *reply)
{
    struct workflow *wf = owner;
    struct str run_id = STR("");
    if (wf->status != WORKFLOW_STARTING) {
        return;
    }
    bool is_started = reply->status == GRPC_OK && read_start(reply->body, &run_id);
    /* The id belongs to this run of the benchmark alone: an earlier attempt has started it. */
    if (!is_started && !(reply->status == GRPC_ALREADY_EXISTS && reply->attempts > 1)) {
        workflow_ended(wf, WORKFLOW_REFUSED);
        return;
    }
    snprintf(wf->run_id, sizeof(wf->run_id), STR_FMT, STR_ARG(run_id));
    wf->start_ns = instant_since(loop_now(), wf->asked_at).ns;
    wf->status = WORKFLOW_RUNNING;
    if (wf->bench->await_result) {
        workflow_confirm(wf, true);
    }
    if (wf->bench->scenario->signals) {
        signal_send(wf);
    }
}

static void workflow_start(struct bench *bench, struct instant asked_at)
{
    struct workflow *wf = &bench->workflows[bench->started];
    char id[96], request[128];
    *wf = (struct workflow){
        .bench = bench,
        .index = bench->started++,
        .status = WORKFLOW_STARTING,
        .asked_at = asked_at,
    };
    buf_init(&wf->token, 1 << 20);
    bench->running++;
    struct str name = workflow_id(wf, id);
    snprintf(request, sizeof(request), "%s-start", id);
    buf_reset(&bench->scratch);
    write_start(&bench->scratch, &bench->api, str_from_cstr(bench->scenario->name), name,
            str_from_cstr(request));
    rpc_call(&bench->rpc, METHOD_START, buf_str(&bench->scratch), CALL_TIMEOUT, start_replied, wf);
}

/* Closed loop: a workflow that ends makes room for the next. */
static void load_fill(struct bench *bench)
{
    while (bench->rate <= 0 && bench->running < bench->in_flight && bench->started < bench->count) {
        workflow_start(bench, loop_now());
    }
}

/* Fixed rate: each workflow has its moment, whether or not the server keeps up. */
static void pace_fired(struct timer *timer)
{
    struct bench *bench = container_of(timer, struct bench, pace);
    struct instant now = loop_now();
    while (bench->started < bench->count) {
        struct duration at = { (int64_t)((double)bench->started * 1e9 / bench->rate) };
        struct instant due = instant_add(bench->began, at);
        if (instant_before(now, due)) {
            timer_arm(bench->loop, &bench->pace, instant_since(due, now));
            return;
        }
        workflow_start(bench, due);
    }
}

static void deadline_fired(struct timer *timer)
{
    struct bench *bench = container_of(timer, struct bench, deadline);
    bench->timed_out = true;
    bench->ended = loop_now();
    bench->finished(bench);
}

void load_start(struct bench *bench)
{
    bench->workflows = NEW(bench->arena, struct workflow, bench->count);
    bench->began = loop_now();
    bench->deadline.fire = deadline_fired;
    timer_arm(bench->loop, &bench->deadline, bench->limit);
    bench->pace.fire = pace_fired;
    if (bench->rate > 0) {
        pace_fired(&bench->pace);
    } else {
        load_fill(bench);
    }
}
