/* A client starts its workflow and then signals, asks, cancels or terminates it until it is closed.
 * Calls whose outcome is unknown are made again with the same request id; what was acknowledged is
 * written into the ledger. */
#include "tests/sim/client.h"

#include <stdio.h>

#include "common/api/codec.h"
#include "common/model/priority.h"
#include "tests/sim/check_run.h"
#include "tests/sim/checks.h"
#include "tests/sim/worker.h"

static struct client *clients;

static void act(struct sim_event *event);

void client_again(struct client *c, int64_t min_ms, int64_t max_ms)
{
    int64_t ms = min_ms + (int64_t)rand_below(&world.play, (uint64_t)(max_ms - min_ms));
    event_after(&c->timer, DURATION_MS(ms), act);
}

bool client_is_retryable(enum err err)
{
    return err == ERR_UNAVAILABLE || err == ERR_DEADLINE_EXCEEDED ||
           err == ERR_RESOURCE_EXHAUSTED || err == ERR_CANCELLED;
}

void client_call(struct client *c, const char *method, const ProtobufCMessage *m,
        void (*done)(struct api_call *, enum err, struct str, const char *))
{
    c->call.done = done;
    api_call_start(&c->call, method, m, DURATION_SECONDS(2 + (int64_t)rand_below(&world.play, 9)));
}

Api__WorkflowExecution *client_execution(struct client *c)
{
    Api__WorkflowExecution *e = api_new(&c->arena, &api__workflow_execution__descriptor);
    e->workflow_id = c->script->id.ptr;
    return e;
}

/* ---- start ------------------------------------------------------------------------------------- */

bool client_started(struct client *c, enum err err, struct str run_id, const char *text)
{
    struct script *s = c->script;
    if (client_is_retryable(err)) {
        s->unsure_starts++;
        s->unsure_signal[0]++;
        client_again(c, 20, 800);
        return false;
    }
    /* A frontend may have asked twice; if the run was followed meanwhile, the next one is in the way. */
    bool is_there = err == ERR_ALREADY_EXISTS && (s->unsure_starts || run_check_count(s->id) > 1);
    if (err && !is_there) {
        violation("the start of " STR_FMT " fails: %s: %s", STR_ARG(s->id), err_name(err), text);
    }
    s->started = true;
    if (!err) {
        s->run_id = str_dup(&world.arena, run_id);
        s->acknowledged[0] = s->signals == 1;
    }
    record(NULL, "started", s->number, 0, 0);
    client_again(c, 1, 500);
    return true;
}

static void on_started(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    if (!client_started(c, err, ev_bytes(body, 1), text) || err || !c->script->is_eager) {
        return;
    }
    Api__StartWorkflowExecutionResponse *m =
            api_decode(&api__start_workflow_execution_response__descriptor, &c->arena, body, NULL);
    check(m);
    if (m->eager_workflow_task && m->eager_workflow_task->task_token.len) {
        tally[TALLY_eager_tasks]++;
        workers_take_eager(m->eager_workflow_task);
    }
}

static Api__RetryPolicy *retry_policy(struct client *c)
{
    Api__RetryPolicy *p = api_new(&c->arena, &api__retry_policy__descriptor);
    p->initial_interval = api_duration(&c->arena, DURATION_MS(300));
    p->backoff_coefficient = 2;
    p->maximum_attempts = 5;
    return p;
}

static Api__Duration *span(struct client *c, struct duration d)
{
    return d.ns ? api_duration(&c->arena, d) : NULL;
}

/* In every second world most workflows have one: any level, one of three keys of fairness or none. Their tasks, their
 * activities and their children have the same. */
static struct str priority_of(struct client *c)
{
    static const struct str tenants[] = { STR_INIT(""), STR_INIT("a"), STR_INIT("b"),
        STR_INIT("c") };
    uint64_t h = hash_u64(c->script->seed ^ 0x5052);
    struct priority p = { (int32_t)(h % 6), tenants[h / 6 % 4], (float)(h / 24 % 2 * 4) };
    struct buf out;
    if (world.swarm.workflows % 2) {
        return STR("");
    }
    buf_init_arena(&out, &c->arena, PRIORITY_BYTES_MAX);
    priority_write(&out, &p);
    return buf_str(&out);
}

#define FILL_START(c, r)                                                                      \
    do {                                                                                      \
        const struct script *s_ = (c)->script;                                                \
        (r)->namespace_ = "default";                                                          \
        (r)->workflow_id = s_->id.ptr;                                                        \
        (r)->workflow_type = api_new(&(c)->arena, &api__workflow_type__descriptor);           \
        (r)->workflow_type->name = program_type(&(c)->arena, s_->seed, 0, s_->runs_left).ptr; \
        (r)->task_queue = api_new(&(c)->arena, &api__task_queue__descriptor);                 \
        (r)->task_queue->name = "wq";                                                         \
        (r)->request_id = s_->start_request.ptr;                                              \
        (r)->workflow_task_timeout = api_duration(&(c)->arena, DURATION_SECONDS(3));          \
        (r)->workflow_run_timeout = span((c), s_->run_timeout);                               \
        (r)->workflow_start_delay = span((c), s_->start_delay);                               \
        (r)->retry_policy = s_->retries ? retry_policy(c) : NULL;                             \
        (r)->cron_schedule = s_->cron ? s_->cron : "";                                        \
        (r)->priority = api_data(priority_of(c));                                             \
        (r)->workflow_id_reuse_policy = (Api__WorkflowIdReusePolicy)3;                        \
    } while (0)

Api__StartWorkflowExecutionRequest *client_start_request(struct client *c)
{
    Api__StartWorkflowExecutionRequest *r =
            api_new(&c->arena, &api__start_workflow_execution_request__descriptor);
    FILL_START(c, r);
    r->request_eager_execution = c->script->is_eager;
    return r;
}

static bool starts_with_signal(const struct script *s)
{
    return world.swarm.features & FEATURE_SIGNAL_WITH_START && s->number % 2;
}

static void start(struct client *c)
{
    struct script *s = c->script;
    if (s->starts_with_update) {
        client_start_with_update(c);
        return;
    }
    if (starts_with_signal(s)) {
        Api__SignalWithStartWorkflowExecutionRequest *r =
                api_new(&c->arena, &api__signal_with_start_workflow_execution_request__descriptor);
        FILL_START(c, r);
        r->signal_name = "s0";
        s->signals = 1;
        client_call(c, "SignalWithStartWorkflowExecution", &r->base, on_started);
        return;
    }
    client_call(c, "StartWorkflowExecution", &client_start_request(c)->base, on_started);
}

/* ---- signals ----------------------------------------------------------------------------------- */

static void on_signaled(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    struct script *s = c->script;
    unsigned k = s->signals - 1;
    c->retry_signal = client_is_retryable(err);
    if (c->retry_signal) {
        s->unsure_signal[k]++;
    } else if (!err) {
        s->acknowledged[k] = true;
    } else if (err != ERR_NOT_FOUND) {
        violation("a signal to " STR_FMT " fails: %s: %s", STR_ARG(s->id), err_name(err), text);
    }
    client_again(c, 1, world.calm ? 1500 : 600);
}

static void signal_run(struct client *c)
{
    struct script *s = c->script;
    Api__SignalWorkflowExecutionRequest *r =
            api_new(&c->arena, &api__signal_workflow_execution_request__descriptor);
    s->signals += !c->retry_signal;
    r->namespace_ = "default";
    r->workflow_execution = client_execution(c);
    r->signal_name = str_printf(&c->arena, "s%u", s->signals - 1).ptr;
    r->request_id = str_printf(&c->arena, STR_FMT "-s%u", STR_ARG(s->id), s->signals - 1).ptr;
    client_call(c, "SignalWorkflowExecution", &r->base, on_signaled);
}

/* ---- reads ------------------------------------------------------------------------------------- */

static unsigned acknowledged_signals(const struct script *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->signals; i++) {
        n += s->acknowledged[i];
    }
    return n;
}

static void on_described(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    struct script *s = c->script;
    if (err == ERR_NOT_FOUND && !s->delete_sent) {
        violation("started workflow " STR_FMT " is not found", STR_ARG(s->id));
    }
    if (!err && c->deleted && !checks_may_be_stale(s->id)) {
        violation("deleted workflow " STR_FMT " is still there", STR_ARG(s->id));
    }
    if (err == ERR_NOT_FOUND) {
        s->closed = true;
    } else if (!err) {
        int64_t status = ev_int(ev_bytes(body, 2), 5);
        if (c->terminated && status == WORKFLOW_RUNNING) {
            violation("terminated workflow " STR_FMT " runs", STR_ARG(s->id));
        }
        /* a reset that was sent twice may be done late */
        bool may_return = (s->reset_count && s->resets[s->reset_count - 1].unsure) ||
                          checks_may_be_stale(s->id);
        if (s->closed && status == WORKFLOW_RUNNING && !may_return) {
            violation("closed workflow " STR_FMT " runs again", STR_ARG(s->id));
        }
        s->closed |= status != WORKFLOW_RUNNING;
    } else if (!client_is_retryable(err)) {
        violation("a describe of " STR_FMT " fails: %s: %s", STR_ARG(s->id), err_name(err), text);
    }
    client_again(c, 1, world.calm ? 1500 : 600);
}

static void describe(struct client *c)
{
    Api__DescribeWorkflowExecutionRequest r = API__DESCRIBE_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.namespace_ = "default";
    r.execution = client_execution(c);
    c->terminated = c->script->terminate_acknowledged;
    c->deleted = c->script->delete_acknowledged;
    client_call(c, "DescribeWorkflowExecution", &r.base, on_described);
}

static void on_queried(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    struct script *s = c->script;
    /* a second reset of the same run knows nothing of what came after the first */
    bool forgets = s->reset_count > 1 || (s->reset_count && s->resets[0].unsure);
    if (!err && !s->runs_left && !s->retries && !s->cron && !forgets) {
        int64_t seen = 0;
        struct str result = payloads_text(ev_bytes(body, 1));
        if (!str_to_i64(result, &seen) || seen < (int64_t)c->acknowledged) {
            violation("a query of " STR_FMT " sees %lld of %u signals", STR_ARG(s->id),
                    (long long)seen, c->acknowledged);
        }
    } else if (err && !client_is_retryable(err) && err != ERR_NOT_FOUND &&
               err != ERR_INVALID_ARGUMENT && err != ERR_FAILED_PRECONDITION) {
        violation("a query of " STR_FMT " fails: %s: %s", STR_ARG(s->id), err_name(err), text);
    }
    client_again(c, 1, 600);
}

static void query(struct client *c)
{
    Api__QueryWorkflowRequest r = API__QUERY_WORKFLOW_REQUEST__INIT;
    Api__WorkflowQuery q = API__WORKFLOW_QUERY__INIT;
    r.namespace_ = "default";
    r.execution = client_execution(c);
    r.query = &q;
    q.query_type = "signals";
    c->acknowledged = acknowledged_signals(c->script);
    client_call(c, "QueryWorkflow", &r.base, on_queried);
}

/* ---- ends -------------------------------------------------------------------------------------- */

static void on_cancelled(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    c->script->cancel_acknowledged |= !err;
    c->script->cancel_acknowledged_at = world.now;
    if (err && !client_is_retryable(err) && err != ERR_NOT_FOUND) {
        violation("a cancellation fails: %s: %s", err_name(err), text);
    }
    client_again(c, 1, 600);
}

static void cancel(struct client *c)
{
    Api__RequestCancelWorkflowExecutionRequest r =
            API__REQUEST_CANCEL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.namespace_ = "default";
    r.workflow_execution = client_execution(c);
    r.request_id = str_printf(&c->arena, STR_FMT "-cancel", STR_ARG(c->script->id)).ptr;
    c->script->cancel_sent = true;
    client_call(c, "RequestCancelWorkflowExecution", &r.base, on_cancelled);
}

static void on_terminated(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    c->script->terminate_acknowledged |= !err;
    if (err && !client_is_retryable(err) && err != ERR_NOT_FOUND) {
        violation("a termination fails: %s: %s", err_name(err), text);
    }
    client_again(c, 1, 600);
}

static void terminate(struct client *c)
{
    Api__TerminateWorkflowExecutionRequest r = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.namespace_ = "default";
    r.workflow_execution = client_execution(c);
    c->script->terminate_sent = true;
    client_call(c, "TerminateWorkflowExecution", &r.base, on_terminated);
}

/* ---- life -------------------------------------------------------------------------------------- */

/* What is left to do when it is closed. True: something. */
static bool act_on_closed(struct client *c)
{
    struct script *s = c->script;
    if (c->retry_signal) {
        signal_run(c);
    } else if (c->retry_reset || (s->may_reset && s->reset_count < RESETS_MAX && plays(300))) {
        client_reset(c);
    } else if (c->update) {
        client_update(c);
    } else if (s->may_delete && !s->delete_acknowledged) {
        client_delete(c);
    } else {
        return false;
    }
    return true;
}

/* The deeds that only some workflows know. True: one was done. */
static bool act_rarely(struct client *c)
{
    struct script *s = c->script;
    unsigned features = world.swarm.features;
    if (c->retry_reset || (s->may_reset && s->reset_count < RESETS_MAX && plays(60))) {
        client_reset(c);
    } else if (c->update || (features & FEATURE_UPDATE && plays(300) && s->updates < 40)) {
        client_update(c);
    } else if (s->may_delete && !s->delete_acknowledged && plays(40)) {
        client_delete(c);
    } else if (s->cron && (world.calm ? plays(200) : plays(20))) {
        terminate(c);
    } else {
        return false;
    }
    return true;
}

static void act(struct sim_event *event)
{
    struct client *c = container_of(event, struct client, timer);
    struct script *s = c->script;
    unsigned features = world.swarm.features;
    arena_reset(&c->arena);
    if (s->closed) {
        if (act_on_closed(c)) {
            return;
        }
        record(NULL, "closed", s->number, 0, 0);
        if (plays(300)) {
            query(c);
        } else if (plays(500)) {
            describe(c);
        }
        return;
    }
    if (!s->started) {
        start(c);
    } else if (c->retry_signal) {
        signal_run(c);
    } else if (act_rarely(c)) {
        return;
    } else if (features & FEATURE_SIGNAL && plays(450) && s->signals < SIGNALS_MAX - 1) {
        signal_run(c);
    } else if (features & FEATURE_QUERY && plays(300)) {
        query(c);
    } else if (features & FEATURE_CANCEL && !s->cancel_sent && s->number % 4 == 1 && plays(50)) {
        cancel(c);
    } else if (features & FEATURE_TERMINATE && s->number % 4 == 2 && plays(30)) {
        terminate(c);
    } else {
        describe(c);
    }
}

static void choose_deeds(struct script *s)
{
    unsigned features = world.swarm.features;
    bool plain = !s->cron && !s->start_delay.ns;
    s->starts_with_update = features & FEATURE_UPDATE_WITH_START && s->number % 3 == 0 && plain;
    bool alone = !s->starts_with_update && !starts_with_signal(s);
    s->is_eager = features & FEATURE_EAGER_START && plain && alone;
    s->may_delete = features & FEATURE_DELETE && s->number % 5 == 3;
    s->may_reset = features & FEATURE_RESET && s->number % 4 >= 2 && !s->cron && !s->may_delete &&
                   !(features & FEATURE_TERMINATE && s->number % 4 == 2);
}

static void make_script(struct script *s, unsigned number)
{
    struct rand *r = &world.play;
    unsigned features = world.swarm.features;
    *s = (struct script){ .number = number, .seed = rand_u64(r) };
    s->id = str_printf(&world.arena, "w%u", number);
    s->start_request = str_printf(&world.arena, "start-%u", number);
    s->runs_left = (unsigned)program_runs(s->seed);
    s->retries = features & FEATURE_WORKFLOW_RETRY;
    if (features & FEATURE_RUN_TIMEOUT && rand_below(r, 3) == 0) {
        s->run_timeout = DURATION_MS(2000 + (int64_t)rand_below(r, 20000));
    }
    if (features & FEATURE_CRON && number % 5 == 4) {
        s->cron = str_printf(&world.arena, "@every %us", 1 + (unsigned)rand_below(r, 6)).ptr;
        s->runs_left = 0;
    } else if (features & FEATURE_START_DELAY && rand_below(r, 3) == 0 && !(number % 2)) {
        s->start_delay = DURATION_MS(100 + (int64_t)rand_below(r, 8000));
    }
    choose_deeds(s);
}

void clients_start(void)
{
    unsigned n = world.swarm.workflows;
    scripts = NEW(&world.arena, struct script, n);
    clients = NEW(&world.arena, struct client, n);
    for (unsigned i = 0; i < n; i++) {
        make_script(&scripts[i], i);
        clients[i].script = &scripts[i];
        int64_t latest = duration_ms(world.swarm.turmoil) * 2 / 3;
        client_again(&clients[i], 1, latest + 2);
    }
}

bool clients_are_done(void)
{
    for (unsigned i = 0; i < world.swarm.workflows; i++) {
        if (!scripts[i].closed || clients[i].call.pending || event_is_set(&clients[i].timer)) {
            return false;
        }
    }
    return true;
}
