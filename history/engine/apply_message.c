/* What events and records do to the messages that are under way: signals and cancel requests to others, the steps of
 * children's lives, and what the run's own parent must hear. See apply.c; deciding is external.c's and child.c's. */
#include "history/engine/apply.h"
#include "history/engine/child.h"

/* --- signals and cancel requests -------------------------------------------------------------------- */

bool state_outbox_add(struct workflow *wf, const struct history_event *he)
{
    struct outbox_entry *e = NEW(wf->arena, struct outbox_entry, 1);
    e->id = he->event_id;
    struct history_event *i = &e->initiated;
    i->type = he->type;
    i->namespace_name = state_kept(wf, he->namespace_name);
    i->namespace_id = state_kept(wf, he->namespace_id);
    i->execution.workflow_id = state_kept(wf, he->execution.workflow_id);
    i->execution.run_id = state_kept(wf, he->execution.run_id);
    i->control = state_kept(wf, he->control);
    i->signal_name = state_kept(wf, he->signal_name);
    i->input = state_kept(wf, he->input);
    i->header = state_kept(wf, he->header);
    i->reason = state_kept(wf, he->reason);
    i->child_workflow_only = he->child_workflow_only;
    i->workflow_task_completed_event_id = he->workflow_task_completed_event_id;
    map_put(&wf->outbox, &e->by_id, str_of(&e->id, sizeof(e->id)));
    tally_outbox_enter(wf, e);
    return true;
}

bool state_outbox_drop(struct workflow *wf, int64_t id)
{
    struct map_node *n = map_get(&wf->outbox, str_of(&id, sizeof(id)));
    if (n) {
        tally_outbox_leave(wf, map_entry(n, struct outbox_entry, by_id));
        map_remove(&wf->outbox, n);
    }
    return n != NULL;
}

/* --- children ---------------------------------------------------------------------------------------- */

struct child *workflow_child(const struct workflow *wf, int64_t initiated_event_id)
{
    return child_of(map_get(&wf->children, str_of(&initiated_event_id, sizeof(int64_t))));
}

bool state_child_add(struct workflow *wf, const struct history_event *he, struct str bytes)
{
    if (workflow_child(wf, he->event_id)) {
        return false;
    }
    struct child *c = NEW(wf->arena, struct child, 1);
    c->stage = CHILD_STARTING;
    c->initiated_event_id = he->event_id;
    c->completed_event_id = he->workflow_task_completed_event_id;
    c->parent_close_policy = he->parent_close_policy;
    c->namespace_name = state_kept(wf, he->namespace_name);
    c->workflow_id = state_kept(wf, he->workflow_id);
    c->workflow_type = state_kept(wf, he->workflow_type);
    c->control = state_kept(wf, he->control);
    c->initiated = state_kept(wf, bytes);
    map_put(&wf->children, &c->by_event, str_of(&c->initiated_event_id, sizeof(int64_t)));
    tally_child_enter(wf, c);
    return true;
}

static void child_move(struct workflow *wf, struct child *c, enum child_stage stage)
{
    tally_child_leave(wf, c);
    c->stage = stage;
    if (stage == CHILD_CONFIRMING ||
            stage == CHILD_ENDING) { /* it exists: its start is not asked for again */
        c->initiated = (struct str){ 0 };
    }
    tally_child_enter(wf, c);
}

static void child_drop(struct workflow *wf, struct child *c)
{
    tally_child_leave(wf, c);
    map_remove(&wf->children, &c->by_event);
}

static bool child_started(struct workflow *wf, struct child *c, const struct history_event *he)
{
    if (c->stage != CHILD_STARTING || !uuid_parse(he->execution.run_id, &c->run_id)) {
        return false;
    }
    c->started_event_id = he->event_id;
    child_move(wf, c, CHILD_CONFIRMING);
    return true;
}

bool state_child_event(struct workflow *wf, const struct history_event *he)
{
    struct child *c = workflow_child(wf, he->initiated_event_id);
    if (!c) {
        return false;
    }
    if (he->type == HISTORY_CHILD_STARTED) {
        return child_started(wf, c, he);
    }
    child_drop(wf, c);
    return true;
}

void state_child_numbered(struct workflow *wf, const struct history_event *he)
{
    struct child *c = workflow_child(wf, he->initiated_event_id);
    if (c) { /* it may have closed in the same buffer */
        c->started_event_id = he->event_id;
    }
}

bool state_child_started_late(struct workflow *wf, int64_t initiated_event_id, struct uuid run_id)
{
    struct child *c = workflow_child(wf, initiated_event_id);
    if (!c || c->stage != CHILD_LATE) {
        return false;
    }
    c->run_id = run_id;
    child_move(wf, c,
            c->parent_close_policy == PARENT_CLOSE_ABANDON ? CHILD_CONFIRMING : CHILD_ENDING);
    return true;
}

static void child_orphan(struct workflow *wf, struct child *c, const struct history_event *close)
{
    if (wf->is_reset_away && !uuid_is_zero(wf->reset_run_id)) { /* the new run goes on with it */
        c->parent_close_policy = PARENT_CLOSE_ABANDON;
    }
    bool abandon = c->parent_close_policy == PARENT_CLOSE_ABANDON;
    if (c->stage == CHILD_STARTING) {
        if (c->completed_event_id == close->workflow_task_completed_event_id) {
            child_drop(wf,
                    c); /* the same completion asked for it and for the end: nobody has heard of it */
        } else {
            child_move(wf, c, CHILD_LATE);
        }
    } else if (!abandon) {
        child_move(wf, c, CHILD_ENDING);
    } else if (c->stage == CHILD_RUNNING) {
        child_drop(wf, c);
    }
}

void state_close_family(struct workflow *wf, const struct history_event *he, struct str bytes)
{
    map_each(&wf->children, n)
    {
        child_orphan(wf, child_of(n), he);
    }
    bool goes_on = !str_empty(he->new_run_id) || wf->is_reset_away; /* its chain does */
    if (workflow_has_parent(wf) && !goes_on) {
        wf->close_event = state_kept(wf, bytes);
    }
}

/* --- settled ------------------------------------------------------------------------------------------ */

static bool first_task_sent(struct workflow *wf, struct child *c)
{
    if (c->stage != CHILD_CONFIRMING) {
        return false;
    }
    if (workflow_is_open(wf)) {
        child_move(wf, c, CHILD_RUNNING);
    } else {
        child_drop(wf, c);
    }
    return true;
}

bool state_message_settled(struct workflow *wf, int64_t id)
{
    struct child *c = workflow_child(wf, message_event_id(id));
    switch (message_topic(id)) {
    case MESSAGE_START:
        if (!c) {
            return state_outbox_drop(wf, id);
        }
        child_drop(wf, c);
        return true;
    case MESSAGE_FIRST_TASK:
        return c && first_task_sent(wf, c);
    case MESSAGE_POLICY:
        if (!c || c->stage != CHILD_ENDING) {
            return false;
        }
        child_drop(wf, c);
        return true;
    case MESSAGE_CLOSED:
        wf->close_event = (struct str){ 0 };
        return true;
    }
    return false;
}

bool workflow_has_messages(const struct workflow *wf)
{
    return wf->outbox.len || wf->close_event.len || wf->children_with_message;
}
