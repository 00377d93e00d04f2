/* What a workflow task asks for: one struct per command type of the API. Opaque user data
 * (payloads, headers, failures, memos, search attributes, user metadata) are the encoded public
 * messages, untouched. */
#pragma once

#include "common/model/policies.h"

enum command_type { /* numbers of temporal.api.enums.v1.CommandType */
    COMMAND_SCHEDULE_ACTIVITY_TASK = 1,
    COMMAND_REQUEST_CANCEL_ACTIVITY_TASK = 2,
    COMMAND_START_TIMER = 3,
    COMMAND_COMPLETE_WORKFLOW_EXECUTION = 4,
    COMMAND_FAIL_WORKFLOW_EXECUTION = 5,
    COMMAND_CANCEL_TIMER = 6,
    COMMAND_CANCEL_WORKFLOW_EXECUTION = 7,
    COMMAND_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION = 8,
    COMMAND_RECORD_MARKER = 9,
    COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION = 10,
    COMMAND_START_CHILD_WORKFLOW_EXECUTION = 11,
    COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION = 12,
    COMMAND_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES = 13,
    COMMAND_PROTOCOL_MESSAGE = 14,
    COMMAND_MODIFY_WORKFLOW_PROPERTIES = 16,
    COMMAND_SCHEDULE_NEXUS_OPERATION = 17,
    COMMAND_REQUEST_CANCEL_NEXUS_OPERATION = 18,
};

struct command_schedule_activity {
    struct str activity_id, activity_type, task_queue;
    struct str header, input, priority; /* messages */
    struct duration schedule_to_close, schedule_to_start, start_to_close,
            heartbeat; /* 0: not given */
    struct retry_policy retry;
    bool request_eager_execution;
};

struct command_continue_as_new {
    struct str workflow_type, task_queue; /* empty: as the current run */
    struct str input, failure, last_completion_result, header, memo,
            search_attributes;           /* messages */
    struct str cron_schedule, cron_zone; /* TZif bytes of the zone that the schedule names */
    struct duration run_timeout, task_timeout, backoff_start_interval;
    struct retry_policy retry;
    enum continue_as_new_initiator initiator;
};

/* Both external commands: signal and request cancel. */
struct command_external {
    struct str namespace_name, workflow_id, run_id, control;
    struct str signal_name, input, header; /* signal only */
    struct str reason;                     /* cancel only */
    bool child_workflow_only;
};

struct command_start_child {
    struct str namespace_name, workflow_id, workflow_type,
            task_queue;                                          /* empty queue: the parent's */
    struct str input, header, memo, search_attributes, priority; /* messages */
    struct str control, cron_schedule,
            cron_zone; /* TZif bytes of the zone that the schedule names */
    struct duration execution_timeout, run_timeout, task_timeout; /* 0: not given */
    struct retry_policy retry;
    enum parent_close_policy parent_close_policy;
    enum id_reuse_policy id_reuse_policy;
};

struct command {
    enum command_type type;
    bool has_attributes;      /* false: the attributes message is missing or of another type */
    struct str user_metadata; /* message */
    struct str group_markers; /* as fields of the event that the command makes: tags included */
    union {
        struct command_schedule_activity schedule_activity;
        struct {
            int64_t scheduled_event_id;
        } request_cancel_activity;
        struct {
            struct str timer_id;
            struct duration start_to_fire;
            bool has_start_to_fire;
        } start_timer;
        struct {
            struct str timer_id;
        } cancel_timer;
        struct {
            struct str result; /* message Payloads */
        } complete;
        struct {
            struct str failure; /* message Failure */
        } fail;
        struct {
            struct str details; /* message Payloads */
        } cancel;
        struct {
            struct str marker_name;
            const struct marker_detail {
                struct str key, payloads;
            } * details;
            size_t detail_count;
            struct str header, failure; /* messages */
        } marker;
        struct command_continue_as_new continue_as_new;
        struct command_external external;
        struct command_start_child start_child;
        struct {
            struct str search_attributes; /* message */
        } upsert;
        struct {
            struct str upserted_memo; /* message */
        } modify_properties;
        struct {
            struct str message_id;
        } protocol_message;
    };
};
