/* Parents and children across crashes: what one of them has recorded, the other hears, once. */
#include <string.h>

#include "tests/history/driver/cases.h"

Api__Command *start_child(struct world *w, const char *id, enum parent_close_policy policy)
{
    Api__Command *c = api_new(&w->arena, &api__command__descriptor);
    Api__StartChildWorkflowExecutionCommandAttributes *m =
            api_new(&w->arena, &api__start_child_workflow_execution_command_attributes__descriptor);
    c->command_type = (Api__CommandType)11;
    c->attributes_case = (Api__Command__AttributesCase)12;
    m->workflow_id = id;
    m->workflow_type = api_new(&w->arena, &api__workflow_type__descriptor);
    m->workflow_type->name = "Child";
    m->task_queue = api_new(&w->arena, &api__task_queue__descriptor);
    m->task_queue->name = "cq";
    m->parent_close_policy = (Api__ParentClosePolicy)policy;
    c->start_child_workflow_execution_command_attributes = m;
    return c;
}

static void terminate(struct world *w, const char *id)
{
    Api__TerminateWorkflowExecutionRequest r = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    Api__WorkflowExecution *execution = api_new(&w->arena, &api__workflow_execution__descriptor);
    execution->workflow_id = id;
    r.workflow_execution = execution;
    answer_of(w, call_api(w, API_TERMINATE_WORKFLOW, id, &r.base), NULL);
}

static bool has(struct world *w, const char *id, const char *type)
{
    return strstr(history_types(w, id), type) != NULL;
}

/* "p", with a child "c" that has its first task. */
static struct world *family_with(
        enum parent_close_policy policy, void (*tune)(struct history_config *config))
{
    struct world *w = tune ? world_new_with(tune) : world_new();
    start(w, "p");
    complete_task(w, "p", poll_workflow(w, "q"), start_child(w, "c", policy));
    world_until(w, DURATION_SECONDS(5), has(w, "p", " 31"));
    return w;
}

static struct world *family(enum parent_close_policy policy)
{
    return family_with(policy, NULL);
}

void a_child_and_its_parent(void)
{
    struct world *w = world_new();
    start(w, "p");
    struct pending *p = complete_task_begin(w, "p", poll_workflow(w, "q"),
            (Api__Command *[]){ start_child(w, "c", PARENT_CLOSE_TERMINATE) }, 1, NULL);
    world_until(w, DURATION_SECONDS(1), p->answered);
    world_crash(w); /* the start may be anywhere now */
    world_until(w, DURATION_SECONDS(20), has(w, "p", " 31"));
    expect(!strcmp(history_types(w, "p"), "1 5 6 7 29 31 5"));
    world_crash(w); /* and so may the first task */
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "cq");
    Api__DescribeWorkflowExecutionResponse *d = describe(w, "p");
    expect(d->n_pending_children == 1 && !strcmp(d->pending_children[0]->workflow_id, "c"));
    d = describe(w, "c");
    expect(!strcmp(d->workflow_execution_info->parent_execution->workflow_id, "p"));
    p = complete_task_begin(w, "c", task, (Api__Command *[]){ complete_workflow(w) }, 1, NULL);
    world_until(w, DURATION_SECONDS(1), p->answered);
    world_crash(w); /* the child is closed: only its stored wake-up brings the message back */
    world_until(w, DURATION_SECONDS(20), has(w, "p", " 32"));
    world_crash(w);
    expect(!strcmp(history_types(w, "p"), "1 5 6 7 29 31 5 32"));
    expect(describe(w, "p")->n_pending_children == 0);
    expect(!strcmp(history_types(w, "c"), "1 5 6 7 2"));
    world_free(w);
}

void policies_survive_a_crash(void)
{
    struct world *w = family(PARENT_CLOSE_TERMINATE);
    poll_workflow(w, "cq");
    terminate(w, "p");
    world_crash(w);
    world_until(w, DURATION_SECONDS(20), has(w, "c", " 27"));
    world_advance(w, DURATION_SECONDS(1));
    expect(!strcmp(history_types(w, "p"), "1 5 6 7 29 31 5 27")); /* nobody wakes the dead */
    world_free(w);
    w = family(PARENT_CLOSE_REQUEST_CANCEL);
    poll_workflow(w, "cq");
    terminate(w, "p");
    world_crash(w);
    world_until(w, DURATION_SECONDS(20), has(w, "c", " 20"));
    world_free(w);
    w = family(PARENT_CLOSE_ABANDON);
    terminate(w, "p");
    world_crash(w);
    poll_workflow(w, "cq"); /* it gets its first task all the same */
    expect(!has(w, "c", " 27"));
    world_free(w);
}

void a_taken_id_is_no_child(void)
{
    struct world *w = world_new();
    start(w, "p");
    start(w, "c");
    for (int i = 0; i < 2; i++) {
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        const char *id = task->workflow_execution->workflow_id;
        bool is_parent = !strcmp(id, "p");
        answer_of(w,
                complete_task_begin(w, id, task,
                        (Api__Command *[]){ start_child(w, "c", PARENT_CLOSE_TERMINATE) },
                        is_parent, NULL),
                NULL);
    }
    world_until(w, DURATION_SECONDS(5), has(w, "p", " 30"));
    expect(!strcmp(history_types(w, "p"), "1 5 6 7 29 30 5"));
    expect(describe(w, "p")->n_pending_children == 0);
    terminate(w, "p");
    world_advance(w, DURATION_SECONDS(1));
    expect(!strcmp(history_types(w, "c"), "1 5 6 7")); /* it was never ours */
    world_free(w);
}

static Api__Command *cancel_child(struct world *w, const char *id)
{
    Api__Command *c = api_new(&w->arena, &api__command__descriptor);
    Api__RequestCancelExternalWorkflowExecutionCommandAttributes *m = api_new(&w->arena,
            &api__request_cancel_external_workflow_execution_command_attributes__descriptor);
    c->command_type = (Api__CommandType)8;
    c->attributes_case = (Api__Command__AttributesCase)9;
    m->workflow_id = id;
    m->child_workflow_only = true;
    c->request_cancel_external_workflow_execution_command_attributes = m;
    return c;
}

void a_cancelled_child_must_be_ones_own(void)
{
    struct world *w = family(PARENT_CLOSE_TERMINATE);
    start(w, "x");
    for (int i = 0; i < 2; i++) {
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        const char *id = task->workflow_execution->workflow_id;
        Api__Command *commands[] = { cancel_child(w, "x"), cancel_child(w, "c") };
        answer_of(w, complete_task_begin(w, id, task, commands, !strcmp(id, "p") ? 2 : 0, NULL),
                NULL);
    }
    world_until(w, DURATION_SECONDS(5), has(w, "p", " 24") && has(w, "p", " 23"));
    expect(!strcmp(history_types(w, "x"), "1 5 6 7"));
    expect(has(w, "c", " 20"));
    world_free(w);
}

static void tiny_cache(struct history_config *config)
{
    config->cache_bytes = 1;
}

/* More children than may be under way at once, with runs leaving memory all the time. */
void many_children_end_with_their_parent(void)
{
    enum { CHILDREN = 200 };
    struct world *w = world_new_with(tiny_cache);
    Api__Command *commands[CHILDREN];
    start(w, "p");
    for (int i = 0; i < CHILDREN; i++) {
        commands[i] = start_child(w, str_printf(&w->arena, "c-%d", i).ptr, PARENT_CLOSE_TERMINATE);
    }
    answer_of(
            w, complete_task_begin(w, "p", poll_workflow(w, "q"), commands, CHILDREN, NULL), NULL);
    world_until(w, DURATION_SECONDS(20), history_stats(w->history).started == CHILDREN + 1);
    world_advance(w, DURATION_SECONDS(2));
    expect(describe(w, "p")->n_pending_children == CHILDREN);
    terminate(w, "p");
    world_until(w, DURATION_SECONDS(20), history_stats(w->history).closed == CHILDREN + 1);
    world_until(w, DURATION_SECONDS(20), history_stats(w->history).cached_runs == 0);
    world_free(w);
}
