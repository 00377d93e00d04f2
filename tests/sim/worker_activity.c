/* An activity: works for a while, perhaps with heartbeats, fails as often as its step says, and tells
 * its result. */
#include "common/api/codec.h"
#include "tests/sim/worker.h"

static void fail_attempt(struct slot *s)
{
    Api__RespondActivityTaskFailedRequest *r =
            api_new(&s->arena, &api__respond_activity_task_failed_request__descriptor);
    r->namespace_ = "default";
    r->task_token = api_data(s->token);
    r->identity = s->worker->identity.ptr;
    r->failure = api_data(STR("\x0a\x07planned\x2a\x00"));
    s->activity_id = STR("");
    slot_answer(s, "RespondActivityTaskFailed", &r->base);
}

static void complete(struct slot *s)
{
    bool by_id = plays(100);
    struct str result = payloads_of(&s->arena,
            activity_result(&s->arena, s->workflow_type, s->activity_id, by_id ? 0 : s->attempt));
    if (by_id) {
        Api__RespondActivityTaskCompletedByIdRequest *r =
                api_new(&s->arena, &api__respond_activity_task_completed_by_id_request__descriptor);
        r->namespace_ = "default";
        r->workflow_id = s->workflow_id.ptr;
        r->run_id = s->run_id.ptr;
        r->activity_id = s->activity_id.ptr;
        r->result = api_data(result);
        slot_answer(s, "RespondActivityTaskCompletedById", &r->base);
        return;
    }
    Api__RespondActivityTaskCompletedRequest *r =
            api_new(&s->arena, &api__respond_activity_task_completed_request__descriptor);
    r->namespace_ = "default";
    r->task_token = api_data(s->token);
    r->identity = s->worker->identity.ptr;
    r->result = api_data(result);
    slot_answer(s, "RespondActivityTaskCompleted", &r->base);
}

static void cancel(struct slot *s)
{
    Api__RespondActivityTaskCanceledRequest *r =
            api_new(&s->arena, &api__respond_activity_task_canceled_request__descriptor);
    r->namespace_ = "default";
    r->task_token = api_data(s->token);
    r->identity = s->worker->identity.ptr;
    slot_answer(s, "RespondActivityTaskCanceled", &r->base);
}

/* A task that was answered long ago is answered again: nobody may take it for the one at hand. */
static bool answer_old(struct slot *s)
{
    if (world.calm || !s->worker->old_token.len || !plays(world.swarm.worker_old)) {
        return false;
    }
    Api__RespondActivityTaskCompletedRequest *r =
            api_new(&s->arena, &api__respond_activity_task_completed_request__descriptor);
    r->namespace_ = "default";
    r->task_token = api_data(s->worker->old_token);
    r->result = api_data(payloads_of(&s->arena, STR("an old task's result")));
    s->activity_id = STR("");
    slot_answer(s, "RespondActivityTaskCompleted", &r->base);
    return true;
}

static void finish(struct slot *s)
{
    struct program p;
    unsigned group = 0, step = 0;
    check(program_parse(s->workflow_type, &p) && step_parse(s->activity_id, &group, &step));
    if (answer_old(s)) {
        return; /* and the one at hand is forgotten */
    }
    bool planned = s->attempt <= (int)p.step[group][step].fails && !s->waits;
    if (planned || (!world.calm && plays(world.swarm.worker_fails))) {
        fail_attempt(s);
    } else {
        complete(s);
    }
}

static void work(struct sim_event *event);

static void on_heartbeat(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct slot *s = container_of(call, struct slot, call);
    if (err == ERR_NOT_FOUND) {
        slot_poll(s, DURATION_MS(1));
        return;
    }
    if (!err && ev_int(body, 1)) {
        cancel(s);
        return;
    }
    if (err && !is_unsure(err)) {
        violation("a heartbeat is answered with %s: %s", err_name(err), text);
    }
    event_after(&s->timer, DURATION_MS(200 + (int64_t)rand_below(&world.play, 800)), work);
}

static void work(struct sim_event *event)
{
    struct slot *s = container_of(event, struct slot, timer);
    if (world.now.ns >= s->work_until.ns) {
        finish(s);
        return;
    }
    if (!s->heartbeats) {
        event_after(event, instant_since(s->work_until, world.now), work);
        return;
    }
    Api__RecordActivityTaskHeartbeatRequest r = API__RECORD_ACTIVITY_TASK_HEARTBEAT_REQUEST__INIT;
    r.namespace_ = "default";
    r.task_token = api_data(s->token);
    r.identity = s->worker->identity.ptr;
    s->call.done = on_heartbeat;
    api_call_start(&s->call, "RecordActivityTaskHeartbeat", &r.base, DURATION_SECONDS(5));
}

static void check_task(struct slot *s, const struct program *p, unsigned group, unsigned step)
{
    const struct step *st = &p->step[group][step];
    struct known_activity *a = ledger_activity(s->run_id, s->activity_id);
    a->handed++;
    if (st->max_attempts && s->attempt > (int)st->max_attempts) {
        violation("activity " STR_FMT " is handed out for attempt %d of %u", STR_ARG(a->key),
                s->attempt, st->max_attempts);
    }
    if (st->max_attempts == 1 && a->handed > 1) {
        violation("activity " STR_FMT " without retries is handed out %u times", STR_ARG(a->key),
                a->handed);
    }
    if (a->acknowledged &&
            instant_since(world.now, a->acknowledged_at).ns > DURATION_SECONDS(20).ns) {
        violation("activity " STR_FMT " is handed out long after its end", STR_ARG(a->key));
    }
}

void activity_task_take(struct slot *s, Api__PollActivityTaskQueueResponse *t)
{
    struct program p;
    unsigned group = 0, step = 0;
    s->token = api_bytes(t->task_token);
    s->workflow_id = str_from_cstr(t->workflow_execution->workflow_id);
    s->run_id = str_from_cstr(t->workflow_execution->run_id);
    s->workflow_type = str_from_cstr(t->workflow_type->name);
    s->activity_id = str_from_cstr(t->activity_id);
    s->attempt = t->attempt;
    s->waits = str_eq(str_from_cstr(t->activity_type->name), STR("wait"));
    s->heartbeats = t->heartbeat_timeout && (t->heartbeat_timeout->seconds > 0);
    record(NULL, "activity task", s->worker->number, s->attempt,
            (int64_t)(hash_bytes(s->run_id, 0) & 0xffffff));
    if (!program_parse(s->workflow_type, &p) || !step_parse(s->activity_id, &group, &step) ||
            !str_eq(payloads_text(api_bytes(t->input)), s->workflow_type)) {
        violation("an activity task that no program has made: " STR_FMT, STR_ARG(s->activity_id));
    }
    check_task(s, &p, group, step);
    struct duration span = s->waits ? DURATION_SECONDS(30) : p.step[group][step].span;
    if (!world.calm && plays(world.swarm.worker_stalls)) {
        span = DURATION_SECONDS(15);
        s->heartbeats = false;
    }
    s->work_until = instant_add(world.now, span);
    work(&s->timer);
}
