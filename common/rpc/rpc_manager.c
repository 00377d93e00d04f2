/* The manager: one thread per process that starts dials, watches over silence, redials with
 * back-off and takes dead links down. It is the only place where a connection is freed, because
 * that waits for callbacks. Between its duties it sleeps; whoever has something for it kicks it. */
#include <signal.h>
#include <stdlib.h>

#include "common/base/vec.h"
#include "common/rpc/rpc_stream.h"

enum { BACKOFF_FIRST_MS = 50, BACKOFF_MAX_MS = 2000 };

void rpc_kick_manager(struct rpc *rpc)
{
    pthread_mutex_lock(&rpc->lock);
    rpc->kicked = true;
    pthread_cond_signal(&rpc->wake);
    pthread_mutex_unlock(&rpc->lock);
}

/* ---- peers ---- */

/* Under rpc->lock and peer->lock. */
static void peer_dial(struct rpc_peer *peer)
{
    struct rpc *rpc = peer->rpc;
    struct rpc_stream *s = rpc_stream_new(rpc, peer);
    list_append(&rpc->links, &s->node); /* the list's reference is the first one */
    rpc_link_ref(&s->base);
    peer->link = &s->base;
    peer->wanted = true;
    rpc->kicked = true;
    pthread_cond_signal(&rpc->wake);
}

static bool link_usable(struct rpc_link *link)
{
    return link && !atomic_load(&link->dead) && !atomic_load(&link->draining);
}

struct rpc_link *rpc_peer_link(struct rpc_peer *peer)
{
    struct rpc *rpc = peer->rpc;
    struct rpc_link *link = NULL;
    pthread_mutex_lock(&peer->lock);
    if (link_usable(peer->link)) {
        link = peer->link;
        rpc_link_ref(link);
    }
    bool may_dial = !peer->link && rpc_clock() >= peer->retry_at;
    pthread_mutex_unlock(&peer->lock);
    if (link || !may_dial) {
        return link;
    }
    pthread_mutex_lock(&rpc->lock);
    pthread_mutex_lock(&peer->lock);
    if (!peer->link && !rpc->closing) {
        peer_dial(peer);
    }
    if (link_usable(peer->link)) {
        link = peer->link;
        rpc_link_ref(link);
    }
    pthread_mutex_unlock(&peer->lock);
    pthread_mutex_unlock(&rpc->lock);
    return link;
}

/* Full jitter over a doubling range; never at once, so that a peer that refuses us is not hammered.
 */
static int64_t backoff_ns(struct rand *rand, unsigned attempts)
{
    uint64_t range_ms = BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < attempts && range_ms < BACKOFF_MAX_MS; i++) {
        range_ms *= 2;
    }
    range_ms = range_ms < BACKOFF_MAX_MS ? range_ms : BACKOFF_MAX_MS;
    return (int64_t)(10 + rand_below(rand, range_ms)) * 1000000;
}

/* Under rpc->lock. The link is dead or leaving: a new one may be made, after the back-off. */
static void peer_forget_link(struct rpc_peer *peer, struct rpc_link *link, struct rand *rand)
{
    pthread_mutex_lock(&peer->lock);
    if (peer->link == link) {
        peer->link = NULL;
        peer->retry_at = rpc_clock() + backoff_ns(rand, peer->attempts++);
        rpc_link_unref(link);
    }
    pthread_mutex_unlock(&peer->lock);
}

/* Under rpc->lock: redials what somebody wants, frees what nobody holds. Returns the next time of
 * interest. */
static int64_t tick_peers(struct rpc *rpc, int64_t now, struct rand *rand)
{
    int64_t next = INT64_MAX;
    list_each(&rpc->peers, n)
    {
        struct rpc_peer *peer = list_entry(n, struct rpc_peer, node);
        bool has_links = false;
        list_each(&rpc->links, m)
        {
            has_links |= list_entry(m, struct rpc_stream, node)->base.peer == peer;
        }
        if (atomic_load(&peer->refs) == 0) {
            if (!has_links) {
                rpc_peer_free(peer);
            }
            continue; /* its links die in tick_links */
        }
        if (peer->link && atomic_load(&peer->link->draining)) {
            peer_forget_link(peer, peer->link, rand);
        }
        pthread_mutex_lock(&peer->lock);
        if (peer->wanted && !peer->link && !rpc->closing) {
            if (now >= peer->retry_at) {
                peer_dial(peer);
            } else if (peer->retry_at < next) {
                next = peer->retry_at;
            }
        }
        pthread_mutex_unlock(&peer->lock);
    }
    return next;
}

/* ---- links ---- */

struct turn {
    struct arena arena;
    VEC(struct rpc_stream *) live; /* counted */
    VEC(struct rpc_stream *) dead; /* the list's reference is ours */
};

/* Under rpc->lock. */
static void sort_links(struct rpc *rpc, struct turn *turn, struct rand *rand)
{
    list_each(&rpc->links, n)
    {
        struct rpc_stream *s = list_entry(n, struct rpc_stream, node);
        if (!atomic_load(&s->base.dead)) {
            rpc_link_ref(&s->base);
            vec_push(&turn->arena, &turn->live, s);
            continue;
        }
        list_remove(n);
        if (s->base.peer) {
            peer_forget_link(s->base.peer, &s->base, rand);
        } else {
            rpc->accepted--;
        }
        vec_push(&turn->arena, &turn->dead, s);
    }
}

/* Without locks. */
static int64_t tick_links(struct turn *turn, bool closing)
{
    int64_t next = INT64_MAX, now = rpc_clock();
    for (size_t i = 0; i < turn->dead.len; i++) {
        rpc_stream_take_down(turn->dead.ptr[i]);
    }
    for (size_t i = 0; i < turn->live.len; i++) {
        struct rpc_stream *s = turn->live.ptr[i];
        struct rpc_peer *peer = s->base.peer;
        if (closing || (peer && atomic_load(&peer->refs) == 0)) {
            rpc_stream_die(s, closing ? "closing" : "not needed any more");
        } else {
            int64_t at = rpc_stream_tick(s, now);
            next = at < next ? at : next;
        }
        rpc_link_unref(&s->base);
    }
    return next;
}

/* ---- the thread ---- */

static void wait_until(struct rpc *rpc, int64_t at)
{
    struct timespec ts = { .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };
    while (!rpc->kicked) {
        if (at == INT64_MAX) {
            pthread_cond_wait(&rpc->wake, &rpc->lock);
        } else if (pthread_cond_timedwait(&rpc->wake, &rpc->lock, &ts) != 0) {
            break;
        }
    }
}

static void *manager_main(void *arg)
{
    struct rpc *rpc = arg;
    struct turn turn = { 0 };
    struct rand rand;
    rand_seed_from_os(&rand);
    pthread_setname_np(pthread_self(), "rpc");
    pthread_mutex_lock(&rpc->lock);
    while (!rpc->closing || rpc->listener || list_first(&rpc->links)) {
        rpc->kicked = false;
        arena_reset(&turn.arena);
        turn.live.ptr = turn.dead.ptr = NULL;
        turn.live.len = turn.live.cap = turn.dead.len = turn.dead.cap = 0;
        sort_links(rpc, &turn, &rand);
        int64_t next = tick_peers(rpc, rpc_clock(), &rand);
        struct rpc_listener *listener = rpc->listener;
        bool closing = rpc->closing, listens = !closing && !rpc->draining;
        rpc->listener = listens ? listener : NULL;
        pthread_mutex_unlock(&rpc->lock);
        int64_t accept_next = INT64_MAX;
        if (listens && listener) {
            accept_next = rpc_listener_tick(listener, rpc_clock());
        } else {
            rpc_listener_free(listener);
        }
        int64_t link_next = tick_links(&turn, closing);
        pthread_mutex_lock(&rpc->lock);
        next = link_next < next ? link_next : next;
        next = accept_next < next ? accept_next : next;
        if (!rpc->closing || list_first(&rpc->links)) {
            wait_until(rpc, next);
        }
    }
    pthread_mutex_unlock(&rpc->lock);
    arena_deinit(&turn.arena);
    return NULL;
}

/* Threads made here, and nng's own, which start with its first use: signals are for the main
 * thread. */
static void block_signals(sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    check(pthread_sigmask(SIG_BLOCK, &all, old) == 0);
}

static void unblock_signals(const sigset_t *old)
{
    check(pthread_sigmask(SIG_SETMASK, old, NULL) == 0);
}

void rpc_manager_start(struct rpc *rpc)
{
    sigset_t old;
    block_signals(&old);
    check(pthread_create(&rpc->manager, NULL, manager_main, rpc) == 0);
    unblock_signals(&old);
}

void rpc_manager_stop(struct rpc *rpc)
{
    pthread_mutex_lock(&rpc->lock);
    rpc->closing = true;
    rpc->kicked = true;
    pthread_cond_signal(&rpc->wake);
    pthread_mutex_unlock(&rpc->lock);
    check(pthread_join(rpc->manager, NULL) == 0);
}

void rpc_drain(struct rpc *rpc)
{
    pthread_mutex_lock(&rpc->lock);
    rpc->draining = true; /* the manager closes the listener */
    rpc->kicked = true;
    pthread_cond_signal(&rpc->wake);
    list_each(&rpc->links, n)
    {
        struct rpc_stream *s = list_entry(n, struct rpc_stream, node);
        pthread_mutex_lock(&s->lock);
        if (!s->base.peer && s->state == RPC_UP) {
            rpc_stream_put_control(
                    s, &(struct rpc_frame){ .type = RPC_FRAME_GOAWAY, .text = STR("draining") });
        }
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&rpc->lock);
}

enum err rpc_listen(struct rpc *rpc, struct str url, uint16_t *port, struct fail *f)
{
    struct rpc_listener *listener;
    uint16_t bound;
    sigset_t old;
    block_signals(&old);
    enum err err = rpc_listener_new(rpc, url, &listener, &bound, f);
    unblock_signals(&old);
    if (err) {
        return err;
    }
    pthread_mutex_lock(&rpc->lock);
    check(!rpc->listener);
    rpc->listener = listener;
    pthread_mutex_unlock(&rpc->lock);
    *port = bound;
    return ERR_NONE;
}
