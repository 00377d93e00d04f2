/* The pollers of a worker and their lives:
 *
 *   POLLING --task--> working (worker_workflow.c, worker_activity.c) --answer--> POLLING
 *
 * A worker that dies forgets everything at once; it comes back under another identity. */
#include "tests/sim/worker.h"

#include "common/api/codec.h"

static struct worker *workers;

bool is_unsure(enum err err)
{
    return err == ERR_UNAVAILABLE || err == ERR_DEADLINE_EXCEEDED || err == ERR_RESOURCE_EXHAUSTED;
}

static Api__TaskQueue *queue_new(struct arena *arena, const char *name, const char *normal)
{
    Api__TaskQueue *q = api_new(arena, &api__task_queue__descriptor);
    q->name = name;
    if (normal) {
        q->kind = API__TASK_QUEUE_KIND__TASK_QUEUE_KIND_STICKY;
        q->normal_name = normal;
    }
    return q;
}

static void on_polled(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct slot *s = container_of(call, struct slot, call);
    bool is_late = err == ERR_FAILED_PRECONDITION; /* it arrived with too little time left */
    if (err && !is_unsure(err) && err != ERR_CANCELLED && !is_late) {
        violation("a poll ends with %s: %s", err_name(err), text);
    }
    if (err || body.len == 0) {
        slot_poll(s, err ? up_to(DURATION_MS(400)) : DURATION_MS(1));
        return;
    }
    if (!world.calm && plays(world.swarm.worker_dies)) {
        worker_die(s->worker);
        return;
    }
    if (s->kind == SLOT_ACTIVITY) {
        Api__PollActivityTaskQueueResponse *a = api_decode(
                &api__poll_activity_task_queue_response__descriptor, &s->arena, body, NULL);
        check(a);
        activity_task_take(s, a);
        return;
    }
    Api__PollWorkflowTaskQueueResponse *t =
            api_decode(&api__poll_workflow_task_queue_response__descriptor, &s->arena, body, NULL);
    check(t);
    workflow_task_take(s, t);
}

static void slot_clear(struct slot *s)
{
    arena_reset(&s->arena);
    buf_reset(&s->fetched);
    s->tries = 0;
    s->repeated = false;
    s->idle = false;
    s->decided.count = s->decided.message_count = 0;
}

static void poll_now(struct sim_event *event)
{
    struct slot *s = container_of(event, struct slot, timer);
    struct duration patience = DURATION_SECONDS(3 + (int64_t)rand_below(&world.play, 15));
    slot_clear(s);
    s->call.done = on_polled;
    if (s->kind == SLOT_ACTIVITY) {
        Api__PollActivityTaskQueueRequest r = API__POLL_ACTIVITY_TASK_QUEUE_REQUEST__INIT;
        r.namespace_ = "default";
        r.task_queue = queue_new(&s->arena, activity_queue(), NULL);
        r.identity = s->worker->identity.ptr;
        api_call_start(&s->call, "PollActivityTaskQueue", &r.base, patience);
        return;
    }
    Api__PollWorkflowTaskQueueRequest r = API__POLL_WORKFLOW_TASK_QUEUE_REQUEST__INIT;
    r.namespace_ = "default";
    r.task_queue = s->kind == SLOT_STICKY ? queue_new(&s->arena, s->worker->sticky.ptr, "wq")
                                          : queue_new(&s->arena, "wq", NULL);
    r.identity = s->worker->identity.ptr;
    api_call_start(&s->call, "PollWorkflowTaskQueue", &r.base, patience);
}

void slot_poll(struct slot *s, struct duration after)
{
    if (s->kind == SLOT_EAGER_WORKFLOW || s->kind == SLOT_EAGER_ACTIVITY) {
        s->idle = true;
        return;
    }
    event_after(&s->timer, after, poll_now);
}

/* ---- answers ----------------------------------------------------------------------------------- */

static void answer_now(struct sim_event *event);

static void on_answered(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct slot *s = container_of(call, struct slot, call);
    if (is_unsure(err) && ++s->tries < 6) {
        event_after(&s->timer, up_to(DURATION_MS(100 << s->tries)), answer_now);
        return;
    }
    if (s->kind != SLOT_ACTIVITY && s->kind != SLOT_EAGER_ACTIVITY) {
        workflow_task_answered(s, err, body, text);
        return;
    }
    if (!err && s->activity_id.len) {
        struct known_activity *a = ledger_activity(s->run_id, s->activity_id);
        a->acknowledged = true;
        a->acknowledged_at = world.now;
        s->worker->old_token = str_dup(&world.arena, s->token);
    } else if (err && err != ERR_NOT_FOUND && !is_unsure(err)) {
        violation("%s is answered with %s: %s", s->method, err_name(err), text);
    }
    if (!world.calm && !s->repeated && plays(world.swarm.worker_twice)) {
        s->repeated = true;
        s->tries = 0;
        event_after(&s->timer, up_to(DURATION_MS(500)), answer_now);
        return;
    }
    slot_poll(s, DURATION_MS(1));
}

static void answer_now(struct sim_event *event)
{
    struct slot *s = container_of(event, struct slot, timer);
    s->call.done = on_answered;
    api_call_start(&s->call, s->method, s->answer, DURATION_SECONDS(10));
}

void slot_answer(struct slot *s, const char *method, const ProtobufCMessage *answer)
{
    s->method = method;
    s->answer = answer;
    s->tries = 0;
    answer_now(&s->timer);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void worker_begin(struct sim_event *event)
{
    struct worker *w = container_of(event, struct worker, restart);
    static const enum slot_kind kinds[SLOTS] = { SLOT_WORKFLOW, SLOT_WORKFLOW, SLOT_STICKY,
        SLOT_STICKY, SLOT_ACTIVITY, SLOT_ACTIVITY, SLOT_ACTIVITY, SLOT_EAGER_WORKFLOW,
        SLOT_EAGER_ACTIVITY, SLOT_EAGER_ACTIVITY };
    w->lives++;
    w->is_up = true;
    w->identity = str_printf(&world.arena, "worker-%u-%u", w->number, w->lives);
    w->sticky = str_printf(&world.arena, "sticky-%u-%u", w->number, w->lives);
    map_init(&w->cache, &world.arena);
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &w->slots[i];
        s->worker = w;
        s->kind = kinds[i];
        if (kinds[i] != SLOT_STICKY || world.swarm.features & FEATURE_STICKY) {
            slot_poll(s, up_to(DURATION_MS(50)));
        }
    }
}

void worker_die(struct worker *w)
{
    record(NULL, "worker dies", w->number, w->lives, 0);
    w->is_up = false;
    for (unsigned i = 0; i < SLOTS; i++) {
        api_call_abandon(&w->slots[i].call);
        event_stop(&w->slots[i].timer);
        w->slots[i].idle = false;
    }
    event_after(&w->restart, up_to(DURATION_SECONDS(3)), worker_begin);
}

struct slot *worker_spare_slot(struct worker *w, enum slot_kind kind)
{
    for (unsigned i = 0; w->is_up && i < SLOTS; i++) {
        if (w->slots[i].kind == kind && w->slots[i].idle) {
            slot_clear(&w->slots[i]);
            return &w->slots[i];
        }
    }
    return NULL;
}

void workers_take_eager(const Api__PollWorkflowTaskQueueResponse *task)
{
    struct worker *w = &workers[rand_below(&world.play, world.swarm.workers)];
    struct slot *s = worker_spare_slot(w, SLOT_EAGER_WORKFLOW);
    if (!s) {
        return; /* it times out */
    }
    Api__PollWorkflowTaskQueueResponse *t =
            api_decode(&api__poll_workflow_task_queue_response__descriptor, &s->arena,
                    api_encode(&s->arena, &task->base), NULL);
    check(t);
    workflow_task_take(s, t);
}

void workers_start(void)
{
    workers = NEW(&world.arena, struct worker, world.swarm.workers);
    for (unsigned i = 0; i < world.swarm.workers; i++) {
        struct worker *w = &workers[i];
        w->number = i;
        for (unsigned k = 0; k < SLOTS; k++) {
            buf_init(&w->slots[k].fetched, (size_t)64 << 20);
        }
        event_after(&w->restart, up_to(DURATION_MS(500)), worker_begin);
    }
}
