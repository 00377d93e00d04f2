/* A public call that updates: shared by handlers_update.c and handlers_multi.c. */
#pragma once

#include "history/updates.h"

struct update_call {
    struct update_wait wait;
    const char *workflow_id;
    struct uuid run_id; /* of the run that has, or gets, the update */
    const Api__UpdateWorkflowExecutionRequest *update;
    const Api__PollWorkflowExecutionUpdateRequest *poll;
    struct event_update event;
    /* update-with-start */
    const Api__StartWorkflowExecutionRequest *start;
    struct str request_id;       /* of the start */
    struct uuid started;         /* the run that this call has started; zero: none */
    enum workflow_status status; /* of the run that has the update */
    struct uuid first_run_id;
    bool was_closed_on; /* a run closed under it once: it has started over */
};

struct update_call *update_call_new(struct call *call, const struct update_form *form);
/* Checks the request and takes it over; the strings stay. */
enum err update_take(
        struct update_call *uc, Api__UpdateWorkflowExecutionRequest *r, struct fail *f) MUST_USE;
/* Admits the update in this run, unless it is there, and waits. */
void update_run(struct update_call *uc, struct execution *ex);
Api__UpdateWorkflowExecutionResponse *update_response(
        const struct update_call *uc, enum update_stage stage, struct str outcome);
