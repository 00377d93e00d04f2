/* Ordering per workflow id: a queue of requests, at most one load at a time, and what is known of the current run.
 * Relies on execution.c for the runs and on the shard table for the right to act; handlers do the rest. */
#include "history/chain.h"

#include <string.h>

#include "common/obs/log.h"
#include "history/engine_view.h"
#include "history/execution.h"
#include "history/history.h"

static void chain_pump(struct chain *chain);
static void chain_load_done(struct store_op *op, enum err err, const struct fail *fail);

/* ---- finding ----------------------------------------------------------------------------------------- */

static struct str chain_key(struct arena *arena, struct uuid namespace_id, struct str workflow_id)
{
    char *p = arena_alloc(arena, sizeof(namespace_id) + workflow_id.len, 1);
    memcpy(p, namespace_id.b, sizeof(namespace_id));
    memcpy(p + sizeof(namespace_id), workflow_id.ptr, workflow_id.len);
    return str_of(p, sizeof(namespace_id) + workflow_id.len);
}

struct chain *chain_find(struct history *h, struct uuid namespace_id, struct str workflow_id)
{
    struct map_node *n =
            map_get(&h->chains, chain_key(lane_scratch(h->lane), namespace_id, workflow_id));
    return n ? map_entry(n, struct chain, by_id) : NULL;
}

struct chain *chain_get(struct history *h, struct uuid namespace_id, struct str workflow_id)
{
    struct str key = chain_key(lane_scratch(h->lane), namespace_id, workflow_id);
    struct map_node *n = map_get(&h->chains, key);
    if (n) {
        return map_entry(n, struct chain, by_id);
    }
    struct chain *chain = POOL_NEW(&h->chain_pool, struct chain);
    chain->history = h;
    chain->group = ++h->last_group;
    chain->shard = shard_of(namespace_id, workflow_id);
    chain->namespace_id = namespace_id;
    char *p = key.len <= sizeof(chain->id) ? chain->id : arena_alloc(&chain->long_id, key.len, 1);
    memcpy(p, key.ptr, key.len);
    key.ptr = p;
    chain->workflow_id = str_drop(key, sizeof(namespace_id));
    list_init(&chain->executions);
    list_init(&chain->queue);
    map_put(&h->chains, &chain->by_id, key);
    return chain;
}

static void chain_free(struct chain *chain)
{
    struct history *h = chain->history;
    arena_deinit(&chain->long_id);
    pool_put(&h->chain_pool, chain);
}

void chain_release(struct chain *chain)
{
    if (chain->orphan || chain->loading || chain->pumping || !list_empty(&chain->queue) ||
            !list_empty(&chain->executions)) {
        return;
    }
    map_remove(&chain->history->chains, &chain->by_id);
    chain_free(chain);
}

static void chain_drop_runs(struct chain *chain)
{
    list_each(&chain->executions, n)
    {
        execution_drop(list_entry(n, struct execution, in_chain));
    }
    chain->current_known = false;
    chain->current_batch = 0;
    chain->miss = false;
}

void chain_drop(struct chain *chain, const struct fail *fail)
{
    bool was_pumping = chain->pumping;
    chain->pumping = true; /* the last run must not free the chain under us */
    chain_drop_runs(chain);
    struct list_node *n;
    while ((n = list_pop(&chain->queue))) {
        call_fail_now(list_entry(n, struct call, node), fail);
    }
    chain->pumping = was_pumping;
    if (chain->loading) {
        chain->orphan = true; /* freed by chain_load_done */
        chain->history->orphans++;
        map_remove(&chain->history->chains, &chain->by_id);
        return;
    }
    chain_release(chain);
}

void chain_reload(struct chain *chain)
{
    bool was_pumping = chain->pumping;
    chain->pumping = true;
    chain_drop_runs(chain);
    chain->pumping = was_pumping;
    if (!was_pumping) {
        chain_pump(chain);
    }
}

/* ---- running ----------------------------------------------------------------------------------------- */

static void chain_pump(struct chain *chain)
{
    chain->pumping = true;
    struct list_node *n;
    while (!chain->loading && (n = list_pop(&chain->queue))) {
        struct call *call = list_entry(n, struct call, node);
        struct fail f = { 0 };
        if (shard_check(chain->history, chain->shard, &f)) {
            call_fail_now(call, &f); /* it waited for a load while the shard moved */
        } else {
            call->run(call);
        }
    }
    chain->pumping = false;
    chain_release(chain);
}

void chain_submit(struct chain *chain, struct call *call)
{
    call->chain = chain;
    list_append(&chain->queue, &call->node);
    if (!chain->pumping && !chain->loading) {
        chain_pump(chain);
    }
}

/* ---- loading ----------------------------------------------------------------------------------------- */

static void chain_load(struct chain *chain, struct uuid run_id, run_key key)
{
    struct history *h = chain->history;
    chain->loading = true;
    chain->load_begun = lane_monotonic(h->lane);
    list_append(&h->loads, &chain->in_loads);
    h->load_count++;
    h->stats.loads++;
    chain->load = (struct store_load){
        .op.done = chain_load_done,
        .key = key,
        .namespace_id = chain->namespace_id,
        .workflow_id = chain->workflow_id,
        .run_id = run_id,
        .want_events = true,
    };
    store_load(h->store, &chain->load);
}

/* The head of the queue asked for it. */
static void chain_load_failed(struct chain *chain, enum err err, const struct fail *fail)
{
    struct fail f = *fail;
    if (err != ERR_CORRUPT) {
        fail(&f, ERR_UNAVAILABLE, "the workflow cannot be loaded now");
    }
    struct list_node *n = list_pop(&chain->queue);
    if (n) {
        call_fail_now(list_entry(n, struct call, node), &f);
    }
}

enum err chain_adopt(struct chain *chain, const struct store_load *load, struct fail *f)
{
    if (load->run.shard != chain->shard || !str_eq(load->run.workflow_id, chain->workflow_id)) {
        return fail(f, ERR_CORRUPT, "run row belongs to another workflow id");
    }
    if (load->is_current && !chain->current_known) {
        chain->current_known = true;
        chain->current = load->run.key;
    }
    if (execution_find(chain->history, load->run.key)) {
        return ERR_NONE; /* what is in memory is newer */
    }
    struct execution *ex;
    bool was_pumping = chain->pumping;
    chain->pumping =
            true; /* a run that cannot be read must not take the chain away from the caller */
    enum err err = execution_load(chain, load, &ex, f);
    chain->pumping = was_pumping;
    return err;
}

/* A key may come from a token, which is the client's: it may name any run of anybody. */
static bool chain_wanted(const struct chain *chain, const struct store_load *load)
{
    return uuid_eq(load->run.namespace_id, chain->namespace_id) &&
           str_eq(load->run.workflow_id, chain->workflow_id) &&
           (uuid_is_zero(load->run_id) || uuid_eq(load->run.run_id, load->run_id));
}

/* True: it is gone by now. */
static bool chain_came_back(struct chain *chain)
{
    struct history *h = chain->history;
    chain->loading = false;
    h->load_count -= list_linked(&chain->in_loads);
    list_remove(&chain->in_loads);
    if (chain->orphan) {
        h->orphans--;
        chain_free(chain);
        history_idle(h);
        return true;
    }
    return false;
}

bool chain_hold(struct chain *chain)
{
    bool is_free = !chain->loading && !chain->pumping && list_empty(&chain->executions);
    chain->loading |= is_free;
    return is_free;
}

void chain_go_on(struct chain *chain)
{
    if (!chain_came_back(chain)) {
        chain_pump(chain);
    }
}

/* What the auditor can mend is mended by the next attempt. */
static void chain_unreadable(struct chain *chain, const struct store_load *load)
{
    if (load->run.key) {
        audit_suspect(chain->history, load->run.key, chain->shard);
    }
}

static void chain_load_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_load *load = container_of(op, struct store_load, op);
    struct chain *chain = container_of(load, struct chain, load);
    if (chain_came_back(chain)) {
        return;
    }
    struct fail f = { 0 };
    if (!err && (!chain_wanted(chain, load) || reaper_knows(chain->history, load->run.key))) {
        err = ERR_NOT_FOUND;
    }
    if (err == ERR_NOT_FOUND) {
        if (!load->key && uuid_is_zero(load->run_id)) {
            chain->current_known = true;
            chain->current = 0;
        }
        chain->miss = true;
        chain->miss_run = load->run_id;
    } else if (err) {
        if (err == ERR_CORRUPT) {
            chain_unreadable(chain, load);
        }
        chain_load_failed(chain, err, fail);
    } else if ((err = chain_adopt(chain, load, &f))) {
        log_error("run_unreadable", LOG_STR("workflow_id", chain->workflow_id),
                LOG_UUID("run_id", load->run.run_id), LOG_FAIL(&f));
        chain->history->stats.corrupt_runs++;
        chain_unreadable(chain, load);
        chain_load_failed(chain, err, &f);
    }
    chain_pump(chain);
}

static struct execution *chain_loaded(struct chain *chain, struct uuid run_id)
{
    if (uuid_is_zero(run_id)) {
        return chain->current_known && chain->current
                       ? execution_find(chain->history, chain->current)
                       : NULL;
    }
    list_each(&chain->executions, n)
    {
        struct execution *ex = list_entry(n, struct execution, in_chain);
        if (uuid_eq(ex->run_id, run_id)) {
            return ex;
        }
    }
    return NULL;
}

enum want chain_want(struct chain *chain, struct call *call, struct uuid run_id, run_key key,
        struct execution **ret)
{
    struct execution *ex = chain_loaded(chain, run_id);
    if (ex && engine_view_is_deleted(ex->wf)) { /* still here only to settle its messages */
        chain->miss = false;
        return WANT_ABSENT;
    }
    if (ex) {
        chain->miss = false;
        *ret = ex;
        cache_touch(&chain->history->cache, ex);
        return WANT_FOUND;
    }
    bool wants_current = uuid_is_zero(run_id);
    if (wants_current && chain->current_known && !chain->current) {
        return WANT_ABSENT;
    }
    if (chain->miss && uuid_eq(chain->miss_run, run_id)) {
        chain->miss = false;
        return WANT_ABSENT;
    }
    if (wants_current) {
        key = chain->current_known ? chain->current : 0;
    }
    call->chain = chain;
    list_prepend(&chain->queue, &call->node);
    chain_load(chain, run_id, key);
    return WANT_WAIT;
}
