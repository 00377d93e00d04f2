/* Sticky queues: one worker's own queue, which holds nothing for a worker that is not there.
 *
 *     alive    a poll waits, or one was seen within sticky_alive: an offer waits for it at most its
 *              schedule-to-start, then it is gone (history's own timer has decided by then)
 *     cut      the last poll was cut off instead of answered (the worker's connection died, or it moves to
 *              another frontend): alive for sticky_cut_alive only, then what waits is refused
 *     unknown  no poll for longer, or none ever: an offer is refused at once
 *     closed   the worker said goodbye: parked polls end, offers are refused; polls that were still on their
 *              way are parked but get nothing
 *
 * A refused offer goes to the normal queue without an event. */
#include "matching/engine/state.h"

bool sticky_is_closed(const struct queue *q, struct instant now)
{
    return q->is_sticky && instant_before(now, q->closed_until);
}

void sticky_saw_poll(struct matching_engine *e, struct queue *q, struct instant now)
{
    q->is_cut = false;
    if (!sticky_is_closed(q, now)) {
        q->alive_until = instant_add(now, e->limits.sticky_alive);
    }
}

void sticky_poll_cut(struct matching_engine *e, struct queue *q, struct instant now)
{
    if (q->is_sticky && q->poll_count == 0) {
        q->is_cut = true;
        q->alive_until = instant_min(q->alive_until, instant_add(now, e->limits.sticky_cut_alive));
    }
}

static void refuse_all(struct matching_engine *e, struct queue *q)
{
    for (struct offer *o; (o = order_any(q));) {
        offer_leave(e, o, true);
        e->totals.refused++;
    }
}

void sticky_goodbye(
        struct matching_engine *e, struct queue *q, struct instant now, struct matching_effects *fx)
{
    q->alive_until = now;
    q->closed_until = instant_add(now, e->limits.sticky_alive);
    list_each(&q->polls, n)
    {
        poll_answer(e, list_entry(n, struct matching_poll, node), MATCHING_ANSWER_OVER, fx);
    }
    refuse_all(e, q);
}

/* An offer that came while the worker was alive keeps its wait when the worker falls silent: the timeout and
 * its event are what SDKs expect. Only a cut ends it early. */
void sticky_settle(struct matching_engine *e, struct queue *q, struct instant now)
{
    if (!q->is_sticky || q->offer_count == 0) {
        return;
    }
    bool is_alive = q->poll_count > 0 || instant_before(now, q->alive_until);
    if (sticky_is_closed(q, now) || (q->is_cut && !is_alive)) {
        refuse_all(e, q);
    }
}
