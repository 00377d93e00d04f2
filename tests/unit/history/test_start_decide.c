#include <criterion/criterion.h>

#include "history/engine/start_decide.h"

static enum start_decision decide(
        enum workflow_status status, enum id_reuse_policy reuse, enum id_conflict_policy conflict)
{
    struct start_existing e = { .status = status, .start_request_id = STR("r1") };
    return start_decide(&e, STR("r2"), reuse, conflict);
}

Test(start_decide, free_id_starts)
{
    cr_assert_eq(start_decide(NULL, STR("r"), 0, 0), START_NEW);
}

Test(start_decide, same_request_is_the_same_start)
{
    struct start_existing e = { .status = WORKFLOW_COMPLETED, .start_request_id = STR("r1") };
    cr_assert_eq(start_decide(&e, STR("r1"), ID_REUSE_REJECT_DUPLICATE, 0), START_RETURN_EXISTING);
    e.start_request_id = STR("");
    cr_assert_eq(start_decide(&e, STR(""), ID_REUSE_REJECT_DUPLICATE, 0), START_REFUSE);
}

Test(start_decide, open_run_goes_by_the_conflict_policy)
{
    cr_assert_eq(decide(WORKFLOW_RUNNING, 0, ID_CONFLICT_UNSPECIFIED), START_REFUSE);
    cr_assert_eq(
            decide(WORKFLOW_RUNNING, ID_REUSE_ALLOW_DUPLICATE, ID_CONFLICT_FAIL), START_REFUSE);
    cr_assert_eq(decide(WORKFLOW_RUNNING, ID_REUSE_REJECT_DUPLICATE, ID_CONFLICT_USE_EXISTING),
            START_USE_EXISTING);
    cr_assert_eq(
            decide(WORKFLOW_RUNNING, 0, ID_CONFLICT_TERMINATE_EXISTING), START_TERMINATE_THEN_NEW);
    cr_assert_eq(
            decide(WORKFLOW_RUNNING, ID_REUSE_TERMINATE_IF_RUNNING, 0), START_TERMINATE_THEN_NEW);
}

Test(start_decide, young_runs_are_not_terminated)
{
    struct start_existing e = { .status = WORKFLOW_RUNNING, .is_too_young = true };
    cr_assert_eq(
            start_decide(&e, STR("r"), 0, ID_CONFLICT_TERMINATE_EXISTING), START_REFUSE_TOO_SOON);
    cr_assert_eq(
            start_decide(&e, STR("r"), ID_REUSE_TERMINATE_IF_RUNNING, 0), START_REFUSE_TOO_SOON);
    cr_assert_eq(start_decide(&e, STR("r"), 0, ID_CONFLICT_USE_EXISTING), START_USE_EXISTING);
    cr_assert_eq(start_decide(&e, STR("r"), 0, 0), START_REFUSE);
    e.status = WORKFLOW_COMPLETED;
    cr_assert_eq(start_decide(&e, STR("r"), 0, 0), START_NEW);
}

Test(start_decide, closed_run_goes_by_the_reuse_policy)
{
    static const enum workflow_status failed[] = { WORKFLOW_FAILED, WORKFLOW_TIMED_OUT,
        WORKFLOW_CANCELED, WORKFLOW_TERMINATED };
    cr_assert_eq(decide(WORKFLOW_COMPLETED, 0, 0), START_NEW);
    cr_assert_eq(decide(WORKFLOW_COMPLETED, ID_REUSE_ALLOW_DUPLICATE, 0), START_NEW);
    cr_assert_eq(decide(WORKFLOW_COMPLETED, ID_REUSE_ALLOW_DUPLICATE_FAILED_ONLY, 0), START_REFUSE);
    cr_assert_eq(decide(WORKFLOW_COMPLETED, ID_REUSE_REJECT_DUPLICATE, 0), START_REFUSE);
    cr_assert_eq(decide(WORKFLOW_COMPLETED, ID_REUSE_TERMINATE_IF_RUNNING, 0), START_NEW);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(decide(failed[i], ID_REUSE_ALLOW_DUPLICATE_FAILED_ONLY, 0), START_NEW);
        cr_assert_eq(decide(failed[i], ID_REUSE_REJECT_DUPLICATE, ID_CONFLICT_USE_EXISTING),
                START_REFUSE);
    }
}
