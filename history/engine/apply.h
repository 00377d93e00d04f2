/* Shared by the two halves of the code that changes a workflow; for nobody else. */
#pragma once

#include "history/engine/step.h"
#include "history/engine/tally.h"

/* Copies into the run's arena, into the memory of the old value where it is large enough. */
void state_keep(struct workflow *wf, struct str *to, struct str from);
struct str state_kept(struct workflow *wf, struct str s);
void state_buffer_clear(struct workflow *wf);
/* --- attach.c --- */
void state_callback_put(struct workflow *wf, struct callback *c);
void state_attached_put(struct workflow *wf, struct attached_id *a, struct str request_id);
/* Callbacks: a repeated field, encoded. */
void state_callbacks_add(
        struct workflow *wf, struct str callbacks, struct str request_id, struct instant at);
/* What the request of an update leaves: its id, and who is to be told of the outcome. */
void state_update_request(
        struct workflow *wf, struct str update_id, const struct history_event *he);
/* Event 55, also while it is buffered; and its id at the flush. */
bool state_attach(struct workflow *wf, const struct history_event *he);
void state_attach_numbered(struct workflow *wf, const struct history_event *he);
/* --- properties.c --- */
void state_upsert(struct workflow *wf, struct str *to, struct str base, struct str change);
void state_activity_drop(struct workflow *wf, struct activity *a);
void state_timer_drop(struct workflow *wf, struct user_timer *t);
/* The event has taken its place in the history. */
void state_count_event(struct workflow *wf, const struct history_event *he, struct str bytes);
/* --- reset_points.c: a workflow task has completed --- */
void state_reset_point(struct workflow *wf, const struct history_event *he);
/* --- apply_message.c --- */
bool state_outbox_add(struct workflow *wf, const struct history_event *he);
bool state_outbox_drop(struct workflow *wf, int64_t id);
bool state_message_settled(struct workflow *wf, int64_t id);
bool state_child_add(struct workflow *wf, const struct history_event *he, struct str bytes);
/* Events 30 to 36, also while they are buffered. */
bool state_child_event(struct workflow *wf, const struct history_event *he);
/* Event 31 gets its id at the flush. */
void state_child_numbered(struct workflow *wf, const struct history_event *he);
bool state_child_started_late(struct workflow *wf, int64_t initiated_event_id, struct uuid run_id);
/* The parent close policies, and what the run's own parent must hear. */
void state_close_family(struct workflow *wf, const struct history_event *he, struct str bytes);
/* --- apply_update.c --- */
/* event_id: of event 47; 0: it waits in memory, with its request. */
bool state_update_admitted(
        struct workflow *wf, struct str update_id, struct str request, int64_t event_id);
bool state_update_dropped(struct workflow *wf, struct str update_id);
void state_updates_sent(struct workflow *wf);
/* Events 41, 43, 47. */
bool state_update_event(struct workflow *wf, const struct history_event *he);
void state_updates_close(struct workflow *wf);
void state_updates_forget(struct workflow *wf);
/* What an event does that may also happen while it is buffered. */
bool state_effect(struct workflow *wf, const struct history_event *he);
