/* A small world around the engine: named polls and tasks, a clock, and the invariants after every step. */
#pragma once

#include <criterion/criterion.h>

#include "matching/engine/engine.h"

enum { WORLD_POLLS = 64 };

struct world {
    struct matching_engine *engine;
    struct arena arena;
    struct instant now;
    struct matching_poll polls[WORLD_POLLS];
    struct matching_effects fx;
    struct matching_demands demands;
};

struct uuid world_id(uint64_t n);
void world_init(struct world *w, const struct matching_limits *limits);
void world_deinit(struct world *w);
void world_pass(struct world *w, struct duration d); /* with MATCHING_TIME when it is due */

struct queue_id world_queue(const char *name, enum task_queue_type type);
enum err world_poll_by(struct world *w, unsigned poll, const char *queue, enum task_queue_type type,
        bool is_sticky, double rate, const char *identity);
void world_poll(struct world *w, unsigned poll, const char *queue);
void world_poll_sticky(struct world *w, unsigned poll, const char *queue);
void world_expire(struct world *w, unsigned poll);
void world_cut(struct world *w, unsigned poll);

struct matching_offer world_offer(unsigned task, int64_t since_s);
/* member and incarnation are small numbers; lane 0 */
void world_advertise(struct world *w, unsigned member, unsigned incarnation, const char *queue,
        uint64_t backlog, const struct matching_offer *offers, size_t count);
void world_advertise_as(struct world *w, unsigned member, unsigned incarnation, const char *queue,
        enum task_queue_type type, bool is_sticky, uint64_t backlog,
        const struct matching_offer *offers, size_t count);
void world_event(struct world *w, struct matching_event ev);

/* What the steps since the last call have answered: the task's number, 0 empty, -1 not answered, -2 moved. */
int world_answer(struct world *w, unsigned poll);
size_t world_answers(struct world *w);
void world_forget_answers(struct world *w);

/* Flushes, and returns what member is told of the queue; a zeroed one if nothing. */
struct matching_demanded_queue world_demand(struct world *w, unsigned member, const char *queue);
/* Several in one: flush once, look up often. */
void world_flush(struct world *w);
struct matching_demanded_queue world_told(struct world *w, unsigned member, const char *queue);
unsigned world_task_number(const struct task_ref *task);
