/* What the driver reads of the engine's state, in one place. Read only. */
#pragma once

#include "history/engine/engine.h"

struct str engine_view_task_queue(
        const struct workflow *wf);                     /* the normal queue of its workflow tasks */
struct str engine_view_type(const struct workflow *wf); /* workflow type */
struct str engine_view_namespace(const struct workflow *wf);
/* What start_decide wants to know. */
struct start_existing engine_view_existing(const struct workflow *wf);
