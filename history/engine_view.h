/* What the driver reads of the engine's state, in one place. Read only. */
#pragma once

#include "history/engine/engine.h"
#include "history/engine/start_decide.h"

struct str engine_view_task_queue(
        const struct workflow *wf);                     /* the normal queue of its workflow tasks */
struct str engine_view_type(const struct workflow *wf); /* workflow type */
struct str engine_view_namespace(const struct workflow *wf);
struct str engine_view_schedule(const struct workflow *wf); /* cron; empty: none */
struct str engine_view_priority(const struct workflow *wf); /* message */
/* As they are now, upserts included: messages. */
struct str engine_view_memo(const struct workflow *wf);
struct str engine_view_search_attributes(const struct workflow *wf);
/* A later start has left its request id with this run. */
bool engine_view_is_attached(const struct workflow *wf, struct str request_id);
/* Its first task is still out as the answer to the start with that request id. */
bool engine_view_is_eager(const struct workflow *wf, struct str request_id);
/* A child of that run (the namespace is checked elsewhere); asked for by that event unless it is 0. */
bool engine_view_is_child(
        const struct workflow *wf, struct str workflow_id, struct uuid run_id, int64_t initiated);
/* What decides on the way of a query. */
struct query_view {
    bool is_open;
    bool has_task;      /* a workflow task is scheduled or started */
    bool is_started;    /* it is started */
    int32_t attempt;    /* of that task */
    bool was_completed; /* a workflow task of this run has completed */
    int64_t previous_started_event_id;
    struct instant first_task_at;        /* {0}: the first workflow task does not wait */
    struct str task_queue, sticky_queue; /* the latter empty: not sticky */
    struct duration sticky_schedule_to_start;
};
struct query_view engine_view_query(const struct workflow *wf);
/* What a reset of the run, or another request for it, wants to know. */
struct reset_view {
    bool is_open;
    struct uuid run_id, first_run_id, reset_run_id;
    struct str request_id, start_request_id; /* of the reset that made it; of the first start */
    int64_t copied_until;
};
struct reset_view engine_view_reset(const struct workflow *wf);
/* Nobody may see it any more. */
bool engine_view_is_deleted(const struct workflow *wf);
bool engine_view_has_messages(const struct workflow *wf);
/* As engine_view_is_child, of any run of that workflow. */
bool engine_view_is_child_of_id(
        const struct workflow *wf, struct str workflow_id, int64_t initiated);
/* What start_decide wants to know. */
struct start_existing engine_view_existing(const struct workflow *wf);
/* What lists show of a run. */
struct list_view {
    struct str workflow_type, task_queue;
    struct instant execution_time;
    struct str parent_workflow_id, parent_run_id; /* empty: none */
    struct str root_workflow_id, root_run_id;     /* empty: itself */
    struct str memo, search_attributes;           /* messages */
    int64_t history_length, history_size;
};
struct list_view engine_view_list(const struct workflow *wf);
