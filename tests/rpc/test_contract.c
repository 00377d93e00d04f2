/* What every link promises. Run once per kind: test_contract tcp|ipc|local. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/rpc/harness.h"

enum { MANY = 10000 };

static struct world w;
static struct test_call one;
static struct test_call many[MANY];
static const struct duration long_time = { 60000000000 };

static bool answered(const struct test_call *c, struct str text)
{
    return c->result == RPC_OK && str_eq(str_of(c->answer, c->answer_len), text);
}

static void test_echo(void)
{
    call_start(&w, &one, M_ECHO, 7, STR("hello"), long_time);
    call_wait(&one);
    check(answered(&one, STR("hello")));
    call_start(&w, &one, M_ECHO, 7, STR(""), (struct duration){ INT64_MAX });
    call_wait(&one);
    check(answered(&one, STR("")));
    calls_start(&w, many, MANY, M_ECHO, STR("one of many"), long_time);
    calls_wait(many, MANY);
    for (int i = 0; i < MANY; i++) {
        check(answered(&many[i], STR("one of many")));
    }
}

static void test_large(void)
{
    size_t sizes[] = { 60000, 65536, 70000, 1 << 20, 4 << 20 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *bytes = malloc(sizes[i]);
        check(bytes);
        for (size_t j = 0; j < sizes[i]; j++) {
            bytes[j] = (char)(j * 31 + i);
        }
        call_start(&w, &one, M_ECHO, i, str_of(bytes, sizes[i]), long_time);
        calls_start(&w, many, 50, M_ECHO, STR("small ones behind it"), long_time);
        call_wait(&one);
        check(answered(&one, str_of(bytes, sizes[i])));
        calls_wait(many, 50);
        check(answered(&many[49], STR("small ones behind it")));
        free(bytes);
    }
}

static void test_too_large(void)
{
    size_t n = 5 << 20;
    char *bytes = calloc(1, n);
    check(bytes);
    call_start(&w, &one, M_ECHO, 0, str_of(bytes, n), long_time);
    call_wait(&one);
    check(one.result == RPC_APP_ERROR && one.err == ERR_RESOURCE_EXHAUSTED);
    call_start(&w, &one, M_BIG, n, STR(""), long_time);
    call_wait(&one);
    check(one.result == RPC_APP_ERROR && one.err == ERR_RESOURCE_EXHAUSTED);
    call_start(&w, &one, M_BIG, 4 << 20, STR(""), long_time);
    call_wait(&one);
    check(one.result == RPC_OK && one.answer_len == 4 << 20);
    free(bytes);
}

static void test_errors(void)
{
    call_start(&w, &one, M_FAIL, 0, STR("unicorn"), long_time);
    call_wait(&one);
    check(one.result == RPC_APP_ERROR && one.err == ERR_NOT_FOUND);
    check(strcmp(one.text, "no such thing: unicorn") == 0);
    check(strcmp(one.detail_type, "NotFoundFailure") == 0);
    check(strcmp(one.detail, "\x01\x02\x03") == 0);
    call_start(&w, &one, M_NOBODY, 0, STR(""), long_time);
    call_wait(&one);
    check(one.result == RPC_APP_ERROR && one.err == ERR_UNIMPLEMENTED);
    call_start(&w, &one, M_UNROUTED, 0, STR(""), long_time);
    call_wait(&one);
    check(one.result == RPC_APP_ERROR && one.err == ERR_UNAVAILABLE);
}

static void test_cancel(void)
{
    int gone = atomic_load(&w.callee.gone_count);
    call_start(&w, &one, M_PARK, 0, STR(""), long_time);
    wait_for(atomic_load(&w.callee.parked_count) == 1);
    call_cancel(&one);
    wait_for(atomic_load(&w.callee.gone_count) == gone + 1);
    check(atomic_load(&w.callee.parked_count) == 0);
    check(atomic_load(&one.ended) == 0);
    /* Cancelled in the same turn as a refusal: no done() either. */
    call_start(&w, &one, M_ECHO, 0, STR("after"), long_time);
    call_wait(&one);
    check(answered(&one, STR("after")));
}

static void test_deadline(void)
{
    int gone = atomic_load(&w.callee.gone_count);
    int64_t began = now_ms();
    call_start(&w, &one, M_PARK, 0, STR(""), DURATION_MS(50));
    call_wait(&one);
    check(one.result == RPC_TIMEOUT && now_ms() - began >= 50);
    wait_for(atomic_load(&w.callee.gone_count) == gone + 1);
    call_start(&w, &one, M_ECHO, 0, STR(""), (struct duration){ 0 });
    call_wait(&one);
    check(one.result == RPC_TIMEOUT);
}

/* A handler without gone() answers a call that is dead: nothing happens, nothing is leaked. */
static void test_late_answer(void)
{
    int late = atomic_load(&w.callee.late_count);
    call_start(&w, &one, M_LATE, 0, STR(""), DURATION_MS(20));
    call_wait(&one);
    check(one.result == RPC_TIMEOUT);
    wait_for(atomic_load(&w.callee.late_count) == late + 1);
    call_start(&w, &one, M_RELEASE, 0, STR(""), long_time);
    call_wait(&one);
    check(one.result == RPC_OK && atomic_load(&w.callee.parked_count) == 0);
}

static void test_parked(void)
{
    calls_start(&w, many, MANY, M_PARK, STR("a poll"), long_time);
    wait_for(atomic_load(&w.callee.parked_count) == MANY);
    for (int i = 0; i < MANY; i++) {
        check(atomic_load(&many[i].ended) == 0);
    }
    call_start(&w, &one, M_RELEASE, 0, STR(""), long_time);
    calls_wait(many, MANY);
    call_wait(&one);
    for (int i = 0; i < MANY; i++) {
        check(answered(&many[i], STR("released")));
    }
}

static void do_notify(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; i <= 100; i++) {
        rpc_notify(w.rl, w.peer, M_NOTE, i, STR("note"));
    }
    rpc_notify(w.rl, w.peer, M_UNROUTED, 1, STR("note")); /* falls on the floor */
}

static void test_notify(void)
{
    lane_run(w.lane, do_notify, NULL);
    wait_for(atomic_load(&w.callee.noted) == 5050);
}

static void test_inbound_bound(const char *kind)
{
    struct rpc_config config = { .cluster_id = uuid_of(9), .inbound_max = 100 };
    world_open(&w, kind, &config);
    calls_start(&w, many, 150, M_PARK, STR(""), long_time);
    wait_for(atomic_load(&w.callee.parked_count) == 100);
    for (int i = 100; i < 150; i++) {
        call_wait(&many[i]);
        check(many[i].result == RPC_BUSY);
    }
    for (int i = 0; i < 100; i++) {
        call_cancel(&many[i]);
    }
    wait_for(atomic_load(&w.callee.gone_count) == 100);
    call_start(&w, &one, M_ECHO, 0, STR("room again"), long_time);
    call_wait(&one);
    check(answered(&one, STR("room again")));
    world_close(&w);
}

int main(int argc, char **argv)
{
    struct rpc_config config = { .cluster_id = uuid_of(9) };
    check(argc == 2);
    world_open(&w, argv[1], &config);
    test_echo();
    test_large();
    test_too_large();
    test_errors();
    test_cancel();
    test_deadline();
    test_late_answer();
    test_parked();
    test_notify();
    world_close(&w);
    test_inbound_bound(argv[1]);
    call_free(&one);
    for (int i = 0; i < MANY; i++) {
        call_free(&many[i]);
    }
    printf("%s: ok\n", argv[1]);
    return 0;
}
