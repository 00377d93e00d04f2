/* A start whose workflow id is taken: what becomes of it. Pure; nothing of a run's state is needed. */
#pragma once

#include "common/base/str.h"
#include "common/base/time.h"
#include "common/base/uuid.h"
#include "common/model/ids.h"
#include "common/model/policies.h"

enum start_decision {
    START_NEW,
    START_RETURN_EXISTING, /* request id dedup: the same start again (started = true) */
    START_RETURN_ATTACHED, /* the same request has been attached to the run before (started = false) */
    START_USE_EXISTING,    /* conflict policy (started = false) */
    START_TERMINATE_THEN_NEW,
    START_REFUSE,          /* already started */
    START_REFUSE_TOO_SOON, /* the one that would be terminated is too young */
};
struct start_existing {
    struct uuid run_id, first_run_id;
    enum workflow_status status;
    struct str start_request_id;
    bool is_attached; /* the request that is being decided about */
    struct instant start_time;
    bool is_too_young; /* to be terminated for a new one (engine_limits.restart_min) */
};
/* Pure decision table of id reuse and conflict policies; existing NULL: the id is free. */
enum start_decision start_decide(const struct start_existing *existing, struct str request_id,
        enum id_reuse_policy reuse, enum id_conflict_policy conflict);
