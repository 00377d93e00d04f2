/* A workflow task: puts the history together (from the task, what is cached, or by reading it),
 * checks what an SDK would rely on, lets the program decide and answers. */
#include <stdio.h>
#include <string.h>

#include "common/api/codec.h"
#include "tests/sim/worker.h"

/* ---- the history ------------------------------------------------------------------------------- */

static struct cached_run *cache_find(struct worker *w, struct str run_id)
{
    struct map_node *n = map_get(&w->cache, run_id);
    return n ? map_entry(n, struct cached_run, node) : NULL;
}

static void cache_keep(struct worker *w, struct str run_id, struct str events)
{
    struct cached_run *c = cache_find(w, run_id);
    if (!c) {
        c = NEW(&world.arena, struct cached_run, 1);
        c->run_id = str_dup(&world.arena, run_id);
        map_put(&w->cache, &c->node, c->run_id);
    }
    c->events = str_dup(&world.arena, events);
}

static void cache_drop(struct worker *w, struct str run_id)
{
    struct cached_run *c = cache_find(w, run_id);
    if (c) {
        map_remove(&w->cache, &c->node);
    }
}

/* Events before the given one, and the id of the last of them. */
static struct str events_before(struct str events, int64_t before, int64_t *last)
{
    struct str rest = events;
    struct ev e;
    bool bad = false;
    size_t used = 0;
    *last = 0;
    while (ev_next(&rest, &e, &bad) && e.id < before) {
        *last = e.id;
        used = (size_t)(rest.ptr - events.ptr);
    }
    check(!bad);
    return str_of(events.ptr, used);
}

/* The whole history of the task; empty: the worker has to read it. */
static struct str assemble(struct slot *s)
{
    struct str part = api_bytes(s->task->history);
    struct str rest = part;
    struct ev first = { .id = 0 };
    bool bad = false;
    (void)ev_next(&rest, &first, &bad);
    if (first.id == 1 && !s->task->next_page_token.len) {
        return part;
    }
    struct cached_run *c = cache_find(s->worker, s->run_id);
    if (!c || s->task->next_page_token.len) {
        return STR("");
    }
    int64_t last;
    struct str before = events_before(c->events, first.id ? first.id : INT64_MAX, &last);
    if (first.id && last != first.id - 1) {
        return STR("");
    }
    struct buf whole;
    buf_init_arena(&whole, &s->arena, (size_t)64 << 20);
    buf_append_str(&whole, before);
    buf_append_str(&whole, part);
    return buf_str(&whole);
}

static void with_history(struct slot *s, struct str events, bool is_read);

static void read_page(struct slot *s, struct str token);

static void on_page(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct slot *s = container_of(call, struct slot, call);
    if (err) {
        slot_poll(s, DURATION_MS(50)); /* the task times out */
        return;
    }
    Api__GetWorkflowExecutionHistoryResponse *m = api_decode(
            &api__get_workflow_execution_history_response__descriptor, &s->arena, body, NULL);
    check(m);
    buf_append_str(&s->fetched, api_bytes(m->history));
    if (m->next_page_token.len) {
        tally[TALLY_paged_reads]++;
        read_page(s, api_bytes(m->next_page_token));
    } else {
        with_history(s, buf_str(&s->fetched), true);
    }
}

static void read_page(struct slot *s, struct str token)
{
    Api__GetWorkflowExecutionHistoryRequest r = API__GET_WORKFLOW_EXECUTION_HISTORY_REQUEST__INIT;
    Api__WorkflowExecution e = API__WORKFLOW_EXECUTION__INIT;
    e.workflow_id = s->workflow_id.ptr;
    e.run_id = s->run_id.ptr;
    r.namespace_ = "default";
    r.execution = &e;
    r.maximum_page_size = plays(300) ? 5 : 0;
    r.next_page_token = api_data(token);
    s->call.done = on_page;
    api_call_start(&s->call, "GetWorkflowExecutionHistory", &r.base, DURATION_SECONDS(10));
}

/* ---- answers ----------------------------------------------------------------------------------- */

static struct str count_text(struct arena *arena, unsigned n)
{
    return payloads_of(arena, str_printf(arena, "%u", n));
}

static void answer_query(struct slot *s, const struct progress *p)
{
    Api__RespondQueryTaskCompletedRequest *r =
            api_new(&s->arena, &api__respond_query_task_completed_request__descriptor);
    r->namespace_ = "default";
    r->task_token = api_data(s->token);
    tally[TALLY_queries]++;
    r->completed_type = API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_ANSWERED;
    r->query_result = api_data(count_text(&s->arena, p->signals));
    slot_answer(s, "RespondQueryTaskCompleted", &r->base);
}

static void fail_task(struct slot *s)
{
    Api__RespondWorkflowTaskFailedRequest *r =
            api_new(&s->arena, &api__respond_workflow_task_failed_request__descriptor);
    r->namespace_ = "default";
    r->task_token = api_data(s->token);
    r->identity = s->worker->identity.ptr;
    r->cause = (Api__WorkflowTaskFailedCause)3;
    r->failure = api_data(STR("\x0a\x07planned\x2a\x00"));
    slot_answer(s, "RespondWorkflowTaskFailed", &r->base);
}

static void add_results(
        struct slot *s, Api__RespondWorkflowTaskCompletedRequest *r, const struct progress *p)
{
    size_t n = s->task->n_queries;
    r->query_results =
            NEW(&s->arena, Api__RespondWorkflowTaskCompletedRequest__QueryResultsEntry *, n + 1);
    for (size_t i = 0; i < n; i++) {
        Api__RespondWorkflowTaskCompletedRequest__QueryResultsEntry *q = api_new(&s->arena,
                &api__respond_workflow_task_completed_request__query_results_entry__descriptor);
        q->key = s->task->queries[i]->key;
        q->value = api_new(&s->arena, &api__workflow_query_result__descriptor);
        tally[TALLY_queries]++;
        q->value->result_type = API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_ANSWERED;
        q->value->answer = api_data(count_text(&s->arena, p->signals));
        r->query_results[r->n_query_results++] = q;
    }
}

static struct asked_update *asked_updates(struct slot *s, size_t *count)
{
    struct asked_update *list = NEW(&s->arena, struct asked_update, s->task->n_messages + 1);
    *count = 0;
    for (size_t i = 0; i < s->task->n_messages; i++) {
        const Protocol__Message *m = s->task->messages[i];
        Update__Request *r = api_decode(
                &update__request__descriptor, &s->arena, api_bytes(m->body->value), NULL);
        if (!r || !r->meta || !r->input ||
                !str_eq(payloads_text(api_bytes(r->input->args)),
                        str_from_cstr(r->meta->update_id))) {
            violation("an update in a task of run " STR_FMT " is not as it was sent",
                    STR_ARG(s->run_id));
        }
        list[(*count)++] = (struct asked_update){ str_from_cstr(r->meta->update_id),
            str_from_cstr(m->id), m->event_id };
    }
    return list;
}

/* As many activities as this worker has room for may come with the answer. */
static void ask_for_activities(struct slot *s)
{
    unsigned room = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        room += s->worker->slots[i].kind == SLOT_EAGER_ACTIVITY && s->worker->slots[i].idle;
    }
    for (size_t i = 0; i < s->decided.count && world.swarm.features & FEATURE_EAGER_ACTIVITY; i++) {
        Api__ScheduleActivityTaskCommandAttributes *a =
                s->decided.commands[i]->command_type ==
                                API__COMMAND_TYPE__COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK
                        ? s->decided.commands[i]->schedule_activity_task_command_attributes
                        : NULL;
        if (a && room) {
            a->request_eager_execution = true;
            room--;
        }
    }
}

static void take_activities(struct slot *s, const Api__RespondWorkflowTaskCompletedResponse *m)
{
    for (size_t i = 0; i < m->n_activity_tasks; i++) {
        struct slot *spare = worker_spare_slot(s->worker, SLOT_EAGER_ACTIVITY);
        if (!spare) {
            continue; /* it times out */
        }
        Api__PollActivityTaskQueueResponse *t =
                api_decode(&api__poll_activity_task_queue_response__descriptor, &spare->arena,
                        api_encode(&s->arena, &m->activity_tasks[i]->base), NULL);
        check(t);
        tally[TALLY_eager_activities]++;
        activity_task_take(spare, t);
    }
}

static void complete_task(struct slot *s, const struct progress *p)
{
    Api__RespondWorkflowTaskCompletedRequest *r =
            api_new(&s->arena, &api__respond_workflow_task_completed_request__descriptor);
    size_t asked_count;
    struct asked_update *asked = asked_updates(s, &asked_count);
    progress_decide(p, &s->arena, asked, asked_count, &s->decided);
    ask_for_activities(s);
    r->namespace_ = "default";
    r->task_token = api_data(s->token);
    r->identity = s->worker->identity.ptr;
    r->commands = s->decided.commands;
    r->n_commands = s->decided.count;
    r->messages = s->decided.messages;
    r->n_messages = s->decided.message_count;
    r->return_new_workflow_task = plays(500);
    add_results(s, r, p);
    if (world.swarm.features & FEATURE_STICKY) {
        r->sticky_attributes = api_new(&s->arena, &api__sticky_execution_attributes__descriptor);
        r->sticky_attributes->worker_task_queue = api_new(&s->arena, &api__task_queue__descriptor);
        r->sticky_attributes->worker_task_queue->name = s->worker->sticky.ptr;
        r->sticky_attributes->worker_task_queue->kind =
                API__TASK_QUEUE_KIND__TASK_QUEUE_KIND_STICKY;
        r->sticky_attributes->worker_task_queue->normal_name = "wq";
        r->sticky_attributes->schedule_to_start_timeout =
                api_duration(&s->arena, DURATION_SECONDS(3));
    }
    slot_answer(s, "RespondWorkflowTaskCompleted", &r->base);
}

void workflow_task_answered(struct slot *s, enum err err, struct str body, const char *text)
{
    /* commands that a new event has overtaken; an update whose admission a move of its shard has forgotten */
    bool is_overtaken =
            strstr(text, "UnhandledCommand") || strstr(text, "wasn't found on the server");
    if (err == ERR_INVALID_ARGUMENT && !is_overtaken) {
        violation("%s is refused: %s", s->method, text);
    }
    if (!err &&
            s->answer->descriptor == &api__respond_workflow_task_completed_request__descriptor) {
        Api__RespondWorkflowTaskCompletedResponse *m = api_decode(
                &api__respond_workflow_task_completed_response__descriptor, &s->arena, body, NULL);
        check(m);
        int64_t last = m->reset_history_event_id ? m->reset_history_event_id : s->started_event;
        cache_keep(s->worker, s->run_id, events_before(buf_str(&s->fetched), last + 1, &last));
        if (!m->reset_history_event_id) { /* otherwise it has left no trace */
            ledger_task(s->run_id, s->started_event, s->decided.commands, s->decided.count);
        }
        take_activities(s, m);
        if (m->workflow_task && m->workflow_task->task_token.len) {
            buf_reset(&s->fetched);
            s->decided.count = s->decided.message_count = 0;
            workflow_task_take(s, m->workflow_task);
            return;
        }
    }
    if (!world.calm && !s->repeated && plays(world.swarm.worker_twice)) {
        s->repeated = true;
        slot_answer(s, s->method, s->answer);
        return;
    }
    slot_poll(s, DURATION_MS(1));
}

/* ---- the task ---------------------------------------------------------------------------------- */

/* What SDKs rely on: ids without gaps from 1 to the task's start. */
static bool is_whole(const struct slot *s, struct str events)
{
    struct ev e;
    bool bad = false;
    int64_t last = 0;
    enum ev_type type = 0;
    while (ev_next(&events, &e, &bad)) {
        if (e.id != last + 1) {
            return false;
        }
        last = e.id;
        type = e.type;
    }
    return !bad && (s->task->query || (last == s->started_event && type == EV_TASK_STARTED));
}

static void decide(struct sim_event *event)
{
    struct slot *s = container_of(event, struct slot, timer);
    struct progress p;
    struct str events = buf_str(&s->fetched);
    check(progress_read(&p, events, s->workflow_id, s->run_id));
    if (s->task->query) {
        answer_query(s, &p);
    } else if (!world.calm && plays(world.swarm.worker_fails)) {
        fail_task(s);
    } else {
        complete_task(s, &p);
    }
}

/* For a failure's reader. */
static void print_ids(const struct slot *s, struct str events)
{
    struct str texts[] = { api_bytes(s->task->history), events };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct ev e;
        bool bad = false;
        fprintf(stderr, i ? "together:" : "handed:");
        while (ev_next(&texts[i], &e, &bad)) {
            fprintf(stderr, " %lld:%d", (long long)e.id, (int)e.type);
        }
        fprintf(stderr, "\n");
    }
}

static void with_history(struct slot *s, struct str events, bool is_read)
{
    struct progress p;
    int64_t last;
    if (is_read && !s->task->query) {
        events = events_before(events, s->started_event + 1, &last);
    }
    if (!is_whole(s, events) || !progress_read(&p, events, s->workflow_id, s->run_id)) {
        if (!is_read) {
            print_ids(s, events);
            violation("run " STR_FMT ": the history of task %lld has gaps", STR_ARG(s->run_id),
                    (long long)s->started_event);
        }
        if (s->task->query) {
            slot_poll(s, DURATION_MS(1));
        } else {
            fail_task(s); /* it may have ended while its history was read */
        }
        return;
    }
    events = str_dup(&s->arena, events);
    /* the task's own two events may be of an attempt that is never stored */
    ledger_saw(s->run_id, events, s->task->query ? p.last_event - 2 : s->started_event - 2);
    if (!s->task->query) { /* its own events are stored, and cached, when its answer is taken; until then none are */
        cache_drop(s->worker, s->run_id);
    }
    buf_reset(&s->fetched);
    buf_append_str(&s->fetched, events);
    struct duration think = { (int64_t)rand_below(&world.play, 20000000) };
    if (!world.calm && plays(world.swarm.worker_stalls)) {
        think = DURATION_SECONDS(5);
    }
    event_after(&s->timer, think, decide);
}

void workflow_task_take(struct slot *s, Api__PollWorkflowTaskQueueResponse *t)
{
    s->task = t;
    s->token = api_bytes(t->task_token);
    s->workflow_id = str_from_cstr(t->workflow_execution->workflow_id);
    s->run_id = str_from_cstr(t->workflow_execution->run_id);
    s->workflow_type = str_from_cstr(t->workflow_type->name);
    s->started_event = t->started_event_id;
    record(NULL, t->query ? "query task" : "workflow task", s->worker->number, t->started_event_id,
            (int64_t)(hash_bytes(s->run_id, 0) & 0xffffff));
    if (cache_find(s->worker, s->run_id) && plays(world.swarm.worker_forgets)) {
        cache_drop(s->worker, s->run_id);
    }
    struct str events = assemble(s);
    if (events.len) {
        with_history(s, events, false);
    } else {
        read_page(s, STR(""));
    }
}
