/* Who gets what: the longest waiting poll gets the oldest offer. */
#include "matching/engine/state.h"

void poll_unpark(struct matching_engine *e, struct matching_poll *poll)
{
    list_remove(&poll->node);
    poll->queue->poll_count--;
    poll->queue = NULL;
    e->totals.polls--;
}

void poll_answer(struct matching_engine *e, struct matching_poll *poll,
        enum matching_answer_kind kind, struct matching_effects *fx)
{
    uint64_t backlog = queue_backlog(poll->queue);
    poll_unpark(e, poll);
    e->totals.answered_empty += kind == MATCHING_ANSWER_EMPTY || kind == MATCHING_ANSWER_OVER;
    struct matching_answer answer = { .kind = kind, .poll = poll, .backlog = backlog };
    vec_push(fx->arena, &fx->answers, answer);
}

void queue_match(
        struct matching_engine *e, struct queue *q, struct instant now, struct matching_effects *fx)
{
    while (q->poll_count > 0 && q->offers.len > 0) {
        if (sticky_is_closed(q, now) || !rate_limit_take(&q->limit, now)) {
            return;
        }
        struct matching_poll *poll = list_entry(list_first(&q->polls), struct matching_poll, node);
        struct offer *o = container_of(heap_min(&q->offers), struct offer, by_since);
        offer_leave(e, o, false);
        poll_answer(e, poll, MATCHING_ANSWER_TASK, fx);
        struct task_ref *task = &fx->answers.ptr[fx->answers.len - 1].task;
        *task = o->task;
        task->workflow_id = str_dup(fx->arena, task->workflow_id);
        rate_count_add(&q->handed, now, 1);
        e->totals.handed++;
    }
}
