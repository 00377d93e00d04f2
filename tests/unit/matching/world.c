/* See world.h. A task's number is its scheduled event id. */
#include "tests/unit/matching/world.h"

struct uuid world_id(uint64_t n)
{
    struct uuid id = { { 0 } };
    memcpy(id.b, &n, sizeof(n));
    return id;
}

void world_init(struct world *w, const struct matching_limits *limits)
{
    *w = (struct world){ .now = { 1700000000000000000 } };
    arena_init(&w->arena, 0);
    w->engine = matching_engine_new(limits ? limits : &matching_limits_default);
    w->fx.arena = &w->arena;
    w->demands.arena = &w->arena;
}

void world_deinit(struct world *w)
{
    matching_engine_free(w->engine);
    arena_deinit(&w->arena);
}

static enum err step(struct world *w, struct matching_event ev)
{
    struct fail f = { 0 };
    ev.now = w->now;
    enum err err = matching_step(w->engine, &ev, &w->fx, &f);
    matching_check_invariants(w->engine);
    return err;
}

void world_event(struct world *w, struct matching_event ev)
{
    cr_assert_eq(step(w, ev), ERR_NONE);
}

void world_pass(struct world *w, struct duration d)
{
    struct instant end = instant_add(w->now, d);
    for (struct instant need; (need = matching_next_need(w->engine)).ns <= end.ns;) {
        w->now = instant_max(w->now, need);
        world_event(w, (struct matching_event){ .kind = MATCHING_TIME });
        cr_assert_gt(matching_next_need(w->engine).ns, w->now.ns, "time stands still");
    }
    w->now = end;
}

struct queue_id world_queue(const char *name, enum task_queue_type type)
{
    return (struct queue_id){ world_id(1), str_from_cstr(name), type };
}

enum err world_poll_by(struct world *w, unsigned poll, const char *queue, enum task_queue_type type,
        bool is_sticky, double rate, const char *identity)
{
    cr_assert(!matching_poll_parked(&w->polls[poll]));
    return step(w, (struct matching_event){ .kind = MATCHING_POLL,
                           .poll = { &w->polls[poll], world_queue(queue, type), is_sticky,
                                   str_from_cstr(identity), rate > 0 ? rate : MATCHING_NO_RATE } });
}

void world_poll(struct world *w, unsigned poll, const char *queue)
{
    cr_assert_eq(world_poll_by(w, poll, queue, TASK_QUEUE_WORKFLOW, false, 0, "worker"), ERR_NONE);
}

void world_poll_sticky(struct world *w, unsigned poll, const char *queue)
{
    cr_assert_eq(world_poll_by(w, poll, queue, TASK_QUEUE_WORKFLOW, true, 0, "worker"), ERR_NONE);
}

void world_expire(struct world *w, unsigned poll)
{
    world_event(
            w, (struct matching_event){ .kind = MATCHING_POLL_EXPIRED, .gone = &w->polls[poll] });
}

void world_cut(struct world *w, unsigned poll)
{
    world_event(w, (struct matching_event){ .kind = MATCHING_POLL_GONE, .gone = &w->polls[poll] });
}

struct matching_offer world_offer(unsigned task, int64_t since_s)
{
    return (struct matching_offer){
        .task = { .namespace_id = world_id(1),
                .workflow_id = STR("wf"),
                .run_id = world_id(task),
                .key = task,
                .type = TASK_QUEUE_WORKFLOW,
                .scheduled_event_id = task,
                .attempt = 1 },
        .since = { since_s * 1000000000 },
        .sticky_schedule_to_start = DURATION_SECONDS(5),
    };
}

void world_advertise_as(struct world *w, unsigned member, unsigned incarnation, const char *queue,
        enum task_queue_type type, bool is_sticky, uint64_t backlog,
        const struct matching_offer *offers, size_t count)
{
    world_event(w, (struct matching_event){ .kind = MATCHING_ADVERTISE,
                           .advertise = { .from = { world_id(member), 0 },
                                   .incarnation = incarnation,
                                   .queue = world_queue(queue, type),
                                   .is_sticky = is_sticky,
                                   .backlog = backlog,
                                   .oldest = { 5 },
                                   .offers = offers,
                                   .offer_count = count } });
}

void world_advertise(struct world *w, unsigned member, unsigned incarnation, const char *queue,
        uint64_t backlog, const struct matching_offer *offers, size_t count)
{
    world_advertise_as(
            w, member, incarnation, queue, TASK_QUEUE_WORKFLOW, false, backlog, offers, count);
}

int world_answer(struct world *w, unsigned poll)
{
    int found = -1;
    for (size_t i = 0; i < w->fx.answers.len; i++) {
        const struct matching_answer *a = &w->fx.answers.ptr[i];
        if (a->poll == &w->polls[poll]) {
            cr_assert_eq(found, -1, "a poll was answered twice");
            cr_assert(!matching_poll_parked(a->poll));
            found = a->kind == MATCHING_ANSWER_TASK ? (int)world_task_number(&a->task)
                    : a->kind == MATCHING_ANSWER_EMPTY || a->kind == MATCHING_ANSWER_OVER ? 0
                                                                                          : -2;
        }
    }
    return found;
}

size_t world_answers(struct world *w)
{
    return w->fx.answers.len;
}

void world_forget_answers(struct world *w)
{
    w->fx.answers.len = 0;
}

void world_flush(struct world *w)
{
    w->demands.list.len = 0;
    matching_flush(w->engine, &w->demands, NULL, NULL);
    matching_check_invariants(w->engine);
}

struct matching_demanded_queue world_told(struct world *w, unsigned member, const char *queue)
{
    for (size_t i = 0; i < w->demands.list.len; i++) {
        const struct matching_demand *d = &w->demands.list.ptr[i];
        for (size_t k = 0; uuid_eq(d->to.member, world_id(member)) && k < d->queues.len; k++) {
            if (str_eq(d->queues.ptr[k].queue.name, str_from_cstr(queue))) {
                return d->queues.ptr[k];
            }
        }
    }
    return (struct matching_demanded_queue){ 0 };
}

struct matching_demanded_queue world_demand(struct world *w, unsigned member, const char *queue)
{
    world_flush(w);
    return world_told(w, member, queue);
}

unsigned world_task_number(const struct task_ref *task)
{
    return (unsigned)task->scheduled_event_id;
}
