/* Who gets what: the longest waiting poll gets the offer whose turn it is. */
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

static void count_handed(struct queue *q, const struct offer *o, struct instant now)
{
    rate_count_add(&q->handed, now, 1);
    if (o->level != PRIORITY_NORMAL) {
        rate_count_add(&q->levels[o->level - 1]->handed, now, 1);
    }
}

void queue_match(
        struct matching_engine *e, struct queue *q, struct instant now, struct matching_effects *fx)
{
    while (q->poll_count > 0 && q->offer_count > 0) {
        struct offer *o = sticky_is_closed(q, now) ? NULL : order_next(q, now);
        if (!o || !rate_limit_take(&q->limit, now)) {
            return;
        }
        struct matching_poll *poll = list_entry(list_first(&q->polls), struct matching_poll, node);
        struct instant poll_since = poll->since;
        order_turn(e, o, now);
        count_handed(q, o, now);
        offer_leave(e, o, false);
        poll_answer(e, poll, MATCHING_ANSWER_TASK, fx);
        struct matching_answer *answer = &fx->answers.ptr[fx->answers.len - 1];
        answer->task = o->task;
        answer->task.workflow_id = str_dup(fx->arena, o->task.workflow_id);
        answer->scaling = scaling_decide(q, poll_since, o->since, now);
        e->totals.handed++;
    }
}
