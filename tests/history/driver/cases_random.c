/* Many workflows under random crashes, lost commits, hand-overs, lost polls and a cache that is too small; in the end
 * every workflow is complete, every acknowledged signal is there exactly once, no history has a gap, every query has ended
 * and those that were answered saw the signals acknowledged before them; every update has ended, and what callers were
 * told of it is what history says. A failure prints its seed. */
#include <string.h>

#include "common/model/wire.h"
#include "tests/history/driver/cases.h"

enum { RUNS = 40, SIGNALS_MAX = 8, STEPS = 1500, QUERIES_MAX = 1000, UPDATES_MAX = 1000 };

struct script {
    const char *id;
    struct pending *start, *signals[64];
    int signal_count;
    bool started;
};

struct asked {
    struct pending *call;
    int acknowledged; /* signals, when it was asked */
};

struct changed {
    struct pending *call;
    const char *workflow_id, *update_id;
};

struct chaos {
    struct world *w;
    struct rand rand;
    struct script runs[RUNS];
    struct pending *completions[4096];
    size_t completion_count;
    struct asked queries[QUERIES_MAX];
    size_t query_count;
    struct changed updates[UPDATES_MAX];
    size_t update_count;
};

static struct chaos *chaos;

static bool chance(struct chaos *c, unsigned percent)
{
    return rand_below(&c->rand, 100) < percent;
}

static struct sim_fault faults(void *arg, enum store_kind kind, const struct store_op *op)
{
    struct chaos *c = arg;
    struct sim_fault f = { .delay = { (int64_t)rand_below(&c->rand, 3000000) },
        .reconnect = DURATION_MS(20) };
    if (chance(c, 2)) {
        f.outcome = chance(c, 50) ? SIM_LOST_BEFORE : SIM_LOST_AFTER;
    }
    return f;
}

static void tune(struct history_config *config)
{
    config->cache_bytes = 200 << 10;
    config->idle_checkpoint = DURATION_MS(300);
    config->closed_keep = DURATION_MS(50);
}

/* ---- clients ------------------------------------------------------------------------------------------- */

static int acknowledged(const struct script *s)
{
    int n = 0;
    for (int i = 0; i < s->signal_count; i++) {
        n += s->signals[i]->answered && !s->signals[i]->failed;
    }
    return n;
}

static void ask(struct chaos *c, struct script *s)
{
    if (c->query_count == QUERIES_MAX) {
        return;
    }
    Api__QueryWorkflowRequest r = API__QUERY_WORKFLOW_REQUEST__INIT;
    Api__WorkflowQuery q = API__WORKFLOW_QUERY__INIT;
    q.query_type = "signals";
    r.query = &q;
    struct asked *a = &c->queries[c->query_count++];
    a->acknowledged = acknowledged(s);
    a->call = call_api(c->w, API_QUERY_WORKFLOW, s->id, &r.base);
    if (chance(c, 5) && !a->call->answered) {
        caller_gone(a->call);
        c->query_count--;
    }
}

static void change(struct chaos *c, struct script *s)
{
    if (c->update_count == UPDATES_MAX) {
        return;
    }
    Api__UpdateWorkflowExecutionRequest r = API__UPDATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    Api__WorkflowExecution e = API__WORKFLOW_EXECUTION__INIT;
    Update__Request q = UPDATE__REQUEST__INIT;
    Update__Meta meta = UPDATE__META__INIT;
    Update__Input input = UPDATE__INPUT__INIT;
    struct changed *u = &c->updates[c->update_count++];
    u->workflow_id = e.workflow_id = s->id;
    u->update_id = str_printf(&c->w->arena, "u-%d", (int)rand_below(&c->rand, 6)).ptr;
    meta.update_id = u->update_id;
    input.name = "change";
    q.meta = &meta;
    q.input = &input;
    r.workflow_execution = &e;
    r.request = &q;
    u->call = call_api(c->w, API_UPDATE_WORKFLOW, s->id, &r.base);
    if (chance(c, 5) && !u->call->answered) {
        caller_gone(u->call);
        c->update_count--;
    }
}

static void client(struct chaos *c)
{
    struct script *s = &c->runs[rand_below(&c->rand, RUNS)];
    if (!s->start || (s->start->answered && s->start->failed && !s->started)) {
        s->start = call_api(
                c->w, API_START_WORKFLOW, s->id, &start_request(c->w, s->id, "the-start")->base);
        return;
    }
    s->started |= s->start->answered && !s->start->failed;
    if (s->started && chance(c, 25)) {
        ask(c, s);
    }
    if (s->started && chance(c, 20)) {
        change(c, s);
    }
    if (s->started && s->signal_count < SIGNALS_MAX && chance(c, 30)) {
        Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
        r.signal_name = "s";
        r.request_id = str_printf(&c->w->arena, "signal-%d", s->signal_count).ptr;
        s->signals[s->signal_count++] = call_api(c->w, API_SIGNAL_WORKFLOW, s->id, &r.base);
    }
}

/* ---- workers ------------------------------------------------------------------------------------------- */

struct held {
    struct pending *claim;
    const char *queue;
};
static struct held held[512];
static size_t held_count;

static void worker_poll(struct chaos *c)
{
    static unsigned polls;
    struct list_node *n = list_first(&c->w->offers);
    if (!n || held_count == ARRAY_LEN(held)) {
        return;
    }
    struct offered *o = list_entry(n, struct offered, node);
    if (o->is_sticky && chance(c, 30)) {
        demand(c->w, o, true);
        return;
    }
    demand(c->w, o, false);
    if (chance(c, 10)) {
        return; /* the poll's process died */
    }
    struct pending *p = claim(c->w, o, str_printf(&c->w->arena, "poll-%u", polls++).ptr);
    if (chance(c, 5)) {
        caller_gone(p);
    } else {
        held[held_count++] = (struct held){ p, o->task.type == TASK_QUEUE_ACTIVITY ? "a" : "w" };
    }
}

static int count_of(const char *types, const char *type)
{
    int n = 0;
    for (const char *p = types; (p = strstr(p, type)); p += strlen(type) - 1) {
        n++;
    }
    return n;
}

static struct str number(struct chaos *c, int n)
{
    return str_printf(&c->w->arena, "%d", n);
}

static Protocol__Message *message(
        struct arena *arena, const char *update_id, const char *type, const ProtobufCMessage *body)
{
    Protocol__Message *m = api_new(arena, &protocol__message__descriptor);
    m->id = str_printf(arena, "%s/%s", update_id, type).ptr;
    m->protocol_instance_id = update_id;
    m->body = api_new(arena, &api__any__descriptor);
    m->body->type_url =
            str_printf(arena, "type.googleapis.com/temporal.api.update.v1.%s", type).ptr;
    m->body->value = api_data(api_encode(arena, body));
    return m;
}

/* Refused, accepted and done, or left without an answer. */
static void answer_updates(struct chaos *c, const Api__PollWorkflowTaskQueueResponse *t,
        Api__RespondWorkflowTaskCompletedRequest *r)
{
    struct arena *arena = &c->w->arena;
    r->messages = NEW(arena, Protocol__Message *, 2 * t->n_messages + 1);
    for (size_t i = 0; i < t->n_messages; i++) {
        const char *id = t->messages[i]->protocol_instance_id;
        if (chance(c, 20)) {
            Update__Rejection m = UPDATE__REJECTION__INIT;
            m.failure = api_data(STR("\x0a\x02no"));
            r->messages[r->n_messages++] = message(arena, id, "Rejection", &m.base);
        } else if (chance(c, 90)) {
            Update__Acceptance a = UPDATE__ACCEPTANCE__INIT;
            Update__Response m = UPDATE__RESPONSE__INIT;
            Update__Meta meta = UPDATE__META__INIT;
            Update__Outcome o = UPDATE__OUTCOME__INIT;
            a.accepted_request_message_id = t->messages[i]->id;
            a.accepted_request_sequencing_event_id = t->messages[i]->event_id;
            meta.update_id = id;
            o.value_case = UPDATE__OUTCOME__VALUE_SUCCESS;
            o.success = api_data(STR("\x0a\x00"));
            m.meta = &meta;
            m.outcome = &o;
            r->messages[r->n_messages++] = message(arena, id, "Acceptance", &a.base);
            r->messages[r->n_messages++] = message(arena, id, "Response", &m.base);
        }
    }
}

/* With the results of its queries and the answers to its updates. */
static struct pending *complete_with_results(struct chaos *c,
        const Api__PollWorkflowTaskQueueResponse *t, Api__Command *command, struct str result)
{
    struct arena *arena = &c->w->arena;
    Api__RespondWorkflowTaskCompletedRequest r = API__RESPOND_WORKFLOW_TASK_COMPLETED_REQUEST__INIT;
    r.task_token = t->task_token;
    r.commands = &command;
    r.n_commands = command ? 1 : 0;
    r.return_new_workflow_task = false;
    answer_updates(c, t, &r);
    r.n_query_results = t->n_queries;
    r.query_results =
            NEW(arena, Api__RespondWorkflowTaskCompletedRequest__QueryResultsEntry *, t->n_queries);
    for (size_t i = 0; i < t->n_queries; i++) {
        r.query_results[i] = api_new(arena,
                &api__respond_workflow_task_completed_request__query_results_entry__descriptor);
        r.query_results[i]->key = t->queries[i]->key;
        r.query_results[i]->value = api_new(arena, &api__workflow_query_result__descriptor);
        r.query_results[i]->value->result_type = API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_ANSWERED;
        r.query_results[i]->value->answer = api_data(result);
    }
    return call_api(
            c->w, API_RESPOND_WORKFLOW_TASK_COMPLETED, t->workflow_execution->workflow_id, &r.base);
}

/* The workflow: an activity, a timer, then complete; signals only wake it. Decided from the history alone, as real
 * workers do. Sticky tasks carry a part of it, so the events that count are told by their types' totals. */
static struct pending *decide(struct chaos *c, const Api__PollWorkflowTaskQueueResponse *t)
{
    struct world *w = c->w;
    const char *id = t->workflow_execution->workflow_id;
    Api__GetWorkflowExecutionHistoryRequest r = API__GET_WORKFLOW_EXECUTION_HISTORY_REQUEST__INIT;
    r.execution = t->workflow_execution;
    struct pending *p = call_api(w, API_GET_HISTORY, id, &r.base);
    enum err err = error_of(w, p);
    if (err) {
        return NULL;
    }
    Api__GetWorkflowExecutionHistoryResponse *m = api_decode(
            &api__get_workflow_execution_history_response__descriptor, &w->arena, p->body, NULL);
    const char *types = str_printf(&w->arena, " %s ", event_types(w, m->history)).ptr;
    if (t->query) { /* a part of the history, or none: it is in the cache */
        bool is_whole = t->history.len && t->history.len <= m->history.len;
        const char *seen =
                str_printf(&w->arena, " %s ", event_types(w, is_whole ? t->history : m->history))
                        .ptr;
        Api__RespondQueryTaskCompletedRequest q = API__RESPOND_QUERY_TASK_COMPLETED_REQUEST__INIT;
        q.task_token = t->task_token;
        q.completed_type = API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_ANSWERED;
        q.query_result = api_data(number(c, count_of(seen, " 26 ")));
        return call_api(w, API_RESPOND_QUERY_TASK_COMPLETED, id, &q.base);
    }
    Api__Command *command = NULL;
    if (!strstr(types, " 10 ")) {
        command = schedule_activity(w, "a");
    } else if (strstr(types, " 12 ") && !strstr(types, " 17 ")) {
        command = start_timer(w, 1);
    } else if (strstr(types, " 18 ")) {
        command = complete_workflow(w);
    }
    const char *sticky = chance(c, 50) ? "sticky" : NULL;
    return (t->n_queries || t->n_messages) && chance(c, 80)
                   ? complete_with_results(c, t, command, number(c, count_of(types, " 26 ")))
                   : complete_task_begin(w, id, t, &command, command ? 1 : 0, sticky);
}

static void worker_finish(struct chaos *c)
{
    for (size_t i = 0; i < held_count; i++) {
        struct held h = held[i];
        if (!h.claim->answered) {
            continue;
        }
        held[i--] = held[--held_count];
        if (h.claim->failed || chance(c, 3)) {
            continue; /* or the worker died with it */
        }
        struct world *w = c->w;
        if (*h.queue == 'a') {
            Api__PollActivityTaskQueueResponse *a =
                    api_decode(&api__poll_activity_task_queue_response__descriptor, &w->arena,
                            h.claim->body, NULL);
            complete_activity_begin(w, a->workflow_execution->workflow_id, a);
        } else {
            Api__PollWorkflowTaskQueueResponse *t =
                    api_decode(&api__poll_workflow_task_queue_response__descriptor, &w->arena,
                            h.claim->body, NULL);
            decide(c, t);
        }
        return;
    }
}

/* ---- what must hold ------------------------------------------------------------------------------------- */

static bool is_complete(struct chaos *c, struct script *s)
{
    if (!s->started) {
        return false;
    }
    return (int)describe(c->w, s->id)->workflow_execution_info->status == WORKFLOW_COMPLETED;
}

/* How an update has ended, as history says: 0 unknown, 1 with a failure, 2 with success. */
static int update_end(struct chaos *c, const struct changed *u)
{
    Api__PollWorkflowExecutionUpdateRequest r = API__POLL_WORKFLOW_EXECUTION_UPDATE_REQUEST__INIT;
    Update__UpdateRef ref = UPDATE__UPDATE_REF__INIT;
    Api__WorkflowExecution e = API__WORKFLOW_EXECUTION__INIT;
    e.workflow_id = u->workflow_id;
    ref.workflow_execution = &e;
    ref.update_id = u->update_id;
    r.update_ref = &ref;
    struct pending *p = call_api(c->w, API_POLL_UPDATE, u->workflow_id, &r.base);
    if (error_of(c->w, p)) {
        expect(p->fail.err == ERR_NOT_FOUND);
        return 0;
    }
    Api__PollWorkflowExecutionUpdateResponse *m = api_decode(
            &api__poll_workflow_execution_update_response__descriptor, &c->w->arena, p->body, NULL);
    expect(m->outcome); /* the run is over: so is the update */
    return m->outcome->value_case == UPDATE__OUTCOME__VALUE_SUCCESS ? 2 : 1;
}

/* Nobody was told of a success that is not in history. Returns how many successes were told. */
static int check_updates(struct chaos *c)
{
    int told = 0;
    for (size_t i = 0; i < c->update_count; i++) {
        struct pending *p = c->updates[i].call;
        expect(p->answered);
        if (p->failed) {
            expect(p->fail.err == ERR_UNAVAILABLE || p->fail.err == ERR_RESOURCE_EXHAUSTED ||
                    p->fail.err == ERR_NOT_FOUND ||
                    str_eq(p->fail.detail_type, STR("WorkflowNotReadyFailure")));
            continue;
        }
        Api__UpdateWorkflowExecutionResponse *m = api_decode(
                &api__update_workflow_execution_response__descriptor, &c->w->arena, p->body, NULL);
        if (m->outcome && m->outcome->value_case == UPDATE__OUTCOME__VALUE_SUCCESS) {
            expect(update_end(c, &c->updates[i]) == 2);
            told++;
        } else if (!m->outcome && (int)m->stage == UPDATE_ACCEPTED) {
            expect(update_end(c, &c->updates[i]) != 0);
        }
    }
    return told;
}

static void check_run(struct chaos *c, struct script *s)
{
    const char *types = str_printf(&c->w->arena, " %s ", history_types(c->w, s->id)).ptr;
    expect(count_of(types, " 1 ") == 1 && count_of(types, " 2 ") == 1);
    expect(count_of(types, " 10 ") == 1 && count_of(types, " 12 ") == 1 &&
            count_of(types, " 18 ") == 1);
    expect(count_of(types, " 26 ") >= acknowledged(s) &&
            count_of(types, " 26 ") <= s->signal_count);
    expect(count_of(types, " 41 ") <= 6 && count_of(types, " 43 ") == count_of(types, " 41 "));
}

/* Returns how many were answered. */
static int check_queries(struct chaos *c)
{
    int answered = 0;
    for (size_t i = 0; i < c->query_count; i++) {
        struct pending *p = c->queries[i].call;
        expect(p->answered);
        if (!p->failed) {
            Api__QueryWorkflowResponse *m = api_decode(
                    &api__query_workflow_response__descriptor, &c->w->arena, p->body, NULL);
            expect(atoi(str_cstr(&c->w->arena, api_bytes(m->query_result))) >=
                    c->queries[i].acknowledged);
            answered++;
        } else {
            expect(p->fail.err == ERR_UNAVAILABLE || p->fail.err == ERR_RESOURCE_EXHAUSTED ||
                    p->fail.err == ERR_DEADLINE_EXCEEDED ||
                    str_eq(p->fail.detail_type, STR("WorkflowNotReadyFailure")));
        }
    }
    return answered;
}

static void disturb(struct chaos *c)
{
    if (chance(c, 1) && chance(c, 40)) {
        world_crash(c->w);
        held_count = 0;
    }
}

static void one_world(uint64_t seed)
{
    struct chaos c = { .rand = { seed } };
    chaos = &c;
    c.w = world_new_with(tune);
    sim_db_set_faults(c.w->db, faults, &c);
    held_count = 0;
    for (int i = 0; i < RUNS; i++) {
        c.runs[i].id = str_printf(&c.w->arena, "run-%d", i).ptr;
    }
    for (int i = 0; i < STEPS; i++) {
        client(&c);
        worker_poll(&c);
        worker_finish(&c);
        disturb(&c);
        world_advance(c.w, (struct duration){ (int64_t)rand_below(&c.rand, 4000000) });
    }
    int left = RUNS;
    for (int rounds = 0; left; rounds++) {
        expect(rounds < 200); /* nothing is stuck */
        for (int i = 0; i < 200; i++) {
            client(&c);
            worker_poll(&c);
            worker_finish(&c);
            world_advance(c.w, DURATION_MS(5));
        }
        left = 0;
        sim_db_set_faults(c.w->db, NULL, NULL);
        for (int i = 0; i < RUNS; i++) {
            left += !is_complete(&c, &c.runs[i]);
        }
    }
    for (int i = 0; i < RUNS; i++) {
        check_run(&c, &c.runs[i]);
    }
    world_advance(c.w, DURATION_SECONDS(60));
    expect(check_queries(&c) > (int)c.query_count / 4);
    expect(check_updates(&c) > (int)c.update_count / 10);
    expect(history_stats(c.w->history).stuck_runs == 0 &&
            history_stats(c.w->history).corrupt_runs == 0);
    world_free(c.w);
}

void random_worlds(void)
{
    const char *only = getenv("SEED");
    if (only) {
        one_world(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static char name[64];
        snprintf(name, sizeof(name), "random_worlds SEED=%d", (int)seed);
        case_name = name;
        one_world(seed);
    }
    case_name = "random_worlds";
}
