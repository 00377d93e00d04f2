/* The worker: polls both queues, keeps what it knows of each run between tasks as SDKs do, decides
 * from history events alone, and reads the whole history again when a task's events do not join on.
 * Activities end at once. */
#include <stdio.h>

#include "common/base/check.h"
#include "tests/bench/bench.h"

#define POLL_TIMEOUT DURATION_SECONDS(70)
#define CALL_TIMEOUT DURATION_SECONDS(10)
#define POLL_PAUSE   DURATION_MS(50)

enum poll_kind { POLL_NORMAL, POLL_STICKY, POLL_ACTIVITY };

struct poller {
    struct bench *bench;
    enum poll_kind kind;
    struct timer pause;
    struct instant asked_at;
};

/* One completion of a workflow task under way. An older one of the same run may still be retried.
 */
struct completion {
    struct list_node link;
    struct workflow *wf;
    bool closes;
};

static void see(struct view *view, const struct event *event)
{
    switch (event->type) {
    case EVENT_ACTIVITY_SCHEDULED:
        view->activities_scheduled++;
        break;
    case EVENT_ACTIVITY_COMPLETED:
        view->activities_completed++;
        break;
    case EVENT_TIMER_STARTED:
        view->timers_started++;
        break;
    case EVENT_TIMER_FIRED:
        view->timers_fired++;
        break;
    case EVENT_SIGNALED:
        view->signals++;
        break;
    case EVENT_COMPLETED:
    case EVENT_FAILED:
    case EVENT_TIMED_OUT:
    case EVENT_CANCELED:
    case EVENT_TERMINATED:
    case EVENT_CONTINUED:
        view->is_closed = true;
        break;
    default:
        break;
    }
}

/* False: the events do not follow what is known. */
static bool view_extend(struct view *view, struct str history)
{
    struct event event;
    while (event_next(&history, &event)) {
        if (event.id == 1) {
            *view = (struct view){ 0 };
        }
        if (event.id <= view->last_id) {
            continue;
        }
        if (event.id != view->last_id + 1) {
            return false;
        }
        see(view, &event);
        view->last_id = event.id;
    }
    return wire_ok(history) && view->last_id > 0;
}

static void task_take(struct bench *bench, const struct workflow_task *task);

static void completion_replied(void *owner, const struct reply *reply)
{
    struct completion *completion = owner;
    struct workflow *wf = completion->wf;
    struct bench *bench = wf->bench;
    bool closes = completion->closes;
    list_append(&bench->spare_completions, &completion->link);
    struct workflow_task next;
    if (reply->status == GRPC_OK && closes) {
        if (!bench->await_result) {
            workflow_done(wf);
        }
    } else if (reply->status == GRPC_OK) {
        if (read_completion(reply->body, &next) && next.token.len) {
            task_take(bench, &next);
        }
    } else {
        /* The task is no longer ours. Either an earlier attempt was recorded although its answer
         * got lost, or another task will come. */
        wf->view = (struct view){ 0 };
        if (closes && reply->status == GRPC_NOT_FOUND && !bench->await_result) {
            workflow_confirm(wf, false);
        }
    }
}

static void decide(struct workflow *wf)
{
    struct bench *bench = wf->bench;
    const struct scenario *s = bench->scenario;
    struct view *view = &wf->view;
    struct list_node *node = list_pop(&bench->spare_completions);
    struct completion *completion = node ? list_entry(node, struct completion, link)
                                         : NEW(bench->arena, struct completion, 1);
    *completion = (struct completion){ .wf = wf };
    buf_reset(&bench->scratch);
    write_completion_begin(&bench->scratch, &bench->api, buf_str(&wf->token));
    if (view->activities_completed < s->activities) {
        if (view->activities_scheduled == view->activities_completed) {
            write_schedule_activity(&bench->scratch, &bench->api, view->activities_scheduled + 1);
        }
    } else if (view->timers_fired < s->timers) {
        if (view->timers_started == view->timers_fired) {
            int number = view->timers_started + 1;
            write_start_timer(&bench->scratch, number, DURATION_MS(10 * number));
        }
    } else if (view->signals >= s->signals) {
        completion->closes = true;
        write_complete_workflow(&bench->scratch, &bench->api);
    }
    /* The next task's events begin behind this task's start. */
    view->last_id = wf->started_id;
    rpc_call(&bench->rpc, METHOD_COMPLETE_WORKFLOW_TASK, buf_str(&bench->scratch), CALL_TIMEOUT,
            completion_replied, completion);
}

static void fetch(struct workflow *wf, struct str page);

static void fetch_replied(void *owner, const struct reply *reply)
{
    struct workflow *wf = owner;
    struct str history, page;
    wf->is_fetching = false;
    if (wf->status == WORKFLOW_DONE || wf->status == WORKFLOW_REFUSED) {
        return;
    }
    if (wf->fetch_again) {
        /* Perhaps read before the task now in hand was made. */
        wf->fetch_again = false;
        fetch(wf, STR(""));
        return;
    }
    if (reply->status != GRPC_OK || !read_history(reply->body, &history, &page) ||
            !view_extend(&wf->view, history)) {
        wf->view = (struct view){ 0 };
        return; /* the task times out and comes again */
    }
    if (page.len) {
        fetch(wf, page);
    } else if (wf->view.is_closed) {
        wf->view = (struct view){ 0 };
    } else {
        decide(wf);
    }
}

static void fetch(struct workflow *wf, struct str page)
{
    struct bench *bench = wf->bench;
    char id[96];
    wf->is_fetching = true;
    if (!page.len) {
        wf->view = (struct view){ 0 };
        bench->replays++;
    }
    buf_reset(&bench->scratch);
    write_history(&bench->scratch, &bench->api, workflow_id(wf, id), str_from_cstr(wf->run_id),
            page, false, false);
    rpc_call(
            &bench->rpc, METHOD_HISTORY, buf_str(&bench->scratch), CALL_TIMEOUT, fetch_replied, wf);
}

static void task_take(struct bench *bench, const struct workflow_task *task)
{
    struct workflow *wf = workflow_find(bench, task->workflow_id);
    if (!wf || wf->status == WORKFLOW_DONE || wf->status == WORKFLOW_REFUSED) {
        return;
    }
    if (!wf->run_id[0]) {
        snprintf(wf->run_id, sizeof(wf->run_id), STR_FMT, STR_ARG(task->run_id));
    }
    buf_reset(&wf->token);
    buf_append_str(&wf->token, task->token);
    wf->started_id = task->started_id;
    if (wf->is_fetching) {
        wf->fetch_again = true;
        return;
    }
    if (bench->evict_percent && rand_below(bench->rand, 100) < (uint64_t)bench->evict_percent) {
        wf->view = (struct view){ 0 };
    }
    if (!task->next_page.len && view_extend(&wf->view, task->history)) {
        decide(wf);
    } else {
        fetch(wf, STR(""));
    }
}

static void activity_replied(void *owner, const struct reply *reply)
{
    /* NotFound is possible after a lost answer; errors are counted by rpc.c and histories are
     * checked. */
}

static void activity_take(struct bench *bench, const struct activity_task *task)
{
    buf_reset(&bench->scratch);
    write_activity_completion(&bench->scratch, &bench->api, task->token);
    rpc_call(&bench->rpc, METHOD_COMPLETE_ACTIVITY, buf_str(&bench->scratch), CALL_TIMEOUT,
            activity_replied, bench);
}

static void poll_replied(void *owner, const struct reply *reply);

static void poll(struct poller *poller)
{
    struct bench *bench = poller->bench;
    poller->asked_at = loop_now();
    buf_reset(&bench->scratch);
    write_poll(&bench->scratch, &bench->api, poller->kind == POLL_STICKY);
    rpc_call(&bench->rpc,
            poller->kind == POLL_ACTIVITY ? METHOD_POLL_ACTIVITY : METHOD_POLL_WORKFLOW,
            buf_str(&bench->scratch), POLL_TIMEOUT, poll_replied, poller);
}

static void pause_over(struct timer *timer)
{
    poll(container_of(timer, struct poller, pause));
}

static void poll_replied(void *owner, const struct reply *reply)
{
    struct poller *poller = owner;
    struct bench *bench = poller->bench;
    struct workflow_task task = { 0 };
    struct activity_task activity = { 0 };
    if (reply->status == GRPC_OK && poller->kind == POLL_ACTIVITY) {
        if (read_activity_task(reply->body, &activity) && activity.token.len) {
            activity_take(bench, &activity);
        }
    } else if (reply->status == GRPC_OK) {
        if (read_workflow_task(reply->body, &task) && task.token.len) {
            task_take(bench, &task);
        }
    }
    /* An empty answer is to come after a long wait; a server that gives it at once is not hammered.
     */
    bool has_task = task.token.len || activity.token.len;
    if (!has_task && instant_since(loop_now(), poller->asked_at).ns < POLL_PAUSE.ns) {
        timer_arm(bench->loop, &poller->pause, POLL_PAUSE);
    } else {
        poll(poller);
    }
}

void worker_start(struct bench *bench)
{
    list_init(&bench->spare_completions);
    for (int64_t i = 0; i < bench->pollers * 3; i++) {
        struct poller *poller = NEW(bench->arena, struct poller, 1);
        poller->bench = bench;
        poller->kind = (enum poll_kind)(i % 3);
        poller->pause.fire = pause_over;
        poll(poller);
    }
}
