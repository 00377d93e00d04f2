/* What the rpc tests share: a caller and a callee, each with a lane of its own, joined by the link
 * under test; calls that remember how they ended; waiting for conditions. Plain programs, so that
 * they run under every sanitizer. */
#pragma once

#include <stdatomic.h>

#include "common/base/check.h"
#include "common/io/lane_uv.h"
#include "common/rpc/rpc.h"
#include "common/rpc/rpc_tls.h"

enum method {
    M_ECHO = 1,
    M_PARK,    /* until released, cancelled, or dead */
    M_LATE,    /* the same, without a gone() */
    M_RELEASE, /* answers everything that is parked with "released" */
    M_FAIL,    /* NOT_FOUND with a detail */
    M_BIG,     /* as many bytes as the key says */
    M_NOTE,    /* notify: adds the key to a sum */
    M_NOBODY,  /* routed, without a handler */
    M_NOTED,   /* the sum, in decimal */
    M_LAST = 20,
    M_UNROUTED = 30,
};

/* The callee's lane and what it saw. */
struct callee {
    struct lane *lane;
    struct rpc_lane *rl;
    struct list parked;
    atomic_int parked_count, gone_count, late_count;
    atomic_ulong noted;
};
/* On the lane. */
void callee_serve(struct callee *callee, struct rpc *rpc, struct lane *lane);

struct world {
    const char *kind;                    /* "tcp", "ipc", "local"; "tls": tcp with certificates */
    struct rpc *caller_rpc, *callee_rpc; /* the same for "local" */
    struct lane *lane;
    struct rpc_lane *rl;
    struct rpc_peer *peer;
    struct callee callee;
    char url[200];
    struct rpc_tls *caller_tls, *callee_tls;
    struct lane_hook hook;
    atomic_int turns; /* of the caller's lane that have ended and been flushed */
};

void world_open(struct world *w, const char *kind, const struct rpc_config *base);
/* The certificate of each side, by its file's name; NULL: plain. */
void world_open_tls(struct world *w, const struct rpc_config *base, const char *caller_cert,
        const char *callee_cert);
void world_close(struct world *w);

/* A caller alone, for callees in other processes. */
void world_open_caller(struct world *w, const struct rpc_config *base);
void world_peer(struct world *w, const char *url, struct uuid member);

/* Waits until what the caller's lane has sent so far was flushed. */
void turn_end(struct world *w);
void lane_run(struct lane *lane, void (*fn)(void *arg), void *arg); /* and wait */

struct test_call {
    struct rpc_call call;
    struct world *world;
    struct test_call *next;
    uint16_t method;
    uint64_t key;
    struct str body;
    struct duration timeout;
    /* how it ended */
    atomic_int ended; /* how often done() ran */
    enum rpc_result result;
    enum err err;
    char text[200], detail_type[60], detail[60];
    char *answer;
    size_t answer_len;
    bool in_rpc_call, was_inside; /* done() ran inside of rpc_call */
};
void call_start(struct world *w, struct test_call *c, uint16_t method, uint64_t key,
        struct str body, struct duration timeout);
/* n calls of one method in one turn of the lane. */
void calls_start(struct world *w, struct test_call *calls, int n, uint16_t method, struct str body,
        struct duration timeout);
void call_wait(struct test_call *c);
void calls_wait(struct test_call *calls, int n);
void call_cancel(struct test_call *c);
void call_free(struct test_call *c);

void pause_ms(int ms);
int64_t now_ms(void);
/* Waits until cond holds; a failure after 30 s (sanitizers on a busy machine). */
#define wait_for(cond)                         \
    do {                                       \
        int64_t until_ = now_ms() + 30000;     \
        while (!(cond)) {                      \
            check(now_ms() < until_ && #cond); \
            pause_ms(1);                       \
        }                                      \
    } while (0)

struct uuid uuid_of(uint8_t b);
