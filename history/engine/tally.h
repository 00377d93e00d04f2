/* What is pending in a run, kept in sum: how many bytes it takes, and what is due first. So that a step costs the
 * same whatever the number of things that wait. For the code that changes a workflow. */
#pragma once

#include "history/engine/workflow.h"

/* Bracket every change of a pending thing: leave before, enter after (or only one of them, when it comes or goes). */
void tally_activity_enter(struct workflow *wf, struct activity *a);
void tally_activity_leave(struct workflow *wf, struct activity *a);
void tally_timer_enter(struct workflow *wf, struct user_timer *t);
void tally_timer_leave(struct workflow *wf, struct user_timer *t);
void tally_child_enter(struct workflow *wf, const struct child *c);
void tally_child_leave(struct workflow *wf, const struct child *c);
void tally_outbox_enter(struct workflow *wf, const struct outbox_entry *e);
void tally_outbox_leave(struct workflow *wf, const struct outbox_entry *e);
void tally_request_id_enter(struct workflow *wf, struct str id);
size_t tally_update_bytes(const struct update *u);
/* The scheduled event ids of the activities about which something is due, ascending; in the arena. */
size_t tally_due_activities(
        struct workflow *wf, struct arena *arena, struct instant now, int64_t **ret);
/* Counts everything anew and compares: for tests. */
void tally_check(const struct workflow *wf);
