/* History events: the public message HistoryEvent as one flat struct, and its one writer and one reader.
 *
 * Which attribute has which field number is declared in history_event.def, in the order of writing. The struct
 * is flat because events share most of their attributes' names; members that an event does not have stay
 * zero. Payloads, failures and the like are encoded messages and pass untouched. */
#pragma once

#include "common/model/fields.h"

enum event_type { /* numbers of temporal.api.enums.v1.EventType */
#define EVENT_TYPE(number, name, attributes, text) HISTORY_##name = number,
#define ATTRIBUTE(event, number, kind, member)
#include "common/model/history_event.def"
#undef EVENT_TYPE
#undef ATTRIBUTE
    HISTORY_EVENT_TYPE_COUNT = 61,
};

enum {
    HISTORY_FIELD_USER_METADATA = 301,
    HISTORY_FIELD_LINKS = 302,
    HISTORY_FIELD_GROUP_MARKERS = 304,
};

struct history_event {
    int64_t event_id;
    struct instant time;
    enum event_type type;
    struct str user_metadata; /* message */
    struct str links;         /* concatenated links fields */
    struct str group_markers; /* concatenated event_group_markers fields */
    /* --- attributes --- */
    struct str workflow_id, workflow_type, identity, request_id;
    struct queue_ref task_queue;
    struct str input, header, memo, search_attributes, priority, result, details, failure;
    struct duration execution_timeout, run_timeout, task_timeout; /* start, continue-as-new */
    struct str continued_run_id, original_run_id, first_run_id, new_run_id, base_run_id;
    int32_t initiator, attempt, retry_state, timeout_type, cause;
    struct str continued_failure, last_completion_result, last_failure;
    struct retry_policy retry;
    struct instant expiration;
    struct str cron_schedule;
    struct str versioning_override;  /* message */
    bool unset_versioning_override;  /* options updated */
    struct str update_options;       /* message WorkflowUpdateOptionsUpdate */
    struct str completion_callbacks; /* repeated Callback, as fields of its event: tags included */
    struct duration first_task_backoff, backoff_start_interval;
    bool eager_execution_accepted;
    /* links between events */
    int64_t workflow_task_completed_event_id, scheduled_event_id, started_event_id;
    int64_t initiated_event_id, latest_cancel_requested_event_id;
    /* workflow task */
    struct duration start_to_close;
    bool suggest_continue_as_new;
    struct str suggest_reasons; /* packed enum */
    int64_t history_size;
    struct str extra; /* attribute fields encoded elsewhere; not read back */
    struct str worker_version, binary_checksum, deployment,
            deployment_version; /* messages but the checksum */
    struct str reset_points;    /* message ResetPoints: those of the runs before */
    /* activity, timer */
    struct str activity_id, activity_type, timer_id;
    struct duration schedule_to_close, schedule_to_start, heartbeat, start_to_fire;
    /* signal, cancel, terminate, marker, external */
    struct str signal_name, cause_text, reason, marker_name, control;
    struct execution_ref execution;
    struct str namespace_name, namespace_id;
    bool child_workflow_only;
    /* parent and child */
    struct str parent_namespace, parent_namespace_id;
    struct execution_ref parent, root;
    int64_t parent_initiated_event_id;
    int32_t parent_close_policy, id_reuse_policy;
    /* update */
    struct str update_id, update_message_id;
    struct str update_request, update_meta, outcome; /* messages */
    int64_t sequencing_event_id, accepted_event_id;
    int32_t origin;
};

/* The encoded HistoryEvent, without a field tag around it. */
void history_event_write(struct buf *out, const struct history_event *he);
/* The same as an element of History.events: what the log stores. */
void history_event_append(struct buf *out, const struct history_event *he);
/* Only the attributes message's content: an event that has no id yet. */
void history_event_write_attributes(struct buf *out, const struct history_event *he);
/* Sets he->type first, then the members that the attributes have. */
bool history_event_read_attributes(struct str attributes, enum event_type type, struct arena *arena,
        struct history_event *he) MUST_USE;
/* Strings borrow from the message. Events that this server does not know are read without attributes. */
bool history_event_read(
        struct str message, struct arena *arena, struct history_event *ret) MUST_USE;
/* Takes the next element off concatenated History.events; false at the end or when malformed (ptr NULL). */
bool history_next(struct str *events, struct str *ret_event);

bool history_is_close(enum event_type type);
/* "ActivityTaskStarted"; "Unknown". */
const char *event_type_name(enum event_type type);
