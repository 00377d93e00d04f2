/* Inside of a step: how decisions become records and history events. Private to the engine. */
#pragma once

#include "history/engine/records.h"
#include "history/engine/workflow.h"

struct step {
    struct workflow *wf;
    const struct event *ev;
    struct effects *fx;
    struct fail *fail;
    struct instant now; /* never before the last event */
    struct rand rand;
    const struct engine_limits *limits;
    int64_t run_of_events;      /* events emitted since the last record */
    int64_t completed_event_id; /* of the completion whose commands are being applied; 0: none */
    bool *messages_taken;       /* of that completion: those that commands have named */
    VEC(int64_t)
    eager; /* activities that go out with its answer, unless a later command ends them */
    bool is_completing; /* from the completed event to the flush: other events wait behind the commands' */
    bool wants_task; /* something has happened that the workflow must see */
    bool offer_task;
};

/* --- step.c: emitting ------------------------------------------------------------------------------- */

/* Gives the event its id and time, writes it and applies it. */
void step_event(struct step *st, struct history_event *he);
/* The event that a command makes: it names its completion, and carries what the worker's user says of it. */
void step_command_event(struct step *st, const struct command *cmd, struct history_event *he);
/* Something that happened to the run: an event now, or buffered while a workflow task is out. Wakes the run. */
void step_happened(struct step *st, struct history_event *he);
/* The same, without waking it. */
void step_happened_quietly(struct step *st, struct history_event *he);
void step_record(struct step *st, const struct record *r);
/* The buffered events get their ids, in the order of the API. */
void step_flush(struct step *st);
/* Events of another run, as stored, become this run's. */
void step_copy(struct step *st, struct str events);
struct uuid step_fresh_uuid(struct step *st);
/* Later than any start that a token may honestly speak of. */
bool step_is_of_the_future(const struct step *st, struct instant started);

/* --- apply.c: the only code that changes a workflow ------------------------------------------------- */

/* `bytes` is the encoded event. False: it does not fit the state (a corrupt log; our mistake in a live step). */
bool apply_event(struct workflow *wf, const struct history_event *he, struct str bytes) MUST_USE;
/* An event out of the buffer: it only takes its place, its effect is applied already. */
bool apply_flushed_event(
        struct workflow *wf, const struct history_event *he, struct str bytes) MUST_USE;
/* An event of the run that this one is a reset of. Only events speak: what they say of buffered ones may come in
 * another order than it happened. */
bool apply_copied_event(
        struct workflow *wf, const struct history_event *he, struct str bytes) MUST_USE;
bool apply_record(struct workflow *wf, const struct record *r) MUST_USE;
/* Buffered events in the order in which they are written: closes of activities go last. */
size_t buffered_in_order(
        const struct workflow *wf, struct arena *arena, struct buffered_event ***ret);
void apply_close(struct workflow *wf);

/* --- concepts --------------------------------------------------------------------------------------- */

#define STEP_FN(name) enum err name(struct step *st) MUST_USE
STEP_FN(start_step);
STEP_FN(signal_step);
STEP_FN(request_cancel_step);
STEP_FN(terminate_step);
STEP_FN(workflow_task_claim);
STEP_FN(workflow_task_unclaim);
STEP_FN(workflow_task_completed);
STEP_FN(workflow_task_failed);
STEP_FN(sticky_reset);
STEP_FN(activity_claim);
STEP_FN(activity_unclaim);
STEP_FN(activity_completed);
STEP_FN(activity_failed);
STEP_FN(activity_canceled);
STEP_FN(activity_heartbeat);
STEP_FN(time_step);
STEP_FN(outbox_settled);
STEP_FN(child_first_task);
STEP_FN(child_closed);
STEP_FN(update_step);
STEP_FN(attach_step);
STEP_FN(options_step);
STEP_FN(reset_step);
STEP_FN(reset_away_step);
STEP_FN(delete_step);
#undef STEP_FN

/* start.c */
/* What a run will have: the default of its task timeout, and bounds by each other. */
void start_timeouts(const struct step *st, struct duration execution, struct duration *run,
        struct duration *task);
/* signal.c */
/* Refuses what would keep a run open that wants to close. */
enum err workflow_is_closing(struct fail *f);
struct history_event signal_event(struct step *st, const struct event_signal *s);
/* workflow_task.c */
void workflow_task_schedule(struct step *st); /* when the run wants one and none is pending */
/* A task that leaves no trace unless something comes of it; normal when no task has completed yet. */
void workflow_task_schedule_speculative(struct step *st);
/* The speculative task becomes a normal one: its scheduled event is written. */
void workflow_task_materialize(struct step *st);
/* after_heartbeat: the worker is in the middle of the task before; it has the updates that were sent. */
void workflow_task_start(struct step *st, struct str identity, struct str request_id,
        struct str version, bool from_sticky, bool after_heartbeat);
void workflow_task_write_started(struct step *st); /* the stored form of a started task's events */
/* Ends the started task without success: events, flush, next attempt; the next task is not scheduled yet. */
void workflow_task_fail(struct step *st, enum workflow_task_failed_cause cause, struct str failure,
        struct str identity, struct str extra);
void workflow_task_timeout(struct step *st, enum timeout_type type);
/* True when the token names the task that is out; rebuilds a start that a crash has lost. */
bool workflow_task_accept(struct step *st, const struct workflow_task_token *token);
void workflow_task_offer(struct step *st);
struct task_offer workflow_task_offer_of(const struct workflow *wf, struct arena *arena);

/* commands */
struct command_refusal {
    enum workflow_task_failed_cause cause;
    bool terminate;
    struct str text;
};
/* Checks all commands against the state as it will be; ERR_INVALID_ARGUMENT: the request itself is wrong. */
enum err commands_check(struct step *st, const struct event_workflow_task_completed *c,
        struct command_refusal *ret) MUST_USE;
void commands_apply(struct step *st, const struct event_workflow_task_completed *c);
/* The firing of this timer, still buffered; NULL: none. */
const struct buffered_event *buffered_timer(
        const struct workflow *wf, struct str timer_id, struct arena *arena);
const char *failed_cause_name(enum workflow_task_failed_cause cause);

/* activity.c */
void activity_schedule(struct step *st, const struct command *cmd);
/* After all commands: those that were asked for eagerly and are still there are started. */
void activity_start_eager(struct step *st, struct str identity);
void activity_request_cancel(struct step *st, const struct command *cmd, struct str identity);
bool activity_defaults(const struct workflow *wf, const struct command_schedule_activity *in,
        struct history_event *he, const char **why);
void activity_time(struct step *st);
void activity_timed_out(struct step *st, struct activity *a, enum timeout_type type);
/* In the arena. */
struct task_offer activity_offer_of(
        const struct workflow *wf, const struct activity *a, struct arena *arena);
struct failure_info;
/* Schedules the next attempt (IN_PROGRESS), or says why there is none. */
enum retry_state activity_retry(
        struct step *st, struct activity *a, const struct failure_info *info, struct str failure);
void activity_store_start(struct step *st, struct activity *a);
void activity_mark_dispatched(
        struct workflow *wf, struct activity *a); /* volatile, in apply_record.c */
void activity_close_event(struct step *st, struct activity *a, struct history_event *he);

/* problems.c: a workflow task has ended so, and is counted; a task has completed */
void problems_report(struct step *st, const struct history_event *he);
void problems_clear(struct step *st);

/* update.c */
void update_admit(struct step *st, const struct event_update *u);
/* Messages of the completion: checked with the commands, applied among or after them. */
struct update_check;
struct update_check *update_check_new(
        struct step *st, const struct event_workflow_task_completed *c);
/* The message that the command names; false: refused. A refusal makes no event: *next_event_id, which counts one for
 * each command, then goes back. */
bool update_check_command(struct update_check *uc, struct str message_id,
        struct command_refusal *ret, int64_t *next_event_id);
/* Messages that no command has named. */
bool update_check_rest(struct update_check *uc, struct command_refusal *ret);
/* A command has closed the run: what follows can only be about nothing. */
void update_check_closed(struct update_check *uc);
void update_apply_command(
        struct step *st, const struct event_workflow_task_completed *c, struct str message_id);
void update_apply_rest(struct step *st, const struct event_workflow_task_completed *c);
/* Those that the task carried and its worker has not answered. */
void updates_reject_unprocessed(struct step *st);
/* The server refuses the completion: who was with the worker hears it. */
void updates_fail_sent(struct step *st);
/* The run has closed in this step. */
void updates_close(struct step *st);
/* The update id in a message Request; empty: none. */
struct str update_request_id(struct str request);
/* From a snapshot: the ids are set. */
bool state_update_restore(struct workflow *wf, const struct update *from) MUST_USE;
void updates_send(struct step *st); /* with the task that has just started */
bool updates_suggest_new_run(const struct workflow *wf, const struct engine_limits *limits);
/* attach.c */
/* Messages Callback as a repeated field of that number. */
struct str callbacks_encode(
        struct arena *arena, uint32_t field, const struct str *callbacks, size_t count);

/* close.c */
void close_with_command(struct step *st, const struct command *cmd);
void close_terminate(struct step *st, struct str reason, struct str details, struct str identity,
        struct str links);
void close_timed_out(struct step *st);

/* external.c */
void external_initiate(struct step *st, const struct command *cmd);
struct outbox_message outbox_message_of(
        const struct workflow *wf, const struct outbox_entry *e, struct arena *arena);

/* child.c */
void child_initiate(struct step *st, const struct command *cmd);
/* The run has ended: what its children and its parent must hear. */
void child_tell_all(struct step *st);
enum err child_settled(struct step *st) MUST_USE;
/* Messages about children and to the parent, appended to fx->messages. */
void child_messages(const struct workflow *wf, struct arena *arena, struct effects *fx);

/* limits.c */
void limits_enforce(struct step *st);
/* Why a command may not set these search attributes, whatever their sizes; NULL: it may. */
const char *limits_attributes_problem(const struct step *st, struct str attributes);
/* Is it another namespace, which commands may not name? */
bool limits_is_foreign(const struct step *st, struct str namespace_name);
/* Why a fresh run would be better: reasons of the API as bits; 0: no need. */
int32_t limits_suggest(const struct step *st);
/* What the completion would add to the log, but for a few bytes an event. */
size_t limits_completion_bytes(
        const struct workflow *wf, const struct event_workflow_task_completed *c);

/* properties.c: the entries of Memo and SearchAttributes, which have the same form */
/* `base` with the entries of `change`, of which those without a value take theirs away. */
struct str properties_merge(struct arena *arena, struct str base, struct str change);
/* Without the entries that have no value; the same bytes when all have one. */
struct str properties_without_nulls(struct arena *arena, struct str properties);
/* False: `merged` (base, when it has no pointer yet) would weigh more than max with the change, which it gets. */
bool properties_fit(
        struct arena *arena, struct str *merged, struct str base, struct str change, size_t max);
void properties_change(struct step *st, const struct command *cmd);
/* SearchAttributes with one name of the type KeywordList; value: a JSON list, empty takes the name away. */
struct str properties_keywords(struct arena *arena, struct str name, struct str value);

/* reset_points.c: for the run that follows this one (message ResetPoints) */
struct str reset_points_of_successor(struct step *st);
/* That completion has brought a new checksum: the search attribute BinaryChecksums changes. */
void checksums_show(struct step *st, int64_t completed_event_id);
