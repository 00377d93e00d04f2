/* What the commands about workflows share. */
#pragma once

#include "cli/cli.h"

/* Reads a run's events in turn. */
struct history_reader {
    struct cli *cli;
    struct str workflow_id, run_id;
    bool is_reverse, close_only;
    bool wait; /* for events to come, until the run has closed */
    struct str token;
    struct message_iter page;
    bool has_begun;
};

/* False with ERR_NONE: no more. */
bool history_read(
        struct history_reader *reader, struct message_ref *event, enum err *err, struct fail *f);
/* Waits until the workflow has closed, over runs that continue as new; *run_id gets the last one. */
enum err history_close_event(struct cli *cli, struct str workflow_id, struct str *run_id,
        struct message_ref *event, struct fail *f) MUST_USE;
/* "Progress:" and a row or a section for each event, following runs that continue as new. *closing: the last event,
 * when it is one that ends a workflow. */
enum err history_show(struct history_reader *reader, bool detailed, struct message_ref *closing,
        struct fail *f) MUST_USE;
/* Members of a History as JSON, in the long form that replayers read. */
enum err history_json(
        struct history_reader *reader, struct buf *out, int indent, struct fail *f) MUST_USE;

static inline int32_t event_type(struct message_ref event)
{
    return (int32_t)message_int(event, "event_type");
}

/* An event type by its short name ("WorkflowExecutionCompleted"). */
int32_t event_type_of(const char *name);
/* The event's own attributes. */
struct message_ref event_attributes(struct message_ref event);
bool event_is(struct message_ref event, const char *name);

/* "Results:" with status, result or failure. took {0}: not said. */
void result_text(struct cli *cli, struct message_ref closing, struct duration took);
/* "COMPLETED", "FAILED", ... */
struct str result_status(struct message_ref closing);
/* The result as one JSON value; empty: there is none. */
struct str result_value(struct cli *cli, struct message_ref payloads, int indent);
/* ERR_NONE when it completed, else "workflow failed". */
enum err result_outcome(struct message_ref closing, struct fail *f) MUST_USE;
void result_members(struct cli *cli, struct object *object, struct message_ref closing);
/* A failure with its causes, each line indented. */
struct str failure_text(struct cli *cli, struct message_ref failure);
/* On one line: message, type, and whether it is tried again. */
struct str failure_line(struct cli *cli, struct message_ref failure);

enum err workflow_start_run(struct cli *cli, struct fail *f);
enum err workflow_execute_run(struct cli *cli, struct fail *f);
enum err workflow_signal_with_start_run(struct cli *cli, struct fail *f);
enum err workflow_start_update_with_start_run(struct cli *cli, struct fail *f);
enum err workflow_execute_update_with_start_run(struct cli *cli, struct fail *f);
enum err workflow_signal_run(struct cli *cli, struct fail *f);
enum err workflow_cancel_run(struct cli *cli, struct fail *f);
enum err workflow_terminate_run(struct cli *cli, struct fail *f);
enum err workflow_delete_run(struct cli *cli, struct fail *f);
enum err workflow_reset_run(struct cli *cli, struct fail *f);
enum err workflow_list_run(struct cli *cli, struct fail *f);
enum err workflow_count_run(struct cli *cli, struct fail *f);
enum err workflow_describe_run(struct cli *cli, struct fail *f);
enum err workflow_show_run(struct cli *cli, struct fail *f);
enum err workflow_result_run(struct cli *cli, struct fail *f);
enum err workflow_trace_run(struct cli *cli, struct fail *f);
enum err workflow_query_run(struct cli *cli, struct fail *f);
enum err workflow_stack_run(struct cli *cli, struct fail *f);
enum err workflow_metadata_run(struct cli *cli, struct fail *f);
enum err workflow_fix_history_run(struct cli *cli, struct fail *f);
enum err workflow_update_start_run(struct cli *cli, struct fail *f);
enum err workflow_update_execute_run(struct cli *cli, struct fail *f);
enum err workflow_update_result_run(struct cli *cli, struct fail *f);
enum err workflow_update_describe_run(struct cli *cli, struct fail *f);

/* Sets an enum's field from one of its short names. */
void put_enum(struct message *message, const char *path, struct str name);
/* Sends an update that has been filled in but for its place; waits until it is accepted, or completed. *outcome is
 * empty while it is open. */
enum err update_settle(struct cli *cli, struct message_ref reply, struct str workflow_id,
        struct str update_id, bool completed, struct message_ref *outcome, struct fail *f) MUST_USE;
/* ERR_NONE for a success or none yet; a failure is told. */
enum err update_outcome(struct cli *cli, struct message_ref outcome, struct fail *f) MUST_USE;
