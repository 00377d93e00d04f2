/* Pages over the open runs of a deleted namespace. The runs are deleted in the order of their chains, as DeleteWorkflow-
 * Execution does it, so whatever else happens to them meanwhile is well ordered; the reaper removes the rows. */
#include "history/erase.h"

#include "common/obs/log.h"
#include "common/visibility/filter.h"
#include "history/handlers.h"
#include "history/history.h"

enum { PAGE = 200, NAMESPACE_STATE_DELETED = 3 };

#define BREATH DURATION_MS(20)
/* A start that was accepted before the deletion was known everywhere may still come. */
#define LINGER DURATION_SECONDS(5)
/* A namespace that was empty, and has not been so or not been there for so long. */
#define FORGOTTEN DURATION_SECONDS(4)

static void erase_page(struct lane_timer *timer);

void erase_init(struct erase *erase, struct history *h)
{
    *erase = (struct erase){ .history = h };
}

void erase_deinit(struct erase *erase)
{
    lane_timer_stop(erase->history->lane, &erase->timer);
    arena_deinit(&erase->arena);
}

/* ---- one run ------------------------------------------------------------------------------------------- */

static void erase_run(struct call *call)
{
    struct execution *ex;
    if (handler_find_key(call, call->touch.run_id, call->touch.key, &ex)) {
        handler_delete(call, ex);
    }
}

static void erase_page_over(struct erase *erase)
{
    struct history *h = erase->history;
    if (--erase->under_way || h->state != HISTORY_SERVING) {
        return;
    }
    if (erase->list.more && erase->list.row_count) {
        lane_timer_start(h->lane, &erase->timer, BREATH, erase_page);
    } else {
        erase->done(erase);
    }
}

static void erase_ended(struct call *call)
{
    erase_page_over(call->state);
}

static void erase_begin(struct erase *erase, const struct store_run_row *run)
{
    struct history *h = erase->history;
    struct chain *chain = chain_get(h, run->namespace_id, run->workflow_id);
    struct call *call = call_new(h, NULL, STR(""));
    call->run = erase_run;
    call->cleanup = erase_ended;
    call->state = erase;
    call->touch.run_id = run->run_id;
    call->touch.key = run->key;
    erase->under_way++;
    chain_submit(chain, call);
}

/* ---- pages --------------------------------------------------------------------------------------------- */

static void erase_listed(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_list_runs *list = container_of(op, struct store_list_runs, op);
    struct erase *erase = container_of(list, struct erase, list);
    struct history *h = erase->history;
    erase->reading = false;
    if (h->state != HISTORY_SERVING) {
        history_idle(h);
        return;
    }
    if (err) {
        log_warn("erase_list_failed", LOG_FAIL(fail));
        erase->found++; /* unknown: the next pass asks again */
        list->row_count = 0;
    }
    erase->under_way = 1;
    for (size_t i = 0; i < list->row_count; i++) {
        const struct store_run_row *run = &list->rows[i].run;
        if (shard_serves(h, run->shard) && !reaper_knows(h, run->key)) {
            erase->found++;
            erase_begin(erase, run);
        }
    }
    if (list->row_count) {
        list->after = store_place_behind(list, list->row_count - 1);
        list->after.moment = str_dup(&erase->arena, list->after.moment);
    }
    erase_page_over(erase);
}

static void erase_page(struct lane_timer *timer)
{
    struct erase *erase = container_of(timer, struct erase, timer);
    struct history *h = erase->history;
    if (h->state != HISTORY_SERVING) {
        return;
    }
    if (committer_admit(&h->committer, NULL)) {
        lane_timer_start(h->lane, &erase->timer, DURATION_MS(500), erase_page);
        return;
    }
    erase->reading = true;
    store_list_runs(h->store, &erase->list);
}

void erase_open_runs(
        struct erase *erase, struct uuid namespace_id, void (*done)(struct erase *erase))
{
    static const struct filter_value running = { .number = WORKFLOW_RUNNING };
    static const struct filter is_open = {
        .kind = FILTER_EQ,
        .attribute = { .type = SEARCH_ATTRIBUTE_KEYWORD, .source = SOURCE_STATUS },
        .values = &running,
        .value_count = 1,
    };
    arena_reset(&erase->arena);
    erase->done = done;
    erase->found = 0;
    erase->list = (struct store_list_runs){
        .op.done = erase_listed, .namespace_id = namespace_id, .filter = &is_open, .limit = PAGE
    };
    erase_page(&erase->timer);
}

/* ---- the end ------------------------------------------------------------------------------------------- */

static void erase_removed(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_remove_namespace *remove = container_of(op, struct store_remove_namespace, op);
    struct erase *erase = container_of(remove, struct erase, remove);
    struct history *h = erase->history;
    erase->reading = false;
    if (!err && remove->removed) {
        log_info("namespace_erased", LOG_UUID("namespace_id", remove->id));
    }
    if (h->state != HISTORY_SERVING) {
        history_idle(h);
        return;
    }
    erase->done(erase);
}

void erase_row(struct erase *erase, struct uuid namespace_id, void (*done)(struct erase *erase))
{
    struct history *h = erase->history;
    struct instant now = lane_monotonic(h->lane);
    struct duration wait = h->config.namespace_delete_delay;
    wait = wait.ns > LINGER.ns ? wait : LINGER;
    bool is_same = uuid_eq(erase->empty, namespace_id);
    bool is_busy = instant_is_set(erase->empty_seen) &&
                   instant_since(now, erase->empty_seen).ns < FORGOTTEN.ns;
    if (!is_same && is_busy) { /* one after the other */
        done(erase);
        return;
    }
    if (!is_same || !is_busy) {
        erase->empty = namespace_id;
        erase->empty_since = now;
    }
    erase->empty_seen = now;
    if (instant_since(now, erase->empty_since).ns < wait.ns) {
        done(erase);
        return;
    }
    erase->done = done;
    erase->reading = true;
    erase->remove = (struct store_remove_namespace){
        .op.done = erase_removed, .id = namespace_id, .state = NAMESPACE_STATE_DELETED
    };
    store_remove_namespace(h->store, &erase->remove);
}
