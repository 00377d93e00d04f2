/* A workflow whose tasks keep failing says so: the search attribute TemporalReportedProblems appears when the fifth
 * task since the last completion has failed or timed out, changes with the reason, and goes with the next completion. No
 * event tells of it, since the workflow itself has no part in it. */
#include "history/engine/retry.h"
#include "history/engine/step.h"

enum { FAILED_TASKS = 5 };

/* Lists show it too. */
static void record(struct step *st, struct str value)
{
    step_record(st, &(struct record){ .kind = RECORD_PROBLEMS,
                            .text = value,
                            .attributes = properties_keywords(
                                    st->fx->arena, STR("TemporalReportedProblems"), value) });
    st->fx->shows_changed = true;
}

void problems_report(struct step *st, const struct history_event *he)
{
    struct arena *arena = st->fx->arena;
    bool is_timeout = he->type == HISTORY_WORKFLOW_TASK_TIMED_OUT;
    if (st->wf->failed_tasks < FAILED_TASKS || !workflow_is_open(st->wf)) {
        return;
    }
    struct str value =
            str_printf(arena, "[\"category=WorkflowTask%s\",\"cause=WorkflowTask%sCause%s\"]",
                    is_timeout ? "TimedOut" : "Failed", is_timeout ? "TimedOut" : "Failed",
                    is_timeout ? timeout_type_name((enum timeout_type)he->timeout_type)
                               : failed_cause_name((enum workflow_task_failed_cause)he->cause));
    if (!str_eq(value, st->wf->problems)) {
        record(st, value);
    }
}

void problems_clear(struct step *st)
{
    if (st->wf->problems.len) {
        record(st, (struct str){ 0 });
    }
}
