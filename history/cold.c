/* The not yet loaded part of the wheel, and the bounded loading of what is due. */
#include "history/cold.h"

#include "common/obs/log.h"
#include "history/history.h"

struct cold_run {
    struct map_node by_key; /* key: the bytes of `key` */
    struct wheel_node wheel;
    struct list_node ready;
    struct history *history;
    run_key key;
    uint32_t shard;
    bool loading;
};

struct cold_load {
    struct store_load load;
    struct history *history;
    uint32_t shard;
    uint64_t drops; /* when the read began: a run dropped since may have been newer */
};

static void cold_pump(struct cold *cold);

void cold_init(struct cold *cold, struct history *h)
{
    *cold = (struct cold){ .history = h, .pool.arena = &h->arena, .loads.arena = &h->arena };
    map_init(&cold->by_key, NULL);
    list_init(&cold->ready);
}

static struct cold_run *cold_get(const struct history *h, run_key key)
{
    struct map_node *n = map_get(&h->cold.by_key, str_of(&key, sizeof(key)));
    return n ? map_entry(n, struct cold_run, by_key) : NULL;
}

static void cold_remove(struct cold *cold, struct cold_run *run)
{
    wheel_stop(&cold->history->wheel, &run->wheel);
    list_remove(&run->ready);
    map_remove(&cold->by_key, &run->by_key);
    pool_put(&cold->pool, run);
}

void cold_clear(struct cold *cold)
{
    map_each(&cold->by_key, n)
    {
        cold_remove(cold, map_entry(n, struct cold_run, by_key));
    }
}

bool cold_knows(const struct history *h, run_key key)
{
    return cold_get(h, key) != NULL;
}

void cold_forget(struct history *h, run_key key)
{
    struct cold_run *run = cold_get(h, key);
    if (run) {
        cold_remove(&h->cold, run);
    }
}

static void cold_fire(struct wheel_node *node)
{
    struct cold_run *run = container_of(node, struct cold_run, wheel);
    if (!run->loading && !list_linked(&run->ready)) {
        list_append(&run->history->cold.ready, &run->ready);
        cold_pump(&run->history->cold);
    }
}

void cold_add(struct history *h, run_key key, uint32_t shard, struct instant wake)
{
    if (execution_find(h, key)) {
        return;
    }
    struct cold_run *run = cold_get(h, key);
    if (!run) {
        run = POOL_NEW(&h->cold.pool, struct cold_run);
        run->history = h;
        run->key = key;
        run->shard = shard;
        run->wheel.fire = cold_fire;
        map_put(&h->cold.by_key, &run->by_key, str_of(&run->key, sizeof(run->key)));
    } else if (run->loading || list_linked(&run->ready) ||
               (run->wheel.node.linked && run->wheel.node.key <= wake.ns)) {
        return;
    }
    wheel_set(&h->wheel, &run->wheel, wake);
}

/* ---- loading ----------------------------------------------------------------------------------------- */

static void touch_run(struct call *call)
{
    struct execution *ex;
    if (chain_want(call->chain, call, call->touch.run_id, call->touch.key, &ex) != WANT_WAIT) {
        call_reply_now(call, STR(""));
    }
}

static void cold_loaded(struct cold_load *cl)
{
    struct history *h = cl->history;
    const struct store_load *load = &cl->load;
    if (reaper_knows(h, load->run.key)) {
        return;
    }
    struct chain *chain = chain_get(h, load->run.namespace_id, load->run.workflow_id);
    if (chain->loading || cl->drops != h->drops) {
        /* What was read may be old news: ask again, in the order of the chain. */
        struct call *call = call_new(h, NULL, STR(""));
        call->run = touch_run;
        call->touch.run_id = load->run.run_id;
        call->touch.key = load->run.key;
        /* If that reading fails nobody else asks; if it succeeds this is forgotten. */
        cold_add(h, load->run.key, load->run.shard,
                instant_add(lane_now(h->lane), DURATION_SECONDS(1)));
        chain_submit(chain, call);
        return;
    }
    struct fail f = { 0 };
    enum err err = chain_adopt(chain, load, &f);
    if (err) {
        log_error("run_unreadable", LOG_STR("workflow_id", load->run.workflow_id),
                LOG_UUID("run_id", load->run.run_id), LOG_FAIL(&f));
        h->stats.corrupt_runs++;
        chain_release(chain);
        audit_suspect(h, load->run.key, load->run.shard);
    }
}

static void cold_load_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_load *load = container_of(op, struct store_load, op);
    struct cold_load *cl = container_of(load, struct cold_load, load);
    struct history *h = cl->history;
    h->cold.loading--;
    run_key key = load->key;
    cold_forget(h, key);
    if (h->state == HISTORY_SERVING && shard_serves(h, cl->shard)) {
        if (!err) {
            cold_loaded(cl);
        } else if (err != ERR_NOT_FOUND) {
            cold_add(h, key, cl->shard, instant_add(lane_now(h->lane), DURATION_SECONDS(1)));
        }
    }
    pool_put(&h->cold.loads, cl);
    cold_pump(&h->cold);
    history_idle(h);
}

static void cold_pump(struct cold *cold)
{
    struct history *h = cold->history;
    while (cold->loading < COLD_LOADS_MAX && h->state == HISTORY_SERVING) {
        struct list_node *n = list_pop(&cold->ready);
        if (!n) {
            return;
        }
        struct cold_run *run = list_entry(n, struct cold_run, ready);
        if (!shard_serves(h, run->shard)) {
            cold_remove(cold, run);
            continue;
        }
        run->loading = true;
        cold->loading++;
        h->stats.loads++;
        struct cold_load *cl = POOL_NEW(&cold->loads, struct cold_load);
        cl->history = h;
        cl->shard = run->shard;
        cl->drops = h->drops;
        cl->load = (struct store_load){
            .op.done = cold_load_done, .key = run->key, .want_events = true
        };
        store_load(h->store, &cl->load);
    }
}
