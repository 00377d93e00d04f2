/* Histories as workers and others see them while a workflow task is out: its started event, and for an attempt after
 * a failure its scheduled event too, are not stored, but a worker was promised them. */
#include <string.h>

#include "common/rpc/methods.h"
#include "tests/history/driver/cases.h"
#include "tests/history/driver/world.h"

struct reader {
    struct world *w;
    bool is_worker;
    int32_t page_size;
};

/* Types of all events, page by page. */
static const char *read_all(const struct reader *reader)
{
    struct world *w = reader->w;
    struct buf types;
    ProtobufCBinaryData token = { 0 };
    buf_init_arena(&types, &w->arena, 4096);
    do {
        Api__GetWorkflowExecutionHistoryRequest r =
                API__GET_WORKFLOW_EXECUTION_HISTORY_REQUEST__INIT;
        r.execution = api_new(&w->arena, &api__workflow_execution__descriptor);
        r.execution->workflow_id = "order";
        r.next_page_token = token;
        r.maximum_page_size = reader->page_size;
        struct msg_api_request m = { .method = API_GET_HISTORY,
            .from_worker = reader->is_worker,
            .namespace_id = w->namespace_id,
            .namespace_name = STR("default"),
            .workflow_id = STR("order"),
            .request = api_encode(&w->arena, &r.base) };
        struct buf body;
        buf_init_arena(&body, &w->arena, 1 << 20);
        msg_api_request_encode(&m, &body);
        Api__GetWorkflowExecutionHistoryResponse *page = answer_of(w,
                call_raw(w, RPC_HISTORY_API, shard_of(w->namespace_id, m.workflow_id),
                        buf_str(&body)),
                &api__get_workflow_execution_history_response__descriptor);
        buf_printf(&types, "%s%s", types.len ? "|" : "", event_types(w, page->history));
        token = page->next_page_token;
    } while (token.len);
    return str_cstr(&w->arena, buf_str(&types));
}

static void fail_task(struct world *w, const Api__PollWorkflowTaskQueueResponse *task)
{
    Api__RespondWorkflowTaskFailedRequest r = API__RESPOND_WORKFLOW_TASK_FAILED_REQUEST__INIT;
    r.task_token = task->task_token;
    answer_of(w, call_api(w, API_RESPOND_WORKFLOW_TASK_FAILED, "order", &r.base), NULL);
}

void workers_see_the_task_that_is_out(void)
{
    struct world *w = world_new();
    struct reader worker = { w, true, 0 }, small = { w, true, 2 }, other = { w, false, 0 };
    start(w, "order");
    expect(!strcmp(read_all(&worker), "1 5")); /* not out yet */
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(!strcmp(read_all(&worker), "1 5 6"));
    expect(!strcmp(read_all(&other), "1 5"));
    signal_run(w, "order", "s"); /* buffered: nobody sees it */
    expect(!strcmp(read_all(&worker), "1 5 6"));
    fail_task(w, task);
    fail_task(w, poll_workflow(w, "q"));
    expect(!strcmp(
            read_all(&worker), "1 5 6 9 26 5 6 9 5")); /* the next attempt waits for a worker */
    expect(!strcmp(read_all(&small), "1 5|6 9|26 5|6 9 5"));
    expect(!strcmp(read_all(&other), "1 5 6 9 26 5 6 9"));
    task = poll_workflow(w, "q");
    expect(task->attempt == 2 && !strcmp(event_types(w, task->history), "1 5 6 9 26 5 6 9 5 6"));
    expect(!strcmp(read_all(&worker), "1 5 6 9 26 5 6 9 5 6"));
    expect(!strcmp(read_all(&small), "1 5|6 9|26 5|6 9 5 6")); /* with the last page */
    expect(!strcmp(read_all(&other), "1 5 6 9 26 5 6 9"));
    complete_task(w, "order", task, complete_workflow(w));
    expect(!strcmp(read_all(&other), "1 5 6 9 26 5 6 9 5 6 7 2"));
    expect(!strcmp(read_all(&worker), read_all(&other)));
    world_free(w);
}
