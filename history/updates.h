/* Callers that wait for an update of a run: in memory only, next to the run. What an update is, and how far it has come,
 * is the engine's; here is who must hear of it. A run that leaves memory, or a shard that moves, lets its callers
 * start over: then an update that had not been accepted is admitted once more, by the same id.
 *
 *     handler --not far enough--> PARKED --news of a step--> answered behind its commit
 *        ^                          |  `--time is over--> answered with the stage reached
 *        `--the run left memory, or another follows it
 */
#pragma once

#include "history/handlers.h"

struct update_wait;

/* How the answer is told: by the public call that waits. outcome: a message Outcome, empty below COMPLETED. Each ends
 * the call. */
struct update_form {
    void (*reply)(struct update_wait *uw, const struct execution *ex, enum update_stage stage,
            struct str outcome);
    void (*refuse)(struct update_wait *uw, const struct execution *ex, struct fail *f);
    /* The run has closed without having accepted it. True: the call shall start over. May be NULL. */
    bool (*again)(struct update_wait *uw, enum update_news_kind why, struct fail *f);
};

struct update_wait {
    struct call *call;    /* parked in the run's list; this struct lives in its arena */
    struct execution *ex; /* NULL: not parked */
    const struct update_form *form;
    struct str update_id;
    enum update_stage wait; /* what the caller asked for; UNKNOWN: whatever it is now */
    bool is_expired;
    struct page page; /* of the event with the outcome */
};

/* Callers that may wait for updates of one run at a time. */
enum { UPDATE_WAITERS_MAX = 2000 };

/* Answers, or parks until there is something to tell. The update is one that the run knows. */
void update_wait(struct update_wait *uw, struct execution *ex);
/* What a step has told. */
void updates_told(struct execution *ex, const struct effects *fx);
/* The run leaves memory. */
void updates_return(struct execution *ex, struct list *calls);
