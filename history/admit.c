/* Whether a lane takes what arrives: what it sees of itself, by the rule of pressure.c. Relies on the committer, the
 * calls, the chains and the cache for what they hold; leaves to handlers.c which call is of which class. */
#include "history/admit.h"

#include "common/obs/log.h"
#include "history/chain.h"
#include "history/history.h"

#define LOG_EVERY DURATION_SECONDS(10)

static struct duration age(struct instant now, struct instant since)
{
    return since.ns ? instant_since(now, since) : (struct duration){ 0 };
}

static struct pressure see(const struct history *h)
{
    struct instant now = lane_monotonic(h->lane);
    struct list_node *n = list_first(&h->loads);
    struct duration load = n ? age(now, list_entry(n, struct chain, in_loads)->load_begun)
                             : (struct duration){ 0 };
    struct duration commit = age(now, committer_oldest(&h->committer));
    return (struct pressure){
        .delay = load.ns > commit.ns ? load : commit,
        .waiting = h->calls.waiting + h->load_count,
        .lead_bytes = h->committer.lead_bytes,
        .call_bytes = h->calls.waiting_bytes,
        .cache_bytes = h->cache.bytes,
    };
}

/* Once in a while, with what has been refused since. */
static void tell(struct history *h, const struct pressure *p)
{
    struct instant now = lane_monotonic(h->lane);
    if (!h->shed_logged.ns || instant_since(now, h->shed_logged).ns >= LOG_EVERY.ns) {
        h->shed_logged = now;
        log_warn("overloaded", LOG_U64("lane", h->lane_index), LOG_U64("refused", h->stats.shed),
                LOG_I64("delay_ms", duration_ms(p->delay)), LOG_U64("waiting", p->waiting),
                LOG_U64("uncommitted_bytes", p->lead_bytes), LOG_U64("call_bytes", p->call_bytes),
                LOG_U64("cache_bytes", p->cache_bytes));
    }
}

enum err history_admit(struct history *h, enum pressure_class asks, struct fail *f)
{
    enum err err = committer_admit(&h->committer, f);
    struct pressure p = see(h);
    struct pressure_bounds bounds = { .delay = h->config.shed_delay,
        .lead_bytes = h->config.lead_bytes,
        .cache_bytes = h->config.cache_bytes };
    if (!err && asks < pressure_of(&p, &bounds)) {
        err = committer_overloaded(f);
    }
    if (err) {
        h->stats.shed++;
        h->stats.shed_starts += asks == PRESSURE_STARTS;
    }
    if (err == ERR_RESOURCE_EXHAUSTED) {
        tell(h, &p);
    }
    return err;
}
