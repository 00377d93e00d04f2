/* Updates: who hears what and when, what outlives a crash, a move and an eviction; update-with-start. */
#include <string.h>

#include "tests/history/driver/cases.h"

/* ---- the usual steps ----------------------------------------------------------------------------------- */

static const int ADMITTED = 1, ACCEPTED = 2, COMPLETED = 3;

static Api__UpdateWorkflowExecutionRequest *update_request(
        struct world *w, const char *update_id, int stage)
{
    struct arena *a = &w->arena;
    Api__UpdateWorkflowExecutionRequest *r =
            api_new(a, &api__update_workflow_execution_request__descriptor);
    r->workflow_execution = api_new(a, &api__workflow_execution__descriptor);
    r->workflow_execution->workflow_id = "order";
    r->wait_policy = api_new(a, &update__wait_policy__descriptor);
    r->wait_policy->lifecycle_stage = (Api__UpdateWorkflowExecutionLifecycleStage)stage;
    r->request = api_new(a, &update__request__descriptor);
    r->request->meta = api_new(a, &update__meta__descriptor);
    r->request->meta->update_id = update_id;
    r->request->input = api_new(a, &update__input__descriptor);
    r->request->input->name = "change";
    r->request->input->args = api_data(STR("\x0a\x03\x12\x01x"));
    return r;
}

static struct pending *update(struct world *w, const char *update_id, int stage)
{
    return call_api(w, API_UPDATE_WORKFLOW, "order", &update_request(w, update_id, stage)->base);
}

static Api__UpdateWorkflowExecutionResponse *updated(struct world *w, struct pending *p)
{
    return answer_of(w, p, &api__update_workflow_execution_response__descriptor);
}

static struct pending *poll_update(
        struct world *w, const char *run_id, const char *update_id, int stage)
{
    struct arena *a = &w->arena;
    Api__PollWorkflowExecutionUpdateRequest *r =
            api_new(a, &api__poll_workflow_execution_update_request__descriptor);
    r->update_ref = api_new(a, &update__update_ref__descriptor);
    r->update_ref->workflow_execution = api_new(a, &api__workflow_execution__descriptor);
    r->update_ref->workflow_execution->workflow_id = "order";
    r->update_ref->workflow_execution->run_id = run_id;
    r->update_ref->update_id = update_id;
    r->wait_policy = api_new(a, &update__wait_policy__descriptor);
    r->wait_policy->lifecycle_stage = (Api__UpdateWorkflowExecutionLifecycleStage)stage;
    return call_api(w, API_POLL_UPDATE, "order", &r->base);
}

static Api__PollWorkflowExecutionUpdateResponse *polled(struct world *w, struct pending *p)
{
    return answer_of(w, p, &api__poll_workflow_execution_update_response__descriptor);
}

static void expect_success(const Update__Outcome *o)
{
    expect(o && o->value_case == UPDATE__OUTCOME__VALUE_SUCCESS);
    expect(str_eq(api_bytes(o->success), STR("\x0a\x03\x12\x01y")));
}

static void expect_failure(const Update__Outcome *o, const char *text)
{
    expect(o && o->value_case == UPDATE__OUTCOME__VALUE_FAILURE);
    struct str failure = api_bytes(o->failure), t = str_from_cstr(text);
    bool found = false;
    for (size_t i = 0; i + t.len <= failure.len; i++) {
        found |= str_eq(str_of(failure.ptr + i, t.len), t);
    }
    expect(found);
}

/* What the worker says in a completion. */
struct said {
    Api__RespondWorkflowTaskCompletedRequest r;
    Api__Command *commands[8];
    Protocol__Message *messages[8];
};

static struct said *says(struct world *w, const Api__PollWorkflowTaskQueueResponse *task)
{
    struct said *s = NEW(&w->arena, struct said, 1);
    api__respond_workflow_task_completed_request__init(&s->r);
    s->r.task_token = task->task_token;
    s->r.identity = "worker";
    s->r.commands = s->commands;
    s->r.messages = s->messages;
    return s;
}

static void say_command(struct said *s, Api__Command *c)
{
    s->commands[s->r.n_commands++] = c;
}

static void say(struct world *w, struct said *s, const char *update_id, const char *type,
        const ProtobufCMessage *body)
{
    struct arena *a = &w->arena;
    Protocol__Message *m = api_new(a, &protocol__message__descriptor);
    m->id = str_printf(a, "%s/%s", update_id, type).ptr;
    m->protocol_instance_id = update_id;
    m->body = api_new(a, &api__any__descriptor);
    m->body->type_url = str_printf(a, "type.googleapis.com/temporal.api.update.v1.%s", type).ptr;
    m->body->value = api_data(api_encode(a, body));
    s->messages[s->r.n_messages++] = m;
    if (strcmp(type, "Rejection") != 0) {
        Api__Command *c = api_new(a, &api__command__descriptor);
        c->command_type = API__COMMAND_TYPE__COMMAND_TYPE_PROTOCOL_MESSAGE;
        c->attributes_case = API__COMMAND__ATTRIBUTES_PROTOCOL_MESSAGE_COMMAND_ATTRIBUTES;
        c->protocol_message_command_attributes =
                api_new(a, &api__protocol_message_command_attributes__descriptor);
        c->protocol_message_command_attributes->message_id = m->id;
        say_command(s, c);
    }
}

static void accept(struct world *w, struct said *s, const char *update_id)
{
    Update__Acceptance m = UPDATE__ACCEPTANCE__INIT;
    m.accepted_request_message_id = str_printf(&w->arena, "%s/request", update_id).ptr;
    m.accepted_request_sequencing_event_id = 2;
    say(w, s, update_id, "Acceptance", &m.base);
}

static void respond(struct world *w, struct said *s, const char *update_id)
{
    Update__Response m = UPDATE__RESPONSE__INIT;
    Update__Meta meta = UPDATE__META__INIT;
    Update__Outcome o = UPDATE__OUTCOME__INIT;
    meta.update_id = update_id;
    o.value_case = UPDATE__OUTCOME__VALUE_SUCCESS;
    o.success = api_data(STR("\x0a\x03\x12\x01y"));
    m.meta = &meta;
    m.outcome = &o;
    say(w, s, update_id, "Response", &m.base);
}

static void reject(struct world *w, struct said *s, const char *update_id)
{
    Update__Rejection m = UPDATE__REJECTION__INIT;
    m.failure = api_data(STR("\x0a\x02no"));
    say(w, s, update_id, "Rejection", &m.base);
}

static Api__RespondWorkflowTaskCompletedResponse *said(struct world *w, struct said *s)
{
    return answer_of(w, call_api(w, API_RESPOND_WORKFLOW_TASK_COMPLETED, "order", &s->r.base),
            &api__respond_workflow_task_completed_response__descriptor);
}

/* Takes the next task, whose update it must be, and accepts it; completes it, too, if asked. */
static void process(struct world *w, const char *update_id, bool completes)
{
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(task->n_messages == 1 && !strcmp(task->messages[0]->protocol_instance_id, update_id));
    struct said *s = says(w, task);
    accept(w, s, update_id);
    if (completes) {
        respond(w, s, update_id);
    }
    said(w, s);
}

static struct world *settled_world(void)
{
    struct world *w = world_new();
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), NULL);
    return w;
}

static void end_run(struct world *w, Api__Command *with)
{
    signal_run(w, "order", "end");
    complete_task(w, "order", poll_workflow(w, "q"), with);
}

/* ---- stages -------------------------------------------------------------------------------------------- */

void updates_are_answered(void)
{
    struct world *w = settled_world();
    uint64_t rows = history_stats(w->history).committed_rows;
    struct pending *p = update(w, "u", COMPLETED);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(history_stats(w->history).committed_rows == rows); /* nothing of it is stored yet */
    expect(!strcmp(event_types(w, task->history), "1 5 6 7 5 6") && task->n_messages == 1);
    const Protocol__Message *m = task->messages[0];
    expect(!strcmp(m->id, "u/request") && !strcmp(m->protocol_instance_id, "u"));
    expect(m->sequencing_id_case == PROTOCOL__MESSAGE__SEQUENCING_ID_EVENT_ID);
    expect(m->event_id == task->started_event_id - 1 && task->started_event_id == 6);
    expect(!strcmp(m->body->type_url, "type.googleapis.com/temporal.api.update.v1.Request"));
    Update__Request *r =
            api_decode(&update__request__descriptor, &w->arena, api_bytes(m->body->value), NULL);
    expect(r && !strcmp(r->input->name, "change") && r->input->args.len == 5);
    struct said *s = says(w, task);
    accept(w, s, "u");
    respond(w, s, "u");
    expect(!said(w, s)->reset_history_event_id);
    Api__UpdateWorkflowExecutionResponse *a = updated(w, p);
    expect((int)a->stage == COMPLETED && !strcmp(a->update_ref->update_id, "u"));
    expect(!strcmp(a->update_ref->workflow_execution->workflow_id, "order"));
    expect(strlen(a->update_ref->workflow_execution->run_id) == 36);
    expect_success(a->outcome);
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 5 6 7 41 43"));
    expect_success(updated(w, update(w, "u", ACCEPTED))->outcome);
    expect(history_stats(w->history).open_requests == 0);
    world_free(w);
}

void refused_updates_leave_no_trace(void)
{
    struct world *w = settled_world();
    uint64_t rows = history_stats(w->history).committed_rows;
    for (int i = 0; i < 3; i++) {
        struct pending *p = update(w, "u", i ? COMPLETED : ACCEPTED);
        struct said *s = says(w, poll_workflow(w, "q"));
        reject(w, s, "u");
        expect(said(w, s)->reset_history_event_id == 3);
        Api__UpdateWorkflowExecutionResponse *a = updated(w, p);
        expect((int)a->stage == COMPLETED);
        expect_failure(a->outcome, "no");
    }
    expect(error_of(w, poll_update(w, "", "u", COMPLETED)) == ERR_NOT_FOUND);
    expect(history_stats(w->history).committed_rows == rows);
    expect(!strcmp(history_types(w, "order"), "1 5 6 7"));
    world_free(w);
}

void accepted_updates_are_polled_for(void)
{
    struct world *w = settled_world();
    const char *run = describe(w, "order")->workflow_execution_info->execution->run_id;
    struct pending *p = update(w, "u", ACCEPTED), *other = update(w, "u", COMPLETED);
    process(w, "u", false);
    Api__UpdateWorkflowExecutionResponse *a = updated(w, p);
    expect((int)a->stage == ACCEPTED && !a->outcome && !other->answered);
    expect((int)polled(w, poll_update(w, run, "u", ACCEPTED))->stage == ACCEPTED);
    expect((int)polled(w, poll_update(w, run, "u", 0))->stage == ACCEPTED);
    struct pending *poll = poll_update(w, run, "u", COMPLETED);
    world_crash(w); /* what was accepted is history */
    poll = poll_update(w, run, "u", COMPLETED);
    world_advance(w, DURATION_SECONDS(2));
    expect(!poll->answered);
    signal_run(w, "order", "go on");
    struct said *s = says(w, poll_workflow(w, "q"));
    respond(w, s, "u");
    said(w, s);
    Api__PollWorkflowExecutionUpdateResponse *b = polled(w, poll);
    expect((int)b->stage == COMPLETED && !strcmp(b->update_ref->update_id, "u"));
    expect_success(b->outcome);
    end_run(w, complete_workflow(w));
    world_advance(w, DURATION_SECONDS(10)); /* it leaves memory */
    expect(history_stats(w->history).cached_runs == 0);
    expect_success(polled(w, poll_update(w, run, "u", COMPLETED))->outcome);
    expect_success(updated(w, update(w, "u", COMPLETED))->outcome);
    expect(error_of(w, poll_update(w, run, "other", COMPLETED)) == ERR_NOT_FOUND);
    expect(error_of(w, update(w, "other", COMPLETED)) == ERR_NOT_FOUND);
    world_free(w);
}

void long_outcomes_are_read_from_the_store(void)
{
    struct world *w = settled_world();
    struct pending *p = update(w, "u", COMPLETED);
    process(w, "u", true);
    expect_success(updated(w, p)->outcome);
    for (int i = 0; i < 3; i++) { /* pushes the outcome out of the recent events */
        Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
        r.signal_name = "s";
        r.input = api_data(str_of(arena_zalloc(&w->arena, 50000, 1), 50000));
        answer_of(w, call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base), NULL);
    }
    uint64_t reads = history_stats(w->history).history_reads;
    expect_success(updated(w, update(w, "u", COMPLETED))->outcome);
    expect(history_stats(w->history).history_reads == reads + 1);
    world_free(w);
}

void waits_for_updates_end_with_the_stage(void)
{
    struct world *w = settled_world();
    struct pending *p = update(w, "u", COMPLETED);
    world_advance(w, DURATION_SECONDS(19));
    expect(!p->answered);
    Api__UpdateWorkflowExecutionResponse *a = updated(w, p);
    expect((int)a->stage == ADMITTED && !a->outcome);
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 5 8 5")); /* nobody took its task */
    p = update(w, "u", COMPLETED);
    process(w, "u", false);
    a = updated(w, p);
    expect((int)a->stage == ACCEPTED && !a->outcome);
    world_free(w);
}

static struct sim_fault slow(void *arg, enum store_kind kind, const struct store_op *op)
{
    return (struct sim_fault){ .delay = DURATION_MS(20) };
}

void update_answers_wait_for_the_commit(void)
{
    struct world *w = settled_world();
    struct pending *p = update(w, "u", COMPLETED);
    struct said *s = says(w, poll_workflow(w, "q"));
    accept(w, s, "u");
    respond(w, s, "u");
    sim_db_set_faults(w->db, slow, NULL);
    struct pending *c = call_api(w, API_RESPOND_WORKFLOW_TASK_COMPLETED, "order", &s->r.base);
    struct pending *poll = poll_update(w, "", "u", COMPLETED);
    for (int i = 0; i < 15; i++) {
        world_advance(w, DURATION_MS(1));
        expect(!p->answered && !c->answered && !poll->answered);
    }
    expect_success(updated(w, p)->outcome);
    expect_success(polled(w, poll)->outcome);
    world_free(w);
}

void updates_are_checked(void)
{
    struct world *w = settled_world();
    expect(error_of(w, update(w, "u", ADMITTED)) == ERR_PERMISSION_DENIED);
    Api__UpdateWorkflowExecutionRequest *r = update_request(w, "u", COMPLETED);
    r->request->input->name = "";
    expect(error_of(w, call_api(w, API_UPDATE_WORKFLOW, "order", &r->base)) ==
            ERR_INVALID_ARGUMENT);
    r = update_request(w, "u", COMPLETED);
    r->request->meta = NULL;
    expect(error_of(w, call_api(w, API_UPDATE_WORKFLOW, "order", &r->base)) ==
            ERR_INVALID_ARGUMENT);
    r = update_request(w, "u", COMPLETED);
    r->request->input->args = api_data(str_of(arena_zalloc(&w->arena, 3 << 20, 1), 3 << 20));
    expect(error_of(w, call_api(w, API_UPDATE_WORKFLOW, "order", &r->base)) ==
            ERR_INVALID_ARGUMENT);
    r = update_request(w, "u", COMPLETED);
    r->first_execution_run_id = "0190c000-0000-7000-8000-000000000000";
    expect(error_of(w, call_api(w, API_UPDATE_WORKFLOW, "order", &r->base)) == ERR_NOT_FOUND);
    for (int i = 0; i < 10; i++) {
        update(w, str_printf(&w->arena, "u-%d", i).ptr, COMPLETED);
    }
    struct pending *p = update(w, "one more", COMPLETED);
    expect(error_of(w, p) == ERR_RESOURCE_EXHAUSTED);
    expect(str_eq(p->fail.detail_type, STR("ResourceExhaustedFailure")));
    expect(poll_workflow(w, "q")->n_messages == 10);
    world_free(w);
}

/* ---- losses and moves ---------------------------------------------------------------------------------- */

void updates_come_again_after_a_crash(void)
{
    struct world *w = settled_world();
    update(w, "u", COMPLETED);
    poll_workflow(w, "q"); /* a worker has it */
    world_crash(w);
    world_advance(w, DURATION_SECONDS(3));
    expect(!find_offer(w, "q")); /* nobody had been promised anything */
    struct pending *p = update(w, "u", COMPLETED);
    process(w, "u", true);
    expect_success(updated(w, p)->outcome);
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 5 6 7 41 43"));
    world_free(w);
}

static void on_given(void *ctx, const uint32_t *shards, size_t count)
{
    *(bool *)ctx = true;
}

void updates_follow_a_shard(void)
{
    struct world *w = settled_world();
    uint32_t shard = shard_of(w->namespace_id, STR("order"));
    struct pending *accepted = update(w, "a", COMPLETED);
    process(w, "a", false);
    struct pending *p = update(w, "u", COMPLETED);
    poll_workflow(w, "q");
    bool given = false;
    history_release_shards(w->history, &shard, 1, on_given, &given);
    world_until(w, DURATION_SECONDS(5), given);
    expect(error_of(w, p) == ERR_NOT_OWNER); /* the frontend asks the next owner */
    expect(error_of(w, accepted) == ERR_NOT_OWNER);
    history_gain_shards(w->history, &shard, 1);
    p = update(w, "u", COMPLETED);
    accepted = update(w, "a", COMPLETED);
    struct said *s = says(w, poll_workflow(w, "q"));
    accept(w, s, "u");
    respond(w, s, "u");
    respond(w, s, "a");
    said(w, s);
    expect_success(updated(w, p)->outcome);
    expect_success(updated(w, accepted)->outcome);
    world_free(w);
}

static void small_cache(struct history_config *config)
{
    config->cache_bytes = 1;
}

void updates_nobody_waits_for_do_not_stay(void)
{
    struct world *w = world_new_with(small_cache);
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), NULL);
    struct pending *p = update(w, "u", COMPLETED);
    world_advance(w, DURATION_SECONDS(10));
    expect(!p->answered && history_stats(w->history).cached_runs == 1);
    caller_gone(p);
    world_until(w, DURATION_SECONDS(10), history_stats(w->history).cached_runs == 0);
    p = update(w, "u", COMPLETED);
    process(w, "u", true); /* with the task that its time on the queue has made a normal one */
    expect_success(updated(w, p)->outcome);
    world_free(w);
}

/* ---- the end of a run ---------------------------------------------------------------------------------- */

void updates_end_with_their_run(void)
{
    struct world *w = settled_world();
    const char *run = describe(w, "order")->workflow_execution_info->execution->run_id;
    struct pending *accepted = update(w, "a", COMPLETED);
    process(w, "a", false);
    struct pending *p = update(w, "u", COMPLETED), *sees = poll_update(w, run, "u", COMPLETED);
    Api__TerminateWorkflowExecutionRequest r = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    answer_of(w, call_api(w, API_TERMINATE_WORKFLOW, "order", &r.base), NULL);
    expect(error_of(w, p) == ERR_NOT_FOUND && error_of(w, sees) == ERR_NOT_FOUND);
    expect(!strcmp(p->fail.message, "workflow update was aborted by closing workflow"));
    Api__UpdateWorkflowExecutionResponse *a = updated(w, accepted);
    expect((int)a->stage == COMPLETED);
    expect_failure(a->outcome, "AcceptedUpdateCompletedWorkflow");
    expect_failure(polled(w, poll_update(w, run, "a", COMPLETED))->outcome,
            "AcceptedUpdateCompletedWorkflow");
    world_crash(w);
    expect_failure(polled(w, poll_update(w, run, "a", ACCEPTED))->outcome,
            "AcceptedUpdateCompletedWorkflow");
    world_free(w);
}

void updates_land_on_the_next_run(void)
{
    struct world *w = settled_world();
    const char *run = describe(w, "order")->workflow_execution_info->execution->run_id;
    signal_run(w, "order", "s");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    struct pending *p = update(w, "u", COMPLETED);
    Api__UpdateWorkflowExecutionRequest *r = update_request(w, "v", COMPLETED);
    r->workflow_execution->run_id = run;
    struct pending *pinned = call_api(w, API_UPDATE_WORKFLOW, "order", &r->base);
    complete_task(w, "order", task, continue_as_new(w));
    expect(error_of(w, pinned) == ERR_RESOURCE_EXHAUSTED);
    expect(str_eq(pinned->fail.detail_type, STR("ResourceExhaustedFailure")));
    process(w, "u", true);
    Api__UpdateWorkflowExecutionResponse *a = updated(w, p);
    expect_success(a->outcome);
    expect(strcmp(a->update_ref->workflow_execution->run_id, run) != 0);
    expect(error_of(w, call_api(w, API_UPDATE_WORKFLOW, "order", &r->base)) == ERR_NOT_FOUND);
    world_free(w);
}

/* ---- with start ---------------------------------------------------------------------------------------- */

static Api__ExecuteMultiOperationRequest *multi_request(
        struct world *w, const char *request_id, const char *update_id, int conflict)
{
    struct arena *a = &w->arena;
    Api__ExecuteMultiOperationRequest *m =
            api_new(a, &api__execute_multi_operation_request__descriptor);
    m->n_operations = 2;
    m->operations = NEW(a, Api__ExecuteMultiOperationRequest__Operation *, 2);
    for (int i = 0; i < 2; i++) {
        m->operations[i] = api_new(a, &api__execute_multi_operation_request__operation__descriptor);
    }
    m->operations[0]->operation_case =
            API__EXECUTE_MULTI_OPERATION_REQUEST__OPERATION__OPERATION_START_WORKFLOW;
    m->operations[0]->start_workflow = start_request(w, "order", request_id);
    m->operations[0]->start_workflow->workflow_id_conflict_policy =
            (Api__WorkflowIdConflictPolicy)conflict;
    m->operations[1]->operation_case =
            API__EXECUTE_MULTI_OPERATION_REQUEST__OPERATION__OPERATION_UPDATE_WORKFLOW;
    m->operations[1]->update_workflow = update_request(w, update_id, COMPLETED);
    return m;
}

static struct pending *multi(
        struct world *w, const char *request_id, const char *update_id, int conflict)
{
    return call_api(w, API_MULTI_OPERATION, "order",
            &multi_request(w, request_id, update_id, conflict)->base);
}

static Api__StartWorkflowExecutionResponse *both(
        struct world *w, struct pending *p, Api__UpdateWorkflowExecutionResponse **ret_update)
{
    Api__ExecuteMultiOperationResponse *m =
            answer_of(w, p, &api__execute_multi_operation_response__descriptor);
    expect(m->n_responses == 2);
    *ret_update = m->responses[1]->update_workflow;
    return m->responses[0]->start_workflow;
}

static void expect_statuses(struct world *w, struct pending *p, enum err err, int start, int update)
{
    expect(error_of(w, p) == err);
    expect(str_eq(p->fail.detail_type, STR("MultiOperationExecutionFailure")));
    Api__MultiOperationExecutionFailure *d = api_decode(
            &api__multi_operation_execution_failure__descriptor, &w->arena, p->fail.detail, NULL);
    expect(d && d->n_statuses == 2);
    expect(d->statuses[0]->code == start && d->statuses[1]->code == update);
    const char *aborted =
            "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted";
    for (int i = 0; i < 2; i++) {
        if (d->statuses[i]->code == 10 && d->statuses[i]->n_details) {
            expect(!strcmp(d->statuses[i]->details[0]->type_url, aborted));
            expect(!strcmp(d->statuses[i]->message, "Operation was aborted."));
        }
    }
}

/* The failure says which of the two it was, whatever is wrong with it. */
void updates_with_broken_starts_say_so(void)
{
    struct world *w = world_new();
    Api__ExecuteMultiOperationRequest *m = multi_request(w, "s", "u", ID_CONFLICT_FAIL);
    Api__Duration bad = API__DURATION__INIT;
    Api__RetryPolicy retry = API__RETRY_POLICY__INIT;
    bad.seconds = 5;
    bad.nanos = -1;
    m->operations[0]->start_workflow->workflow_run_timeout = &bad;
    expect_statuses(
            w, call_api(w, API_MULTI_OPERATION, "order", &m->base), ERR_INVALID_ARGUMENT, 3, 10);
    m->operations[0]->start_workflow->workflow_run_timeout = NULL;
    retry.initial_interval = &bad;
    m->operations[0]->start_workflow->retry_policy = &retry;
    expect_statuses(
            w, call_api(w, API_MULTI_OPERATION, "order", &m->base), ERR_INVALID_ARGUMENT, 3, 10);
    world_free(w);
}

void updates_with_start_are_one(void)
{
    struct world *w = world_new();
    Api__UpdateWorkflowExecutionResponse *u;
    struct pending *p = multi(w, "s", "u", ID_CONFLICT_FAIL);
    struct pending *again = multi(w, "s", "u", ID_CONFLICT_FAIL); /* sent twice */
    process(w, "u", true);
    Api__StartWorkflowExecutionResponse *s = both(w, p, &u);
    const char *run = s->run_id;
    expect(s->started && (int)s->status == WORKFLOW_RUNNING && (int)u->stage == COMPLETED);
    expect(!strcmp(u->update_ref->workflow_execution->run_id, run));
    expect_success(u->outcome);
    s = both(w, again, &u);
    expect(!s->started && !strcmp(s->run_id, run));
    expect_success(u->outcome);
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 41 43"));
    /* the run that is there */
    p = multi(w, "t", "v", ID_CONFLICT_USE_EXISTING);
    process(w, "v", true);
    s = both(w, p, &u);
    expect(!s->started && !strcmp(s->run_id, run));
    expect_success(u->outcome);
    expect_statuses(w, multi(w, "t", "x", ID_CONFLICT_FAIL), ERR_ALREADY_EXISTS, 6, 10);
    /* an update that has completed is an answer, also when its run is over */
    end_run(w, complete_workflow(w));
    s = both(w, multi(w, "t", "v", ID_CONFLICT_USE_EXISTING), &u);
    expect(!s->started && !strcmp(s->run_id, run) && (int)s->status == WORKFLOW_COMPLETED);
    expect_success(u->outcome);
    p = multi(w, "t2", "x", ID_CONFLICT_USE_EXISTING);
    process(w, "x", true);
    s = both(w, p, &u);
    expect(s->started && strcmp(s->run_id, run) != 0);
    end_run(w, complete_workflow(w));
    expect_statuses(w, multi(w, "t2", "y", ID_CONFLICT_FAIL), ERR_NOT_FOUND, 10, 5);
    world_free(w);
}

void updates_with_start_say_what_failed(void)
{
    struct world *w = world_new();
    Api__ExecuteMultiOperationRequest *m = multi_request(w, "s", "u", ID_CONFLICT_FAIL);
    m->operations[0]->start_workflow->cron_schedule = "* * * * *";
    expect_statuses(
            w, call_api(w, API_MULTI_OPERATION, "order", &m->base), ERR_INVALID_ARGUMENT, 3, 10);
    m = multi_request(w, "s", "u", ID_CONFLICT_FAIL);
    m->operations[0]->start_workflow->workflow_type = NULL;
    expect_statuses(
            w, call_api(w, API_MULTI_OPERATION, "order", &m->base), ERR_INVALID_ARGUMENT, 3, 10);
    m = multi_request(w, "s", "u", ID_CONFLICT_FAIL);
    m->operations[1]->update_workflow->request->input->name = "";
    expect_statuses(
            w, call_api(w, API_MULTI_OPERATION, "order", &m->base), ERR_INVALID_ARGUMENT, 10, 3);
    m = multi_request(w, "s", "u", ID_CONFLICT_FAIL);
    m->operations[1]->update_workflow->workflow_execution->workflow_id = "other";
    expect_statuses(
            w, call_api(w, API_MULTI_OPERATION, "order", &m->base), ERR_INVALID_ARGUMENT, 10, 3);
    m->n_operations = 1;
    struct pending *p = call_api(w, API_MULTI_OPERATION, "order", &m->base);
    expect(error_of(w, p) == ERR_INVALID_ARGUMENT && !p->fail.detail_type.len);
    /* the start has happened, the update has not */
    p = multi(w, "s", "u", ID_CONFLICT_FAIL);
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    expect_statuses(w, p, ERR_NOT_FOUND, 0, 5);
    world_free(w);
}

void updates_with_start_race_with_the_end(void)
{
    struct world *w = settled_world();
    Api__UpdateWorkflowExecutionResponse *u;
    struct pending *p = multi(w, "s", "u", ID_CONFLICT_USE_EXISTING);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    complete_task(w, "order", task, complete_workflow(w)); /* without a word about the update */
    process(w, "u", true);                                 /* on a new run */
    Api__StartWorkflowExecutionResponse *s = both(w, p, &u);
    expect(s->started && !strcmp(s->run_id, u->update_ref->workflow_execution->run_id));
    expect_success(u->outcome);
    /* after a crash the caller comes again, and finds what it has started */
    Api__TerminateWorkflowExecutionRequest r = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    answer_of(w, call_api(w, API_TERMINATE_WORKFLOW, "order", &r.base), NULL);
    multi(w, "t", "v", ID_CONFLICT_FAIL);
    world_advance(w, DURATION_MS(20));
    world_crash(w);
    p = multi(w, "t", "v", ID_CONFLICT_FAIL);
    process(w, "v", true);
    s = both(w, p, &u);
    expect(!s->started);
    expect_success(u->outcome);
    world_free(w);
}

/* What a call has written outlives its caller: here a start that is on its way to the store. */
void abandoned_updates_with_start_start(void)
{
    struct world *w = world_new();
    sim_db_set_faults(w->db, slow, NULL);
    struct pending *p = multi(w, "s", "u", ID_CONFLICT_FAIL);
    world_until(w, DURATION_SECONDS(1), history_stats(w->history).started == 1);
    caller_gone(p);
    for (int i = 0; i < 5; i++) { /* whoever would get its memory */
        start(w, str_printf(&w->arena, "order-%d", i).ptr);
    }
    expect(!strcmp(history_types(w, "order"), "1 5"));
    expect(history_stats(w->history).open_requests == 0);
    world_free(w);
}
