/* Which shards this lane serves, taking them over and handing them on. Relies on the cluster for the decision who
 * owns what, on sweep.c for finding due runs, on the committer for the flush. */
#include "history/shard.h"

#include "common/base/sm.h"
#include "common/obs/log.h"
#include "history/history.h"

static const struct sm_state shard_table[] = {
    [SHARD_NONE] = { "none", SM_TO(SHARD_ACQUIRING) },
    [SHARD_ACQUIRING] = { "acquiring",
            SM_TO(SHARD_OWNED) | SM_TO(SHARD_RELEASING) | SM_TO(SHARD_NONE) },
    [SHARD_OWNED] = { "owned", SM_TO(SHARD_RELEASING) | SM_TO(SHARD_NONE) },
    [SHARD_RELEASING] = { "releasing", SM_TO(SHARD_NONE) | SM_TO(SHARD_RETURNING) },
    [SHARD_RETURNING] = { "returning", SM_TO(SHARD_NONE) | SM_TO(SHARD_RELEASING) },
};

struct release {
    struct list_node node;
    struct arena arena;
    uint32_t *shards;
    size_t count;
    uint64_t batch; /* durable when this one is */
    void (*done)(void *ctx, const uint32_t *shards, size_t count);
    void *ctx;
};

void shards_init(struct shards *shards)
{
    *shards = (struct shards){ 0 };
    list_init(&shards->releases);
}

bool shard_serves(const struct history *h, uint32_t shard)
{
    return shard < SHARD_COUNT &&
           (h->shards.state[shard] == SHARD_OWNED || h->shards.state[shard] == SHARD_ACQUIRING);
}

static void shard_move(struct history *h, uint32_t shard, enum shard_state to)
{
    uint8_t *state = &h->shards.state[shard];
    if (*state == SHARD_NONE) {
        h->shards.count++;
    }
    sm_move(shard_table, *state, (uint8_t)to);
    if (to == SHARD_NONE) {
        h->shards.count--;
    }
    if (!shard_serves(h, shard)) {
        audit_forget_shard(h, shard);
    }
}

enum err shard_check(const struct history *h, uint32_t shard, struct fail *f)
{
    if (h->state == HISTORY_CLAIMING) {
        return fail(f, ERR_UNAVAILABLE, "history service is starting");
    }
    if (h->state != HISTORY_SERVING) {
        return fail(f, ERR_NOT_OWNER, "history service is leaving");
    }
    if (shard_serves(h, shard)) {
        return ERR_NONE;
    }
    fail(f, ERR_NOT_OWNER, "shard %u is served elsewhere", shard);
    if (h->cluster.owner_hint) {
        struct str hint = h->cluster.owner_hint(h->cluster.ctx, shard, lane_scratch(h->lane));
        fail_set_detail(f, STR("NotOwner"), hint);
    }
    return ERR_NOT_OWNER;
}

uint32_t *shards_list(const struct history *h, struct arena *arena, size_t *count)
{
    uint32_t *list = NEW(arena, uint32_t, h->shards.count + 1);
    size_t n = 0;
    for (uint32_t shard = 0; shard < SHARD_COUNT; shard++) {
        if (shard_serves(h, shard)) {
            list[n++] = shard;
        }
    }
    *count = n;
    return list;
}

void history_gain_shards(struct history *h, const uint32_t *shards, size_t count)
{
    struct arena *scratch = lane_scratch(h->lane);
    uint32_t *fresh = NEW(scratch, uint32_t, count + 1);
    size_t n = 0;
    for (size_t i = 0; i < count && h->state <= HISTORY_SERVING; i++) {
        if (h->shards.state[shards[i]] == SHARD_NONE) {
            shard_move(h, shards[i], SHARD_ACQUIRING);
            fresh[n++] = shards[i];
        } else if (h->shards.state[shards[i]] == SHARD_RELEASING) {
            shard_move(h, shards[i], SHARD_RETURNING);
        }
    }
    if (n && h->state == HISTORY_SERVING) {
        sweep_acquire(h, fresh, n);
    }
}

void shards_acquired(struct history *h, const uint32_t *shards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (h->shards.state[shards[i]] == SHARD_ACQUIRING) {
            shard_move(h, shards[i], SHARD_OWNED);
        }
    }
}

/* ---- handing over ------------------------------------------------------------------------------------ */

static void shards_drop_runs(struct history *h)
{
    struct fail f = { 0 };
    fail(&f, ERR_NOT_OWNER, "the shard has moved");
    map_each(&h->chains, n)
    {
        struct chain *chain = map_entry(n, struct chain, by_id);
        if (!shard_serves(h, chain->shard) && h->shards.state[chain->shard] == SHARD_NONE) {
            chain_drop(chain, &f);
        }
    }
}

/* Exact rows for whoever comes next: it reads less, and finds tasks that wait. */
static void shards_checkpoint(struct history *h)
{
    map_each(&h->runs, n)
    {
        struct execution *ex = map_entry(n, struct execution, by_key);
        if (h->shards.state[ex->chain->shard] == SHARD_RELEASING) {
            (void)execution_checkpoint(ex);
        }
    }
}

void history_release_shards(struct history *h, const uint32_t *shards, size_t count,
        void (*done)(void *ctx, const uint32_t *shards, size_t count), void *ctx)
{
    struct arena arena = { 0 };
    struct release *r = NEW(&arena, struct release, 1);
    r->shards = NEW(&arena, uint32_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        enum shard_state state = h->shards.state[shards[i]];
        if (state == SHARD_OWNED || state == SHARD_ACQUIRING || state == SHARD_RETURNING) {
            shard_move(h, shards[i], SHARD_RELEASING);
        }
        r->shards[r->count++] = shards[i];
    }
    shards_checkpoint(h);
    r->batch = h->committer.next_number;
    r->done = done;
    r->ctx = ctx;
    r->arena = arena;
    list_append(&h->shards.releases, &r->node);
    shards_tick(h);
}

void history_drop_shards(struct history *h, const uint32_t *shards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (h->shards.state[shards[i]] != SHARD_NONE) {
            shard_move(h, shards[i], SHARD_NONE);
        }
    }
    /* Nobody takes shards from a live owner: our writer row is somebody else's, what is not durable never will be. */
    if (h->state == HISTORY_SERVING) {
        struct fail f = { 0 };
        fail(&f, ERR_FENCED, "this process was taken for dead");
        history_writer_lost(h, ERR_FENCED, &f);
    }
}

static void release_end(struct history *h, struct release *r)
{
    uint32_t *returning = NEW(&r->arena, uint32_t, r->count + 1);
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++) {
        uint8_t state = h->shards.state[r->shards[i]];
        if (state == SHARD_RETURNING) {
            returning[n++] = r->shards[i];
        }
        if (state == SHARD_RELEASING || state == SHARD_RETURNING) {
            shard_move(h, r->shards[i], SHARD_NONE);
        }
    }
    shards_drop_runs(h);
    log_info("shards_released", LOG_U64("count", r->count));
    struct arena arena = r->arena;
    if (r->done) {
        r->done(r->ctx, r->shards, r->count);
    }
    history_gain_shards(h, returning, n);
    arena_deinit(&arena);
}

void shards_tick(struct history *h)
{
    list_each(&h->shards.releases, n)
    {
        struct release *r = list_entry(n, struct release, node);
        if (r->batch <= h->committer.durable || committer_is_clean(&h->committer)) {
            list_remove(n);
            release_end(h, r);
        }
    }
}

void shards_forget(struct history *h)
{
    for (uint32_t shard = 0; shard < SHARD_COUNT; shard++) {
        if (h->shards.state[shard] != SHARD_NONE) {
            h->shards.state[shard] = SHARD_NONE;
            h->shards.count--;
        }
    }
    struct list_node *n;
    while ((n = list_pop(&h->shards.releases))) {
        struct release *r = list_entry(n, struct release, node);
        struct arena arena = r->arena;
        arena_deinit(&arena);
    }
}
