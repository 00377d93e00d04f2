/* What the driver reads of the engine's state, in one place. Read only. */
#pragma once

#include "history/engine/engine.h"

struct str engine_view_task_queue(
        const struct workflow *wf);                     /* the normal queue of its workflow tasks */
struct str engine_view_type(const struct workflow *wf); /* workflow type */
struct str engine_view_namespace(const struct workflow *wf);
/* A child of that run (the namespace is checked elsewhere); asked for by that event unless it is 0. */
bool engine_view_is_child(
        const struct workflow *wf, struct str workflow_id, struct uuid run_id, int64_t initiated);
/* What start_decide wants to know. */
struct start_existing engine_view_existing(const struct workflow *wf);
