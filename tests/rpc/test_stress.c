/* Links closed under traffic, from both sides, again and again: test_stress tcp|ipc <rounds>. Each
 * call ends exactly once, nothing hangs, nothing is leaked or touched after its end (under the
 * sanitizers). A caller sends in bursts while its links are lost in every way there is: the peer is
 * dropped, the caller closes, the callee closes. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/rpc/harness.h"

enum { CALLS = 400 };

static struct world w;
static struct test_call calls[CALLS];
static atomic_long ended, unknown, unsent;

static void again(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *fail)
{
    struct test_call *c = container_of(call, struct test_call, call);
    (void)body;
    (void)fail;
    atomic_fetch_add(&ended, 1);
    atomic_fetch_add(&unknown, result == RPC_UNKNOWN);
    atomic_fetch_add(&unsent, result == RPC_NOT_SENT);
    check(result == RPC_OK || result == RPC_UNKNOWN || result == RPC_NOT_SENT ||
            result == RPC_TIMEOUT || result == RPC_BUSY);
    if (result == RPC_OK) {
        rpc_call(w.rl, w.peer, c->method, c->key, c->body, c->timeout, call);
    } else {
        atomic_fetch_add(&c->ended, 1);
    }
}

static void start_idle(void *arg)
{
    (void)arg;
    for (int i = 0; i < CALLS; i++) {
        struct test_call *c = &calls[i];
        if (rpc_call_pending(&c->call)) {
            if (i % 7 == 0) {
                rpc_cancel(&c->call); /* some go this way */
            }
            continue;
        }
        static char bytes[20000];
        c->call.done = again;
        c->method = i % 5 == 0 ? M_PARK : M_ECHO;
        c->body = str_of(bytes, (size_t)(i * 50));
        c->timeout = DURATION_MS(5 + i);
        rpc_call(w.rl, w.peer, c->method, 0, c->body, c->timeout, &c->call);
    }
}

static void cancel_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < CALLS; i++) {
        rpc_cancel(&calls[i].call);
    }
}

static void round_of(const char *kind, int round)
{
    struct rpc_config config = { .cluster_id = uuid_of(9) };
    world_open(&w, kind, &config);
    for (int burst = 0; burst < 20; burst++) {
        lane_run(w.lane, start_idle, NULL);
        pause_ms(burst % 3);
        if (burst == 10 && round % 3 == 0) {
            rpc_close(w.callee_rpc);
        }
        if (burst == 15 && round % 3 == 1) {
            rpc_close(w.caller_rpc);
        }
    }
    lane_run(w.lane, cancel_all, NULL);
    world_close(&w);
}

int main(int argc, char **argv)
{
    check(argc == 3);
    int rounds = atoi(argv[2]);
    for (int i = 0; i < rounds; i++) {
        round_of(argv[1], i);
    }
    check(atomic_load(&unsent) > 0 && atomic_load(&ended) > rounds * CALLS);
    printf("%d rounds, %ld calls ended, %ld unknown, %ld unsent\n", rounds, atomic_load(&ended),
            atomic_load(&unknown), atomic_load(&unsent));
    return 0;
}
