/* Who waits for updates: parking, news, the end of patience, and the outcome of what is completed. Relies on the engine
 * for stages and news, on page.c for outcomes that only history has; what the public messages say is in
 * handlers_update.c. */
#include "history/updates.h"

#include "common/model/history_event.h"

static struct update_wait *wait_of(struct list_node *n)
{
    return list_entry(n, struct call, node)->state;
}

/* ---- outcomes ------------------------------------------------------------------------------------------ */

static struct str outcome_of(struct arena *arena, struct str events)
{
    struct history_event he;
    struct str event;
    bool ok = history_next(&events, &event) && history_event_read(event, arena, &he);
    return ok ? he.outcome : STR("");
}

static void outcome_read(struct call *call, struct page *page)
{
    struct update_wait *uw = call->state;
    uw->form->reply(uw, NULL, UPDATE_COMPLETED, outcome_of(&call->arena, page->events));
}

static void read_outcome(struct call *call)
{
    struct update_wait *uw = call->state;
    page_read(&uw->page);
}

static void reply_completed(
        struct update_wait *uw, struct execution *ex, const struct update_status *status)
{
    struct arena *arena = &uw->call->arena;
    if (!status->completed_event_id) {
        uw->form->reply(uw, ex, UPDATE_COMPLETED, update_closed_outcome(arena));
        return;
    }
    uw->page = (struct page){ .call = uw->call,
        .key = ex->key,
        .from = status->completed_event_id,
        .end = status->completed_event_id + 1,
        .max_events = 1,
        .max_bytes = 1,
        .done = outcome_read };
    if (page_from_memory(&uw->page, ex)) {
        uw->form->reply(uw, ex, UPDATE_COMPLETED, outcome_of(arena, uw->page.events));
    } else {
        call_then(uw->call, ex, read_outcome);
    }
}

/* ---- waiting ------------------------------------------------------------------------------------------- */

static void leave(struct update_wait *uw)
{
    lane_timer_stop(uw->call->history->lane, &uw->call->timer);
    list_remove(&uw->call->node);
    check(uw->ex->pins > 0);
    uw->ex->pins--;
    uw->ex = NULL;
}

static void expired(struct lane_timer *timer)
{
    struct update_wait *uw = container_of(timer, struct call, timer)->state;
    struct execution *ex = uw->ex;
    leave(uw);
    uw->is_expired = true;
    update_wait(uw, ex);
}

static void caller_gone(struct call *call)
{
    struct update_wait *uw = call->state;
    if (uw->ex) {
        leave(uw);
        call_abandon(call);
    }
}

static bool has_room(const struct execution *ex)
{
    unsigned count = 0;
    list_each(&ex->updates, n)
    {
        count++;
    }
    return count < UPDATE_WAITERS_MAX;
}

/* A little before the caller gives up, so that it hears how far the update has come. */
static void park(struct update_wait *uw, struct execution *ex)
{
    struct history *h = uw->call->history;
    struct call *call = uw->call;
    struct duration left = instant_since(call->in->deadline, lane_monotonic(h->lane));
    left.ns = left.ns > DURATION_MS(1500).ns ? left.ns - DURATION_SECONDS(1).ns : left.ns * 2 / 3;
    left.ns = left.ns > 0 ? left.ns : 0;
    uw->ex = ex;
    ex->pins++;
    call->chain = ex->chain;
    call->gone = caller_gone;
    list_append(&ex->updates, &call->node);
    lane_timer_start(h->lane, &call->timer, duration_min(left, h->config.long_poll), expired);
}

void update_wait(struct update_wait *uw, struct execution *ex)
{
    struct update_status status = workflow_update_status(ex->wf, uw->update_id);
    struct fail f = { 0 };
    if (!uw->call->in) {
        call_abandon(uw->call);
    } else if (status.stage == UPDATE_COMPLETED) {
        reply_completed(uw, ex, &status);
    } else if (status.stage >= uw->wait || uw->is_expired) {
        uw->form->reply(uw, ex, status.stage, STR(""));
    } else if (has_room(ex)) {
        park(uw, ex);
    } else {
        (void)fail_resource_exhausted(&f, &uw->call->arena,
                API__RESOURCE_EXHAUSTED_CAUSE__RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT,
                API__RESOURCE_EXHAUSTED_SCOPE__RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
                STR("too many callers wait for updates of the workflow"));
        uw->form->refuse(uw, ex, &f);
    }
}

/* ---- news ---------------------------------------------------------------------------------------------- */

static void tell(struct update_wait *uw, struct execution *ex, const struct update_news *news)
{
    struct call *call = uw->call;
    struct fail f = { 0 };
    if (news->kind == UPDATE_NEWS_ACCEPTED && uw->wait > UPDATE_ACCEPTED) {
        return;
    }
    leave(uw);
    if (news->kind == UPDATE_NEWS_ACCEPTED) {
        uw->form->reply(uw, ex, UPDATE_ACCEPTED, STR(""));
    } else if (news->kind == UPDATE_NEWS_COMPLETED) {
        uw->form->reply(uw, ex, UPDATE_COMPLETED, str_dup(&call->arena, news->outcome));
    } else {
        (void)update_news_fail(news->kind, &f);
        if (uw->form->again && uw->form->again(uw, news->kind, &f)) {
            chain_submit(ex->chain, call);
        } else {
            uw->form->refuse(uw, ex, &f);
        }
    }
}

/* The last word of a step counts: an update may be accepted and completed at once. */
static const struct update_news *last_word(const struct effects *fx, struct str update_id)
{
    for (size_t i = fx->updates.len; i > 0; i--) {
        if (str_eq(fx->updates.ptr[i - 1].update_id, update_id)) {
            return &fx->updates.ptr[i - 1];
        }
    }
    return NULL;
}

void updates_told(struct execution *ex, const struct effects *fx)
{
    list_each(&ex->updates, n)
    {
        struct update_wait *uw = wait_of(n);
        const struct update_news *news = last_word(fx, uw->update_id);
        if (news) {
            tell(uw, ex, news);
        }
    }
}

void updates_return(struct execution *ex, struct list *calls)
{
    list_each(&ex->updates, n)
    {
        leave(wait_of(n));
        list_append(calls, n);
    }
}
