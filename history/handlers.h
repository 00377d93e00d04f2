/* Shared by the handlers: finding the run, decoding the request, running the step, building answers. The only files of
 * this folder that see the generated messages.
 *
 * Every helper that returns false (or NULL) has ended or parked the call: the handler returns at once. */
#pragma once

#include "common/api/codec.h"
#include "common/api/errors.h"
#include "common/api/token.h"
#include "common/api/view.h"
#include "history/engine/start_decide.h"
#include "history/history.h"

typedef void (*api_handler)(struct call *call);

/* The decoded public request of an API call, in the call's arena. */
void *handler_decode(struct call *call, const ProtobufCMessageDescriptor *type);
#define HANDLER_DECODE(call, name) handler_decode((call), &name##__descriptor)

/* The run of the call's chain. run_id: text, may be empty (the current run) or NULL. */
bool handler_find(struct call *call, const char *run_id, struct execution **ret);
bool handler_find_key(struct call *call, struct uuid run_id, run_key key, struct execution **ret);
/* A task token of the right kind that belongs to the call's chain. */
bool handler_token(struct call *call, ProtobufCBinaryData bytes, enum api_token_kind kind,
        struct api_token *ret);
/* One step; effects in the call's arena. Also false when the effects carry a refusal, which is then the answer. */
bool handler_step(struct call *call, struct execution *ex, struct event *ev, struct effects *fx);
/* Deletes the run, and answers. */
void handler_delete(struct call *call, struct execution *ex);
/* Gives it the detail that SDKs expect for its code, if it has none. */
void handler_detail(struct fail *f);
/* A chained client names the first run: the current one must be of its chain. first_run_id: text, may be empty. */
bool handler_belongs_to(struct call *call, struct execution *ex, const char *first_run_id);
/* Fails with the detail that SDKs expect for the code. */
void handler_fail(struct call *call, const struct execution *ex, struct fail *f);
void handler_reply(struct call *call, const struct execution *ex, const ProtobufCMessage *reply);

static inline struct str text(const char *s)
{
    return str_from_cstr(s);
}
const char *uuid_text(struct arena *arena, struct uuid id);
/* Span fields of a request; false after failing the call. */
bool handler_span(
        struct call *call, const Api__Duration *d, const char *field, struct duration *ret);
bool retry_policy_decode(
        struct arena *arena, const Api__RetryPolicy *p, struct retry_policy *ret, struct fail *f);
Api__RetryPolicy *retry_policy_encode(struct arena *arena, const struct retry_policy *p);
/* Messages as the repeated fields that they are in what is written: tags included. */
struct str repeated_encode(
        struct arena *arena, uint32_t field, const ProtobufCBinaryData *list, size_t count);
/* Link messages as HistoryEvent.links fields. */
struct str links_encode(struct arena *arena, const ProtobufCBinaryData *links, size_t count);
/* Messages Link to what a call has led to, of the call's namespace and workflow. */
ProtobufCBinaryData link_to_start(struct call *call, struct uuid run_id);
ProtobufCBinaryData link_to_request(
        struct call *call, struct uuid run_id, struct str request_id, int32_t event_type);
ProtobufCBinaryData link_to_workflow(struct call *call, struct uuid run_id, struct str reason);

/* handlers_start.c */
struct start_origin {
    struct str namespace_name, request_id;
    const struct event_parent *parent; /* NULL: a client */
    const struct event_signal *signal; /* NULL: none */
    const struct event_update *update; /* NULL: none */
    /* How a refused start is told; NULL: as handler_fail does. */
    void (*refuse)(struct call *call, const struct execution *ex, struct fail *f);
};
/* The request as an event, checked. False: the call has failed. */
bool start_take(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        const struct start_origin *origin, struct event *ret);
/* Decides between the run that is there and a new one. signal: NULL for a plain start. */
void start_by_policy(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        struct event_signal *signal);
/* A new run of the call's chain, whose current run `old` (NULL: none) permits it. NULL: the call has failed. */
struct execution *start_run(struct call *call, struct event *ev, struct execution *old,
        bool terminates, struct effects *fx);
void start_refuse(struct call *call, const struct execution *ex,
        const struct start_existing *existing, enum id_reuse_policy reuse);
/* Marks an existing run that a start may not terminate yet; ev is that start's event. */
void start_look_at_age(struct start_existing *existing, const struct event *ev);
void start_refusal_too_soon(struct call *call, const struct start_existing *existing,
        const struct event *ev, struct fail *f);
/* Why a start is refused, with the detail that SDKs expect. */
void start_refusal(struct call *call, const struct start_existing *existing,
        enum id_reuse_policy reuse, struct fail *f);

/* handlers_child.c: messages between parents and children */
void handle_start_child(struct call *call);
void handle_first_task(struct call *call);
void handle_child_closed(struct call *call);

/* command_decode.c */
/* zones: for the schedules that commands name. */
bool commands_decode(struct arena *arena, struct zones *zones, Api__Command *const *in,
        size_t count, const struct command **ret, struct fail *f);

/* task_answer.c: what a poll gets. */
struct workflow_task_answer {
    struct api_token token; /* of the task */
    struct workflow_task_start start;
    struct str events; /* of the first page, when has_events */
    bool has_events;
    int64_t stored_end; /* the stored part ends before this event */
    struct str workflow_type;
    struct uuid run_id;
    const char *task_queue;
    /* queries that ride along */
    Api__PollWorkflowTaskQueueResponse__QueriesEntry **queries;
    size_t query_count;
    Protocol__Message **messages;
    size_t message_count;
};
/* Copies what is needed of ex into the arena; the events too if they are in memory. */
void workflow_task_answer_take(struct workflow_task_answer *a, struct arena *arena,
        struct execution *ex, const struct workflow_task_start *start);
/* a->start.to_event_id is the last event of a->events; if more are stored a page token follows. */
Api__PollWorkflowTaskQueueResponse *workflow_task_answer_encode(
        const struct workflow_task_answer *a, struct arena *arena);
Api__PollActivityTaskQueueResponse *activity_task_answer(
        struct arena *arena, const struct execution *ex, const struct activity_start *start);
/* Header and input from the encoded scheduled event. */
void activity_task_answer_payload(
        Api__PollActivityTaskQueueResponse *m, struct arena *arena, struct str event);

/* handlers_query.c: the queries that wait for a workflow task go with this one; and come back with its completion. */
void queries_ride(struct execution *ex, struct arena *arena, struct workflow_task_answer *a);
void queries_answered(
        struct execution *ex, const Api__RespondWorkflowTaskCompletedRequest *completion);
/* handlers_update.c: updates that go with a workflow task, and what its completion says of updates. */
void updates_ride(struct arena *arena, struct workflow_task_answer *a);
void update_messages_take(struct arena *arena, const Api__RespondWorkflowTaskCompletedRequest *r,
        struct event_workflow_task_completed *c);
/* handlers_claim.c: for call->unsent. */
void claim_take_back(struct call *call);

/* page.c: reading events, from memory or from the store. */
struct page {
    struct call *call;
    run_key key;
    int64_t from, end; /* events [from, end), or backwards: from, from - 1 ... 1 */
    bool backwards;
    int64_t max_events;
    size_t max_bytes;
    void (*done)(struct call *call, struct page *page);
    /* out */
    struct str events; /* in the call's arena; backwards: newest first */
    int64_t count;
    struct store_read_history read;
};
enum { PAGE_BYTES = 2 << 20, TASK_PAGE_BYTES = 3500 << 10 };
/* True: filled from memory. */
bool page_from_memory(struct page *page, const struct execution *ex);
/* Reads from the store, then done(); a failure ends the call. What is wanted must be durable. */
void page_read(struct page *page);

/* How a child says in an answer that it has ended; borrowed. False: it does not say so. */
bool child_end_read(struct str body, struct event_child_closed *ret);

/* the handlers, by area */
void handle_start(struct call *call);
void handle_signal(struct call *call);
void handle_signal_with_start(struct call *call);
void handle_terminate(struct call *call);
void handle_request_cancel(struct call *call);
void handle_reset_sticky(struct call *call);
void handle_reset(struct call *call);
void handle_delete(struct call *call);
void handle_update_options(struct call *call);
void handle_describe(struct call *call);
void handle_get_history(struct call *call);
void handle_get_history_reverse(struct call *call);
void handle_workflow_task_completed(struct call *call);
void handle_workflow_task_failed(struct call *call);
void handle_activity_completed(struct call *call);
void handle_activity_failed(struct call *call);
void handle_activity_canceled(struct call *call);
void handle_activity_heartbeat(struct call *call);
void handle_activity_completed_by_id(struct call *call);
void handle_activity_failed_by_id(struct call *call);
void handle_activity_canceled_by_id(struct call *call);
void handle_activity_heartbeat_by_id(struct call *call);
void handle_query(struct call *call);
void handle_query_completed(struct call *call);
void handle_query_claim(struct call *call);
void handle_query_unclaim(struct call *call);
void handle_update(struct call *call);
void handle_poll_update(struct call *call);
void handle_multi_operation(struct call *call);
void handle_claim(struct call *call);
void handle_unclaim(struct call *call);
void handle_message(struct call *call);
