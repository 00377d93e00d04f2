/* The cases of the driver's tests. */
#pragma once

#include "tests/history/driver/world.h"

#define CASES(X)                                        \
    X(one_activity)                                     \
    X(starts_are_deduplicated)                          \
    X(conflict_policies)                                \
    X(eager_starts)                                     \
    X(eager_starts_survive_a_crash)                     \
    X(eager_starts_are_ignored_with_a_delay)            \
    X(requests_are_attached)                            \
    X(attached_requests_are_bounded)                    \
    X(starts_are_checked_before_the_id)                 \
    X(user_metadata_is_bounded)                         \
    X(taken_ids_are_explained)                          \
    X(cron_chains_go_on)                                \
    X(descriptions_show_upserts)                        \
    X(descriptions_show_pending_work)                   \
    X(runs_continue_as_new)                             \
    X(messages_reach_other_runs)                        \
    X(obsolete_claims_leave_later_attempts)             \
    X(completions_survive_a_crash)                      \
    X(lost_tasks_are_offered_again)                     \
    X(nothing_unacknowledged_counts)                    \
    X(ambiguous_commits_happen_once)                    \
    X(a_fenced_writer_drops_everything)                 \
    X(shards_are_handed_over)                           \
    X(a_commit_outlives_the_loss_of_the_writer)         \
    X(a_shard_may_come_back_while_it_goes)              \
    X(stopping_waits_for_scans_of_backlogs)             \
    X(stopping_waits_for_pages)                         \
    X(one_bad_row_harms_nobody_else)                    \
    X(a_stalled_database_sheds_and_recovers)            \
    X(evicted_runs_come_back)                           \
    X(timers_fire_after_a_crash)                        \
    X(checkpointed_runs_wake_earlier)                   \
    X(far_timers_of_cold_runs_fire)                     \
    X(unclaimed_tasks_are_offered_again)                \
    X(refused_sticky_tasks_go_to_the_normal_queue)      \
    X(claims_are_idempotent)                            \
    X(undelivered_answers_are_taken_back)               \
    X(history_long_polls)                               \
    X(long_histories_are_paged)                         \
    X(signals_with_start_happen_once)                   \
    X(signals_with_start_follow_the_policies)           \
    X(queries_of_settled_runs_are_tasks_of_their_own)   \
    X(waiting_queries_are_bounded)                      \
    X(failed_queries_say_why)                           \
    X(queries_prefer_the_sticky_queue)                  \
    X(silent_sticky_workers_lose_the_run)               \
    X(silent_sticky_workers_of_closed_runs)             \
    X(queries_of_closed_runs)                           \
    X(queries_ride_with_the_next_task)                  \
    X(unanswered_riders_go_directly)                    \
    X(queries_see_what_came_before_them)                \
    X(queries_wait_for_what_they_see)                   \
    X(queries_of_failing_tasks_fail_fast)               \
    X(queries_before_the_first_task)                    \
    X(unanswered_queries_say_whether_there_is_a_worker) \
    X(queries_nobody_waits_for_are_forgotten)           \
    X(undelivered_queries_are_offered_again)            \
    X(queries_follow_a_shard)                           \
    X(a_child_and_its_parent)                           \
    X(policies_survive_a_crash)                         \
    X(a_taken_id_is_no_child)                           \
    X(a_cancelled_child_must_be_ones_own)               \
    X(many_children_end_with_their_parent)              \
    X(a_reset_repeats_the_first_task)                   \
    X(resets_are_refused)                               \
    X(what_came_since_comes_again)                      \
    X(closed_and_older_runs_are_reset)                  \
    X(long_histories_are_reset_in_pages)                \
    X(resets_given_up_leave_nothing)                    \
    X(resets_race_with_the_workflow)                    \
    X(children_are_connected_with_the_new_run)          \
    X(children_not_started_yet_are_connected)           \
    X(deleted_runs_are_gone)                            \
    X(deleted_runs_tell_their_end_first)                \
    X(large_runs_are_deleted_in_parts)                  \
    X(random_worlds)

#define DECLARE(name) void name(void);
CASES(DECLARE)
#undef DECLARE
