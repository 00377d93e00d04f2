/* Shared by the two halves of the code that changes a workflow; for nobody else. */
#pragma once

#include "history/engine/step.h"

/* Copies into the run's arena, into the memory of the old value where it is large enough. */
void state_keep(struct workflow *wf, struct str *to, struct str from);
struct str state_kept(struct workflow *wf, struct str s);
void state_buffer_clear(struct workflow *wf);
bool state_outbox_drop(struct workflow *wf, int64_t id);
/* What an event does that may also happen while it is buffered. */
bool state_effect(struct workflow *wf, const struct history_event *he);
