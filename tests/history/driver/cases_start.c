/* Starts with their options: eager tasks, requests attached to the run that is there, validation before the question of
 * the id, policies, cron chains, and all that a description shows of them. */
#include <string.h>

#include "common/model/wire.h"
#include "tests/history/driver/cases.h"

static struct pending *begin(struct world *w, const Api__StartWorkflowExecutionRequest *r)
{
    return call_api(w, API_START_WORKFLOW, r->workflow_id, &r->base);
}

static Api__StartWorkflowExecutionResponse *started(
        struct world *w, const Api__StartWorkflowExecutionRequest *r)
{
    return answer_of(w, begin(w, r), &api__start_workflow_execution_response__descriptor);
}

static void refused(struct world *w, const Api__StartWorkflowExecutionRequest *r, const char *text)
{
    struct pending *p = begin(w, r);
    expect(error_of(w, p) == ERR_INVALID_ARGUMENT);
    if (strcmp(p->fail.message, text) != 0) {
        fprintf(stderr, "got: %s\n", p->fail.message);
    }
    expect(!strcmp(p->fail.message, text));
}

/* ---- eager ------------------------------------------------------------------------------------------------ */

void eager_starts(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    r->request_eager_execution = true;
    Api__StartWorkflowExecutionResponse *a = started(w, r);
    Api__PollWorkflowTaskQueueResponse *task = a->eager_workflow_task;
    expect(a->started && task && task->attempt == 1 && task->started_event_id == 3);
    expect(!strcmp(event_types(w, task->history), "1 5 6"));
    expect(!find_offer(w, "q")); /* nobody else gets it */
    Api__StartWorkflowExecutionResponse *again = started(w, r);
    expect(again->started && !strcmp(again->run_id, a->run_id));
    expect(again->eager_workflow_task &&
            str_eq(api_bytes(again->eager_workflow_task->task_token), api_bytes(task->task_token)));
    complete_task(w, "order", task, complete_workflow(w));
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 2"));
    again = started(w, r); /* too late for the task */
    expect(again->started && !again->eager_workflow_task &&
            (int)again->status == WORKFLOW_COMPLETED);
    world_free(w);
}

static void switch_eager_off(struct history_config *config)
{
    config->limits.no_eager_start = config->limits.no_eager_activities = true;
}

void eager_tasks_can_be_switched_off(void)
{
    for (unsigned i = 0; i < 2; i++) {
        bool off = i == 1;
        struct world *w = off ? world_new_with(switch_eager_off) : world_new();
        Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
        r->request_eager_execution = true;
        Api__StartWorkflowExecutionResponse *a = started(w, r);
        expect(a->started && (a->eager_workflow_task == NULL) == off);
        Api__PollWorkflowTaskQueueResponse *task =
                off ? poll_workflow(w, "q") : a->eager_workflow_task;
        Api__Command *c = schedule_activity(w, "a");
        c->schedule_activity_task_command_attributes->request_eager_execution = true;
        c->schedule_activity_task_command_attributes->task_queue->name = "q";
        struct pending *p = complete_task_begin(w, "order", task, &c, 1, NULL);
        Api__RespondWorkflowTaskCompletedResponse *done =
                answer_of(w, p, &api__respond_workflow_task_completed_response__descriptor);
        expect((done->n_activity_tasks == 0) == off);
        expect(off ? poll_activity(w, "q") != NULL : !find_offer(w, "q"));
        world_free(w);
    }
}

static void set_restart_interval(struct history_config *config)
{
    config->limits.restart_min = DURATION_SECONDS(5);
}

/* As the Go server says it, with its cause and scope; for runs that would only be attached to, or are in the way, age does
 * not matter. */
void young_runs_are_not_terminated_for_new_ones(void)
{
    struct world *w = world_new_with(set_restart_interval);
    const char *first = start(w, "order");
    world_advance(w, DURATION_SECONDS(3));
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-2");
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_TERMINATE_EXISTING;
    struct pending *p = begin(w, r);
    expect(error_of(w, p) == ERR_RESOURCE_EXHAUSTED);
    expect(str_starts_with(str_from_cstr(p->fail.message),
            STR("Too many restarts for workflow order. Time since last start: 30")));
    expect(str_eq(p->fail.detail_type, STR("ResourceExhaustedFailure")));
    expect(str_eq(p->fail.detail, STR("\x08\x05\x10\x01")));
    expect(!strcmp(describe(w, "order")->workflow_execution_info->execution->run_id, first));
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_USE_EXISTING;
    expect(!started(w, r)->started);
    world_advance(w, DURATION_SECONDS(3));
    r->request_id = "req-3";
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_TERMINATE_EXISTING;
    expect(started(w, r)->started);
    world_free(w);
}

void eager_starts_survive_a_crash(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    r->request_eager_execution = true;
    Api__PollWorkflowTaskQueueResponse *task = started(w, r)->eager_workflow_task;
    world_crash(w);
    complete_task(w, "order", task, complete_workflow(w)); /* its token says all that was lost */
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 2"));
    r = start_request(w, "other", "req-2");
    r->request_eager_execution = true;
    expect(started(w, r)->eager_workflow_task);
    world_crash(w); /* nobody completes: others get it, and the start that is repeated does not */
    Api__PollWorkflowTaskQueueResponse *polled = poll_workflow(w, "q");
    expect(!strcmp(polled->workflow_execution->workflow_id, "other") && polled->attempt == 1);
    Api__StartWorkflowExecutionResponse *again = started(w, r);
    expect(again->started && !again->eager_workflow_task);
    complete_task(w, "other", polled, complete_workflow(w));
    world_free(w);
}

void eager_starts_are_ignored_with_a_delay(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "delayed", "a");
    r->request_eager_execution = true;
    r->workflow_start_delay = api_duration(&w->arena, DURATION_SECONDS(5));
    Api__StartWorkflowExecutionResponse *a = started(w, r);
    expect(a->started && !a->eager_workflow_task);
    r = start_request(w, "cron", "b");
    r->request_eager_execution = true;
    r->cron_schedule = "@every 5s";
    a = started(w, r);
    expect(a->started && !a->eager_workflow_task);
    world_free(w);
}

/* ---- attached requests ------------------------------------------------------------------------------------ */

static ProtobufCBinaryData callback(struct world *w, const char *url)
{
    struct buf b;
    buf_init_arena(&b, &w->arena, 64 * 1024);
    size_t nexus = wire_begin(&b, 2);
    wire_put_bytes(&b, 1, str_from_cstr(url));
    wire_end(&b, nexus);
    return api_data(buf_str(&b));
}

static void with_callbacks(struct world *w, Api__StartWorkflowExecutionRequest *r, size_t count)
{
    r->completion_callbacks = NEW(&w->arena, ProtobufCBinaryData, count + 1);
    r->n_completion_callbacks = count;
    for (size_t i = 0; i < count; i++) {
        r->completion_callbacks[i] = callback(w, "http://there/back");
    }
}

static Api__StartWorkflowExecutionRequest *attaching(
        struct world *w, const char *request_id, size_t callbacks)
{
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", request_id);
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_USE_EXISTING;
    r->on_conflict_options = api_new(&w->arena, &api__on_conflict_options__descriptor);
    r->on_conflict_options->attach_request_id = true;
    r->on_conflict_options->attach_completion_callbacks = true;
    with_callbacks(w, r, callbacks);
    return r;
}

static const Api__RequestIdInfo *request_info(
        const Api__DescribeWorkflowExecutionResponse *d, const char *id)
{
    const Api__WorkflowExecutionExtendedInfo *m = d->workflow_extended_info;
    for (size_t i = 0; i < m->n_request_id_infos; i++) {
        if (!strcmp(m->request_id_infos[i]->key, id)) {
            return m->request_id_infos[i]->value;
        }
    }
    return NULL;
}

void requests_are_attached(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    with_callbacks(w, r, 1);
    const char *run = started(w, r)->run_id;
    Api__StartWorkflowExecutionRequest *second = attaching(w, "req-2", 2);
    Api__StartWorkflowExecutionResponse *a = started(w, second);
    expect(!a->started && !strcmp(a->run_id, run));
    expect(!strcmp(history_types(w, "order"), "1 5 55"));
    a = started(w, second); /* the same again leaves nothing */
    expect(!a->started && !strcmp(a->run_id, run));
    expect(!strcmp(history_types(w, "order"), "1 5 55"));
    world_crash(w);
    Api__DescribeWorkflowExecutionResponse *d = describe(w, "order");
    expect(d->n_callbacks == 3);
    const Api__RequestIdInfo *info = request_info(d, "req-1");
    expect(info && (int)info->event_type == 1 && info->event_id == 1 && !info->buffered);
    info = request_info(d, "req-2");
    expect(info && (int)info->event_type == 55 && info->event_id == 3 && !info->buffered);
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    a = started(w, second); /* known although the run is over */
    expect(!a->started && !strcmp(a->run_id, run) && (int)a->status == WORKFLOW_COMPLETED);
    world_free(w);
}

void attached_requests_are_bounded(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    with_callbacks(w, r, 33);
    refused(w, r, "cannot attach more than 32 callbacks to an execution");
    with_callbacks(w, r, 32);
    started(w, r);
    struct pending *p = begin(w, attaching(w, "req-2", 1));
    expect(error_of(w, p) == ERR_FAILED_PRECONDITION);
    expect(!strcmp(p->fail.message,
            "cannot attach more than 32 callbacks to a workflow (32 callbacks already attached)"));
    r = attaching(w, "req-3", 0);
    r->on_conflict_options->attach_request_id = false;
    refused(w, r, "attaching request ID is required for attaching completion callbacks");
    world_free(w);
}

/* ---- validation ------------------------------------------------------------------------------------------- */

void starts_are_checked_before_the_id(void)
{
    struct world *w = world_new();
    start(w,
            "order"); /* the id is taken: a wrong request is told what is wrong with it all the same */
    struct arena *a = &w->arena;
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "r");
    r->workflow_run_timeout = api_duration(a, (struct duration){ -1 });
    refused(w, r,
            "An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration");
    r = start_request(w, "order", "r");
    r->cron_schedule = "* * *";
    refused(w, r, "invalid CronSchedule.");
    r->cron_schedule = "0 0 31 2 *";
    refused(w, r, "invalid CronSchedule, no time can be found to satisfy the schedule");
    r->cron_schedule = "CRON_TZ=Europe/Nowhere * * * * *";
    refused(w, r, "invalid CronSchedule.");
    r->cron_schedule = "CRON_TZ=../../etc/passwd * * * * *";
    refused(w, r, "invalid CronSchedule.");
    r->cron_schedule = "@hourly";
    r->workflow_start_delay = api_duration(a, DURATION_SECONDS(1));
    refused(w, r, "CronSchedule and WorkflowStartDelay may not be used together.");
    r = start_request(w, "order", "r");
    r->task_queue->name = "";
    refused(w, r, "missing task queue name");
    r->task_queue = NULL;
    refused(w, r, "taskQueue is not set");
    r->workflow_type = NULL;
    refused(w, r, "WorkflowType is not set on request.");
    r = start_request(w, "order", "r");
    r->workflow_id_reuse_policy = (Api__WorkflowIdReusePolicy)ID_REUSE_REJECT_DUPLICATE;
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_TERMINATE_EXISTING;
    refused(w, r,
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be "
            "used together with WorkflowIdConflictPolicy "
            "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING");
    r = start_request(w, "order", "r");
    r->priority = api_data(STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")); /* key -1 */
    refused(w, r, "priority key can't be negative");
    r = start_request(w, "order", "r");
    r->links = NEW(a, ProtobufCBinaryData, 11);
    r->n_links = 11;
    refused(w, r, "cannot attach more than 10 links per request, got 11");
    world_free(w);
}

void user_metadata_is_bounded(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "r");
    struct buf b;
    buf_init_arena(&b, &w->arena, 64 * 1024);
    char *summary = NEW(&w->arena, char, 401);
    wire_put_bytes(&b, 1, str_of(summary, 401));
    r->user_metadata = api_data(buf_str(&b));
    refused(w, r, "user_metadata.summary exceeds size limit. Length=401 Limit=400");
    buf_init_arena(&b, &w->arena, 64 * 1024);
    wire_put_bytes(&b, 1, str_of(summary, 400));
    wire_put_bytes(&b, 2, str_of(NEW(&w->arena, char, 20001), 20001));
    r->user_metadata = api_data(buf_str(&b));
    refused(w, r, "user_metadata.details exceeds size limit. Length=20001 Limit=20000");
    buf_init_arena(&b, &w->arena, 64 * 1024);
    wire_put_bytes(&b, 1, str_of(summary, 400));
    r->user_metadata = api_data(buf_str(&b));
    started(w, r);
    expect(describe(w, "order")->execution_config->user_metadata.len == buf_str(&b).len);
    world_free(w);
}

/* What a refused start says: which run is in the way, and by which policy. */
static void expect_taken(
        struct world *w, enum id_reuse_policy reuse, const char *run, const char *text)
{
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-2");
    r->workflow_id_reuse_policy = (Api__WorkflowIdReusePolicy)reuse;
    struct pending *p = begin(w, r);
    expect(error_of(w, p) == ERR_ALREADY_EXISTS);
    expect(!strcmp(p->fail.message, str_cstr(&w->arena, str_printf(&w->arena, text, run))));
    expect(str_eq(p->fail.detail_type, STR("WorkflowExecutionAlreadyStartedFailure")));
}

void taken_ids_are_explained(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    const char *run = started(w, r)->run_id;
    expect_taken(w, ID_REUSE_UNSPECIFIED, run,
            "Workflow execution is already running. WorkflowId: order, RunId: %s.");
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    expect_taken(w, ID_REUSE_ALLOW_DUPLICATE_FAILED_ONLY, run,
            "Workflow execution already finished successfully. WorkflowId: order, RunId: %s. "
            "Workflow Id reuse policy: allow duplicate workflow Id if last run failed.");
    expect_taken(w, ID_REUSE_REJECT_DUPLICATE, run,
            "Workflow execution already finished. WorkflowId: order, RunId: %s. "
            "Workflow Id reuse policy: reject duplicate workflow Id.");
    world_free(w);
}

/* ---- cron ------------------------------------------------------------------------------------------------- */

void cron_chains_go_on(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    r->cron_schedule = "CRON_TZ=Europe/Berlin */10 * * * *";
    const char *first = started(w, r)->run_id;
    expect(!find_offer(w, "q"));
    Api__DescribeWorkflowExecutionResponse *d = describe(w, "order");
    const Api__WorkflowExecutionInfo *i = d->workflow_execution_info;
    expect(i->execution_time->seconds % 600 == 0 &&
            i->execution_time->seconds > i->start_time->seconds);
    expect(i->search_attributes); /* even without any: the Go client relies on it */
    world_until(w, DURATION_SECONDS(601), find_offer(w, "q"));
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    const char *second = describe(w, "order")->workflow_execution_info->execution->run_id;
    expect(strcmp(first, second) != 0);
    expect(!strcmp(describe(w, "order")->workflow_execution_info->first_run_id, first));
    expect(!strcmp(event_types(w, history_of(w, "order", first)->history), "1 5 6 7 2"));
    expect(!strcmp(history_types(w, "order"), "1"));
    world_crash(w); /* the next one waits in the store */
    expect(!find_offer(w, "q"));
    world_until(w, DURATION_SECONDS(601), find_offer(w, "q"));
    Api__TerminateWorkflowExecutionRequest end = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    end.first_execution_run_id = first;
    answer_of(w, call_api(w, API_TERMINATE_WORKFLOW, "order", &end.base), NULL);
    world_advance(w, DURATION_SECONDS(1300)); /* that was the end of the chain */
    i = describe(w, "order")->workflow_execution_info;
    expect(!strcmp(i->execution->run_id, second) && (int)i->status == WORKFLOW_TERMINATED);
    world_free(w);
}

/* ---- describe --------------------------------------------------------------------------------------------- */

static Api__Command *upsert_memo(struct world *w, struct str memo)
{
    Api__Command *c = api_new(&w->arena, &api__command__descriptor);
    c->command_type = (Api__CommandType)16;
    c->attributes_case = (Api__Command__AttributesCase)17;
    c->modify_workflow_properties_command_attributes =
            api_new(&w->arena, &api__modify_workflow_properties_command_attributes__descriptor);
    c->modify_workflow_properties_command_attributes->upserted_memo = api_data(memo);
    return c;
}

/* A Memo with one entry. */
static struct str memo_of(struct world *w, const char *name, const char *value)
{
    struct buf b;
    buf_init_arena(&b, &w->arena, 4096);
    size_t entry = wire_begin(&b, 1);
    wire_put_bytes(&b, 1, str_from_cstr(name));
    size_t payload = wire_begin(&b, 2);
    wire_put_bytes(&b, 2, str_from_cstr(value));
    wire_end(&b, payload);
    wire_end(&b, entry);
    return buf_str(&b);
}

void descriptions_show_upserts(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    r->memo = api_data(memo_of(w, "a", "1"));
    started(w, r);
    complete_task(w, "order", poll_workflow(w, "q"), upsert_memo(w, memo_of(w, "a", "2")));
    expect(str_eq(
            api_bytes(describe(w, "order")->workflow_execution_info->memo), memo_of(w, "a", "2")));
    world_crash(w);
    expect(str_eq(
            api_bytes(describe(w, "order")->workflow_execution_info->memo), memo_of(w, "a", "2")));
    world_free(w);
}

void descriptions_show_pending_work(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    r->workflow_execution_timeout = api_duration(&w->arena, DURATION_SECONDS(3600));
    r->priority = api_data(STR("\x08\x02"));
    started(w, r);
    Api__DescribeWorkflowExecutionResponse *d = describe(w, "order");
    expect(d->pending_workflow_task && d->pending_workflow_task->attempt == 1);
    expect(d->execution_config->workflow_run_timeout->seconds == 3600);
    expect(d->workflow_extended_info->execution_expiration_time->seconds -
                    d->workflow_execution_info->start_time->seconds ==
            3600);
    expect(d->workflow_extended_info->run_expiration_time &&
            d->workflow_extended_info->original_start_time);
    complete_task(w, "order", poll_workflow(w, "q"), schedule_activity(w, "a"));
    d = describe(w, "order");
    expect(!d->pending_workflow_task && d->n_pending_activities == 1);
    const Api__PendingActivityInfo *p = d->pending_activities[0];
    expect(p->attempt == 1 && !p->paused && !p->next_attempt_schedule_time && !p->last_failure.len);
    expect(str_eq(api_bytes(p->priority), STR("\x08\x02")) && p->activity_options.len);
    Api__PollActivityTaskQueueResponse *task = poll_activity(w, "aq");
    expect(str_eq(api_bytes(task->priority), STR("\x08\x02"))); /* the workflow's */
    Api__RecordActivityTaskHeartbeatRequest beat =
            API__RECORD_ACTIVITY_TASK_HEARTBEAT_REQUEST__INIT;
    beat.task_token = task->task_token;
    beat.details = api_data(STR("\x0a\x02\x12\x00"));
    answer_of(w, call_api(w, API_RECORD_ACTIVITY_HEARTBEAT, "order", &beat.base), NULL);
    Api__RespondActivityTaskFailedRequest f = API__RESPOND_ACTIVITY_TASK_FAILED_REQUEST__INIT;
    f.task_token = task->task_token;
    f.failure = api_data(STR("\x0a\x06"
                             "broken"
                             "\x2a\x00")); /* message, application info */
    answer_of(w, call_api(w, API_RESPOND_ACTIVITY_FAILED, "order", &f.base), NULL);
    d = describe(w, "order");
    p = d->pending_activities[0];
    expect(p->attempt == 2 && p->last_failure.len && p->last_attempt_complete_time);
    expect(p->next_attempt_schedule_time && p->current_retry_interval->seconds == 1);
    expect(*p->last_worker_identity);
    /* This attempt's time, and what is known of the one before. */
    expect(p->scheduled_time->seconds == p->next_attempt_schedule_time->seconds);
    expect(p->last_heartbeat_time && p->heartbeat_details.len && !p->last_started_time);
    world_crash(w);
    d = describe(w, "order");
    expect(d->pending_activities[0]->last_heartbeat_time);
    world_advance(w, DURATION_SECONDS(2));
    d = describe(w, "order");
    expect(!d->pending_activities[0]->next_attempt_schedule_time);
    world_free(w);
}

/* The wait before it began is no part of how long it took. */
void descriptions_tell_how_long_it_took(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    r->workflow_start_delay = api_duration(&w->arena, DURATION_SECONDS(60));
    started(w, r);
    world_advance(w, DURATION_SECONDS(61));
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    const Api__WorkflowExecutionInfo *info = describe(w, "order")->workflow_execution_info;
    expect(info->close_time->seconds - info->start_time->seconds >= 60);
    expect(info->execution_duration->seconds < 5);
    world_free(w);
}
