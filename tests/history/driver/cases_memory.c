/* What a run costs while it stays in memory. */
#include <string.h>

#include "tests/history/driver/cases.h"

/* A signal without request id, of which nothing must be remembered. */
static void tell(struct world *w, int round)
{
    static const char payloads[200] = "";
    Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.signal_name = "s";
    r.input = (ProtobufCBinaryData){ (size_t)(round % 100), (uint8_t *)(uintptr_t)payloads };
    answer_of(w, call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base), NULL);
}

/* A signal while the task is out, an activity with heartbeats, a timer that fires. */
static void one_round(struct world *w, int round)
{
    Api__Command *commands[] = { schedule_activity(w, "a"), start_timer(w, 1) };
    tell(w, round);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    tell(w, round + 1);
    answer_of(w, complete_task_begin(w, "order", task, commands, ARRAY_LEN(commands), NULL), NULL);
    Api__PollActivityTaskQueueResponse *activity = poll_activity(w, "aq");
    for (int i = 0; i < 3; i++) {
        Api__RecordActivityTaskHeartbeatRequest r =
                API__RECORD_ACTIVITY_TASK_HEARTBEAT_REQUEST__INIT;
        char details[900] = "";
        r.task_token = activity->task_token;
        r.details = (ProtobufCBinaryData){ (size_t)(300 * (i + 1)), (uint8_t *)details };
        answer_of(w, call_api(w, API_RECORD_ACTIVITY_HEARTBEAT, "order", &r.base), NULL);
    }
    answer_of(w, complete_activity_begin(w, "order", activity), NULL);
    world_advance(w, DURATION_MS(1050));
    complete_task(w, "order", poll_workflow(w, "q"), NULL);
}

void hot_runs_stay_small(void)
{
    enum { ROUNDS = 600, BOUND = 400 << 10 };
    struct world *w = world_new();
    size_t most = 0;
    start(w, "order");
    for (int i = 0; i < ROUNDS; i++) {
        one_round(w, i);
        size_t now = history_stats(w->history).cached_bytes;
        most = now > most ? now : most;
    }
    expect(most < BOUND);
    expect(history_stats(w->history).compactions > 3 && history_stats(w->history).evictions == 0);
    int64_t length = describe(w, "order")->workflow_execution_info->history_length;
    expect(length > ROUNDS * 10);
    world_crash(w); /* what it was is what is stored */
    expect(describe(w, "order")->workflow_execution_info->history_length == length);
    signal_run(w, "order", "end");
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    world_free(w);
}
