/* A long poll of a worker, parked by its frontend at the owner of the queue.
 *
 *     arrives --> matched at once ------------------------------> answered with a task
 *            \--> parked --> matched ---------------------------> answered with a task
 *                        --> its deadline is near, or goodbye --> answered empty
 *                        --> the queue moved -------------------> refused: NOT_OWNER
 *                        --> the caller went away --------------> forgotten, no answer
 *
 * ~110 bytes while parked. */
#include <stdlib.h>

#include "common/rpc/messages.h"
#include "matching/state.h"

/* So much before the call's deadline an empty answer leaves: a task must not meet a caller that has just given
 * up. Less than what a frontend needs to ask again (5 ms), so that the two never take turns. */
#define ANSWER_EARLY DURATION_MS(3)

/* How long a poll can be on its way after its worker's goodbye. */
#define GOODBYE_HOLDS DURATION_SECONDS(10)

struct parked {
    struct matching_poll poll;
    uint64_t worker; /* hash of the worker's key and the queue; 0: it has none */
    bool is_over;    /* the worker has said goodbye */
    struct list_node node;
    struct matching *m;
    struct rpc_in *in;
    struct lane_timer deadline;
};

static void parked_free(struct parked *p)
{
    lane_timer_stop(p->m->lane, &p->deadline);
    list_remove(&p->node);
    free(p);
}

static void answer_task(
        struct rpc_in *in, const struct matching_answer *answer, struct arena *arena)
{
    struct msg_poll_answer m = {
        .has_task = answer->kind == MATCHING_ANSWER_TASK,
        .is_over = answer->kind == MATCHING_ANSWER_OVER,
        .task = answer->task,
        .backlog_hint = answer->backlog > INT64_MAX ? INT64_MAX : (int64_t)answer->backlog,
        .scaling = answer->scaling,
    };
    struct buf body;
    buf_init_arena(&body, arena, 16384);
    msg_poll_answer_encode(&m, &body);
    check(!body.overflow); /* the engine bounds workflow ids */
    rpc_reply(in, buf_str(&body));
}

void matching_answer_poll(struct matching *m, const struct matching_answer *answer)
{
    struct parked *p = container_of(answer->poll, struct parked, poll);
    if (answer->kind == MATCHING_ANSWER_NOT_OWNER) {
        struct fail f;
        fail(&f, ERR_NOT_OWNER, "the task queue belongs to another matching process");
        rpc_reply_fail(p->in, &f);
    } else {
        struct matching_answer a = *answer;
        a.kind = p->is_over && a.kind == MATCHING_ANSWER_EMPTY ? MATCHING_ANSWER_OVER : a.kind;
        answer_task(p->in, &a, lane_scratch(m->lane));
    }
    parked_free(p);
}

static void on_deadline(struct lane_timer *timer)
{
    struct parked *p = container_of(timer, struct parked, deadline);
    struct matching_event ev = { .kind = MATCHING_POLL_EXPIRED, .gone = &p->poll };
    matching_must_run(p->m, &ev);
}

static void on_gone(struct rpc_in *in)
{
    struct parked *p = in->owner;
    struct matching_event ev = { .kind = MATCHING_POLL_GONE, .gone = &p->poll };
    p->m->stats.polls_gone++;
    matching_must_run(p->m, &ev);
    parked_free(p);
}

static void refuse(struct matching *m, struct rpc_in *in, const struct fail *f)
{
    m->stats.polls_refused++;
    rpc_reply_fail(in, f);
}

static uint64_t worker_hash(const struct queue_id *queue, struct str key)
{
    uint64_t hash = task_queue_hash(queue->namespace_id, queue->name, queue->type);
    hash = hash_bytes(key, hash);
    return hash ? hash : 1;
}

static bool is_gone(const struct matching *m, uint64_t worker)
{
    struct instant now = lane_monotonic(m->lane);
    for (size_t i = 0; worker && i < GONE_WORKERS; i++) {
        if (m->gone[i].hash == worker && instant_before(now, m->gone[i].until)) {
            return true;
        }
    }
    return false;
}

void matching_end_polls(
        struct matching *m, const struct queue_id *queue, struct str worker_instance_key)
{
    uint64_t worker = worker_hash(queue, worker_instance_key);
    m->gone[m->gone_next++ % GONE_WORKERS] =
            (struct gone_worker){ worker, instant_add(lane_monotonic(m->lane), GOODBYE_HOLDS) };
    list_each(&m->parked, n)
    {
        struct parked *p = list_entry(n, struct parked, node);
        if (p->worker == worker) {
            p->is_over = true;
            struct matching_event ev = { .kind = MATCHING_POLL_EXPIRED, .gone = &p->poll };
            matching_must_run(m, &ev);
        }
    }
}

void matching_on_poll(void *ctx, struct rpc_in *in, struct str body)
{
    struct matching *m = ctx;
    struct msg_poll msg;
    struct fail f = { 0 };
    m->stats.polls_received++;
    if (msg_poll_decode(body, lane_scratch(m->lane), &msg, &f)) {
        m->stats.malformed++;
        refuse(m, in, &f);
        return;
    }
    if (!matching_owns(m, in->key)) {
        fail(&f, ERR_NOT_OWNER, "the task queue belongs to another matching process");
        refuse(m, in, &f);
        return;
    }
    if (m->namespaces && !namespaces_ready(m->namespaces)) {
        fail(&f, ERR_UNAVAILABLE, "what is set for task queues is not known yet");
        refuse(m, in, &f);
        return;
    }
    struct queue_id id = { msg.namespace_id, msg.task_queue, msg.type };
    uint64_t worker = msg.worker_instance_key.len ? worker_hash(&id, msg.worker_instance_key) : 0;
    if (is_gone(m, worker)) {
        struct matching_answer over = { .kind = MATCHING_ANSWER_OVER };
        answer_task(in, &over, lane_scratch(m->lane));
        return;
    }
    struct parked *p = calloc(1, sizeof(*p));
    check(p);
    p->m = m;
    p->worker = worker;
    p->in = in;
    in->owner = p;
    in->gone = on_gone;
    list_append(&m->parked, &p->node);
    /* The timer first: the event may answer the poll and free it. */
    struct duration wait = instant_since(in->deadline, lane_monotonic(m->lane));
    wait.ns = wait.ns > ANSWER_EARLY.ns ? wait.ns - ANSWER_EARLY.ns : 0;
    lane_timer_start(m->lane, &p->deadline, wait, on_deadline);
    struct matching_event ev = { .kind = MATCHING_POLL,
        .poll = { &p->poll, id, msg.is_sticky, msg.identity, msg.max_tasks_per_second, msg.details,
                msg.refund } };
    if (matching_run(m, &ev, &f)) {
        refuse(m, in, &f);
        parked_free(p);
    }
}

void matching_answer_all_unavailable(struct matching *m)
{
    list_each(&m->parked, n)
    {
        struct parked *p = list_entry(n, struct parked, node);
        struct matching_event ev = { .kind = MATCHING_POLL_GONE, .gone = &p->poll };
        matching_must_run(m, &ev);
        struct fail f;
        fail(&f, ERR_UNAVAILABLE, "this matching process is stopping");
        rpc_reply_fail(p->in, &f);
        parked_free(p);
    }
}
