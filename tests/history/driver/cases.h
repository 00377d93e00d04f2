/* The cases of the driver's tests. */
#pragma once

#include "tests/history/driver/world.h"

#define CASES(X)                                   \
    X(one_activity)                                \
    X(starts_are_deduplicated)                     \
    X(conflict_policies)                           \
    X(runs_continue_as_new)                        \
    X(messages_reach_other_runs)                   \
    X(obsolete_claims_leave_later_attempts)        \
    X(completions_survive_a_crash)                 \
    X(lost_tasks_are_offered_again)                \
    X(nothing_unacknowledged_counts)               \
    X(ambiguous_commits_happen_once)               \
    X(a_fenced_writer_drops_everything)            \
    X(shards_are_handed_over)                      \
    X(one_bad_row_harms_nobody_else)               \
    X(a_stalled_database_sheds_and_recovers)       \
    X(evicted_runs_come_back)                      \
    X(timers_fire_after_a_crash)                   \
    X(checkpointed_runs_wake_earlier)              \
    X(far_timers_of_cold_runs_fire)                \
    X(unclaimed_tasks_are_offered_again)           \
    X(refused_sticky_tasks_go_to_the_normal_queue) \
    X(claims_are_idempotent)                       \
    X(undelivered_answers_are_taken_back)          \
    X(history_long_polls)                          \
    X(long_histories_are_paged)                    \
    X(random_worlds)

#define DECLARE(name) void name(void);
CASES(DECLARE)
#undef DECLARE
