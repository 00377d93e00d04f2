/* Advice to workers that adapt the number of their polls: one less when a poll has waited for long and its task had
 * not, one more when tasks wait though nothing but pollers is missing. More is advised seldom, the more often the more
 * pollers there are. */
#include "matching/engine/state.h"

#define POLL_IDLE   DURATION_SECONDS(1) /* a poll that waited so long was not needed */
#define BACKLOG_AGE DURATION_MS(200)    /* tasks that wait for so long want another poller */
#define ADD_RATIO   1.2                 /* or when so many more come than go */

enum { DECISIONS_PER_POLLER = 10 }; /* a second */

static struct instant oldest_of(const struct queue *q)
{
    struct instant oldest = INSTANT_NEVER;
    for (uint32_t level = 1; level <= PRIORITY_LEVELS; level++) {
        if (q->levels[level - 1]) {
            oldest = instant_min(oldest, queue_oldest(q, level));
        }
    }
    return oldest;
}

int32_t scaling_decide(
        struct queue *q, struct instant poll_since, struct instant task_since, struct instant now)
{
    bool was_idle = instant_since(now, poll_since).ns >= POLL_IDLE.ns;
    if (was_idle && !instant_before(task_since, poll_since)) {
        return -1;
    }
    double pollers = q->pollers.len > 0 ? (double)q->pollers.len : 1;
    if (q->scaling.per_second != DECISIONS_PER_POLLER * pollers) {
        rate_limit_set(&q->scaling, DECISIONS_PER_POLLER * pollers, now);
    }
    /* Where a rate holds tasks back no poller more would get them. */
    bool is_limited = instant_before(now, rate_limit_next(&q->limit, now));
    if (is_limited || !rate_limit_take(&q->scaling, now)) {
        return 0;
    }
    if (queue_backlog(q) > 0) {
        struct instant oldest = oldest_of(q);
        if (oldest.ns != INT64_MAX && instant_since(now, oldest).ns > BACKLOG_AGE.ns) {
            return 1;
        }
    }
    double added = rate_count_per_second(&q->added, now);
    return added > ADD_RATIO * rate_count_per_second(&q->handed, now) ? 1 : 0;
}
