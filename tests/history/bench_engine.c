/* What a step costs: the whole life of a one-activity workflow in a loop, and a heartbeat of a run in which many
 * activities are pending. Usage: bench_engine RUNS */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "history/engine/engine.h"

struct life {
    struct arena state, request;
    struct workflow *wf;
    struct instant now;
    uint64_t steps, bytes;
};

static void step(struct life *l, struct event *ev, struct effects *fx)
{
    struct fail f = { 0 };
    ev->now = l->now = instant_add(l->now, DURATION_MS(1));
    ev->rand = (struct rand){ l->steps++ };
    effects_init(fx, &l->request);
    check(workflow_step(l->wf, ev, fx, &f) == ERR_NONE);
    l->bytes += fx->events.len + fx->records.len;
}

static void task(struct life *l, const struct command *command)
{
    struct effects fx;
    struct event claim = { .kind = EVENT_CLAIM_WORKFLOW_TASK };
    claim.claim = (struct event_claim){ .scheduled_event_id = command->type == 1 ? 2 : 8,
        .attempt = 1,
        .poll_id = STR("5f2b7f6e-6c53-4d8b-8d36-2f8f4a3f2a11"),
        .identity = STR("worker@host"),
        .task_queue = STR("queue") };
    step(l, &claim, &fx);
    struct event done = { .kind = EVENT_WORKFLOW_TASK_COMPLETED };
    done.workflow_task_completed = (struct event_workflow_task_completed){ .commands = command,
        .command_count = 1,
        .token = fx.workflow_task.token,
        .identity = STR("worker@host") };
    step(l, &done, &fx);
    arena_reset(&l->request);
}

static void run(struct life *l)
{
    struct effects fx;
    struct event start = { .kind = EVENT_START };
    l->wf = workflow_new(&l->state);
    l->now = (struct instant){ 1700000000000000000 };
    start.start = (struct event_start){ .workflow_id = STR("order-4711"),
        .workflow_type = STR("Order"),
        .task_queue = STR("queue"),
        .namespace_name = STR("default"),
        .identity = STR("client@host"),
        .request_id = STR("5f2b7f6e-6c53-4d8b-8d36-2f8f4a3f2a10"),
        .run_id = { { 1 } },
        .input = STR("\x0a\x10\x12\x0e"
                     "some small inp") };
    step(l, &start, &fx);
    arena_reset(&l->request);
    struct command activity = { .type = COMMAND_SCHEDULE_ACTIVITY_TASK, .has_attributes = true };
    activity.schedule_activity = (struct command_schedule_activity){ .activity_id = STR("1"),
        .activity_type = STR("Charge"),
        .task_queue = STR("queue"),
        .start_to_close = DURATION_SECONDS(10),
        .input = STR("\x0a\x10\x12\x0e"
                     "some small inp") };
    task(l, &activity);
    struct event claim = { .kind = EVENT_CLAIM_ACTIVITY };
    claim.claim = (struct event_claim){ .scheduled_event_id = 5,
        .attempt = 1,
        .poll_id = STR("5f2b7f6e-6c53-4d8b-8d36-2f8f4a3f2a12"),
        .identity = STR("worker@host") };
    step(l, &claim, &fx);
    struct event done = { .kind = EVENT_ACTIVITY_COMPLETED };
    done.activity_completed = (struct event_activity_completed){ .identity = STR("worker@host"),
        .ref = { .scheduled_event_id = 5, .attempt = 1, .started_time = fx.activity.started_time },
        .result = STR("\x0a\x10\x12\x0e"
                      "some small res") };
    step(l, &done, &fx);
    arena_reset(&l->request);
    struct command complete = { .type = COMMAND_COMPLETE_WORKFLOW_EXECUTION,
        .has_attributes = true };
    task(l, &complete);
    check(workflow_status(l->wf) == WORKFLOW_COMPLETED);
    arena_reset(&l->state);
}

/* One completion schedules them all; then one of them beats. */
static void crowd(struct life *l, size_t pending, long beats)
{
    struct effects fx;
    struct event start = { .kind = EVENT_START };
    struct command *commands = NEW(&l->state, struct command, pending);
    struct timespec a, b;
    l->wf = workflow_new(&l->state);
    start.start = (struct event_start){ .workflow_id = STR("order-4711"),
        .workflow_type = STR("Order"),
        .task_queue = STR("queue"),
        .namespace_name = STR("default"),
        .run_id = { { 1 } } };
    step(l, &start, &fx);
    for (size_t i = 0; i < pending; i++) {
        commands[i] =
                (struct command){ .type = COMMAND_SCHEDULE_ACTIVITY_TASK, .has_attributes = true };
        commands[i].schedule_activity =
                (struct command_schedule_activity){ .activity_type = STR("Charge"),
                    .activity_id = str_printf(&l->state, "%zu", i),
                    .task_queue = STR("queue"),
                    .start_to_close = DURATION_SECONDS(1000),
                    .heartbeat = DURATION_SECONDS(100) };
    }
    struct event claim = { .kind = EVENT_CLAIM_WORKFLOW_TASK };
    claim.claim =
            (struct event_claim){ .scheduled_event_id = 2, .attempt = 1, .poll_id = STR("poll") };
    step(l, &claim, &fx);
    struct event done = { .kind = EVENT_WORKFLOW_TASK_COMPLETED };
    done.workflow_task_completed = (struct event_workflow_task_completed){
        .commands = commands, .command_count = pending, .token = fx.workflow_task.token
    };
    step(l, &done, &fx);
    claim.kind = EVENT_CLAIM_ACTIVITY;
    claim.claim.scheduled_event_id = 5;
    step(l, &claim, &fx);
    struct event beat = { .kind = EVENT_ACTIVITY_HEARTBEAT };
    beat.activity_heartbeat = (struct event_activity_heartbeat){
        .ref = { .scheduled_event_id = 5, .attempt = 1, .started_time = fx.activity.started_time },
        .details = STR("\x0a\x10\x12\x0e"
                       "some small res")
    };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (long i = 0; i < beats; i++) {
        step(l, &beat, &fx);
        check(workflow_next_need(l->wf).ns >= workflow_durable_need(l->wf).ns);
        arena_reset(&l->request);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    printf("%zu pending activities: %.2f us a heartbeat with its needs\n", pending,
            us / (double)beats);
    arena_reset(&l->state);
}

int main(int argc, char **argv)
{
    struct life l = { 0 };
    long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (long i = 0; i < runs; i++) {
        run(&l);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    printf("%ld runs, %.2f us a run, %.2f us a step, %.0f log bytes a run\n", runs,
            us / (double)runs, us / (double)l.steps, (double)l.bytes / (double)runs);
    for (size_t pending = 1; pending <= 2000; pending = pending == 1 ? 20 : pending * 10) {
        crowd(&l, pending, runs);
    }
    arena_deinit(&l.state);
    arena_deinit(&l.request);
    return 0;
}
