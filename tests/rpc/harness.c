/* See harness.h. */
#include "tests/rpc/harness.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
    struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&ts, NULL);
}

struct uuid uuid_of(uint8_t b)
{
    struct uuid id;
    memset(id.b, b, sizeof(id.b));
    return id;
}

/* ---- running on a lane ---- */

struct errand {
    struct lane_task task;
    void (*fn)(void *arg);
    void *arg;
    sem_t done;
};

static void run_errand(struct lane_task *task)
{
    struct errand *e = container_of(task, struct errand, task);
    e->fn(e->arg);
    sem_post(&e->done);
}

void lane_run(struct lane *lane, void (*fn)(void *arg), void *arg)
{
    struct errand e = { .task.run = run_errand, .fn = fn, .arg = arg };
    sem_init(&e.done, 0, 0);
    lane_post(lane, &e.task);
    while (sem_wait(&e.done) != 0) {
    }
    sem_destroy(&e.done);
}

/* ---- the callee ---- */

struct parked {
    struct list_node node;
    struct rpc_in *in;
    struct callee *callee;
};

static void on_gone(struct rpc_in *in)
{
    struct parked *p = in->owner;
    list_remove(&p->node);
    atomic_fetch_sub(&p->callee->parked_count, 1);
    atomic_fetch_add(&p->callee->gone_count, 1);
    free(p);
}

static void serve_park(void *ctx, struct rpc_in *in, struct str body)
{
    struct callee *callee = ctx;
    struct parked *p = calloc(1, sizeof(*p));
    (void)body;
    check(p);
    p->in = in;
    p->callee = callee;
    if (in->method == M_PARK) {
        in->gone = on_gone;
    } else {
        atomic_fetch_add(&callee->late_count, 1);
    }
    in->owner = p;
    list_append(&callee->parked, &p->node);
    atomic_fetch_add(&callee->parked_count, 1);
}

static void serve_release(void *ctx, struct rpc_in *in, struct str body)
{
    struct callee *callee = ctx;
    struct list_node *n;
    (void)body;
    while ((n = list_pop(&callee->parked))) {
        struct parked *p = list_entry(n, struct parked, node);
        atomic_fetch_sub(&callee->parked_count, 1);
        rpc_reply(p->in, STR("released"));
        free(p);
    }
    rpc_reply(in, STR(""));
}

static void serve_echo(void *ctx, struct rpc_in *in, struct str body)
{
    (void)ctx;
    rpc_reply(in, body);
}

static void serve_fail(void *ctx, struct rpc_in *in, struct str body)
{
    struct fail f = { 0 };
    (void)ctx;
    (void)fail(&f, ERR_NOT_FOUND, "no such thing: " STR_FMT, STR_ARG(body));
    fail_set_detail(&f, STR("NotFoundFailure"), STR("\x01\x02\x03"));
    rpc_reply_fail(in, &f);
}

static void serve_big(void *ctx, struct rpc_in *in, struct str body)
{
    char *bytes = malloc(in->key + 1);
    (void)ctx;
    (void)body;
    check(bytes);
    memset(bytes, 'x', in->key);
    rpc_reply(in, str_of(bytes, in->key));
    free(bytes);
}

static void serve_note(void *ctx, struct uuid from, uint64_t key, struct str body)
{
    struct callee *callee = ctx;
    check(!uuid_is_zero(from) && str_eq(body, STR("note")));
    atomic_fetch_add(&callee->noted, key);
}

static void serve_noted(void *ctx, struct rpc_in *in, struct str body)
{
    struct callee *callee = ctx;
    char text[24];
    (void)body;
    int n = snprintf(text, sizeof(text), "%lu", atomic_load(&callee->noted));
    rpc_reply(in, str_of(text, (size_t)n));
}

static unsigned to_callee(void *ctx, uint64_t key)
{
    (void)ctx;
    (void)key;
    return 1;
}

void callee_serve(struct callee *callee, struct rpc *rpc, struct lane *lane)
{
    callee->rl = rpc_lane_new(rpc, lane);
    list_init(&callee->parked);
    rpc_serve(callee->rl, M_ECHO, serve_echo, callee);
    rpc_serve(callee->rl, M_PARK, serve_park, callee);
    rpc_serve(callee->rl, M_LATE, serve_park, callee);
    rpc_serve(callee->rl, M_RELEASE, serve_release, callee);
    rpc_serve(callee->rl, M_FAIL, serve_fail, callee);
    rpc_serve(callee->rl, M_BIG, serve_big, callee);
    rpc_serve_notify(callee->rl, M_NOTE, serve_note, callee);
    rpc_serve(callee->rl, M_NOTED, serve_noted, callee);
    rpc_route_methods(rpc, M_ECHO, M_LAST, to_callee, NULL);
}

/* ---- the world ---- */

static void count_turn(struct lane_hook *hook)
{
    struct world *w = container_of(hook, struct world, hook);
    atomic_fetch_add(&w->turns, 1);
}

static void start_caller(struct lane *lane, void *arg)
{
    struct world *w = arg;
    w->rl = rpc_lane_new(w->caller_rpc, lane);
    w->hook.run = count_turn;
    lane_on_turn_end(lane, &w->hook);
}

static void start_callee(struct lane *lane, void *arg)
{
    struct world *w = arg;
    callee_serve(&w->callee, w->callee_rpc, lane);
}

static void nothing(void *arg)
{
    (void)arg;
}

static struct rpc_tls *tls_from(const char *cert)
{
    const char *dir = getenv("RPC_TEST_CERTS");
    char ca_file[300], cert_file[300], key_file[300];
    struct rpc_tls *tls;
    struct fail f = { 0 };
    if (!cert) {
        return NULL;
    }
    check(dir);
    snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
    snprintf(cert_file, sizeof(cert_file), "%s/%s.pem", dir, cert);
    snprintf(key_file, sizeof(key_file), "%s/%s.key", dir, cert);
    struct rpc_tls_config config = { .ca_file = str_from_cstr(ca_file),
        .cert_file = str_from_cstr(cert_file),
        .key_file = str_from_cstr(key_file) };
    check(rpc_tls_new(&config, &tls, &f) == ERR_NONE);
    return tls;
}

static void open_caller(struct world *w, const struct rpc_config *base, const char *cert)
{
    struct rpc_config config = *base;
    *w = (struct world){ .kind = "caller", .caller_tls = tls_from(cert) };
    config.member_id = uuid_of(1);
    config.role = STR("caller");
    config.tls = w->caller_tls;
    w->caller_rpc = rpc_new(&config);
    w->lane = lane_new(0, "caller");
    lane_run_thread(w->lane, start_caller, w);
    lane_run(w->lane, nothing, NULL);
}

void turn_end(struct world *w)
{
    int turns = atomic_load(&w->turns);
    while (atomic_load(&w->turns) == turns) {
        lane_run(w->lane, nothing, NULL); /* there must be a turn to end */
    }
}

void world_open_caller(struct world *w, const struct rpc_config *base)
{
    open_caller(w, base, NULL);
}

void world_peer(struct world *w, const char *url, struct uuid member)
{
    snprintf(w->url, sizeof(w->url), "%s", url);
    w->peer = rpc_peer_get(w->caller_rpc, str_from_cstr(url), member);
}

static void listen_on(struct world *w)
{
    struct fail f = { 0 };
    uint16_t port = 0;
    char url[200];
    static atomic_int count;
    bool is_tcp = strcmp(w->kind, "ipc") != 0;
    if (is_tcp) {
        snprintf(url, sizeof(url), "tcp://127.0.0.1:0");
    } else {
        snprintf(url, sizeof(url), "ipc:///tmp/perdure-rpc-test.%d.%d", (int)getpid(),
                atomic_fetch_add(&count, 1));
    }
    check(rpc_listen(w->callee_rpc, str_from_cstr(url), &port, &f) == ERR_NONE);
    check(is_tcp == (port != 0));
    if (is_tcp) {
        snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", port);
    }
    world_peer(w, url, uuid_of(2));
}

static void open_callee(struct world *w, const char *kind, const struct rpc_config *base)
{
    struct rpc_config config = *base;
    w->kind = kind;
    bool is_local = strcmp(kind, "local") == 0;
    config.member_id = uuid_of(2);
    config.role = STR("callee");
    config.tls = w->callee_tls;
    w->callee_rpc = is_local ? w->caller_rpc : rpc_new(&config);
    w->callee.lane = lane_new(1, "callee");
    lane_run_thread(w->callee.lane, start_callee, w);
    lane_run(w->callee.lane, nothing, NULL);
    if (is_local) {
        w->peer = rpc_peer_ref(rpc_peer_local(w->caller_rpc));
    } else {
        listen_on(w);
    }
}

void world_open_tls(struct world *w, const struct rpc_config *base, const char *caller_cert,
        const char *callee_cert)
{
    open_caller(w, base, caller_cert);
    w->callee_tls = tls_from(callee_cert);
    open_callee(w, "tls", base);
}

void world_open(struct world *w, const char *kind, const struct rpc_config *base)
{
    if (strcmp(kind, "tls") == 0) {
        world_open_tls(w, base, "caller", "callee");
        return;
    }
    open_caller(w, base, NULL);
    open_callee(w, kind, base);
}

static void drop_parked(void *arg)
{
    struct callee *callee = arg;
    struct list_node *n;
    while ((n = list_pop(&callee->parked))) {
        free(list_entry(n, struct parked, node));
    }
}

void world_close(struct world *w)
{
    if (w->peer) {
        rpc_peer_put(w->peer);
    }
    rpc_close(w->caller_rpc);
    if (w->callee_rpc && w->callee_rpc != w->caller_rpc) {
        rpc_close(w->callee_rpc);
    }
    if (w->callee.lane) {
        lane_run(w->callee.lane, nothing, NULL); /* what the close posted */
        lane_run(w->callee.lane, drop_parked, &w->callee);
        lane_stop(w->callee.lane);
        lane_join(w->callee.lane);
    }
    lane_stop(w->lane);
    lane_join(w->lane);
    rpc_free(w->caller_rpc);
    if (w->callee_rpc && w->callee_rpc != w->caller_rpc) {
        rpc_free(w->callee_rpc);
    }
    rpc_tls_free(w->caller_tls);
    rpc_tls_free(w->callee_tls);
    lane_free(w->lane);
    if (w->callee.lane) {
        lane_free(w->callee.lane);
    }
    if (strncmp(w->url, "ipc://", 6) == 0) {
        unlink(w->url + 6);
    }
}

/* ---- calls ---- */

static void on_done(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *fail)
{
    struct test_call *c = container_of(call, struct test_call, call);
    check(!rpc_call_pending(call));
    check((result == RPC_APP_ERROR) == (fail != NULL));
    c->was_inside = c->in_rpc_call;
    c->result = result;
    free(c->answer);
    c->answer = malloc(body.len + 1);
    check(c->answer);
    if (body.len) {
        memcpy(c->answer, body.ptr, body.len);
    }
    c->answer_len = body.len;
    if (fail) {
        c->err = fail->err;
        snprintf(c->text, sizeof(c->text), "%.190s", fail->message);
        snprintf(c->detail_type, sizeof(c->detail_type), STR_FMT, STR_ARG(fail->detail_type));
        snprintf(c->detail, sizeof(c->detail), STR_FMT, STR_ARG(fail->detail));
    }
    atomic_fetch_add(&c->ended, 1);
}

static void do_call(void *arg)
{
    for (struct test_call *c = arg; c; c = c->next) {
        c->in_rpc_call = true;
        rpc_call(c->world->rl, c->world->peer, c->method, c->key, c->body, c->timeout, &c->call);
        c->in_rpc_call = false;
        check(rpc_call_pending(&c->call));
    }
}

static void call_prepare(struct test_call *c, struct world *w, uint16_t method, uint64_t key,
        struct str body, struct duration timeout)
{
    call_free(c);
    *c = (struct test_call){ .call.done = on_done,
        .world = w,
        .method = method,
        .key = key,
        .body = body,
        .timeout = timeout };
}

void call_start(struct world *w, struct test_call *c, uint16_t method, uint64_t key,
        struct str body, struct duration timeout)
{
    call_prepare(c, w, method, key, body, timeout);
    lane_run(w->lane, do_call, c);
}

void calls_start(struct world *w, struct test_call *calls, int n, uint16_t method, struct str body,
        struct duration timeout)
{
    for (int i = 0; i < n; i++) {
        call_prepare(&calls[i], w, method, (uint64_t)i, body, timeout);
        calls[i].next = i + 1 < n ? &calls[i + 1] : NULL;
    }
    lane_run(w->lane, do_call, calls);
}

void call_wait(struct test_call *c)
{
    wait_for(atomic_load(&c->ended) > 0);
    check(atomic_load(&c->ended) == 1 && !c->was_inside);
}

void calls_wait(struct test_call *calls, int n)
{
    for (int i = 0; i < n; i++) {
        call_wait(&calls[i]);
    }
}

static void do_cancel(void *arg)
{
    struct test_call *c = arg;
    rpc_cancel(&c->call);
    check(!rpc_call_pending(&c->call));
    rpc_cancel(&c->call); /* once more does nothing */
}

void call_cancel(struct test_call *c)
{
    lane_run(c->world->lane, do_cancel, c);
}

void call_free(struct test_call *c)
{
    free(c->answer);
    c->answer = NULL;
}
