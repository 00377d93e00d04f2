/* What workers say of updates: messages beside the commands of a completion. All are checked before any is applied,
 * against the updates as the messages before them will leave them. Relies on update.c for what becomes of an update;
 * leaves the order of things to completion.c and the commands' files. */
#include "history/engine/step.h"
#include "history/engine/update.h"

/* --- back from the worker: checking --------------------------------------------------------------------- */

/* What an update will be after the messages checked so far. */
enum expected { EXPECT_UNKNOWN, EXPECT_PENDING, EXPECT_ACCEPTED, EXPECT_DONE };

struct expectation {
    struct map_node by_id;
    enum expected now;
};

struct update_check {
    struct step *st;
    const struct event_workflow_task_completed *completed;
    struct map expected;
    bool *taken;
    bool has_closed;
    size_t resurrected;
};

struct update_check *update_check_new(
        struct step *st, const struct event_workflow_task_completed *c)
{
    struct update_check *uc = NEW(st->fx->arena, struct update_check, 1);
    uc->st = st;
    uc->completed = c;
    uc->taken = NEW(st->fx->arena, bool, c->message_count);
    map_init(&uc->expected, st->fx->arena);
    return uc;
}

void update_check_closed(struct update_check *uc)
{
    uc->has_closed = true;
}

static struct expectation *expectation(struct update_check *uc, struct str update_id)
{
    struct map_node *n = map_get(&uc->expected, update_id);
    if (n) {
        return map_entry(n, struct expectation, by_id);
    }
    static const enum expected of_stage[] = { EXPECT_UNKNOWN, EXPECT_PENDING, EXPECT_ACCEPTED,
        EXPECT_DONE };
    struct expectation *e = NEW(uc->st->fx->arena, struct expectation, 1);
    e->now = of_stage[workflow_update_status(uc->st->wf, update_id).stage];
    map_put(&uc->expected, &e->by_id, update_id);
    return e;
}

#define REFUSE(uc, ret, ...)                                     \
    ((ret)->cause = CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE, \
            (ret)->text = str_printf((uc)->st->fx->arena, __VA_ARGS__), false)

/* An update that was lost with a process, and that the worker still has: it brings the request with it. */
static bool check_known(struct update_check *uc, const struct update_message *m,
        struct expectation *e, struct command_refusal *ret)
{
    struct fail f = { 0 };
    bool may = m->kind == UPDATE_MESSAGE_ACCEPTANCE || m->kind == UPDATE_MESSAGE_REJECTION;
    if (e->now != EXPECT_UNKNOWN) {
        return true;
    }
    if (!may || !m->request.len || !m->update_id.len) {
        return REFUSE(uc, ret,
                "update " STR_FMT " wasn't found on the server. This is most likely a transient "
                "error which will be resolved automatically by retries",
                STR_ARG(m->update_id));
    }
    if (update_check_total(uc->st->wf, uc->resurrected, uc->st->limits, &f)) {
        return REFUSE(uc, ret, "%s", f.message);
    }
    uc->resurrected++;
    e->now = EXPECT_PENDING;
    return true;
}

static bool check_move(struct update_check *uc, const struct update_message *m,
        struct expectation *e, enum expected from, enum expected to, struct command_refusal *ret)
{
    static const char *const names[] = { "Unknown", "Admitted", "Accepted", "Completed" };
    if (e->now != from) {
        return REFUSE(uc, ret,
                "invalid state transition attempted for Update " STR_FMT ": received " STR_FMT
                " message while in state %s",
                STR_ARG(m->update_id), STR_ARG(m->type), names[e->now]);
    }
    e->now = to;
    return true;
}

static bool check_fields(
        struct update_check *uc, const struct update_message *m, struct command_refusal *ret)
{
    const char *missing = NULL;
    if (m->kind == UPDATE_MESSAGE_ACCEPTANCE) {
        missing = !m->sequencing_event_id      ? "accepted_request_sequencing_event_id"
                  : !m->request_message_id.len ? "accepted_request_message_id"
                                               : NULL;
    } else if (m->kind == UPDATE_MESSAGE_RESPONSE) {
        missing = !m->meta.len             ? "meta"
                  : !m->meta_update_id.len ? "meta.update_id"
                  : !m->has_outcome        ? "outcome"
                                           : NULL;
        if (!missing && !str_eq(m->meta_update_id, m->update_id)) {
            return REFUSE(uc, ret, "invalid " STR_FMT ": meta.update_id != " STR_FMT,
                    STR_ARG(m->type), STR_ARG(m->update_id));
        }
    }
    return missing ? REFUSE(uc, ret, "invalid " STR_FMT ": %s is not set", STR_ARG(m->type),
                             missing)
                   : true;
}

static bool check_message(struct update_check *uc, const struct update_message *m,
        struct command_refusal *ret, int64_t *ret_events)
{
    *ret_events = 0;
    if (m->kind == UPDATE_MESSAGE_UNKNOWN) {
        return REFUSE(uc, ret, "unsupported protocol type " STR_FMT, STR_ARG(m->type));
    }
    if (m->kind == UPDATE_MESSAGE_MALFORMED) {
        return REFUSE(uc, ret, "unable to unmarshal request");
    }
    if (m->size > uc->st->limits->blob_size_error) {
        ret->terminate = true;
        return REFUSE(uc, ret, "Message type " STR_FMT " exceeds size limit.", STR_ARG(m->type));
    }
    struct expectation *e = expectation(uc, m->update_id);
    if (!check_known(uc, m, e, ret)) {
        return false;
    }
    if (m->kind == UPDATE_MESSAGE_REJECTION) {
        return check_move(uc, m, e, EXPECT_PENDING, EXPECT_DONE, ret);
    }
    if (uc->has_closed) {
        return true; /* nobody will see it */
    }
    bool accepts = m->kind == UPDATE_MESSAGE_ACCEPTANCE;
    *ret_events = 1;
    return check_move(uc, m, e, accepts ? EXPECT_PENDING : EXPECT_ACCEPTED,
                   accepts ? EXPECT_ACCEPTED : EXPECT_DONE, ret) &&
           check_fields(uc, m, ret);
}

/* The first message of that id that is not taken yet; NULL: none. */
static const struct update_message *take(
        const struct event_workflow_task_completed *c, bool *taken, struct str message_id)
{
    for (size_t i = 0; i < c->message_count; i++) {
        if (!taken[i] && str_eq(c->messages[i].id, message_id)) {
            taken[i] = true;
            return &c->messages[i];
        }
    }
    return NULL;
}

bool update_check_command(struct update_check *uc, struct str message_id,
        struct command_refusal *ret, int64_t *next_event_id)
{
    int64_t events;
    const struct update_message *m = take(uc->completed, uc->taken, message_id);
    if (!m) {
        return REFUSE(uc, ret, "ProtocolMessageCommand referenced absent message ID " STR_FMT,
                STR_ARG(message_id));
    }
    bool ok = check_message(uc, m, ret, &events);
    *next_event_id += events - 1;
    return ok;
}

bool update_check_rest(struct update_check *uc, struct command_refusal *ret)
{
    int64_t events;
    for (size_t i = 0; i < uc->completed->message_count; i++) {
        if (!uc->taken[i] && !check_message(uc, &uc->completed->messages[i], ret, &events)) {
            return false;
        }
    }
    return true;
}

/* --- back from the worker: applying --------------------------------------------------------------------- */

static void accept_update(struct step *st, const struct update_message *m)
{
    const struct update *u = workflow_update(st->wf, m->update_id);
    struct str request = u ? u->request : m->request;
    struct history_event he = { .type = HISTORY_UPDATE_ACCEPTED,
        .update_id = m->update_id,
        .update_message_id = str_printf(st->fx->arena, STR_FMT "/request", STR_ARG(m->update_id)),
        .sequencing_event_id = m->sequencing_event_id,
        .update_request = u && u->admitted_event_id ? (struct str){ 0 } : request };
    step_event(st, &he);
    update_tell(st, m->update_id, UPDATE_NEWS_ACCEPTED, (struct str){ 0 });
}

static void complete_update(struct step *st, const struct update_message *m)
{
    struct history_event he = { .type = HISTORY_UPDATE_COMPLETED,
        .update_meta = m->meta,
        .outcome = m->outcome,
        .accepted_event_id = workflow_update(st->wf, m->update_id)->accepted_event_id };
    step_event(st, &he);
    update_tell(st, m->update_id, UPDATE_NEWS_COMPLETED, str_dup(st->fx->arena, m->outcome));
}

static void apply_message(struct step *st, const struct update_message *m)
{
    if (m->kind == UPDATE_MESSAGE_REJECTION) {
        update_reject(st, m->update_id, m->failure);
    } else if (!workflow_is_open(st->wf)) {
        return; /* the end of the run has told its callers */
    } else if (m->kind == UPDATE_MESSAGE_ACCEPTANCE) {
        accept_update(st, m);
    } else {
        complete_update(st, m);
    }
}

static bool *messages_taken(struct step *st, const struct event_workflow_task_completed *c)
{
    if (!st->messages_taken) {
        st->messages_taken = NEW(st->fx->arena, bool, c->message_count);
    }
    return st->messages_taken;
}

void update_apply_command(
        struct step *st, const struct event_workflow_task_completed *c, struct str message_id)
{
    const struct update_message *m = take(c, messages_taken(st, c), message_id);
    check(m);
    apply_message(st, m);
}

void update_apply_rest(struct step *st, const struct event_workflow_task_completed *c)
{
    for (size_t i = 0; i < c->message_count; i++) {
        if (!messages_taken(st, c)[i]) {
            apply_message(st, &c->messages[i]);
        }
    }
}
