/* Reads the table of namespaces on lane 0 and gives every lane the set that it found. What a reading means for those
 * who wait is told by tickets: a lane numbers its wishes, lane 0 answers with the number that a reading has served.
 * How a set is built from rows is namespace_set.c's; what a namespace's data means to clients is the frontend's. */
#include "common/cluster/namespaces.h"

#include <stdlib.h>

#include "common/cluster/namespace_set.h"
#include "common/obs/log.h"
#include "common/rpc/methods.h"

enum { LANES_MAX = 256 };

/* Lane 0's view of a lane. */
struct seat {
    struct namespaces_lane *nl;
    uint64_t asked;  /* the last wish that has arrived */
    uint64_t served; /* the last wish that the reading under way serves */
    uint64_t told;   /* the last wish that was answered */
};

struct namespaces {
    struct lane *lane;
    struct store_lane *sl;
    const struct config *config;
    struct seat seats[LANES_MAX];
    struct namespace_set *set; /* NULL: never read */
    bool reading, read_again, stopped;
    struct store_list_namespaces op;
    struct lane_timer timer;
};

struct namespaces_lane {
    struct namespaces *ns;
    struct lane *lane;
    struct namespace_set *set;
    struct list waits; /* by ticket */
    struct list watches;
    uint64_t tickets;
    bool is_closed; /* messages that still come are dropped */
};

/* ---- messages ---------------------------------------------------------------------------------- */

/* To lane 0: a lane is there, or wishes a reading. */
struct wish {
    struct lane_task task;
    struct namespaces_lane *nl;
    uint64_t ticket;
};

/* To a lane: what a reading has found. */
struct news {
    struct lane_task task;
    struct namespaces_lane *nl;
    struct namespace_set *set; /* counted; NULL: the old one stays */
    uint64_t served;
    enum err err;
};

static void start_reading(struct namespaces *ns);

static void run_wish(struct lane_task *task);

static void send_wish(struct namespaces_lane *nl, uint64_t ticket)
{
    struct wish *w = calloc(1, sizeof(*w));
    check(w);
    *w = (struct wish){ .task = { .run = run_wish }, .nl = nl, .ticket = ticket };
    lane_post(nl->ns->lane, &w->task);
}

static void take_news(struct namespaces_lane *nl, const struct news *news)
{
    struct list done;
    list_init(&done);
    if (news->set) {
        namespace_set_release(nl->set);
        nl->set = namespace_set_keep(news->set);
        list_each(&nl->watches, n)
        {
            struct namespaces_watch *w = list_entry(n, struct namespaces_watch, node);
            w->changed(w);
        }
    }
    list_each(&nl->waits, n)
    {
        if (list_entry(n, struct namespace_wait, node)->ticket <= news->served) {
            list_remove(n);
            list_append(&done, n);
        }
    }
    for (struct list_node *n; (n = list_pop(&done));) {
        struct namespace_wait *w = list_entry(n, struct namespace_wait, node);
        w->done(w, news->err);
    }
}

static void run_news(struct lane_task *task)
{
    struct news *news = container_of(task, struct news, task);
    if (!news->nl->is_closed) {
        take_news(news->nl, news);
    }
    namespace_set_release(news->set);
    free(news);
}

static void send_news(struct namespaces *ns, struct seat *seat, bool with_set, enum err err)
{
    struct news *news = calloc(1, sizeof(*news));
    check(news);
    *news = (struct news){
        .task = { .run = run_news },
        .nl = seat->nl,
        .set = with_set ? namespace_set_keep(ns->set) : NULL,
        .served = seat->served,
        .err = err,
    };
    seat->told = seat->served;
    lane_post(seat->nl->lane, &news->task);
}

/* ---- lane 0: reading --------------------------------------------------------------------------- */

static void run_wish(struct lane_task *task)
{
    struct wish *w = container_of(task, struct wish, task);
    struct namespaces *ns = w->nl->ns;
    struct seat *seat = &ns->seats[lane_index(w->nl->lane)];
    bool is_new = !seat->nl;
    seat->nl = w->nl;
    seat->asked = w->ticket;
    if (is_new && ns->set) {
        send_news(ns, seat, true, ERR_NONE);
    }
    if (!ns->stopped && w->ticket) {
        if (ns->reading) {
            ns->read_again = true;
        } else {
            start_reading(ns);
        }
    }
    free(w);
}

static void tell_lanes(struct namespaces *ns, bool changed, enum err err)
{
    for (unsigned i = 0; i < LANES_MAX; i++) {
        struct seat *seat = &ns->seats[i];
        if (seat->nl && (changed || seat->served != seat->told)) {
            send_news(ns, seat, changed, err);
        }
    }
}

static void on_read(struct store_op *base, enum err err, const struct fail *f)
{
    struct store_list_namespaces *op = container_of(base, struct store_list_namespaces, op);
    struct namespaces *ns = container_of(op, struct namespaces, op);
    ns->reading = false;
    if (ns->stopped) {
        return;
    }
    bool changed = !err && (!ns->set || op->version != namespace_set_version(ns->set));
    if (changed) {
        struct namespace_set *set =
                namespace_set_new(op->version, op->rows, op->row_count, ns->config);
        namespace_set_release(ns->set);
        ns->set = set;
    } else if (err && err != ERR_UNAVAILABLE) {
        log_error("namespaces_not_read", LOG_FAIL(f));
    }
    tell_lanes(ns, changed, err);
    if (ns->read_again) {
        ns->read_again = false;
        start_reading(ns);
    }
}

static void start_reading(struct namespaces *ns)
{
    ns->reading = true;
    for (unsigned i = 0; i < LANES_MAX; i++) {
        ns->seats[i].served = ns->seats[i].asked;
    }
    ns->op = (struct store_list_namespaces){
        .op = { .done = on_read },
        .since = ns->set ? namespace_set_version(ns->set) : -1,
    };
    store_list_namespaces(ns->sl, &ns->op);
}

static void on_second(struct lane_timer *timer)
{
    struct namespaces *ns = container_of(timer, struct namespaces, timer);
    struct duration pause = ns->set ? DURATION_SECONDS(1) : DURATION_MS(100);
    if (!ns->reading) {
        start_reading(ns);
    }
    lane_timer_start(ns->lane, &ns->timer, pause, on_second);
}

struct namespaces *namespaces_new(
        struct lane *lane, struct store_lane *sl, const struct config *config)
{
    struct namespaces *ns = calloc(1, sizeof(*ns));
    check(ns);
    ns->lane = lane;
    ns->sl = sl;
    ns->config = config;
    lane_timer_start(lane, &ns->timer, DURATION_MS(0), on_second);
    return ns;
}

void namespaces_free(struct namespaces *ns)
{
    if (!ns) {
        return;
    }
    for (unsigned i = 0; i < LANES_MAX; i++) {
        free(ns->seats[i].nl);
    }
    namespace_set_release(ns->set);
    free(ns);
}

/* ---- each lane --------------------------------------------------------------------------------- */

struct namespaces_lane *namespaces_lane_new(struct namespaces *ns, struct lane *lane)
{
    struct namespaces_lane *nl = calloc(1, sizeof(*nl));
    check(nl && lane_index(lane) < LANES_MAX);
    nl->ns = ns;
    nl->lane = lane;
    list_init(&nl->waits);
    list_init(&nl->watches);
    send_wish(nl, 0);
    return nl;
}

void namespaces_lane_free(struct namespaces_lane *nl)
{
    if (!nl || nl->is_closed) {
        return;
    }
    nl->is_closed = true; /* the memory is namespaces_free's: messages may still be on their way */
    namespace_set_release(nl->set);
    nl->set = NULL;
    if (nl->lane == nl->ns->lane) {
        nl->ns->stopped = true;
        lane_timer_stop(nl->lane, &nl->ns->timer);
    }
}

/* Answers once lane 0 has what it told: the other lanes have it in their mailboxes by then. */
struct told {
    struct namespace_wait wait;
    struct rpc_in *in;
};

static void on_told_read(struct namespace_wait *wait, enum err err)
{
    struct told *t = container_of(wait, struct told, wait);
    struct fail f = { 0 };
    if (err) {
        fail(&f, err, "the database is not reachable");
        rpc_reply_fail(t->in, &f);
    } else {
        rpc_reply(t->in, STR(""));
    }
    free(t);
}

static void on_told_gone(struct rpc_in *in)
{
    struct told *t = in->owner;
    namespace_wait_cancel(&t->wait);
    free(t);
}

static void on_told(void *ctx, struct rpc_in *in, struct str body)
{
    struct told *t = calloc(1, sizeof(*t));
    check(t);
    t->in = in;
    t->wait.done = on_told_read;
    in->owner = t;
    in->gone = on_told_gone;
    namespaces_refresh(ctx, &t->wait);
}

void namespaces_serve(struct namespaces_lane *nl, struct rpc_lane *rl)
{
    rpc_serve(rl, RPC_CLUSTER_NAMESPACES, on_told, nl);
}

bool namespaces_ready(const struct namespaces_lane *nl)
{
    return nl->set != NULL;
}

int64_t namespaces_version(const struct namespaces_lane *nl)
{
    return nl->set ? namespace_set_version(nl->set) : -1;
}

const struct namespace_entry *namespaces_by_name(const struct namespaces_lane *nl, struct str name)
{
    return nl->set ? namespace_set_by_name(nl->set, name) : NULL;
}

const struct namespace_entry *namespaces_by_id(const struct namespaces_lane *nl, struct uuid id)
{
    return nl->set ? namespace_set_by_id(nl->set, id) : NULL;
}

const struct namespace_entry *const *namespaces_all(
        const struct namespaces_lane *nl, struct arena *arena, size_t *count)
{
    *count = 0;
    return nl->set ? namespace_set_all(nl->set, arena, count) : NULL;
}

void namespaces_watch(struct namespaces_lane *nl, struct namespaces_watch *watch)
{
    list_append(&nl->watches, &watch->node);
}

void namespaces_unwatch(struct namespaces_watch *watch)
{
    list_remove(&watch->node);
}

void namespaces_refresh(struct namespaces_lane *nl, struct namespace_wait *wait)
{
    wait->ticket = ++nl->tickets;
    list_append(&nl->waits, &wait->node);
    send_wish(nl, wait->ticket);
}

void namespace_wait_cancel(struct namespace_wait *wait)
{
    list_remove(&wait->node);
}
